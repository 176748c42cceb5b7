//! The built binary of the pages as a process of Lambda, with every event of `events/web`.

use quillon_lambda_emulator::{Account, events};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-web");

#[tokio::test]
async fn every_event_is_answered_with_a_page() {
    let account = Account::open().await;
    account.develop().await;
    let mut web = account.start("Web", BINARY).await;
    for (name, event) in events::of("web") {
        let (status, page) = web.invoke(&event).await.http();
        let (expected, text) = match name.as_str() {
            "checks-page" => (200, "acme/hello"),
            "foreign-host" => (421, "quillon.example"),
            "sign-in-page" => (200, "Sign in"),
            "private-trace" => (404, "No such trace"),
            _ => panic!("nothing is expected of events/web/{name}.json"),
        };
        assert_eq!(status, expected, "{name}: {page}");
        assert!(page.starts_with("<!doctype html>") && page.contains(text), "{name}: {page}");
    }
}

#[tokio::test]
async fn what_is_no_request_fails_and_the_next_one_is_served() {
    let account = Account::open().await;
    let mut web = account.start("Web", BINARY).await;
    for rubbish in events::rubbish() {
        let answer = web.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(web.invoke(&events::of("web")["sign-in-page"]).await.http().0, 200);
    let log = web.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
