//! What to change so that a trace names its repository and commit, for each CI system.

use super::{GIT_REF, GIT_REMOTE, Labels, Vendor};

/// How to give traces the git metadata that they lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// The label that is missing.
    pub label: &'static str,
    /// Why it is missing, mostly.
    pub cause: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// The lines to add, in the language of the system's configuration; `acme/api` stands for the repository.
    pub snippet: &'static str,
}

impl Labels {
    /// How to get the label that [`Labels::missing_git`] names; none where nothing is missing.
    #[must_use]
    pub fn advice(&self) -> Option<Advice> {
        self.missing_git().map(|label| Advice::of(self.ci.as_ref().map(|ci| ci.vendor), label))
    }
}

impl Advice {
    /// The advice for a label and a CI system, or for a person's machine.
    #[must_use]
    pub fn of(vendor: Option<Vendor>, label: &'static str) -> Self {
        let cause = match (vendor, label) {
            (Some(Vendor::TeamCity), _) => {
                "sources checked out by the server come without `.git`, which is where the CLI reads git metadata"
            }
            (Some(Vendor::Argo), _) => "Argo Workflows sets no variable that the CLI knows, and a step sees only the artifacts it asks for",
            (Some(Vendor::Jenkins | Vendor::Harness), GIT_REMOTE) => {
                "the CLI takes branch and commit from `GIT_BRANCH` and `GIT_COMMIT` here, but the remote only from `.git`"
            }
            (_, GIT_REF) => "the CLI ran where git has no commit: an empty repository, or a directory without `.git`",
            (_, _) => "the CLI ran outside a git checkout, or the checkout has no remote named `origin`",
        };
        let (fix, snippet) = match vendor {
            None => {
                ("run `dagger` inside the checkout, and name its remote `origin`", "git remote add origin https://github.com/acme/api.git")
            }
            Some(Vendor::GitHub) => (
                "check the repository out before `dagger` runs, and run it in that directory",
                "- uses: actions/checkout@v4\n- run: dagger check",
            ),
            Some(Vendor::GitLab) => {
                ("let the runner fetch the repository, and run `dagger` in `$CI_PROJECT_DIR`", "variables:\n  GIT_STRATEGY: fetch")
            }
            Some(Vendor::CircleCi) => ("add the `checkout` step before `dagger` runs", "steps:\n  - checkout\n  - run: dagger check"),
            Some(Vendor::Jenkins) => (
                "check out in the stage that runs `dagger`, or name the repository",
                "environment {\n  OTEL_RESOURCE_ATTRIBUTES = \"dagger.io/git.remote=github.com/acme/api,dagger.io/git.ref=${GIT_COMMIT}\"\n}",
            ),
            Some(Vendor::Argo) => (
                "name the repository and the commit in the step's environment",
                "env:\n  - name: OTEL_RESOURCE_ATTRIBUTES\n    value: \"argo.workflow.name={{workflow.name}},dagger.io/git.remote=github.com/acme/api,dagger.io/git.ref={{workflow.parameters.revision}}\"",
            ),
            Some(Vendor::Buildkite) => (
                "run `dagger` in the build's checkout (`mount-checkout` of the docker plugin), or name the repository",
                "env:\n  OTEL_RESOURCE_ATTRIBUTES: \"dagger.io/git.remote=github.com/acme/api,dagger.io/git.ref=$BUILDKITE_COMMIT\"",
            ),
            Some(Vendor::Azure) => (
                "check the repository out in the job, or name it",
                "steps:\n  - checkout: self\n  - script: dagger check\n    env:\n      OTEL_RESOURCE_ATTRIBUTES: dagger.io/git.remote=github.com/acme/api,dagger.io/git.ref=$(Build.SourceVersion)",
            ),
            Some(Vendor::TeamCity) => (
                "let the agent check the sources out (VCS checkout mode), or name the repository in a parameter",
                "env.OTEL_RESOURCE_ATTRIBUTES = dagger.io/git.remote=github.com/acme/api,dagger.io/git.ref=%build.vcs.number%",
            ),
            Some(Vendor::Harness) => (
                "clone the codebase in the stage that runs `dagger`, or name the repository",
                "envVariables:\n  OTEL_RESOURCE_ATTRIBUTES: dagger.io/git.remote=github.com/acme/api,dagger.io/git.ref=<+codebase.commitSha>",
            ),
            Some(Vendor::Other) => (
                "run `dagger` inside the checkout, or name the repository and the commit",
                "export OTEL_RESOURCE_ATTRIBUTES=\"dagger.io/git.remote=github.com/acme/api,dagger.io/git.ref=$(git rev-parse HEAD)\"",
            ),
        };
        Self { label, cause, fix, snippet }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::SpanBuilder;

    #[test]
    fn every_system_has_advice_of_its_own() {
        let of = |label| Vendor::ALL.into_iter().map(Some).chain([None]).map(move |vendor| Advice::of(vendor, label));
        for label in [GIT_REMOTE, GIT_REF] {
            assert!(of(label).all(|advice| advice.label == label));
        }
        let mut snippets: Vec<&str> = of(GIT_REMOTE).map(|advice| advice.snippet).collect();
        snippets.sort_unstable();
        snippets.dedup();
        assert_eq!(snippets.len(), Vendor::ALL.len() + 1);
    }

    /// What a snippet sets must be what is read here: a misspelt label would change nothing.
    #[test]
    fn what_the_snippets_set_is_recognised() {
        for vendor in [Vendor::Jenkins, Vendor::Argo, Vendor::Buildkite, Vendor::Azure, Vendor::TeamCity, Vendor::Harness, Vendor::Other] {
            let snippet = Advice::of(Some(vendor), GIT_REMOTE).snippet;
            let line = snippet.lines().find(|line| line.contains("dagger.io/")).expect(snippet);
            let start = line.find("argo.workflow").or_else(|| line.find("dagger.io/")).expect("just found");
            let pairs: Vec<(&str, &str)> = line[start..].trim_matches('"').split(',').filter_map(|pair| pair.split_once('=')).collect();
            let labels = Labels::of(&SpanBuilder::new(1).of_cli(&pairs).build().resource).expect("labels");
            assert_eq!((labels.missing_git(), labels.advice()), (None, None), "{snippet}");
            assert_eq!(labels.ci.is_some_and(|ci| ci.vendor == Vendor::Argo), vendor == Vendor::Argo);
        }
    }

    #[test]
    fn a_trace_names_what_it_lacks() {
        let labels = |pairs: &[(&str, &str)]| Labels::of(&SpanBuilder::new(1).of_cli(pairs).build().resource).expect("labels");
        assert_eq!(labels(&[]).advice(), Some(Advice::of(None, GIT_REMOTE)));
        assert_eq!(
            labels(&[("dagger.io/ci.vendor", "Jenkins"), (GIT_REMOTE, "github.com/acme/api")]).advice(),
            Some(Advice::of(Some(Vendor::Jenkins), GIT_REF))
        );
        assert_eq!(labels(&[(GIT_REMOTE, "github.com/acme/api"), (GIT_REF, "abc")]).advice(), None);
    }
}
