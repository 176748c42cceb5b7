//! Installations and repositories come, change and go.

use quillon_core::run::Phase;
use quillon_tests::{Behaviour, World};

#[tokio::test]
async fn a_suspended_installation_stops_and_catches_up_afterwards() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let stopped = world.push("main").await;
    world.settle().await;
    world.forge.suspend(world.installation.id).expect("suspended");
    world.settle().await;
    world.expect_check(&stopped, "lint", Phase::Cancelled).await;
    let missed = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&missed).await.runs.is_empty());

    world.check("lint", Behaviour::Passes);
    world.forge.unsuspend(world.installation.id).expect("unsuspended");
    world.settle().await;
    world.expect_status(&missed, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_renamed_repository_keeps_its_checks() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    world.forge.rename(world.repository.id, "renamed").expect("renamed");
    world.settle().await;
    world.check("lint", Behaviour::Passes);
    world.settle().await;
    world.expect_status(&sha, "quillon/app/lint", "success");
    world.expect_status(&sha, "quillon", "success");
    let next = world.push("main").await;
    world.settle().await;
    world.expect_status(&next, "quillon/renamed/lint", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_transferred_repository_goes_on_under_its_new_owner() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    let other = world.forge.create_account("globex", quillon_forge::AccountKind::Organization).expect("an account");
    world.forge.install(other.id, quillon_forge::Selection::All).expect("an installation");
    world.forge.transfer(world.repository.id, other.id).expect("transferred");
    world.settle().await;
    let sha = world.push("main").await;
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    let stored = world.stored(&sha).await;
    assert_eq!(stored.runs[0].repository_name.to_string(), "globex/app");
    world.finish().await;
}

#[tokio::test]
async fn an_archived_repository_runs_nothing() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    world.forge.archive(world.repository.id).expect("archived");
    world.settle().await;
    world.expect_check(&sha, "lint", Phase::Cancelled).await;
    // An archived repository is read-only: GitHub takes no status either.
    world.forge.clear_violations();
    world.finish().await;
}

#[tokio::test]
async fn a_removed_app_stops_without_a_storm() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    world.forge.uninstall(world.installation.id).expect("uninstalled");
    world.settle().await;
    world.pass_minutes(5).await;
    world.expect_check(&sha, "lint", Phase::Cancelled).await;
    let stored = world.stored(&sha).await;
    assert!(stored.runs[0].unreportable.is_some(), "it is remembered why GitHub was not told");
    assert!(stored.runs[0].due_at.is_none(), "and not tried for ever");
    world.finish().await;
}

#[tokio::test]
async fn a_repository_that_is_taken_out_of_the_installation_runs_nothing() {
    let mut world = World::new().await;
    let other = world.forge.create_repository(world.account.id, "other", false).await.expect("a repository");
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    world.forge.uninstall(world.installation.id).expect("uninstalled");
    world.settle().await;
    world.forge.install(world.account.id, quillon_forge::Selection::Selected(vec![other.id])).expect("installed for the other one");
    world.settle().await;
    world.expect_check(&sha, "lint", Phase::Cancelled).await;
    world.push("main").await;
    world.settle().await;
    world.agent.jobs.clear();
    assert!(world.forge.held().expect("held").is_empty(), "what is outside the installation is not delivered");
    world.finish().await;
}
