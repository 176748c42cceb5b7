//! The built binary of signing in as a process of Lambda, with every event of `events/auth`.

use quillon_core::person::ProviderId;
use quillon_lambda_emulator::{Account, development, events};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-auth");

#[tokio::test]
async fn every_event_is_answered() {
    let account = Account::open().await;
    account.develop().await;
    let mut auth = account.start("Auth", BINARY).await;
    for (name, event) in events::of("auth") {
        let (status, body) = auth.invoke(&event).await.http();
        let (expected, text) = match name.as_str() {
            "start-github" | "setup" | "link-anonymous" => (303, ""),
            "start-unknown" => (404, "There is nothing here"),
            "callback-forged" => (400, "This sign-in cannot be finished"),
            "device-code" => (200, "https://quillon.example/activate?user_code="),
            "device-code-no-client" => (400, "invalid_request"),
            "token-unknown-code" => (400, "invalid_grant"),
            "token-client-credentials" => (400, "unsupported_grant_type"),
            "ci-anonymous" => (401, "\"token\":\"\""),
            "ci-no-token" => (401, "it is not a signed token"),
            "ci-unknown-provider" => (400, "\"org_name\":\"\""),
            _ => panic!("nothing is expected of events/auth/{name}.json"),
        };
        assert_eq!(status, expected, "{name}: {body}");
        assert!(body.contains(text), "{name}: {body}");
    }
}

/// With nothing but the template's variables and rights, over TLS settings of its own, to GitHub and back.
#[tokio::test]
async fn a_person_signs_in_and_a_device_after_them() {
    let account = Account::open().await;
    let mut auth = account.start("Auth", BINARY).await;
    let events = events::of("auth");
    let sent = auth.invoke(&events["start-github"]).await.response();
    let location = sent["headers"]["location"].as_str().unwrap_or_else(|| panic!("{sent}"));
    let cookie = cookies(&sent).into_iter().next().expect("a cookie");
    assert!(cookie.starts_with("__Host-quillon_sign_in=") && cookie.ends_with("; Secure"), "{cookie}");
    // The forge of development has Mona, its third account.
    let mona = 1003;
    let back = account.forge.authorize(mona, location.split_once('?').expect("a query").1).expect("a request as GitHub takes it");

    let mut callback = events["callback-forged"].clone();
    callback["rawQueryString"] = back.split_once('?').expect("a query").1.into();
    callback["cookies"] = json!([cookie.split(';').next()]);
    let answer = auth.invoke(&callback).await.response();
    assert_eq!((&answer["statusCode"], &answer["headers"]["location"]), (&json!(303), &json!("/acme/checks")), "{answer}");
    let set = cookies(&answer);
    assert!(set.iter().any(|cookie| cookie.starts_with("__Host-quillon_session=")), "{set:?}");
    let user = account.store().user_by_identity(&ProviderId::github(), &mona.to_string()).await.expect("a table");
    assert_eq!(user.expect("a person").name, "mona");

    let (_, begun) = auth.invoke(&events["device-code"]).await.http();
    let begun: Value = serde_json::from_str(&begun).expect("JSON");
    let mut poll = events["token-client-credentials"].clone();
    let code = begun["device_code"].as_str().expect("a code");
    poll["body"] = format!("client_id=x&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code={code}").into();
    let (status, body) = auth.invoke(&poll).await.http();
    assert!(status == 400 && body.contains("authorization_pending"), "{body}");
    assert!(begun["verification_uri"].as_str().is_some_and(|uri| uri.starts_with(development::PUBLIC_URL)), "{begun}");
}

fn cookies(answer: &Value) -> Vec<String> {
    let listed = answer["cookies"].as_array().cloned().unwrap_or_default();
    listed.iter().map(|cookie| cookie.as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn what_is_no_request_fails_and_the_next_one_is_served() {
    let account = Account::open().await;
    let mut auth = account.start("Auth", BINARY).await;
    for rubbish in events::rubbish() {
        let answer = auth.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(auth.invoke(&events::of("auth")["start-github"]).await.http().0, 303);
    let log = auth.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
