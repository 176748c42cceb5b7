//! Devices sign in by a code: what stock clients see, and what guessers see.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, StatusCode};
use quillon_core::device::UserCode;
use quillon_core::person::User;
use quillon_tenancy::{Deed, Principal};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::world::World;

/// What the stock CLI names itself.
const STOCK: &str = "brEY7u4SEoFypOgYBdYMs32b4ShRVIEv";

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn post(world: &World, path: &str, fields: &[(&str, &str)]) -> (StatusCode, HeaderMap, Value) {
    post_from(world, "192.0.2.7", path, fields).await
}

async fn post_from(world: &World, from: &str, path: &str, fields: &[(&str, &str)]) -> (StatusCode, HeaderMap, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded").header("x-forwarded-for", from);
    send(world, request.body(Bytes::from(body)).expect("a request")).await
}

async fn send(world: &World, request: Request<Bytes>) -> (StatusCode, HeaderMap, Value) {
    let (parts, body) = world.ask(request).await.into_parts();
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{}: {body:?}", parts.status));
    assert_eq!(parts.headers[CONTENT_TYPE], "application/json");
    assert_eq!(parts.headers[CACHE_CONTROL], "no-store");
    (parts.status, parts.headers, body)
}

async fn begin(world: &World, scope: &str) -> Value {
    let (status, _, body) = post(world, "/oauth/device/code", &[("client_id", STOCK), ("scope", scope)]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

async fn poll(world: &World, begun: &Value) -> (StatusCode, Value) {
    let code = begun["device_code"].as_str().expect("a code");
    let fields = [("client_id", STOCK), ("grant_type", DEVICE_CODE), ("device_code", code)];
    let (status, _, body) = post(world, "/oauth/token", &fields).await;
    (status, body)
}

async fn refresh(world: &World, token: &str) -> (StatusCode, Value) {
    let fields = [("client_id", STOCK), ("grant_type", "refresh_token"), ("refresh_token", token)];
    let (status, _, body) = post(world, "/oauth/token", &fields).await;
    (status, body)
}

async fn ann(world: &World) -> User {
    let browser = Browser::of(world, world.ann).await;
    let user = browser.user(world).await.expect("a person");
    world.deps.tenancy.user(user).await.expect("a table").expect("a person")
}

async fn answer(world: &World, user: &User, begun: &Value, approve: bool) {
    let code: UserCode = begun["user_code"].as_str().expect("a code").parse().expect("a code");
    let deed = Deed { who: "ann", from: None, now: world.now() };
    world.deps.tenancy.answer_device(&code, user, approve, &deed).await.expect("an open code");
}

async fn whose(world: &World, access: &str) -> Option<String> {
    match world.deps.tenancy.identify(access, world.now()).await.expect("a table") {
        Some(Principal::Person(user)) => Some(user.name),
        Some(Principal::Token(_)) | None => None,
    }
}

#[tokio::test]
async fn a_device_is_signed_in_once_a_person_says_yes() {
    let world = World::new().await;
    let begun = begin(&world, "openid offline_access").await;
    let user_code = begun["user_code"].as_str().expect("a code");
    assert_eq!(begun["verification_uri"], "http://127.0.0.1:8800/activate");
    assert_eq!(begun["verification_uri_complete"], format!("http://127.0.0.1:8800/activate?user_code={user_code}"));
    assert_eq!((&begun["expires_in"], &begun["interval"]), (&json!(900), &json!(5)));
    let code: UserCode = user_code.parse().expect("a code");
    let wish = world.deps.tenancy.device_for(&code, "ann", world.now()).await.expect("an open code");
    assert_eq!((wish.client.as_str(), wish.from.as_deref()), ("dagger CLI", Some("192.0.2.7")));

    let (status, body) = poll(&world, &begun).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("authorization_pending")));
    answer(&world, &ann(&world).await, &begun, true).await;
    world.pass(5);
    let (status, body) = poll(&world, &begun).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(86_400)));
    let access = body["access_token"].as_str().expect("a token");
    assert_eq!(whose(&world, access).await.as_deref(), Some("ann"));
    assert!(body["refresh_token"].as_str().expect("a token").starts_with("qrt_"));
    // Its tokens are fetched once.
    world.pass(5);
    let (status, body) = poll(&world, &begun).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
}

/// A CLI that refreshes would go to the server that is built into it: without `offline_access` there is one token that just works.
#[tokio::test]
async fn without_offline_access_there_is_one_token_without_an_end() {
    let world = World::new().await;
    let fields = [("client_id", "quillon"), ("client_name", "quillon on laptop"), ("scope", "openid")];
    let (_, _, begun) = post(&world, "/oauth/device/code", &fields).await;
    let user = ann(&world).await;
    answer(&world, &user, &begun, true).await;
    let (status, body) = poll(&world, &begun).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let names: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["access_token", "token_type"]);
    let logins = world.deps.tenancy.logins(user.id, world.now()).await.expect("a table");
    assert_eq!(logins.iter().map(|login| login.client.as_str()).collect::<Vec<_>>(), ["quillon on laptop"]);
    world.pass(30 * 86_400);
    assert!(whose(&world, body["access_token"].as_str().expect("a token")).await.is_some());
}

