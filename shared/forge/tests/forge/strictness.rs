//! What GitHub would refuse is refused and kept as a violation; and faults on request.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::Method;
use quillon_forge::{Answer, Fault, HookAction, RateLimit, RequestInfo};
use serde_json::{Value, json};

use crate::{
    deliveries::jwt,
    world::{World, client},
};

#[tokio::test]
async fn illegal_statuses_are_refused_in_githubs_words() {
    let world = World::new().await;
    let sha = world.push("main", "a", "1").await;
    let token = world.token(json!({})).await;
    let path = format!("/repos/acme/hello/statuses/{sha}");
    let cases = [
        (json!({ "state": "done" }), "state is not included in the list"),
        (json!({}), "state is not included in the list"),
        (json!({ "state": "success", "description": "x".repeat(141) }), "description is too long (maximum is 140 characters)"),
        (json!({ "state": "success", "context": "x".repeat(256) }), "context is too long (maximum is 255 characters)"),
        (json!({ "state": "success", "target_url": "javascript:alert(1)" }), "target_url must use http(s) scheme"),
    ];
    for (body, words) in cases {
        world.forge.clear_violations();
        let (status, _, answer) = world.call(Method::POST, &path, &token, Some(body)).await;
        assert_eq!((status, &answer["errors"][0]["message"]), (422, &json!(words)));
        assert_eq!(world.forge.violations().len(), 1);
    }
    let (status, _, answer) = world.call(Method::POST, &path, &token, Some(json!({ "state": "success", "contxt": "a" }))).await;
    assert_eq!(status, 422);
    assert!(answer["message"].as_str().unwrap().contains("\"contxt\" is not a permitted key"));
    world.forge.clear_violations();
    let nowhere = format!("/repos/acme/hello/statuses/{}", "0".repeat(40));
    let (status, _, answer) = world.call(Method::POST, &nowhere, &token, Some(json!({ "state": "success" }))).await;
    assert_eq!((status, answer["message"].as_str().unwrap().starts_with("No commit found for SHA")), (422, true));
    assert_eq!(world.forge.statuses(world.hello.id, &sha).unwrap(), []);
    world.assert_no_violations();
}

#[tokio::test]
async fn what_does_not_exist_is_a_violation() {
    let world = World::new().await;
    world.push("main", "a", "1").await;
    let token = world.token(json!({})).await;
    let unscoped = world.token(json!({ "permissions": { "contents": "read" } })).await;
    let app = jwt(&world);
    let cases = [
        ("an unknown route", Method::GET, "/repos/acme/hello/issues", token.as_str(), 404),
        ("a wrong method", Method::DELETE, "/repos/acme/hello/branches", &token, 404),
        ("an unknown parameter", Method::GET, "/repos/acme/hello/branches?perpage=5", &token, 422),
        ("an unknown token", Method::GET, "/repos/acme/hello", "ghs_made_up", 401),
        ("a forged JWT", Method::GET, "/app", "a.b.c", 401),
        ("a token in place of a JWT", Method::GET, "/app", &token, 401),
        ("a JWT in place of a token", Method::GET, "/repos/acme/hello", &app, 401),
        ("a missing permission", Method::POST, "/repos/acme/hello/statuses/abc", &unscoped, 403),
        ("a cursor of nobody", Method::GET, "/app/hook/deliveries?cursor=7", &app, 422),
    ];
    for (what, method, path, token, expected) in cases {
        world.forge.clear_violations();
        let body = (method == Method::POST).then(|| json!({}));
        let (status, _, answer) = world.call(method, path, token, body).await;
        assert_eq!(status, expected, "{what}: {answer}");
        assert_eq!(world.forge.violations().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn headers_are_checked() {
    let world = World::new().await;
    let token = world.token(json!({})).await;
    let url = format!("{}/repos/acme/hello", world.forge.api_url());
    let plain = || client().get(&url).header("user-agent", "test");
    let cases = [
        ("no credentials", plain(), 401),
        ("an HTML reader", plain().bearer_auth(&token).header("accept", "text/html"), 415),
        ("no user agent", client().get(&url).bearer_auth(&token), 403),
        ("a version of the future", plain().bearer_auth(&token).header("x-github-api-version", "2999-01-01"), 400),
    ];
    for (what, request, expected) in cases {
        world.forge.clear_violations();
        assert_eq!(request.send().await.unwrap().status().as_u16(), expected, "{what}");
        assert_eq!(world.forge.violations().len(), 1, "{what}");
    }
    let sha = world.push("main", "a", "1").await;
    let posting = client().post(format!("{url}/statuses/{sha}")).header("user-agent", "test").bearer_auth(&token);
    let answer = posting.header("content-type", "text/plain").body("{\"state\":\"success\"}").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 415);
}

#[tokio::test]
async fn jwts_are_checked_by_their_times() {
    let world = World::with(|config| config.jwt_clock = None).await;
    let now = 1_767_600_000;
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(world.forge.app_private_key_pem().as_bytes()).unwrap();
    let sign = |claims: Value| jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), &claims, &key).unwrap();
    let cases = [
        (json!({ "iss": 1, "iat": now - 60, "exp": now + 540 }), 200),
        (json!({ "iss": "1", "iat": now, "exp": now + 600 }), 200),
        (json!({ "iss": 1, "iat": now, "exp": now + 601 }), 401),
        (json!({ "iss": 1, "iat": now - 700, "exp": now }), 401),
        (json!({ "iss": 1, "iat": now + 61, "exp": now + 540 }), 401),
        (json!({ "iss": 1, "exp": now + 540 }), 401),
        (json!({ "iss": 1, "iat": now }), 401),
        (json!({ "iss": 2, "iat": now, "exp": now + 540 }), 404),
    ];
    for (claims, expected) in cases {
        let (status, _, body) = world.call(Method::GET, "/app", &sign(claims.clone()), None).await;
        assert_eq!(status, expected, "{claims}: {body}");
    }
}

