//! What is lost is found again: messages, leases, agents, answers of GitHub.

use std::time::Duration;

use quillon_core::attempt::Report;
use quillon_core::run::Phase;
use quillon_forge::{Fault, RateLimit};
use quillon_tests::{Behaviour, World};

#[tokio::test]
async fn work_is_finished_although_all_queues_are_purged() {
    let mut world = World::new().await;
    world.module_has(&["app:lint", "app:test"]);
    let sha = world.push("main").await;
    world.forge.deliver_all().await.expect("accepted");
    // The hint is read; everything that it led to is lost, again and again.
    world.system.step().await;
    for _ in 0..6 {
        world.system.cloud().purge_queues().await;
        world.agent.work(&world.system).await;
        world.system.cloud().purge_queues().await;
        world.advance(Duration::from_secs(60));
        world.fire("sweep").await.expect("a sweep");
        world.drain().await;
    }
    world.pass_minutes(3).await;
    world.expect_statuses(
        &sha,
        &["quillon: success", "quillon/app/lint: success", "quillon/app/load: success", "quillon/app/test: success"],
    );
    world.finish().await;
}

#[tokio::test]
async fn a_lost_lease_starts_the_check_again() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    // The agent dies with its work.
    world.agent.jobs.clear();
    world.check("lint", Behaviour::Passes);
    world.pass_minutes(3).await;
    world.expect_status(&sha, "quillon", "success");
    let stored = world.stored(&sha).await;
    let check = stored.attempts.iter().find(|attempt| attempt.key.task.label() == "app:lint").expect("the check");
    assert_eq!((check.key.number, check.execution, check.losses), (1, 2, 1), "the same attempt, executed again");
    world.finish().await;
}

#[tokio::test]
async fn a_check_whose_agents_are_always_lost_ends_in_words() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    for _ in 0..4 {
        world.settle().await;
        world.agent.jobs.clear();
        world.pass_minutes(2).await;
    }
    world.expect_status(&sha, "quillon/app/lint", "error");
    assert_eq!(world.description(&sha, "quillon/app/lint"), "its agent was lost 3 times");
    world.finish().await;
}

#[tokio::test]
async fn a_zombie_agent_is_not_listened_to() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    let zombie = world.agent.jobs.pop().expect("a job");
    world.check("lint", Behaviour::Passes);
    world.pass_minutes(3).await;
    world.expect_status(&sha, "quillon", "success");
    let status = world.agent.finish(&world.system, &zombie, &Report::Failed { exit_code: 1 }).await;
    assert_eq!(status.as_u16(), 409);
    assert!(world.agent.heartbeat(&world.system, &zombie).await.is_none());
    world.settle().await;
    world.expect_check(&sha, "lint", Phase::Success).await;
    world.finish().await;
}

#[tokio::test]
async fn a_result_that_is_sent_twice_is_accepted_once() {
    let mut world = World::new().await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    let job = world.agent.jobs.pop().expect("a job");
    assert_eq!(world.agent.finish(&world.system, &job, &Report::Passed).await.as_u16(), 204);
    assert_eq!(
        world.agent.finish(&world.system, &job, &Report::Failed { exit_code: 1 }).await.as_u16(),
        204,
        "a repetition changes nothing"
    );
    world.settle().await;
    world.expect_check(&sha, "lint", Phase::Success).await;
    world.finish().await;
}

#[tokio::test]
async fn an_agent_that_never_ends_is_timed_out() {
    let mut world = World::new().await;
    world.set_repository_first(serde_json::json!({ "timeout_s": 120 })).await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    world.pass_minutes(6).await;
    world.expect_status(&sha, "quillon/app/lint", "error");
    assert_eq!(world.description(&sha, "quillon/app/lint"), "took longer than 2 minutes");
    world.agent.jobs.clear();
    world.finish().await;
}

#[tokio::test]
async fn statuses_follow_when_github_was_down() {
    let mut world = World::new().await;
    let sha = world.push("main").await;
    world.forge.deliver_all().await.expect("accepted");
    world.system.step().await;
    world.forge.fault(Fault::Down { times: 8 });
    world.settle().await;
    world.pass_minutes(8).await;
    world.expect_status(&sha, "quillon", "success");
    world.expect_monotonous(&sha).await;
    world.finish().await;
}

#[tokio::test]
async fn a_rate_limit_is_waited_for() {
    let mut world = World::new().await;
    let sha = world.push("main").await;
    world.forge.deliver_all().await.expect("accepted");
    world.system.step().await;
    world.forge.fault(Fault::RateLimited {
        limit: RateLimit::Secondary,
        path_contains: "/statuses/".to_owned(),
        retry_after: 90,
        times: 1,
    });
    world.settle().await;
    world.expect_status(&sha, "quillon", "pending");
    let asked = world.forge.requests().len();
    world.pass_minutes(1).await;
    assert_eq!(
        world.forge.requests().iter().skip(asked).filter(|request| request.path.contains("/statuses/")).count(),
        0,
        "not before the time"
    );
    world.pass_minutes(3).await;
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn the_same_status_after_a_lost_answer_is_harmless() {
    let mut world = World::new().await;
    let sha = world.push("main").await;
    world.forge.deliver_all().await.expect("accepted");
    world.system.step().await;
    world.forge.fault(Fault::TimeoutAfterWrite {
        method: Some(http::Method::POST),
        path_contains: "/statuses/".to_owned(),
        answer: quillon_forge::Answer::Cut,
        times: 3,
    });
    world.settle().await;
    world.pass_minutes(3).await;
    world.expect_status(&sha, "quillon", "success");
    world.expect_monotonous(&sha).await;
    world.finish().await;
}

#[tokio::test]
async fn a_restart_goes_on_where_the_process_died() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let setup = quillon_tests::Setup { storage: quillon::engine::Storage::Directory(directory.path().join("cloud")), ..Default::default() };
    let mut world = World::with(setup.clone()).await;
    world.check("lint", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    world.restart(&setup).await;
    world.check("lint", Behaviour::Passes);
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}
