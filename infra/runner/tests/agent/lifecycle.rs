//! Enrolment, outages, several jobs, and the shared work directory.

use axum::http::StatusCode;
use quillon_core::attempt::Report;
use quillon_runner::Error;

use crate::fixture::{Agent, Fixture};
use crate::server::Mood;

#[tokio::test]
async fn an_agent_enrols_once_and_knows_itself_afterwards() {
    let fixture = Fixture::new().await;
    let head = fixture.push_check("true");
    fixture.server.with(|model| model.outages.insert("enroll", 2));
    let first = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    fixture.server.result(first).await;
    agent.stop().await;
    let mut config = fixture.config();
    config.enrolment = None;
    let second = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = Agent::start(config);
    fixture.server.result(second).await;
    agent.stop().await;
    fixture.server.with(|model| {
        assert_eq!(model.enrolled.len(), 1);
        assert_eq!((model.enrolled[0].name.as_str(), model.enrolled[0].runs_forks), ("test", false));
    });
}

#[tokio::test]
async fn agents_that_the_server_does_not_accept_end_with_the_reason() {
    let fixture = Fixture::new().await;
    let mut config = fixture.config();
    config.enrolment = None;
    assert!(matches!(Agent::start(config).end().await, Err(Error::NotEnrolled)));
    fixture.server.with(|model| model.refusals.insert("enroll", StatusCode::UNAUTHORIZED));
    assert!(matches!(fixture.agent().end().await, Err(Error::EnrolmentRefused)));
    fixture.server.with(|model| {
        model.refusals.clear();
        model.refusals.insert("lease", StatusCode::UNAUTHORIZED);
    });
    assert!(matches!(fixture.agent().end().await, Err(Error::CredentialRefused(_))));
    let mut config = fixture.config();
    config.cli.command = vec!["/nonexistent/dagger".into()];
    assert!(matches!(Agent::start(config).end().await, Err(Error::Cli { .. })));
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_an_error_and_not_a_check_that_hangs() {
    let fixture = Fixture::new().await;
    let lease = fixture.offer(fixture.job(&fixture.push_check("true"), "check:hello:one"));
    let mut config = fixture.config();
    config.environment.insert("_EXPERIMENTAL_DAGGER_RUNNER_HOST".to_owned(), "unix:///nonexistent/engine.sock".to_owned());
    let agent = Agent::start(config);
    let Report::Errored { message } = fixture.server.result(lease).await.report else { panic!("not an error") };
    assert!(message.contains("no engine answers at `unix:///nonexistent/engine.sock`"), "{message}");
    agent.stop().await;
}

#[tokio::test]
async fn outages_of_the_server_are_waited_out() {
    let fixture = Fixture::new().await;
    let head = fixture.push_check("echo fine");
    fixture.server.with(|model| {
        for call in ["lease", "git-credential", "result"] {
            model.outages.insert(call, 3);
        }
    });
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    let result = fixture.server.result(lease).await;
    assert_eq!((result.report, result.output.as_str()), (Report::Passed, "fine\n"));
    agent.stop().await;
}

#[tokio::test]
async fn a_result_that_is_refused_is_reported_as_an_error_instead() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&life.begin());
    fixture.server.with(|model| model.refusals.insert("result", StatusCode::PAYLOAD_TOO_LARGE));
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));
    let mut config = fixture.config();
    config.jobs = 1;
    let agent = Agent::start(config);
    life.begun().await.await.expect("ended");
    // Refused twice, the job is dropped and the only slot is free for the next one.
    let next = fixture.offer(fixture.job(&fixture.push_check("true"), "check:hello:one"));
    fixture.server.until("the next lease", |model| model.offers.is_empty().then_some(())).await;
    fixture.server.with(|model| model.refusals.clear());
    assert_eq!(fixture.server.result(next).await.report, Report::Passed);
    fixture.server.with(|model| assert!(model.results.iter().all(|result| result.lease != lease)));
    agent.stop().await;
}

#[tokio::test]
async fn a_result_for_a_lease_that_is_gone_is_not_repeated() {
    let fixture = Fixture::new().await;
    let life = fixture.life("life");
    let head = fixture.push_check(&life.begin());
    fixture.server.with(|model| model.outages.insert("result", 1));
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    life.begun().await.await.expect("ended");
    fixture.server.until("a failed result", |model| (model.outages["result"] == 0).then_some(())).await;
    fixture.server.mood(lease, Mood::Gone);
    // Leaving waits for running jobs: it would hang here if the result were offered for ever.
    agent.stop().await;
}

#[tokio::test]
async fn jobs_run_side_by_side_up_to_the_limit() {
    let fixture = Fixture::new().await;
    let (left, right) = (fixture.path().join("left"), fixture.path().join("right"));
    // Each check waits for the other: one after the other they would never end.
    let meet = |mine: &std::path::Path, other: &std::path::Path| {
        format!("touch '{}'\nwhile [ ! -e '{}' ]; do sleep 0.05; done", mine.display(), other.display())
    };
    let head =
        fixture.push("main", &[("dagger.json", "{}"), ("checks/left", &meet(&left, &right)), ("checks/right", &meet(&right, &left))]);
    let leases = ["left", "right"].map(|name| fixture.offer(fixture.job(&head, &format!("check:hello:{name}"))));
    let agent = fixture.agent();
    for lease in leases {
        assert_eq!(fixture.server.result(lease).await.report, Report::Passed);
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_work_directory_belongs_to_one_agent_and_is_cleaned_of_what_a_crash_left() {
    let fixture = Fixture::new().await;
    let left = fixture.path().join("work/jobs/j-crashed/locked");
    std::fs::create_dir_all(&left).expect("mkdir");
    std::fs::write(left.join("file"), "").expect("write");
    std::fs::set_permissions(&left, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("chmod");
    let lease = fixture.offer(fixture.job(&fixture.push_check("true"), "check:hello:one"));
    let agent = fixture.agent();
    fixture.server.result(lease).await;
    assert!(!fixture.path().join("work/jobs/j-crashed").exists());
    assert!(matches!(fixture.agent().end().await, Err(Error::InUse(_))));
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_can_end_with_the_process_that_started_it() {
    let fixture = Fixture::new().await;
    let lease = fixture.offer(fixture.job(&fixture.push_check("true"), "check:hello:one"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_quillon-agent"));
    command.args(["--server", &fixture.server.address, "--stop-with-stdin", "--work-dir"]).arg(fixture.path().join("work"));
    command.env_clear().envs(fixture.environment()).env("QUILLON_ENROL_TOKEN", crate::server::ENROLMENT);
    let mut agent = command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().expect("agent");
    fixture.server.result(lease).await;
    drop(agent.stdin.take());
    let ended = tokio::task::spawn_blocking(move || agent.wait()).await.expect("joined").expect("ends");
    assert!(ended.success());
}
