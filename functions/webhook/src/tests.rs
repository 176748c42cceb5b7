//! What the webhook answers, and what it sends before it does.

mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use quillon_github::webhook::{MAX_BODY, signature};
use quillon_runtime::{Clock, Settings};
use serde_json::{Value, json};

use crate::{Deps, handle};
use wire::Wire;

const GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

struct Setup {
    wire: Wire,
    clock: Clock,
    deps: Deps,
}

fn setup() -> Setup {
    let wire = Wire::default();
    wire.set_secret("current", Some("previous"));
    let settings = [("QUEUE_EVENTS_URL", "https://sqs.local/events"), ("WEBHOOK_SECRET_ARN", "arn:webhook")];
    let settings = Settings::new(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let deps = Deps::new(&settings, &wire.sdk(), clock.clone()).expect("complete settings");
    Setup { wire, clock, deps }
}

fn push() -> String {
    json!({ "ref": "refs/heads/main", "repository": { "id": 42 }, "installation": { "id": 7 }, "sender": { "login": "ada" } }).to_string()
}

fn request(event: &str, body: &str, secret: &str) -> http::request::Builder {
    Request::post("/github/webhook")
        .header("X-GitHub-Event", event)
        .header("X-GitHub-Delivery", GUID)
        .header("X-Hub-Signature-256", signature(secret, body.as_bytes()))
        .header("Content-Type", "application/json")
}

async fn send(setup: &Setup, builder: http::request::Builder, body: &str) -> (u16, Value) {
    let request = builder.body(Bytes::copy_from_slice(body.as_bytes())).expect("a request");
    read(&handle(&setup.deps, request).await)
}

fn read(response: &Response<Bytes>) -> (u16, Value) {
    assert_eq!(response.headers()["content-type"], "application/json");
    (response.status().as_u16(), serde_json::from_slice(response.body()).expect("JSON"))
}

async fn post(setup: &Setup, event: &str, body: &str, secret: &str) -> (u16, Value) {
    send(setup, request(event, body, secret), body).await
}

#[tokio::test]
async fn a_push_is_on_the_queue_before_it_is_accepted() {
    let setup = setup();
    assert_eq!(post(&setup, "push", &push(), "current").await, (202, json!({ "accepted": GUID })));
    let hint = json!({
        "delivery": GUID, "event": "push", "sender": "ada", "installation": 7,
        "subject": { "type": "ref", "repository": 42, "ref": "refs/heads/main" },
    });
    let mut expected = json!({ "v": 1, "kind": "delivery", "cause": format!("gh:{GUID}") });
    for (key, value) in hint.as_object().expect("an object") {
        expected[key] = value.clone();
    }
    assert_eq!(setup.wire.sent(), [expected]);
}

#[tokio::test]
async fn the_secret_before_the_rotation_is_good_too() {
    let setup = setup();
    assert_eq!(post(&setup, "push", &push(), "previous").await.0, 202);
    assert_eq!(setup.wire.secret_reads(), 1);
}

#[tokio::test]
async fn what_changes_nothing_is_202_with_the_reason_and_sends_nothing() {
    let setup = setup();
    assert_eq!(post(&setup, "ping", "{}", "current").await, (202, json!({ "ignored": "a ping changes nothing" })));
    assert_eq!(post(&setup, "star", "{}", "current").await, (202, json!({ "ignored": "the event `star` changes nothing here" })));
    assert_eq!(setup.wire.sent(), [] as [Value; 0]);
}

#[tokio::test]
async fn only_post_is_taken() {
    let setup = setup();
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        let request = Request::builder().method(method).uri("/github/webhook").body(Bytes::new()).expect("a request");
        let response = handle(&setup.deps, request).await;
        assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST".parse().expect("a value")), "{method}");
    }
}

