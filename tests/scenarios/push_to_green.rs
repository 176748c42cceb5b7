//! From a push to its statuses: green, red, several modules, many checks, nothing to run.

use quillon_core::run::{Phase, RunState};
use quillon_tests::{Behaviour, World};

#[tokio::test]
async fn a_push_becomes_green() {
    let mut world = World::new().await;
    world.module_has(&["app:lint", "app:test"]);
    let sha = world.push("main").await;
    world.settle().await;
    world.expect_statuses(
        &sha,
        &["quillon: success", "quillon/app/lint: success", "quillon/app/load: success", "quillon/app/test: success"],
    );
    assert_eq!(world.description(&sha, "quillon"), "2 succeeded");
    world.expect_monotonous(&sha).await;
    world.finish().await;
}

#[tokio::test]
async fn every_context_is_pending_before_it_is_final() {
    let mut world = World::new().await;
    let sha = world.push("main").await;
    world.settle().await;
    let history = world.forge.statuses(world.repository.id, sha.as_str()).expect("statuses");
    for context in ["quillon", "quillon/app/load", "quillon/app/lint"] {
        let states: Vec<&str> = history.iter().filter(|status| status.context == context).map(|status| status.state.as_str()).collect();
        assert_eq!(states, ["pending", "success"], "{context}");
    }
    assert_eq!(history.first().map(|status| status.context.as_str()), Some("quillon"), "the aggregate goes first");
    assert_eq!(history.last().map(|status| status.context.as_str()), Some("quillon"), "and last");
    world.finish().await;
}

#[tokio::test]
async fn a_failing_check_is_red_and_says_how() {
    let mut world = World::new().await;
    world.module_has(&["app:lint", "app:test"]);
    world.check("test", Behaviour::Fails(3));
    let sha = world.push("main").await;
    world.settle().await;
    world.expect_status(&sha, "quillon", "failure");
    world.expect_status(&sha, "quillon/app/lint", "success");
    world.expect_status(&sha, "quillon/app/test", "failure");
    assert_eq!(world.description(&sha, "quillon/app/test"), "failed in 0ms (exit code 3)");
    assert_eq!(world.description(&sha, "quillon"), "1 failed, 1 succeeded");
    world.finish().await;
}

#[tokio::test]
async fn a_module_that_does_not_load_is_red_and_its_load_can_be_rerun() {
    let mut world = World::new().await;
    world.agent.load_behaves(".", Behaviour::Fails(1));
    let sha = world.push("main").await;
    world.settle().await;
    world.expect_statuses(&sha, &["quillon: failure", "quillon/app/load: failure"]);
    assert_eq!(world.description(&sha, "quillon"), "a module did not load");

    world.agent.load_behaves(".", Behaviour::Passes);
    let (load, _) = world.attempt(&sha, "load").await;
    world.rerun_load(load).await;
    world.settle().await;
    world.expect_statuses(&sha, &["quillon: success", "quillon/app/lint: success", "quillon/app/load: success"]);
    assert_eq!(world.check_phase(&sha, "load").await, (Phase::Success, 2));
    world.expect_monotonous(&sha).await;
    world.finish().await;
}

#[tokio::test]
async fn two_modules_have_a_load_gate_each() {
    let mut world = World::new().await;
    world.agent.module_has("services/api", &["api:lint"]);
    world.agent.load_behaves("services/api", Behaviour::Fails(1));
    let sha = world.push_modules("main", &["dagger.json", "services/api/dagger.json"]).await;
    world.settle().await;
    world.expect_statuses(
        &sha,
        &["quillon: failure", "quillon/app/lint: success", "quillon/app/load: success", "quillon/services/api/load: failure"],
    );
    world.finish().await;
}

#[tokio::test]
async fn a_commit_without_a_module_gets_no_status_and_says_why() {
    let mut world = World::new().await;
    let sha = world.push_modules("main", &["README.md"]).await;
    world.settle().await;
    world.expect_statuses(&sha, &[]);
    world.expect_run(&sha, |state| *state == RunState::NoModule).await;
    world.finish().await;
}

#[tokio::test]
async fn more_modules_than_are_run_is_a_visible_error() {
    let mut world = World::new().await;
    let manifests: Vec<String> = (0..33).map(|number| format!("m{number}/dagger.json")).collect();
    let sha = world.push_modules("main", &manifests.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.settle().await;
    world.expect_statuses(&sha, &["quillon: error"]);
    assert_eq!(world.description(&sha, "quillon"), "33 modules in this commit, at most 32 are run");
    world.finish().await;
}

#[tokio::test]
async fn a_commit_with_256_checks_is_reported_whole() {
    let mut world = World::new().await;
    let names: Vec<String> = (0..256).map(|number| format!("app:check-{number:03}")).collect();
    world.module_has(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.check("check-077", Behaviour::Fails(1));
    let sha = world.push("main").await;
    world.settle().await;
    let statuses = world.statuses(&sha);
    assert_eq!(statuses.len(), 258, "256 checks, the load and the aggregate");
    world.expect_status(&sha, "quillon/app/check-077", "failure");
    world.expect_status(&sha, "quillon", "failure");
    assert_eq!(world.description(&sha, "quillon"), "1 failed, 255 succeeded");
    // No pendings of single checks on a commit with so many contexts.
    let history = world.forge.statuses(world.repository.id, sha.as_str()).expect("statuses");
    assert_eq!(history.iter().filter(|status| status.context == "quillon/app/check-000").count(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_tag_runs_as_it_is_and_shares_the_run_of_the_default_branch() {
    let mut world = World::new().await;
    let sha = world.push("main").await;
    world.settle().await;
    world.forge.push_tag(world.repository.id, "v1", sha.as_str()).await.expect("a tag");
    world.settle().await;
    let stored = world.stored(&sha).await;
    assert_eq!(stored.runs.len(), 1);
    assert_eq!(stored.runs[0].refs.len(), 2);
    assert_eq!(stored.attempts.len(), 2, "the load and one check, once");
    world.finish().await;
}
