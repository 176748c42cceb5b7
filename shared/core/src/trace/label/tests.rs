//! Labels as the CLI sends them from each CI, and what is advised where they are missing.

use super::*;
use crate::trace::fixture::SpanBuilder;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::of(&SpanBuilder::new(1).of_cli(pairs).build().resource).expect("labels of the CLI")
}

#[test]
fn only_the_cli_carries_labels() {
    let engine = SpanBuilder::new(1).of_resource(&[("service.name", "dagger-engine"), (GIT_REMOTE, "github.com/acme/api")]).build();
    assert_eq!(Labels::of(&engine.resource), None);
}

#[test]
fn a_pull_request_of_github_actions() {
    let labels = labels(&[
        ("dagger.io/ci", "true"),
        ("dagger.io/ci.vendor", "GitHub"),
        ("dagger.io/ci.provider", "Depot"),
        (GIT_REMOTE, "github.com/Acme/api"),
        (GIT_REF, "0123456789abcdef0123456789abcdef01234567"),
        ("dagger.io/git.branch", "fix"),
        ("dagger.io/git.title", "fix: it\n\nbody"),
        ("dagger.io/git.author.name", "Ada"),
        ("dagger.io/vcs.event.type", "pull_request"),
        ("dagger.io/vcs.job.name", "test"),
        ("dagger.io/vcs.workflow.name", "ci"),
        ("dagger.io/vcs.triggerer.login", "ada"),
        ("dagger.io/vcs.repo.url", "https://github.com/Acme/api"),
        ("dagger.io/vcs.change.number", "42"),
        ("dagger.io/vcs.change.title", "Fix it"),
        ("dagger.io/vcs.change.url", "https://github.com/Acme/api/pull/42"),
        ("dagger.io/vcs.change.branch", "fix"),
        ("dagger.io/client.version", "v0.21.0"),
        ("dagger.io/client.os", "linux"),
        ("dagger.io/client.arch", "arm64"),
        ("dagger.io/client.machine_id", "m1"),
    ]);
    let some = |text: &str| Some(text.to_owned());
    let expected = Labels {
        ci: Some(Ci {
            vendor: Vendor::GitHub,
            provider: some("Depot"),
            job: some("test"),
            workflow: some("ci"),
            event: some("pull_request"),
            url: None,
        }),
        git_remote: "github.com/Acme/api".parse().ok(),
        git_ref: some("0123456789abcdef0123456789abcdef01234567"),
        branch: some("fix"),
        tag: None,
        title: some("fix: it"),
        author: some("Ada"),
        pull: Some(Pull {
            number: PullNumber(42),
            title: some("Fix it"),
            url: some("https://github.com/Acme/api/pull/42"),
            branch: some("fix"),
        }),
        user: some("ada"),
        machine: some("m1"),
        version: some("v0.21.0"),
        os: some("linux"),
        arch: some("arm64"),
    };
    assert_eq!(labels, expected);
    assert_eq!(labels.missing_git(), None);
}

#[test]
fn each_ci_is_recognised_by_its_label() {
    let vendor = |pairs: &[(&str, &str)]| labels(pairs).ci.map(|ci| ci.vendor);
    for (label, expected) in [
        ("GitHub", Vendor::GitHub),
        ("GitLab", Vendor::GitLab),
        ("CircleCI", Vendor::CircleCi),
        ("Jenkins", Vendor::Jenkins),
        ("Harness", Vendor::Harness),
        ("Buildkite", Vendor::Buildkite),
        ("TeamCity", Vendor::TeamCity),
        ("Azure", Vendor::Azure),
        ("Woodpecker", Vendor::Other),
    ] {
        assert_eq!(vendor(&[("dagger.io/ci", "true"), ("dagger.io/ci.vendor", label)]), Some(expected), "{label}");
    }
    let argo = labels(&[("dagger.io/ci", "false"), ("argo.workflow.name", "ci-x7")]).ci.expect("Argo");
    assert_eq!((argo.vendor, argo.workflow.as_deref()), (Vendor::Argo, Some("ci-x7")));
    assert_eq!(vendor(&[("dagger.io/ci", "true")]), Some(Vendor::Other));
    assert_eq!(vendor(&[("dagger.io/ci", "false")]), None);
}

