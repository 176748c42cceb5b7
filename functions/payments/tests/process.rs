//! The built binary of payments as a process of Lambda, with every event of `events/payments`. Billing is off, as it is by default.

use quillon_lambda_emulator::{Account, events};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-payments");

#[tokio::test]
async fn every_event_is_answered() {
    let account = Account::open().await;
    account.develop().await;
    let mut payments = account.start("Payments", BINARY).await;
    for (name, event) in events::of("payments") {
        let (status, body) = payments.invoke(&event).await.http();
        let (expected, text) = match name.as_str() {
            "plans" => (200, "\"external_name\":\"Free\""),
            "webhook" => (404, "takes no payments"),
            "checkout" => (404, "There is nothing here"),
            _ => panic!("nothing is expected of events/payments/{name}.json"),
        };
        assert_eq!(status, expected, "{name}: {body}");
        assert!(body.contains(text), "{name}: {body}");
    }
}

#[tokio::test]
async fn what_is_no_request_fails_and_the_next_one_is_served() {
    let account = Account::open().await;
    let mut payments = account.start("Payments", BINARY).await;
    for rubbish in events::rubbish() {
        let answer = payments.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(payments.invoke(&events::of("payments")["plans"]).await.http().0, 200);
    let log = payments.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
