//! The operator's calls.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::World;

async fn get(world: &World, path: &str) -> (StatusCode, Value) {
    world.call(Method::GET, path, Some(&world.operator()), None).await
}

async fn put(world: &World, path: &str, body: Value) -> (StatusCode, Value) {
    world.call(Method::PUT, path, Some(&world.operator()), Some(&body)).await
}

#[tokio::test]
async fn a_token_makes_its_org_and_is_shown_once() {
    let world = World::new().await;
    let body = json!({ "org": "Acme", "name": "ci" });
    let (status, first) = world.post("/operator/v1/tokens", &world.operator(), body.clone()).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(first["is_org_new"], true);
    let text = first["token"].as_str().expect("a text");
    assert!(text.starts_with("dag_Acme_"), "the CLI reads the org's name out of it");
    let (_, second) = world.post("/operator/v1/tokens", &world.operator(), json!({ "org": "acme", "name": "two" })).await;
    assert_eq!(second["is_org_new"], false);
    assert_eq!(second["record"]["org"], first["record"]["org"], "names are one without regard to case");

    let (status, list) = get(&world, "/operator/v1/tokens?org=acme").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(list["tokens"].as_array().map(Vec::len), Some(2));
    assert!(!list.to_string().contains(text) && !list.to_string().contains(&quillon_tenancy::secret::hash(text)));
    assert_eq!(get(&world, "/operator/v1/tokens").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(get(&world, "/operator/v1/tokens?org=nobody").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bad_requests_say_what_is_wrong() {
    let world = World::new().await;
    for (body, expected) in [
        (json!({ "org": "a_b", "name": "ci" }), StatusCode::BAD_REQUEST),
        (json!({ "org": "acme", "name": " " }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "org": "acme", "name": "ci", "scopes": [] }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "org": "acme", "name": "ci", "expires_in_days": 0 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "org": "acme", "name": "ci", "admin": true }), StatusCode::BAD_REQUEST),
        (json!({ "org": "acme", "name": "x".repeat(20_000) }), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let (status, answer) = world.post("/operator/v1/tokens", &world.operator(), body).await;
        assert_eq!(status, expected, "{answer}");
    }
}

#[tokio::test]
async fn agents_enrol_once_and_can_be_sent_away() {
    let world = World::new().await;
    let (_, right) = world.post("/operator/v1/agent-enrolments", &world.operator(), json!({})).await;
    let body = json!({ "token": right["token"], "name": "box", "runs_forks": false });
    let enroll = async || world.call(Method::POST, "/runner/v1/enroll", None, Some(&body)).await;
    let (status, agent) = enroll().await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(enroll().await.0, StatusCode::UNAUTHORIZED, "a right is used once");

    let token = format!("Bearer {}", agent["token"].as_str().expect("a token"));
    let lease = async || world.post("/runner/v1/lease", &token, json!({ "wait_ms": 0 })).await.0;
    assert_eq!(lease().await, StatusCode::NO_CONTENT);
    let (_, list) = get(&world, "/operator/v1/agents?limit=1").await;
    assert_eq!(list["agents"][0]["name"], "box");
    assert!(!list.to_string().contains(agent["token"].as_str().expect("a token")));
    let path = format!("/operator/v1/agents/{}", agent["agent"].as_str().expect("an id"));
    assert_eq!(world.call(Method::DELETE, &path, Some(&world.operator()), None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(lease().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_right_to_enrol_expires_and_can_be_bound_to_an_org() {
    let world = World::new().await;
    let (status, _) = world.post("/operator/v1/agent-enrolments", &world.operator(), json!({ "org": "nobody" })).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, right) = world.post("/operator/v1/agent-enrolments", &world.operator(), json!({ "expires_in_minutes": 1 })).await;
    world.pass(60);
    let body = json!({ "token": right["token"], "name": "late", "runs_forks": false });
    assert_eq!(world.call(Method::POST, "/runner/v1/enroll", None, Some(&body)).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn repository_settings_are_read_and_written() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    world.repository(acme.id, 1, "acme/hello").await;
    let path = "/operator/v1/repositories/Acme/hello/settings";
    let (status, settings) = get(&world, path).await;
    assert_eq!((status, &settings["timeout_s"]), (StatusCode::OK, &json!(3_600)));
    let (status, _) = put(&world, path, json!({ "unmerged_branches": ["release/*"], "timeout_s": 60 })).await;
    assert_eq!(status, StatusCode::OK);
    let (_, settings) = get(&world, &format!("{path}?org=acme")).await;
    assert_eq!(settings["unmerged_branches"], json!(["release/*"]));
    assert_eq!(put(&world, path, json!({ "timeout": 60 })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(put(&world, path, json!({ "timeout_s": 1 })).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(get(&world, "/operator/v1/repositories/acme/other/settings").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&world, "/operator/v1/repositories/acme/settings").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn orgs_are_listed_in_pages_and_their_concurrency_is_set() {
    let world = World::new().await;
    for name in ["acme", "beta", "gamma"] {
        world.org(name).await;
    }
    let (_, page) = get(&world, "/operator/v1/orgs?limit=2").await;
    assert_eq!(page["orgs"].as_array().map(Vec::len), Some(2));
    let next = page["next"].as_str().expect("a cursor");
    let (_, rest) = get(&world, &format!("/operator/v1/orgs?limit=2&after={next}")).await;
    assert_eq!(rest["orgs"][0]["name"], "gamma");
    assert_eq!(get(&world, "/operator/v1/orgs?after=nonsense").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(get(&world, "/operator/v1/orgs?limit=0").await.0, StatusCode::BAD_REQUEST);

    let (status, org) = put(&world, "/operator/v1/orgs/acme", json!({ "concurrency": 3 })).await;
    assert_eq!((status, &org["concurrency"]), (StatusCode::OK, &json!(3)));
    let (_, org) = put(&world, "/operator/v1/orgs/acme", json!({ "public_traces": false })).await;
    assert_eq!((&org["concurrency"], &org["public_traces"]), (&json!(3), &json!(false)), "what is not named stays");
    let (_, org) = put(&world, "/operator/v1/orgs/acme", json!({ "concurrency": 4 })).await;
    assert_eq!((&org["concurrency"], &org["public_traces"]), (&json!(4), &json!(false)), "what is not named stays");
    assert_eq!(put(&world, "/operator/v1/orgs/acme", json!({ "concurrency": 0 })).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(put(&world, "/operator/v1/orgs/nobody", json!({ "concurrency": 3 })).await.0, StatusCode::NOT_FOUND);
}
