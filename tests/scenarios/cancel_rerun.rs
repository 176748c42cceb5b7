//! Reruns and cancellations by people, through the API that the stock CLI uses.

use quillon_core::run::Phase;
use quillon_tests::{Behaviour, Setup, World};

#[tokio::test]
async fn one_check_is_rerun_and_attempts_are_kept() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Fails(1));
    let sha = world.push("main").await;
    world.settle().await;
    world.check("lint", Behaviour::Passes);
    world.rerun(&sha, "lint").await;
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    assert_eq!(world.check_phase(&sha, "lint").await, (Phase::Success, 2));
    let stored = world.stored(&sha).await;
    assert_eq!(stored.attempts.iter().filter(|attempt| attempt.key.task.label() == "app:lint").count(), 2);
    world.expect_monotonous(&sha).await;
    world.finish().await;
}

#[tokio::test]
async fn a_double_click_makes_one_attempt() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Fails(1));
    let sha = world.push("main").await;
    world.settle().await;
    let (id, _) = world.attempt(&sha, "lint").await;
    let (first, second) = (world.rerun_id(id).await, world.rerun_id(id).await);
    assert_eq!((first.len(), second.len()), (1, 0), "the second click finds a check that is queued");
    world.settle().await;
    assert_eq!(world.check_phase(&sha, "lint").await.1, 2);
    world.finish().await;
}

#[tokio::test]
async fn a_running_check_is_not_rerun() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    let (id, _) = world.attempt(&sha, "lint").await;
    assert!(world.rerun_id(id).await.is_empty());
    world.check("lint", Behaviour::Passes);
    world.settle().await;
    world.finish().await;
}

#[tokio::test]
async fn a_running_check_is_cancelled_by_the_agent() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    world.cancel(&sha, "lint").await;
    world.settle().await;
    world.expect_check(&sha, "lint", Phase::Cancelled).await;
    world.expect_status(&sha, "quillon/app/lint", "error");
    assert!(world.description(&sha, "quillon/app/lint").starts_with("cancelled by "));
    world.expect_status(&sha, "quillon", "error");
    world.finish().await;
}

#[tokio::test]
async fn a_queued_check_is_cancelled_at_once() {
    let mut world = World::new().await;
    world.agent.load_behaves(".", Behaviour::Hangs);
    world.limit_concurrency(1).await;
    let first = world.push("main").await;
    world.settle().await;
    let second = world.push("topic").await;
    world.settle().await;
    world.expect_check(&second, "load", Phase::Queued).await;
    world.cancel(&second, "load").await;
    world.settle().await;
    world.expect_check(&second, "load", Phase::Cancelled).await;
    world.expect_check(&first, "load", Phase::Running).await;
    world.agent.load_behaves(".", Behaviour::Passes);
    world.settle().await;
    world.expect_status(&first, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn an_org_runs_no_more_checks_at_once_than_it_may() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    world.limit_concurrency(2).await;
    world.module_has(&["app:a", "app:b", "app:c", "app:d"]);
    for check in ["a", "b", "c", "d"] {
        world.check(check, Behaviour::Hangs);
    }
    let sha = world.push("main").await;
    world.settle().await;
    let running = |stored: &quillon_core::commit::Commit| stored.attempts.iter().filter(|attempt| attempt.is_active()).count();
    assert_eq!(running(&world.stored(&sha).await), 2);
    for check in ["a", "b", "c", "d"] {
        world.check(check, Behaviour::Passes);
    }
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_context_that_github_has_filled_goes_on_under_another_name() {
    let mut world = World::with(Setup { status_limit: 4, ..Setup::default() }).await;
    world.check("lint", Behaviour::Fails(1));
    let sha = world.push("main").await;
    world.settle().await;
    for _ in 0..2 {
        world.rerun(&sha, "lint").await;
        world.settle().await;
    }
    world.check("lint", Behaviour::Passes);
    world.rerun(&sha, "lint").await;
    world.settle().await;
    world.expect_status(&sha, "quillon/app/lint#2", "success");
    world.finish().await;
}

#[tokio::test]
async fn all_failed_checks_are_rerun_and_nothing_else() {
    let mut world = World::new().await;
    world.module_has(&["app:a", "app:b", "app:c"]);
    world.check("b", Behaviour::Fails(1));
    world.check("c", Behaviour::Fails(1));
    let sha = world.push("main").await;
    world.settle().await;
    world.check("b", Behaviour::Passes);
    world.check("c", Behaviour::Passes);
    world.rerun_failed(&sha).await;
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    assert_eq!(world.check_phase(&sha, "a").await.1, 1, "what passed is left alone");
    assert_eq!(world.check_phase(&sha, "b").await.1, 2);
    world.finish().await;
}
