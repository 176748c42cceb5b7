//! The built binary of ingest as a process of Lambda, with every event of `events/ingest`.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use quillon_core::trace::TraceId;
use quillon_lambda_emulator::{Account, development, events};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-ingest");

fn trace() -> TraceId {
    "0123456789abcdef0123456789abcdef".parse().expect("a trace id")
}

#[tokio::test]
async fn every_event_is_answered() {
    let account = Account::open().await;
    account.develop().await;
    let mut ingest = account.start("Ingest", BINARY).await;
    for (name, event) in events::of("ingest") {
        let before = stored(&account).await;
        let (status, body) = ingest.invoke(&event).await.http();
        let taken = stored(&account).await - before;
        let expected = match name.as_str() {
            "traces-live" | "logs" | "traces-json" => (200, 1),
            "traces-final-gzip" | "traces-bearer" => (200, 2),
            // Over a megabyte: read apart from the small ones.
            "traces-large-gzip" => (200, 22),
            // One record of two has no id, one point of two names no trace.
            "traces-partial" | "metrics-partial" => (200, 1),
            "traces-anonymous" | "traces-unknown-token" => (401, 0),
            "traces-other-org" => (403, 0),
            "traces-damaged" => (400, 0),
            "traces-bomb" => (413, 0),
            "traces-xml" => (415, 0),
            _ => panic!("nothing is expected of events/ingest/{name}.json"),
        };
        assert_eq!((status, taken), expected, "{name}: {body}");
        let is_silent = status == 200 && !name.ends_with("-partial");
        assert_eq!(is_silent, body.is_empty() || body == "{}", "{name}: {body}");
    }
    let card = account.traces().card(development::org(), trace()).await.expect("a table").expect("a card");
    assert_eq!((card.name(), card.ended_ms()), ("dagger call test", Some(1_767_600_003_000)));
}

/// Records that the table counts for the trace of the events.
async fn stored(account: &Account) -> u64 {
    let head = account.traces().head(development::org(), trace()).await.expect("a table");
    head.map_or(0, |head| head.records)
}

#[tokio::test]
async fn credentials_that_nobody_made_open_nothing() {
    let account = Account::open().await;
    let mut ingest = account.start("Ingest", BINARY).await;
    for (name, event) in events::of("ingest").into_iter().filter(|(name, _)| name != "traces-xml") {
        let (status, body) = ingest.invoke(&event).await.http();
        assert_eq!(status, 401, "{name}: {body}");
    }
}

#[tokio::test]
async fn what_is_no_request_fails_and_the_next_one_is_served() {
    let account = Account::open().await;
    account.develop().await;
    let mut ingest = account.start("Ingest", BINARY).await;
    for rubbish in events::rubbish() {
        let answer = ingest.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(ingest.invoke(&events::of("ingest")["traces-live"]).await.http().0, 200);
    let log = ingest.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
