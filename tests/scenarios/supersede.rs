//! Newer commits replace older ones, and heads that return get new attempts.

use quillon_core::run::Phase;
use quillon_tests::{Behaviour, World};

#[tokio::test]
async fn a_newer_commit_supersedes_the_older_one_of_its_branch() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let older = world.push("main").await;
    world.settle().await;
    world.check("lint", Behaviour::Passes);
    let newer = world.push("main").await;
    world.settle().await;
    world.expect_status(&older, "quillon", "error");
    world.expect_status(&older, "quillon/app/lint", "error");
    assert_eq!(world.description(&older, "quillon/app/lint"), format!("superseded by {}", newer.short()));
    assert_eq!(world.description(&older, "quillon"), format!("superseded by {}", newer.short()));
    world.expect_status(&newer, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_commit_that_another_branch_still_points_at_goes_on() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let shared = world.push("topic").await;
    world.forge.push(world.repository.id, "other", shared.as_str()).await.expect("a branch");
    world.settle().await;
    world.push("topic").await;
    world.settle().await;
    world.expect_check(&shared, "lint", Phase::Running).await;
    world.check("lint", Behaviour::Passes);
    world.settle().await;
    world.expect_status(&shared, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_tagged_commit_is_never_superseded() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let tagged = world.push("main").await;
    world.forge.push_tag(world.repository.id, "v1", tagged.as_str()).await.expect("a tag");
    world.settle().await;
    world.check("lint", Behaviour::Passes);
    world.push("main").await;
    world.settle().await;
    world.expect_status(&tagged, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_setting_exempts_the_default_branch() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let older = world.push("main").await;
    world.settle().await;
    world.set_repository(serde_json::json!({ "supersede_default_branch": false })).await;
    let newer = world.push("main").await;
    world.settle().await;
    world.expect_check(&older, "lint", Phase::Running).await;
    world.check("lint", Behaviour::Passes);
    world.settle().await;
    world.expect_status(&older, "quillon", "success");
    world.expect_status(&newer, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_head_that_returns_gets_new_attempts() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let first = world.push("topic").await;
    world.settle().await;
    let second = world.push("topic").await;
    world.settle().await;
    world.expect_status(&first, "quillon", "error");
    world.check("lint", Behaviour::Passes);
    world.forge.force_push(world.repository.id, "topic", first.as_str()).await.expect("a force push");
    world.settle().await;
    world.expect_status(&first, "quillon", "success");
    assert_eq!(world.check_phase(&first, "lint").await, (Phase::Success, 2));
    world.expect_status(&second, "quillon", "error");
    world.expect_monotonous(&first).await;
    world.finish().await;
}

#[tokio::test]
async fn a_deleted_branch_stops_its_checks() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("topic").await;
    world.settle().await;
    world.forge.delete_branch(world.repository.id, "topic").await.expect("a deletion");
    world.settle().await;
    world.expect_status(&sha, "quillon/app/lint", "error");
    assert_eq!(world.description(&sha, "quillon/app/lint"), "cancelled: refs/heads/topic was deleted");
    world.finish().await;
}

#[tokio::test]
async fn a_closed_pull_request_stops_only_what_nothing_else_needs() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("topic").await;
    let pull = world.open_pull("topic", "main").await;
    world.settle().await;
    world.forge.close(world.repository.id, pull.number).expect("closed");
    world.settle().await;
    world.expect_check(&sha, "lint", Phase::Running).await;
    world.forge.delete_branch(world.repository.id, "topic").await.expect("a deletion");
    world.settle().await;
    world.expect_status(&sha, "quillon/app/lint", "error");
    world.finish().await;
}
