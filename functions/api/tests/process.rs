//! The built binary of the API as a process of Lambda, with every event of `events/api`.

use quillon_core::attempt::Event;
use quillon_lambda_emulator::{Account, events};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-api");

#[tokio::test]
async fn every_event_is_answered() {
    let account = Account::open().await;
    let load = account.develop().await;
    let admitted = account.workflow().apply(load.id, &Event::Admitted, account.cloud.clock().now(), "test").await;
    assert!(admitted.expect("a table").is_some_and(|applied| applied.changed));
    let mut api = account.start("Api", BINARY).await;
    for (name, event) in events::of("api") {
        let (status, body) = api.invoke(&event).await.http();
        let document = || -> Value { serde_json::from_str(&body).unwrap_or_else(|error| panic!("{name}: {error}: {body}")) };
        match name.as_str() {
            "healthz" => assert_eq!((status, body.as_str()), (200, "ok"), "{name}"),
            "query-anonymous" => assert_eq!(status, 401, "{name}: {body}"),
            "query-user" => assert_eq!((status, &document()["data"]["user"]["orgs"][0]["name"]), (200, &"acme".into()), "{name}: {body}"),
            "query-org" => assert_eq!((status, &document()["data"]["org"]["name"]), (200, &"acme".into()), "{name}: {body}"),
            // The token of development is for checks alone.
            "engines" => {
                assert_eq!(status, 403, "{name}: {body}");
                assert!(document()["message"].as_str().is_some_and(|message| message.contains("engines:use")), "{name}: {body}");
            }
            // A stream is given in one piece: it has ended, and what went wrong is in it.
            "query-spans" => {
                assert_eq!(status, 200, "{name}: {body}");
                assert!(body.contains("event: next\ndata: {\"data\":null,\"errors\"") && body.contains("NOT_FOUND"), "{name}: {body}");
                assert!(body.ends_with("event: complete\ndata: \n\n"), "{name}: {body}");
            }
            "runner-lease" => {
                assert_eq!((status, &document()["attempt"]), (200, &load.id.to_string().into()), "{name}: {body}");
                let leased = account.store().attempt(load.id).await.expect("a table").expect("the attempt");
                assert_ne!(leased.state, load.state, "{name}");
            }
            _ => panic!("nothing is expected of events/api/{name}.json"),
        }
    }
}

#[tokio::test]
async fn credentials_that_nobody_made_open_nothing() {
    let account = Account::open().await;
    let mut api = account.start("Api", BINARY).await;
    for (name, event) in events::of("api").into_iter().filter(|(name, _)| name != "healthz") {
        let (status, body) = api.invoke(&event).await.http();
        assert_eq!(status, 401, "{name}: {body}");
    }
}

#[tokio::test]
async fn what_is_no_request_fails_and_the_next_one_is_served() {
    let account = Account::open().await;
    let mut api = account.start("Api", BINARY).await;
    for rubbish in events::rubbish() {
        let answer = api.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(api.invoke(&events::of("api")["healthz"]).await.http().0, 200);
    let log = api.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
