//! How to send traces here: ready-made snippets for a laptop and for CI systems.

use askama::Template;

use crate::page::advice::{Step, step};

/// What every sender sets so that a batch of spans fits one request: the CLI does not compress unless told to.
const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";

/// Fetches what installs the CLI (<https://docs.dagger.io/getting-started/installation>); what follows says where to.
const INSTALLER: &str = "curl -fsSL https://dl.dagger.io/dagger/install.sh |";

/// The page with the snippets.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "trace/setup.html")]
pub struct SetupPage {
    /// The heading.
    pub title: String,
    /// What is to be known before.
    pub steps: Vec<Step>,
    /// Where tokens are made on the pages; none where the org is not known.
    pub tokens_href: Option<String>,
    /// Makes a token; prints it once.
    pub token_command: String,
    /// One for each place.
    pub snippets: Vec<Snippet>,
    /// Whether this is shown in place of a list without traces.
    pub is_empty_list: bool,
    /// The list of traces, where the org is known.
    pub traces_href: Option<String>,
    /// Where traces may be that are older than those that were looked for.
    pub older_href: Option<String>,
}

/// What to do in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// Id in the page.
    pub id: &'static str,
    /// The place.
    pub name: &'static str,
    /// Where its secret goes, and what else is to be done.
    pub steps: Vec<Step>,
    /// Into which file it goes.
    pub file: &'static str,
    /// The text to copy.
    pub code: String,
}

impl SetupPage {
    /// Makes the page for an org, or for whoever has none yet.
    #[must_use]
    pub fn new(public_url: &str, org: Option<&str>, traces_href: Option<String>, is_empty_list: bool) -> Self {
        let url = public_url.trim_end_matches('/');
        let name = org.unwrap_or("ORG");
        let mut steps = vec![
            step(&format!(
                "Any `dagger` command that finds `DAGGER_CLOUD_URL`, `DAGGER_CLOUD_TOKEN` and `{COMPRESSION}` sends its trace here while it runs. Nothing else is needed, and a run never waits for it."
            )),
            step(&format!("`{COMPRESSION}=gzip` matters: without it a large batch may not fit into one request.")),
        ];
        if is_loopback(url) {
            steps.push(step(&format!(
                "`{url}` is reached from this machine only. For CI, set `QUILLON_PUBLIC_URL` to an address that its machines reach, and start again."
            )));
        }
        Self {
            title: if is_empty_list { "No traces yet".to_owned() } else { "Send traces here".to_owned() },
            steps,
            tokens_href: org.map(|org| format!("/{org}/settings?tab=Tokens")),
            token_command: format!("quillon admin token create --org {name} --name ci --scope telemetry:write"),
            snippets: snippets(url, name),
            is_empty_list,
            traces_href,
            older_href: None,
        }
    }
}