#[tokio::test]
async fn bad_requests_are_refused_without_asking_aws() {
    let setup = setup();
    let bare = || Request::post("/github/webhook");
    let body = push();
    assert_eq!(send(&setup, bare(), &body).await.0, 400);
    assert_eq!(send(&setup, bare().header("X-GitHub-Event", "push"), &body).await.0, 400);
    assert_eq!(send(&setup, bare().header("X-GitHub-Event", "push").header("X-GitHub-Delivery", GUID), &body).await.0, 400);
    let sha1 = bare().header("X-GitHub-Event", "push").header("X-GitHub-Delivery", GUID).header("X-Hub-Signature", "sha1=00");
    assert_eq!(send(&setup, sha1, &body).await.0, 401);
    let (status, said) = send(&setup, request("push", "", "current"), &"x".repeat(MAX_BODY + 1)).await;
    assert_eq!((status, &said["error"]), (413, &json!(format!("the body has {} bytes, at most {MAX_BODY} are read", MAX_BODY + 1))));
    assert_eq!((setup.wire.secret_reads(), setup.wire.sent().len()), (0, 0));
}

#[tokio::test]
async fn a_genuine_but_damaged_body_is_400_with_what_is_wrong() {
    let setup = setup();
    for body in ["", "payload=%7B%7D", "[]", "{", r#"{"repository":{"id":1}}"#] {
        let (status, said) = post(&setup, "push", body, "current").await;
        let error = said["error"].as_str().expect("an error");
        assert!(status == 400 && error.starts_with("the body is not a `push` payload in JSON: "), "{status} {error}");
    }
    assert_eq!(setup.wire.sent(), [] as [Value; 0]);
}

#[tokio::test]
async fn a_wrong_signature_is_401_and_costs_one_read_of_the_secret_per_minute() {
    let setup = setup();
    for _ in 0..5 {
        let (status, said) = post(&setup, "push", &push(), "forged").await;
        assert_eq!((status, said["error"].as_str().map(|error| error.contains("forged"))), (401, Some(false)));
    }
    // The first read, and the one that the first wrong signature caused.
    assert_eq!(setup.wire.secret_reads(), 2);
    setup.clock.advance(Duration::from_secs(61));
    assert_eq!(post(&setup, "push", &push(), "forged").await.0, 401);
    assert_eq!(post(&setup, "push", &push(), "forged").await.0, 401);
    assert_eq!(setup.wire.secret_reads(), 3);
    assert_eq!(setup.wire.sent(), [] as [Value; 0]);
}

#[tokio::test]
async fn a_rotated_secret_is_noticed_at_once() {
    let setup = setup();
    assert_eq!(post(&setup, "push", &push(), "current").await.0, 202);
    setup.wire.set_secret("next", Some("current"));
    assert_eq!(post(&setup, "push", &push(), "next").await.0, 202);
    assert_eq!(post(&setup, "push", &push(), "current").await.0, 202);
    assert_eq!(setup.wire.secret_reads(), 2);
}

#[tokio::test]
async fn a_delivery_that_cannot_be_stored_is_500_and_good_the_next_time() {
    let setup = setup();
    setup.wire.set_queue_down(true);
    let refused = (500, json!({ "error": "the delivery was not accepted, redeliver it" }));
    assert_eq!(post(&setup, "push", &push(), "current").await, refused);
    setup.wire.set_queue_down(false);
    assert_eq!(post(&setup, "push", &push(), "current").await.0, 202);
    assert_eq!(setup.wire.sent().len(), 1);
}

#[tokio::test]
async fn without_a_secret_nothing_is_accepted() {
    let setup = setup();
    setup.wire.set_secret_down(true);
    assert_eq!(post(&setup, "push", &push(), "current").await.0, 500);
    setup.wire.set_secret_down(false);
    setup.wire.set_secret_text("not JSON");
    assert_eq!(post(&setup, "push", &push(), "current").await.0, 500);
    setup.clock.advance(Duration::from_secs(360));
    setup.wire.set_secret("", None);
    assert_eq!(post(&setup, "push", &push(), "").await.0, 401);
    assert_eq!(setup.wire.sent(), [] as [Value; 0]);
}

#[test]
fn every_missing_setting_is_named() {
    let error = Deps::new(&Settings::default(), &Wire::default().sdk(), Clock::system()).expect_err("nothing is set").to_string();
    assert!(error.contains("`QUEUE_EVENTS_URL`") && error.contains("`WEBHOOK_SECRET_ARN`"), "{error}");
}
