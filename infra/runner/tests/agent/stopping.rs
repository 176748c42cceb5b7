//! How an agent stops work: when it is told to, when the time is up, when the lease is lost.

use std::time::Duration;

use quillon_core::attempt::Report;

use crate::fixture::{Agent, Fixture};
use crate::server::Mood;

#[tokio::test]
async fn a_cancelled_job_gets_sigint_and_is_reported_as_stopped() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&format!("trap 'echo interrupted; exit 0' INT\n{}while :; do sleep 0.1; done", life.begin()));
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    let gone = life.begun().await;
    fixture.server.mood(lease, Mood::Cancel);
    let result = fixture.server.result(lease).await;
    assert_eq!((result.report, result.output.as_str()), (Report::Stopped, "interrupted\n"));
    gone.await.expect("all processes are gone");
    agent.stop().await;
}

#[tokio::test]
async fn a_job_that_ignores_signals_is_killed_with_everything_it_started() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&format!("trap '' INT TERM\n{}(while :; do sleep 1; done) &\nwhile :; do sleep 1; done", life.begin()));
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));
    let mut config = fixture.config();
    config.timings.interrupt = Duration::from_millis(50);
    config.timings.terminate = Duration::from_millis(50);
    let agent = Agent::start(config);
    let gone = life.begun().await;
    fixture.server.mood(lease, Mood::Cancel);
    assert_eq!(fixture.server.result(lease).await.report, Report::Stopped);
    gone.await.expect("all processes are gone");
    agent.stop().await;
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_stopped_and_says_so() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&format!("{}sleep 600", life.begin()));
    let mut job = fixture.job(&head, "check:hello:one");
    job.timeout_s = 2;
    let lease = fixture.offer(job);
    let agent = fixture.agent();
    let gone = life.begun().await;
    assert_eq!(fixture.server.result(lease).await.report, Report::TimedOut);
    gone.await.expect("all processes are gone");
    agent.stop().await;
}

#[tokio::test]
async fn a_lost_lease_kills_the_work_and_reports_nothing() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&format!("trap '' INT TERM\n{}(sleep 600) &\nwhile :; do sleep 1; done", life.begin()));
    let lost = fixture.offer(fixture.job(&head, "check:hello:one"));
    let mut config = fixture.config();
    config.jobs = 1;
    let agent = Agent::start(config);
    let gone = life.begun().await;
    fixture.server.mood(lost, Mood::Gone);
    gone.await.expect("all processes are gone");
    // The only slot is free again once the lost job has been dropped for good.
    let next = fixture.offer(fixture.job(&fixture.push_check("true"), "check:hello:one"));
    assert_eq!(fixture.server.result(next).await.report, Report::Passed);
    fixture.server.with(|model| {
        assert!(model.results.iter().all(|result| result.lease == next));
        assert!(model.released.is_empty());
    });
    agent.stop().await;
}

#[tokio::test]
async fn work_whose_lease_cannot_be_renewed_is_stopped_by_the_agent_itself() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&format!("trap 'echo fenced >&9; exit 0' INT\n{}while :; do sleep 0.1; done", life.begin()));
    let lease = fixture.offer_for(fixture.job(&head, "check:hello:one"), 4);
    fixture.server.mood(lease, Mood::Deaf);
    let agent = fixture.agent();
    assert_eq!(life.begun().await.await.expect("all processes are gone"), "fenced\n");
    fixture.server.until("the job to be given back", |model| model.released.contains(&lease).then_some(())).await;
    fixture.server.with(|model| assert!(model.results.is_empty(), "a fenced job has no result"));
    agent.stop().await;
}

#[tokio::test]
async fn renewed_leases_outlast_their_first_term() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let stop = fixture.path().join("stop");
    let head = fixture.push_check(&format!("{}while [ ! -e '{}' ]; do sleep 0.1; done", life.begin(), stop.display()));
    let lease = fixture.offer_for(fixture.job(&head, "check:hello:one"), 3);
    let agent = fixture.agent();
    let gone = life.begun().await;
    // Five heartbeats a second apart are longer than the lease of three seconds.
    fixture.server.until("heartbeats", |model| (model.heartbeats >= 5).then_some(())).await;
    std::fs::write(stop, "").expect("write");
    assert_eq!(fixture.server.result(lease).await.report, Report::Passed);
    gone.await.expect("all processes are gone");
    agent.stop().await;
}

#[tokio::test]
async fn what_a_check_leaves_running_ends_with_it() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&format!("{}sleep 600 &\nexit 0", life.begin()));
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    let gone = life.begun().await;
    assert_eq!(fixture.server.result(lease).await.report, Report::Passed);
    gone.await.expect("all processes are gone");
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_leaves_stops_its_jobs_and_gives_them_back() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&format!("trap 'echo interrupted >&9; exit 0' INT\n{}while :; do sleep 0.1; done", life.begin()));
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    let gone = life.begun().await;
    agent.stop().await;
    assert_eq!(gone.await.expect("all processes are gone"), "interrupted\n");
    fixture.server.with(|model| {
        assert_eq!(model.released, [lease]);
        assert!(model.results.is_empty());
    });
    let left = std::fs::read_dir(fixture.path().join("work/jobs")).expect("jobs").count();
    assert_eq!(left, 0, "the directories of jobs are removed");
}