fn is_loopback(url: &str) -> bool {
    use url::Host;
    url::Url::parse(url).ok().is_some_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// Ready-made snippets for each place.
pub(crate) fn snippets(url: &str, org: &str) -> Vec<Snippet> {
    let snippet = |id, name, file, steps: &[&str], code: String| Snippet {
        id,
        name,
        file,
        steps: steps.iter().map(|text| step(text)).collect(),
        code,
    };
    vec![
        snippet(
            "laptop",
            "Your machine",
            "shell",
            &[
                "In the shell, or in its profile to keep it.",
                &format!(
                    "With `quillon login --server {url} {org}` the CLI acts as you, and needs the address alone: leave the token out."
                ),
                "Traces are of the git repository that you are in. The second scope is for `dagger trace` and `dagger cloud logs`, which read them back.",
            ],
            format!(
                "export DAGGER_CLOUD_URL={url}\n\
                 export DAGGER_CLOUD_TOKEN=$(quillon admin token create --org {org} --name laptop --scope telemetry:write --scope checks:read)\n\
                 export {COMPRESSION}=gzip\n\
                 dagger call --help\n"
            ),
        ),
        snippet(
            "github",
            "GitHub Actions",
            ".github/workflows/dagger.yml",
            &[
                "In the repository: Settings, Secrets and variables, Actions, New repository secret, named `DAGGER_CLOUD_TOKEN`.",
                "Workflows of pull requests from forks do not get it, and send no trace.",
                "Without a secret, where the repository is one of the organization's: say `DAGGER_CLOUD_TOKEN: oidc`, and give the job the permissions `contents: read` and `id-token: write`.",
            ],
            format!(
                "name: dagger\n\
                 on: [push, pull_request]\n\
                 jobs:\n  \
                   dagger:\n    \
                     runs-on: ubuntu-latest\n    \
                     env:\n      \
                       DAGGER_CLOUD_URL: {url}\n      \
                       DAGGER_CLOUD_TOKEN: ${{{{ secrets.DAGGER_CLOUD_TOKEN }}}}\n      \
                       {COMPRESSION}: gzip\n    \
                     steps:\n      \
                       - uses: actions/checkout@v4\n      \
                       - run: {INSTALLER} BIN_DIR=/usr/local/bin sudo -E sh\n      \
                       - run: dagger check\n"
            ),
        ),
        snippet(
            "gitlab",
            "GitLab CI",
            ".gitlab-ci.yml",
            &[
                "In the project: Settings, CI/CD, Variables, Add variable, key `DAGGER_CLOUD_TOKEN`, with \"Mask variable\" on. The job finds it in its environment.",
                "With \"Protect variable\" on, only protected branches send traces.",
                "The engine runs in containers: this is for a runner that allows privileged ones.",
            ],
            format!(
                "dagger:\n  \
                   image: docker:latest\n  \
                   services:\n    \
                     - docker:dind\n  \
                   variables:\n    \
                     DOCKER_HOST: tcp://docker:2376\n    \
                     DOCKER_TLS_VERIFY: \"1\"\n    \
                     DOCKER_TLS_CERTDIR: /certs\n    \
                     DOCKER_CERT_PATH: /certs/client\n    \
                     DAGGER_CLOUD_URL: {url}\n    \
                     {COMPRESSION}: gzip\n    \
                     # DAGGER_CLOUD_TOKEN: from Settings > CI/CD > Variables\n  \
                   before_script:\n    \
                     - apk add curl git\n    \
                     - {INSTALLER} BIN_DIR=/usr/local/bin sh\n  \
                   script:\n    \
                     - dagger check\n"
            ),
        ),
        snippet(
            "circleci",
            "CircleCI",
            ".circleci/config.yml",
            &[
                "In the project: Project Settings, Environment Variables, Add Environment Variable, named `DAGGER_CLOUD_TOKEN`. The job finds it in its environment.",
                "The pipeline's number is no variable of its own accord, so it is passed on here.",
            ],
            format!(
                "version: 2.1\n\
                 jobs:\n  \
                   dagger:\n    \
                     machine:\n      \
                       image: ubuntu-2404:current\n    \
                     environment:\n      \
                       DAGGER_CLOUD_URL: {url}\n      \
                       # DAGGER_CLOUD_TOKEN: from Project Settings > Environment Variables\n      \
                       {COMPRESSION}: gzip\n      \
                       CIRCLE_PIPELINE_NUMBER: << pipeline.number >>\n    \
                     steps:\n      \
                       - checkout\n      \
                       - run: {INSTALLER} BIN_DIR=/usr/local/bin sudo -E sh\n      \
                       - run: dagger check\n\
                 workflows:\n  \
                   dagger:\n    \
                     jobs: [dagger]\n"
            ),
        ),
        snippet(
            "jenkins",
            "Jenkins",
            "Jenkinsfile",
            &[
                "Manage Jenkins, Credentials, Add Credentials, kind \"Secret text\", with the id `DAGGER_CLOUD_TOKEN`.",
                "The agent needs a container runtime.",
            ],
            format!(
                "pipeline {{\n  \
                   agent any\n  \
                   environment {{\n    \
                     DAGGER_CLOUD_URL = '{url}'\n    \
                     DAGGER_CLOUD_TOKEN = credentials('DAGGER_CLOUD_TOKEN')\n    \
                     {COMPRESSION} = 'gzip'\n  \
                   }}\n  \
                   stages {{\n    \
                     stage('dagger') {{\n      \
                       steps {{\n        \
                         sh '{INSTALLER} BIN_DIR=$HOME/.local/bin sh'\n        \
                         sh '$HOME/.local/bin/dagger check'\n      \
                       }}\n    \
                     }}\n  \
                   }}\n\
                 }}\n"
            ),
        ),
        snippet(
            "argo",
            "Argo Workflows",
            "workflow.yaml",
            &[
                "Store the token: `kubectl create secret generic dagger-cloud --from-literal=token=TOKEN`.",
                "Dagger does not recognise Argo by itself: the last two variables say what it is and which workflow.",
                "A template of the workflow; the engine and the sources come into it as Dagger's own documentation of Argo Workflows says.",
            ],
            format!(
                "    - name: dagger\n      \
                       container:\n        \
                         image: alpine\n        \
                         command: [sh, -c]\n        \
                         args:\n          \
                           - apk add curl git && {INSTALLER} BIN_DIR=/usr/local/bin sh && dagger check\n        \
                         env:\n          \
                           - name: DAGGER_CLOUD_URL\n            \
                             value: {url}\n          \
                           - name: DAGGER_CLOUD_TOKEN\n            \
                             valueFrom:\n              \
                               secretKeyRef:\n                \
                                 name: dagger-cloud\n                \
                                 key: token\n          \
                           - name: {COMPRESSION}\n            \
                             value: gzip\n          \
                           - name: CI\n            \
                             value: \"true\"\n          \
                           - name: OTEL_RESOURCE_ATTRIBUTES\n            \
                             value: argo.workflow.name={{{{workflow.name}}}},argo.workflow.namespace={{{{workflow.namespace}}}}\n"
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_names_the_address_the_token_and_the_compression() {
        let page = SetupPage::new("https://ci.example.com/", Some("acme"), None, false);
        assert_eq!(page.snippets.len(), 6);
        for snippet in &page.snippets {
            for needed in ["https://ci.example.com", "DAGGER_CLOUD_URL", "DAGGER_CLOUD_TOKEN", "OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"] {
                assert!(snippet.code.contains(needed), "{} lacks {needed}", snippet.name);
            }
            assert_eq!(
                snippet.code.contains("install.sh | BIN_DIR="),
                snippet.id != "laptop",
                "{}: whether it installs the CLI",
                snippet.name
            );
            assert!(!snippet.code.contains("dag_") && !snippet.code.contains("{{{"), "{}", snippet.code);
        }
        let argo = page.snippets.iter().find(|snippet| snippet.id == "argo").expect("a snippet");
        assert!(argo.code.contains("argo.workflow.name={{workflow.name}}"));
    }

    #[test]
    fn snippets_of_ci_are_whole_files() {
        let page = SetupPage::new("https://ci.example.com/", Some("acme"), None, false);
        let code = |id| page.snippets.iter().find(|snippet| snippet.id == id).map(|snippet| snippet.code.as_str()).expect("a snippet");
        assert!(code("github").starts_with("name: dagger\non: [push, pull_request]\njobs:\n  dagger:\n    runs-on:"));
        assert!(
            code("circleci").starts_with("version: 2.1\njobs:\n")
                && code("circleci").ends_with("workflows:\n  dagger:\n    jobs: [dagger]\n")
        );
        assert!(code("gitlab").starts_with("dagger:\n  image: docker:latest\n"));
        assert!(code("jenkins").starts_with("pipeline {\n") && code("jenkins").ends_with("}\n"));
    }

    #[test]
    fn an_address_that_ci_does_not_reach_is_named() {
        let warns = |url| SetupPage::new(url, None, None, false).steps.len() == 3;
        assert!(warns("http://127.0.0.1:8800") && warns("http://localhost:8800") && warns("http://[::1]:8800"));
        assert!(!warns("https://ci.example.com"));
    }
}