#[tokio::test]
async fn faults_happen_as_often_as_planned() {
    let world = World::new().await;
    let sha = world.push("main", "a", "1").await;
    let token = world.token(json!({})).await;
    let path = format!("/repos/acme/hello/statuses/{sha}");
    let post = async || {
        let request = client().post(format!("{}{path}", world.forge.api_url())).bearer_auth(&token).header("user-agent", "test");
        request.json(&json!({ "state": "success" })).send().await
    };
    let posted = || world.forge.statuses(world.hello.id, &sha).unwrap().len();

    let slow_down = Fault::Status {
        method: Some(Method::POST),
        path_contains: "/statuses/".to_owned(),
        status: 429,
        body: json!({ "message": "slow down" }).to_string(),
        retry_after: Some(7),
        times: 1,
    };
    world.forge.fault(slow_down);
    let answer = post().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap(), posted()), (429, "7", 0));

    let lost = |answer| Fault::TimeoutAfterWrite { method: None, path_contains: "/statuses/".to_owned(), answer, times: 1 };
    world.forge.fault(lost(Answer::Status(502)));
    assert_eq!((post().await.unwrap().status().as_u16(), posted()), (502, 1));
    world.forge.fault(lost(Answer::Cut));
    assert!(post().await.is_err());
    assert_eq!(posted(), 2);

    for (limit, header, value) in [(RateLimit::Primary, "x-ratelimit-remaining", "0"), (RateLimit::Secondary, "retry-after", "30")] {
        world.forge.fault(Fault::RateLimited { limit, path_contains: "/repos/".to_owned(), retry_after: 30, times: 1 });
        let answer = post().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()[header].to_str().unwrap()), (403, value));
    }
    world.forge.fault(Fault::Down { times: 2 });
    for expected in [503, 503, 201] {
        assert_eq!(post().await.unwrap().status().as_u16(), expected);
    }
    assert_eq!(posted(), 3);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_hook_decides_about_each_request_by_its_index() {
    let world = World::new().await;
    let sha = world.push("main", "a", "1").await;
    let token = world.token(json!({})).await;
    let path = format!("/repos/acme/hello/statuses/{sha}");
    let first = world.forge.requests().len() as u64;
    let seen = Arc::new(AtomicU64::new(0));
    let count = seen.clone();
    world.forge.set_hook(Some(Arc::new(move |request: &RequestInfo| {
        count.fetch_add(1, Ordering::Relaxed);
        match request.index - first {
            0 => HookAction::FailBefore(500),
            1 => HookAction::FailAfter(502),
            _ => HookAction::Pass,
        }
    })));
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(world.call(Method::POST, &path, &token, Some(json!({ "state": "success" }))).await.0);
    }
    assert_eq!((answers, seen.load(Ordering::Relaxed)), (vec![500, 502, 201], 3));
    assert_eq!(world.forge.statuses(world.hello.id, &sha).unwrap().len(), 2);
    let last = world.forge.requests().pop().unwrap();
    assert_eq!((last.method, last.path, last.index), (Method::POST, format!("/api/v3{path}"), first + 2));
}
