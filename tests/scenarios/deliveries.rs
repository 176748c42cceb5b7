//! Deliveries as they really come: twice, late, in any order, or not at all.

use std::time::Duration;

use quillon_tests::World;

#[tokio::test]
async fn the_same_delivery_six_times_is_one_run() {
    let mut world = World::new().await;
    let sha = world.push("main").await;
    let guid = world.forge.held().expect("held")[0].guid.clone();
    for _ in 0..5 {
        world.forge.deliver_twice(&guid).await.expect("a delivery");
        world.forge.redeliver(&guid).expect("a redelivery");
    }
    world.settle().await;
    let stored = world.stored(&sha).await;
    assert_eq!((stored.runs.len(), stored.attempts.len()), (1, 2));
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn reordered_pushes_end_with_the_newest_commit() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    let older = world.push("topic").await;
    let newer = world.push("topic").await;
    world.forge.reverse_held();
    world.settle().await;
    world.expect_status(&newer, "quillon", "success");
    assert!(world.stored(&older).await.runs.is_empty(), "the head had moved on before anybody looked");
    world.finish().await;
}

#[tokio::test]
async fn a_push_and_a_pull_request_of_one_head_share_a_run() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    let sha = world.push("topic").await;
    world.open_pull("topic", "main").await;
    world.settle().await;
    let stored = world.stored(&sha).await;
    assert_eq!(stored.runs.len(), 1, "one lane");
    assert_eq!(stored.runs[0].refs.len(), 2, "asked for by both");
    assert_eq!(stored.attempts.len(), 2);
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_delivery_that_never_came_is_asked_for_again() {
    let mut world = World::new().await;
    world.fire("reconcile").await.expect("a first pass sets the position");
    let sha = world.push("main").await;
    let lost = world.forge.held().expect("held")[0].guid.clone();
    world.forge.drop(&lost).expect("dropped");
    world.settle().await;
    assert!(world.stored(&sha).await.runs.is_empty());
    world.advance(Duration::from_secs(180));
    world.fire("reconcile").await.expect("a pass");
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn a_delivery_that_was_accepted_but_never_read_is_asked_for_again() {
    let mut world = World::new().await;
    world.fire("reconcile").await.expect("a first pass sets the position");
    let sha = world.push("main").await;
    world.forge.deliver_all().await.expect("accepted with 202");
    world.system.cloud().purge_queues().await;
    world.settle().await;
    assert!(world.stored(&sha).await.runs.is_empty());
    world.advance(Duration::from_secs(180));
    world.fire("reconcile").await.expect("a pass");
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn the_head_sweep_finds_a_push_that_nobody_told_of() {
    let mut world = World::new().await;
    world.push("main").await;
    world.settle().await;
    let sha = world.push("main").await;
    for delivery in world.forge.held().expect("held") {
        world.forge.drop(&delivery.guid).expect("dropped");
    }
    world.fire("heads").await.expect("a sweep");
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}
