//! Heads are tested merged with their base; conflicts and the merge queue.

use std::time::Duration;

use quillon_core::run::RunState;
use quillon_tests::{Behaviour, Setup, World};

async fn conflicting(world: &mut World) -> (quillon_core::id::CommitSha, quillon_forge::Pull) {
    world.push_file("main", "dagger.json", "{\"name\":\"app\"}\n").await;
    world.push_file("main", "text", "base\n").await;
    world.settle().await;
    let sha = world.push_file("topic", "text", "ours\n").await;
    world.push_file("main", "text", "theirs\n").await;
    world.settle().await;
    let pull = world.open_pull("topic", "main").await;
    (sha, pull)
}

#[tokio::test]
async fn a_pull_request_that_conflicts_runs_no_checks() {
    let mut world = World::new().await;
    // The push to the branch alone finds out by merging, which the scripted agent does not do.
    world.agent.load_behaves(".", Behaviour::Conflicts("main".to_owned()));
    let (sha, _) = conflicting(&mut world).await;
    world.settle().await;
    world.expect_status(&sha, "quillon", "error");
    assert_eq!(world.description(&sha, "quillon"), "merge conflict with main");
    assert!(world.agent.leased.iter().all(|(task, _)| task.label() == "load"));
    world.finish().await;
}

#[tokio::test]
async fn a_conflict_that_only_github_sees_is_a_conflict_too() {
    let mut world = World::new().await;
    world.push_file("main", "dagger.json", "{\"name\":\"app\"}\n").await;
    world.push_file("main", "text", "base\n").await;
    world.settle().await;
    let sha = world.push_file("topic", "text", "ours\n").await;
    world.push_file("main", "text", "theirs\n").await;
    world.open_pull("topic", "main").await;
    // The push to the branch is never told; only the pull request is.
    for held in world.forge.held().expect("held").iter().filter(|held| held.event == "push") {
        world.forge.drop(&held.guid).expect("dropped");
    }
    world.settle().await;
    world.expect_run(&sha, |state| matches!(state, RunState::Conflict { .. })).await;
    world.expect_statuses(&sha, &["quillon: error"]);
    assert_eq!(world.description(&sha, "quillon"), "merge conflict with main");
    world.finish().await;
}

#[tokio::test]
async fn mergeability_is_waited_for() {
    let setup = Setup { mergeable_nulls: 2, ..Setup::default() };
    let mut world = World::with(setup).await;
    world.push("main").await;
    world.settle().await;
    let sha = world.push("topic").await;
    world.open_pull("topic", "main").await;
    for held in world.forge.held().expect("held").iter().filter(|held| held.event == "push") {
        world.forge.drop(&held.guid).expect("dropped");
    }
    world.settle().await;
    world.expect_run(&sha, |state| matches!(state, RunState::Waiting { tries: 1 })).await;
    world.expect_status(&sha, "quillon", "pending");
    world.advance(Duration::from_secs(2));
    world.settle().await;
    world.expect_run(&sha, |state| matches!(state, RunState::Waiting { tries: 2 })).await;
    world.advance(Duration::from_secs(4));
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn mergeability_that_never_comes_is_found_out_by_merging() {
    let setup = Setup { mergeable_nulls: 1_000, ..Setup::default() };
    let mut world = World::with(setup).await;
    world.push("main").await;
    world.settle().await;
    let sha = world.push("topic").await;
    world.open_pull("topic", "main").await;
    for held in world.forge.held().expect("held").iter().filter(|held| held.event == "push") {
        world.forge.drop(&held.guid).expect("dropped");
    }
    world.settle().await;
    for seconds in [2, 4, 8, 16, 30] {
        world.expect_status(&sha, "quillon", "pending");
        world.advance(Duration::from_secs(seconds));
        world.settle().await;
    }
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_pull_request_into_another_branch_takes_over_from_the_push() {
    let mut world = World::new().await;
    let base = world.push("main").await;
    world.forge.push(world.repository.id, "release", base.as_str()).await.expect("a branch");
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("topic").await;
    world.settle().await;
    let pull = world.open_pull("topic", "release").await;
    world.check("lint", Behaviour::Passes);
    world.settle().await;
    let stored = world.stored(&sha).await;
    assert_eq!(stored.runs.len(), 2);
    let replaced = stored.attempts.iter().find_map(|attempt| attempt.cancel()).expect("a stopped attempt");
    assert_eq!(replaced.reason.to_string(), format!("superseded by pull request #{}", pull.number));
    world.expect_status(&sha, "quillon", "success");
    world.expect_status(&sha, "quillon/app/lint", "success");
    world.finish().await;
}

#[tokio::test]
async fn the_merge_queue_gets_its_own_lane_and_runs_the_commit_as_it_is() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    world.push("topic").await;
    let pull = world.open_pull("topic", "main").await;
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.forge.merge_group(world.repository.id, "main", &[pull.number]).await.expect("a merge group");
    let sha = sha.parse().expect("a sha");
    world.settle().await;
    world.expect_status(&sha, "quillon", "pending");
    let stored = world.stored(&sha).await;
    assert_eq!(stored.runs.len(), 1);
    assert_eq!(stored.runs[0].key.lane.to_string(), "trusted:queue:main");
    assert_eq!(stored.runs[0].base_sha, None);

    world.forge.destroy_merge_group(world.repository.id, sha.as_str(), "dequeued").await.expect("destroyed");
    world.settle().await;
    world.expect_status(&sha, "quillon/app/lint", "error");
    world.finish().await;
}

#[tokio::test]
async fn another_base_is_another_lane() {
    let mut world = World::new().await;
    let base = world.push("main").await;
    world.forge.push(world.repository.id, "release", base.as_str()).await.expect("a branch");
    world.settle().await;
    let sha = world.push("topic").await;
    let pull = world.open_pull("topic", "main").await;
    world.settle().await;
    world.forge.edit_base(world.repository.id, pull.number, "release").await.expect("edited");
    world.settle().await;
    let stored = world.stored(&sha).await;
    let lanes: Vec<String> = stored.runs.iter().map(|run| run.key.lane.to_string()).collect();
    assert_eq!(lanes, ["trusted:into:main", "trusted:into:release"]);
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn release_branches_are_exempt_from_merging() {
    let mut world = World::new().await;
    world.set_repository_first(serde_json::json!({ "unmerged_branches": ["release/*"] })).await;
    let sha = world.push("release/1.0").await;
    world.settle().await;
    assert_eq!(world.stored(&sha).await.runs[0].key.lane.to_string(), "trusted:head");
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}