#[test]
fn gitlab_jobs_have_a_page_and_circle_counts_pipelines() {
    let gitlab = [
        ("dagger.io/ci.vendor", "GitLab"),
        ("dagger.io/vcs.repo.url", "https://gitlab.example/acme/api"),
        ("gitlab.com/job.id", "9"),
        ("dagger.io/vcs.change.number", "3"),
        ("dagger.io/vcs.change.head_sha", "abc"),
        ("dagger.io/vcs.change.branch", "fix"),
        ("gitlab.com/triggerer.name", "Ada"),
    ];
    let said = labels(&gitlab);
    assert_eq!(said.ci.and_then(|ci| ci.url).as_deref(), Some("https://gitlab.example/acme/api/-/jobs/9"));
    assert_eq!(said.pull.map(|pull| pull.number), Some(PullNumber(3)));
    assert_eq!((said.git_ref.as_deref(), said.branch.as_deref(), said.user.as_deref()), (Some("abc"), Some("fix"), Some("Ada")));
    assert_eq!(said.git_remote.map(|remote| remote.to_string()).as_deref(), Some("gitlab.example/acme/api"));

    let circle = |url: &[(&str, &str)]| {
        let pairs = [&[("dagger.io/ci.vendor", "CircleCI"), ("dagger.io/vcs.change.number", "771")][..], url].concat();
        labels(&pairs).pull.map(|pull| pull.number.0)
    };
    assert_eq!(circle(&[]), None);
    assert_eq!(circle(&[("dagger.io/vcs.change.url", "https://github.com/acme/api/pull/42/")]), Some(42));
}

#[test]
fn the_missing_label_is_named() {
    assert_eq!(labels(&[]).missing_git(), Some(GIT_REMOTE));
    assert_eq!(labels(&[(GIT_REF, "abc")]).missing_git(), Some(GIT_REMOTE));
    assert_eq!(labels(&[(GIT_REMOTE, "github.com/acme/api")]).missing_git(), Some(GIT_REF));
    assert_eq!(labels(&[(GIT_REMOTE, "../../etc"), (GIT_REF, "abc")]).missing_git(), Some(GIT_REMOTE));
}

#[test]
fn hostile_texts_are_short_and_lead_nowhere() {
    let long = "x".repeat(10_000);
    let labels = labels(&[
        ("dagger.io/git.title", &format!("\u{1b}[31m{long}")),
        ("dagger.io/git.branch", "a\u{0}b"),
        ("dagger.io/vcs.change.number", "42"),
        ("dagger.io/vcs.change.url", "javascript:alert(1)"),
        ("cicd.pipeline.run.url.full", "https://x/\" onload=\"y"),
        ("dagger.io/ci.vendor", "GitLab"),
        ("dagger.io/vcs.repo.url", "https://gitlab.example/a/b"),
        ("gitlab.com/job.id", "../1"),
    ]);
    assert_eq!(labels.title.map(|title| title.chars().count()), Some(MAX_TEXT));
    assert_eq!(labels.branch.as_deref(), Some("a b"));
    assert_eq!(labels.pull.map(|pull| (pull.number.0, pull.url)), Some((42, None)));
    assert_eq!(labels.ci.and_then(|ci| ci.url), None);
}

#[test]
fn remotes_are_the_same_however_they_are_written() {
    for text in [
        "github.com/Acme/api",
        "https://github.com/Acme/api.git",
        "https://user:token@github.com:443/Acme/api/",
        "git@github.com:Acme/api.git",
        "ssh://git@github.com:22/Acme/api",
    ] {
        assert_eq!(text.parse::<Remote>().map(|remote| remote.to_string()), Ok("github.com/Acme/api".to_owned()), "{text}");
    }
    let remote: Remote = "gitlab.example/Group/Sub/api".parse().expect("a remote");
    assert_eq!(
        (remote.host(), remote.path(), remote.folded().as_str()),
        ("gitlab.example", "Group/Sub/api", "gitlab.example/group/sub/api")
    );
    for text in
        ["", "api", "/srv/git/api", "host/", "host/a/../b", "host/a b", "host/a#b", "host/<x>", &format!("host/{}", "x".repeat(300))]
    {
        assert!(text.parse::<Remote>().is_err(), "{text}");
    }
}