#[tokio::test]
async fn whoever_polls_is_told_what_became_of_it() {
    let world = World::new().await;
    let begun = begin(&world, "openid").await;
    assert_eq!(poll(&world, &begun).await.1["error"], "authorization_pending");
    world.pass(2);
    assert_eq!(poll(&world, &begun).await.1["error"], "slow_down");
    world.pass(10);
    assert_eq!(poll(&world, &begun).await.1["error"], "authorization_pending");
    let user = ann(&world).await;
    answer(&world, &user, &begun, false).await;
    world.pass(10);
    let (status, body) = poll(&world, &begun).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("access_denied")));

    let begun = begin(&world, "openid").await;
    world.pass(900);
    assert_eq!(poll(&world, &begun).await.1["error"], "expired_token");
}

#[tokio::test]
async fn what_clients_do_wrong_is_told_in_the_words_of_the_standard() {
    let world = World::new().await;
    let begun = begin(&world, "openid").await;
    let code = begun["device_code"].as_str().expect("a code");
    let long = "x".repeat(600);
    for (path, fields, expected) in [
        ("/oauth/device/code", vec![], "invalid_request"),
        ("/oauth/device/code", vec![("client_id", "")], "invalid_request"),
        ("/oauth/device/code", vec![("client_id", "a"), ("client_id", "a")], "invalid_request"),
        ("/oauth/token", vec![("client_id", "a")], "invalid_request"),
        ("/oauth/token", vec![("grant_type", DEVICE_CODE), ("device_code", code)], "invalid_request"),
        ("/oauth/token", vec![("client_id", "a"), ("grant_type", DEVICE_CODE)], "invalid_request"),
        ("/oauth/token", vec![("client_id", "a"), ("grant_type", DEVICE_CODE), ("device_code", &long)], "invalid_request"),
        (
            "/oauth/token",
            vec![("client_id", "a"), ("grant_type", DEVICE_CODE), ("device_code", code), ("scope", "a"), ("scope", "b")],
            "invalid_request",
        ),
        ("/oauth/token", vec![("client_id", "a"), ("grant_type", "authorization_code"), ("code", "x")], "unsupported_grant_type"),
        ("/oauth/token", vec![("client_id", "a"), ("grant_type", "password")], "unsupported_grant_type"),
        ("/oauth/token", vec![("client_id", "a"), ("grant_type", "client_credentials")], "unsupported_grant_type"),
        ("/oauth/token", vec![("client_id", "a"), ("grant_type", "refresh_token")], "invalid_request"),
        ("/oauth/token", vec![("client_id", "a"), ("grant_type", "refresh_token"), ("refresh_token", "qrt_x")], "invalid_grant"),
    ] {
        let (status, _, body) = post(&world, path, &fields).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!(expected)), "{path} {fields:?}: {body}");
        assert!(body["error_description"].as_str().is_some_and(|text| !text.is_empty()));
    }
    let json = Request::post("/oauth/token").header(CONTENT_TYPE, "application/json").body(Bytes::from_static(b"{}")).expect("a request");
    let (status, _, body) = send(&world, json).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")));
    for path in ["/oauth/device/code", "/oauth/token"] {
        for method in [Method::GET, Method::PUT] {
            let request = Request::builder().method(method).uri(path).body(Bytes::new()).expect("a request");
            let answer = world.ask(request).await;
            assert_eq!((answer.status(), answer.headers()["allow"].to_str().ok()), (StatusCode::METHOD_NOT_ALLOWED, Some("POST")));
        }
    }
}

