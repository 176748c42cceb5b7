//! The emulator itself: what the Runtime API answers to a process that does something wrong, and what becomes of a process that dies.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use quillon_lambda_emulator::{Answer, RuntimeApi, Sandbox};
use reqwest::Client;
use serde_json::{Value, json};

const FAR: i64 = 4_102_444_800_000;

fn url(api: &RuntimeApi, rest: &str) -> String {
    format!("http://{}/2018-06-01/runtime/{rest}", api.address())
}

/// Polls as a function does; the id of the request, and the event.
async fn next(api: &RuntimeApi) -> (String, Value) {
    let answer = Client::new().get(url(api, "invocation/next")).send().await.expect("an event");
    assert_eq!(answer.headers()["lambda-runtime-deadline-ms"], FAR.to_string().as_str());
    assert_eq!(answer.headers()["lambda-runtime-invoked-function-arn"], "arn");
    assert!(answer.headers().contains_key("lambda-runtime-trace-id"));
    let id = answer.headers()["lambda-runtime-aws-request-id"].to_str().expect("an id").to_owned();
    (id, answer.json().await.expect("JSON"))
}

async fn say(api: &RuntimeApi, rest: &str, body: impl Into<reqwest::Body>) -> u16 {
    Client::new().post(url(api, rest)).body(body).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn an_event_is_held_until_it_is_asked_for_and_answered_once() {
    let api = RuntimeApi::open("arn").await;
    let function = async {
        let (id, event) = next(&api).await;
        assert_eq!(event, json!({ "number": 1 }));
        let response = format!("invocation/{id}/response");
        (say(&api, &response, "{\"is\":\"done\"}").await, say(&api, &response, "{}").await)
    };
    let event = json!({ "number": 1 });
    let (answer, said) = tokio::join!(api.invoke(&event, FAR), function);
    assert_eq!((answer, said), (Answer::Response(json!({ "is": "done" })), (202, 400)));
    api.ready().await;
}

#[tokio::test]
async fn errors_and_answers_that_lambda_refuses_fail_the_invocation() {
    let api = RuntimeApi::open("arn").await;
    let large = vec![b' '; 6 * 1024 * 1024 + 1];
    for (call, body, status, kind) in [
        ("error", b"{\"errorType\":\"Mine\",\"errorMessage\":\"why\"}".to_vec(), 202, "Mine"),
        ("response", b"{\"half\":".to_vec(), 400, "Runtime.InvalidResponse"),
        ("response", large, 413, "Function.ResponseSizeTooLarge"),
    ] {
        let function = async {
            let (id, _) = next(&api).await;
            say(&api, &format!("invocation/{id}/{call}"), body).await
        };
        let (answer, said) = tokio::join!(api.invoke(&Value::Null, FAR), function);
        let Answer::Error(error) = answer else { panic!("{answer:?}") };
        assert_eq!((said, &error["errorType"]), (status, &kind.into()));
    }
    assert_eq!(say(&api, "init/error", "{}").await, 202);
}

#[tokio::test]
#[should_panic(expected = "the process of `Broken` ended (exit status: 1)")]
async fn a_process_that_dies_fails_the_test_at_once() {
    let api = RuntimeApi::open("arn").await;
    let mut sandbox = Sandbox::start("Broken", Path::new("/bin/false"), &BTreeMap::new(), Duration::from_secs(1), api);
    sandbox.invoke(&Value::Null).await;
}
