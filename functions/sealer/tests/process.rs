//! The built binary of the sealer as a process of Lambda, with every event of `events/sealer`.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use jiff::SignedDuration;
use quillon_core::trace::TraceId;
use quillon_lambda_emulator::{Account, Answer, development, events};
use quillon_store::{Reserve, Reserved};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-sealer");

fn trace() -> TraceId {
    "0123456789abcdef0123456789abcdef".parse().expect("a trace id")
}

/// Makes the trace of the events due.
async fn begin(account: &Account) {
    let now = account.cloud.clock().now();
    let later = now + SignedDuration::from_hours(1);
    let (chunks, records, bytes, limit_records, limit_bytes, limit_spans) = (1, 1, 1, 9, 9, None);
    let wish = Reserve { chunks, records, bytes, now, expires_at: later, due_at: now, limit_records, limit_bytes, limit_spans };
    let reserved = account.traces().reserve(development::org(), trace(), &wish).await.expect("a table");
    assert!(matches!(reserved, Reserved::Seq { first: 1, .. }), "{reserved:?}");
}

#[tokio::test]
async fn every_event_is_handled_and_what_is_due_is_asked_for() {
    let account = Account::open().await;
    account.develop().await;
    begin(&account).await;
    let mut sealer = account.start("Sealer", BINARY).await;
    for (name, event) in events::of("sealer") {
        let answer = sealer.invoke(&event).await;
        match name.as_str() {
            "schedule-seal" => {
                assert_eq!(answer, Answer::Response(Value::Null), "{name}");
                let asked = account.take_messages("SealQueue").await;
                let wanted = json!({ "v": 1, "kind": "seal", "org": development::org(), "trace": trace(), "cause": "seal" });
                assert_eq!(asked, [wanted], "{name}");
            }
            "sqs-seal" => assert_eq!(answer.failed_messages(), [""; 0], "{name}"),
            "sqs-undecodable" => {
                let ids = [0, 2].map(|index: usize| event["Records"][index]["messageId"].clone());
                assert_eq!(answer.failed_messages(), ids, "{name}");
            }
            _ => panic!("nothing is expected of events/sealer/{name}.json"),
        }
    }
}

#[tokio::test]
async fn a_deleted_trace_is_cleared_away() {
    let account = Account::open().await;
    account.develop().await;
    begin(&account).await;
    let now = account.cloud.clock().now() - SignedDuration::from_mins(2);
    account.traces().delete_trace(development::org(), trace(), now).await.expect("a table");
    let mut sealer = account.start("Sealer", BINARY).await;
    assert_eq!(sealer.invoke(&events::of("sealer")["sqs-seal"]).await.failed_messages(), [""; 0]);
    let head = account.traces().head(development::org(), trace()).await.expect("a table").expect("a tombstone");
    assert_eq!((head.deleted_at, head.due_at), (Some(now), None));
}

#[tokio::test]
async fn what_is_no_event_fails_and_the_next_one_is_handled() {
    let account = Account::open().await;
    let mut sealer = account.start("Sealer", BINARY).await;
    for rubbish in events::rubbish().into_iter().chain([json!({ "schedule": "lunch" }), json!({ "Records": "none" })]) {
        let answer = sealer.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(sealer.invoke(&json!({ "schedule": "seal" })).await, Answer::Response(Value::Null));
    let log = sealer.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
