//! The built binary of the webhook as a process of Lambda, with every event of `events/webhook`.

use quillon_lambda_emulator::{Account, events};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-webhook");

#[tokio::test]
async fn every_event_is_answered_and_what_is_accepted_is_on_the_queue() {
    let account = Account::open().await;
    let mut webhook = account.start("Webhook", BINARY).await;
    for (name, event) in events::of("webhook") {
        let (status, body) = webhook.invoke(&event).await.http();
        let messages = account.take_messages("EventsQueue").await;
        let expected = match name.as_str() {
            "damaged-body" | "missing-header" => (400, 0),
            "sha1-only" | "wrong-signature" => (401, 0),
            "ping" => (202, 0),
            _ => (202, 1),
        };
        assert_eq!((status, messages.len()), expected, "{name}: {body}");
        for message in messages {
            let guid = event["headers"]["x-github-delivery"].as_str().expect("a GUID");
            assert_eq!((&message["kind"], &message["delivery"]), (&"delivery".into(), &guid.into()), "{name}");
            assert!(body.contains(guid), "{name}: {body}");
        }
    }
}

#[tokio::test]
async fn what_is_no_request_fails_and_the_next_one_is_served() {
    let account = Account::open().await;
    let mut webhook = account.start("Webhook", BINARY).await;
    for rubbish in events::rubbish() {
        let answer = webhook.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    let push = &events::of("webhook")["push-branch"];
    assert_eq!(webhook.invoke(push).await.http().0, 202);
    let log = webhook.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
