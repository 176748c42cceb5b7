//! The built binary of the scheduler as a process of Lambda, with every event of `events/scheduler`.

use quillon_core::id::RepositoryId;
use quillon_core::run::CommitKey;
use quillon_lambda_emulator::{Account, Answer, events};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-scheduler");

#[tokio::test]
async fn every_event_is_handled() {
    let account = Account::open().await;
    let mut scheduler = account.start("Scheduler", BINARY).await;
    for (name, event) in events::of("scheduler") {
        let answer = scheduler.invoke(&event).await;
        match name.as_str() {
            "schedule-heads" | "schedule-purge" | "schedule-reconcile" | "schedule-sweep" => {
                assert_eq!(answer, Answer::Response(Value::Null), "{name}")
            }
            // One that is written in another version, and one that is nothing; the message between them is handled.
            "sqs-undecodable" => {
                let ids = [0, 2].map(|index: usize| event["Records"][index]["messageId"].clone());
                assert_eq!(answer.failed_messages(), ids, "{name}");
            }
            // The installation is unknown to GitHub: there is nothing to look at.
            "sqs-claim" | "sqs-delivery" | "sqs-look" | "sqs-sweep-heads" => assert_eq!(answer.failed_messages(), [""; 0], "{name}"),
            _ => panic!("nothing is expected of events/scheduler/{name}.json"),
        }
    }
    assert_eq!(account.forge.violations(), []);
}

#[tokio::test]
async fn a_delivery_becomes_a_run_whose_load_wants_to_start() {
    let account = Account::open().await;
    let mut scheduler = account.start("Scheduler", BINARY).await;
    let answer = scheduler.invoke(&events::of("scheduler")["sqs-delivery"]).await;
    assert_eq!(answer.failed_messages(), [""; 0]);
    let key = CommitKey { repository: RepositoryId(account.repository), sha: account.head.parse().expect("a sha") };
    let commit = account.store().commit(&key).await.expect("a commit");
    let run = commit.runs.first().expect("a run");
    assert_eq!((run.repository_name.to_string().as_str(), commit.latest(&run.key).len()), ("acme/hello", 1));
    let wanted = account.take_messages("DispatchQueue").await;
    assert_eq!(wanted.first().map(|message| (&message["kind"], &message["org"])), Some((&"admit".into(), &json!(run.org))), "{wanted:?}");
}

#[tokio::test]
async fn what_is_no_event_fails_and_the_next_one_is_handled() {
    let account = Account::open().await;
    let mut scheduler = account.start("Scheduler", BINARY).await;
    for rubbish in events::rubbish().into_iter().chain([json!({ "schedule": "lunch" }), json!({ "Records": "none" })]) {
        let answer = scheduler.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(scheduler.invoke(&json!({ "schedule": "sweep" })).await, Answer::Response(Value::Null));
    let log = scheduler.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