/// Go's library tries the client's name in the header first, and the form right after: a poll must not count twice.
#[tokio::test]
async fn client_credentials_in_the_header_are_refused_before_anything_counts() {
    let world = World::new().await;
    let begun = begin(&world, "openid").await;
    let code = begun["device_code"].as_str().expect("a code");
    for _ in 0..3 {
        let body = format!("grant_type={DEVICE_CODE}&client_id={STOCK}&device_code={code}");
        let request = Request::post("/oauth/token")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, "Basic YnJFWTo=")
            .body(Bytes::from(body))
            .expect("a request");
        let (status, headers, body) = send(&world, request).await;
        assert_eq!((status, &body["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
        assert!(headers.contains_key(WWW_AUTHENTICATE));
        assert_eq!(poll(&world, &begun).await.1["error"], "authorization_pending");
        world.pass(5);
    }
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_login() {
    let world = World::new().await;
    let begun = begin(&world, "openid offline_access").await;
    answer(&world, &ann(&world).await, &begun, true).await;
    let (_, first) = poll(&world, &begun).await;
    let text = |body: &Value, name: &str| body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    world.pass(3_600);
    let (status, second) = refresh(&world, &text(&first, "refresh_token")).await;
    assert_eq!((status, &second["expires_in"]), (StatusCode::OK, &json!(86_400)), "{second}");
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert!(whose(&world, &text(&second, "access_token")).await.is_some());
    // A thief comes with the first one, after the time in which a client repeats itself.
    world.pass(60);
    let (status, body) = refresh(&world, &text(&first, "refresh_token")).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")), "{body}");
    for known in [&first, &second] {
        assert!(whose(&world, &text(known, "access_token")).await.is_none(), "whoever has the others has nothing now");
    }
    let (status, body) = refresh(&world, &text(&second, "refresh_token")).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")), "{body}");
}

#[tokio::test]
async fn guessing_codes_gives_nothing() {
    let world = World::new().await;
    let begun = begin(&world, "openid").await;
    answer(&world, &ann(&world).await, &begun, true).await;
    let real = begun["device_code"].as_str().expect("a code").to_owned();
    let user_code = begun["user_code"].as_str().expect("a code");
    let cut = &real[..real.len() - 1];
    for guess in [user_code, cut, &format!("{real}0"), &real.to_uppercase(), &"0".repeat(64), "#", "é"] {
        let fields = [("client_id", STOCK), ("grant_type", DEVICE_CODE), ("device_code", guess)];
        let (status, _, body) = post(&world, "/oauth/token", &fields).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")), "{guess}");
    }
    assert_eq!(poll(&world, &begun).await.0, StatusCode::OK, "the real one still works");
    // The short code is the one that can be guessed: ten wrong ones within an hour, then nothing more, not even the right one.
    let begun = begin(&world, "openid").await;
    let right: UserCode = begun["user_code"].as_str().expect("a code").parse().expect("a code");
    for guess in 0..10 {
        let wrong = UserCode::of_entropy(guess);
        assert!(world.deps.tenancy.device_for(&wrong, "mallory", world.now()).await.is_err());
    }
    let refused = world.deps.tenancy.device_for(&right, "mallory", world.now()).await.expect_err("too many").to_string();
    assert!(refused.contains("too many wrong codes"), "{refused}");
    assert!(world.deps.tenancy.device_for(&right, "ann", world.now()).await.is_ok(), "others are not kept out");
}

#[tokio::test]
async fn an_address_gets_so_many_codes_within_an_hour() {
    let world = World::new().await;
    let fields = [("client_id", "x")];
    for number in 1..=60 {
        let (status, _, body) = post(&world, "/oauth/device/code", &fields).await;
        assert_eq!(status, StatusCode::OK, "{number}: {body}");
    }
    for _ in 0..2 {
        let (status, headers, body) = post(&world, "/oauth/device/code", &fields).await;
        assert_eq!((status, &body["error"]), (StatusCode::TOO_MANY_REQUESTS, &json!("slow_down")), "{body}");
        assert_eq!(headers[RETRY_AFTER], "3600");
    }
    assert_eq!(post_from(&world, "192.0.2.8", "/oauth/device/code", &fields).await.0, StatusCode::OK, "others go on");
    world.pass(3_600);
    assert_eq!(post(&world, "/oauth/device/code", &fields).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_device_signs_itself_out() {
    let world = World::new().await;
    let ann = ann(&world).await;
    for (scope, token) in
        [("openid", "access_token"), ("openid offline_access", "access_token"), ("openid offline_access", "refresh_token")]
    {
        let begun = begin(&world, scope).await;
        answer(&world, &ann, &begun, true).await;
        world.pass(5);
        let (_, tokens) = poll(&world, &begun).await;
        let text = |name: &str| tokens[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(whose(&world, &text("access_token")).await.as_deref(), Some("ann"), "{tokens}");
        let (status, _, body) = post(&world, "/oauth/revoke", &[("client_id", STOCK), ("token", &text(token))]).await;
        assert_eq!((status, body), (StatusCode::OK, json!({})));
        assert_eq!(whose(&world, &text("access_token")).await, None, "{scope} {token}");
        if scope.contains("offline_access") {
            assert_eq!(refresh(&world, &text("refresh_token")).await.0, StatusCode::BAD_REQUEST);
        }
    }
    // What is no token, or none that works, has ended already; what is missing is a mistake of the client.
    for token in ["qat_made_up", "dag_acme_secret", &"x".repeat(600)] {
        assert_eq!(post(&world, "/oauth/revoke", &[("client_id", STOCK), ("token", token)]).await.0, StatusCode::OK, "{token}");
    }
    for fields in [vec![("client_id", STOCK)], vec![("token", "qat_made_up")]] {
        let (status, _, body) = post(&world, "/oauth/revoke", &fields).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")));
    }
}
