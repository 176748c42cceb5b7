//! Who gets in, who sees what, and what a refusal looks like.

use http::{Method, StatusCode};
use quillon_core::member::Roles;
use serde_json::{Value, json};

use crate::world::World;

const USER: &str = include_str!("../documents/User.graphql");

#[tokio::test]
async fn anybody_may_ask_for_health_and_nothing_else() {
    let world = World::new().await;
    assert_eq!(world.call(Method::GET, "/healthz", None, None).await, (StatusCode::OK, Value::String("ok".to_owned())));
    for (method, path, expected) in [
        (Method::POST, "/query", StatusCode::UNAUTHORIZED),
        (Method::GET, "/query", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/healthz", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/operator/v1/agents", StatusCode::UNAUTHORIZED),
        (Method::POST, "/runner/v1/lease", StatusCode::UNAUTHORIZED),
        (Method::GET, "/runner/v1/lease", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/", StatusCode::NOT_FOUND),
    ] {
        let (status, body) = world.call(method.clone(), path, None, None).await;
        assert_eq!(status, expected, "{method} {path}");
        assert!(body["error"]["code"].is_string() && body["error"]["message"].is_string(), "{body}");
        assert!(body["error"]["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_everywhere() {
    let world = World::new().await;
    world.org("acme").await;
    let other = format!("Bearer {}", "0".repeat(64));
    for authorization in ["Bearer dag_acme_wrong", "Bearer agt_wrong", "Basic !!!", "Bearer", other.as_str()] {
        for path in ["/query", "/operator/v1/tokens"] {
            let (status, _) = world.post(path, authorization, json!({ "query": USER })).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization} {path}");
        }
        let (status, _) = world.post("/runner/v1/lease", authorization, json!({ "wait_ms": 0 })).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization}");
    }
}

#[tokio::test]
async fn a_token_is_a_synthetic_user_of_its_org_alone() {
    let world = World::new().await;
    let acme = world.org("Acme").await;
    world.org("other").await;
    // Style of the typed client: no operation name, variables null or absent.
    for body in [json!({ "query": USER }), json!({ "query": USER, "variables": null })] {
        let (status, answer) = world.post("/query", &acme.token, body).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["data"]["user"]["orgs"], json!([{ "id": acme.id.to_string(), "name": "Acme" }]));
        assert_eq!(answer.as_object().map(|answer| answer.keys().cloned().collect::<Vec<_>>()), Some(vec!["data".to_owned()]));
    }
    let (_, answer) = world.post("/query", &world.operator(), json!({ "query": USER })).await;
    assert_eq!(answer["data"]["user"]["orgs"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn tokens_end_when_they_expire_or_are_deleted() {
    let world = World::new().await;
    let (_, made) =
        world.post("/operator/v1/tokens", &world.operator(), json!({ "org": "acme", "name": "short", "expires_in_days": 1 })).await;
    let short = format!("Bearer {}", made["token"].as_str().expect("a text"));
    let (_, made) = world.post("/operator/v1/tokens", &world.operator(), json!({ "org": "acme", "name": "long" })).await;
    let long = format!("Bearer {}", made["token"].as_str().expect("a text"));
    let status = async |token: &str| world.post("/query", token, json!({ "query": USER })).await.0;
    assert_eq!((status(&short).await, status(&long).await), (StatusCode::OK, StatusCode::OK));
    world.pass(86_400);
    assert_eq!((status(&short).await, status(&long).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    let path = format!("/operator/v1/tokens/{}?org=acme", made["record"]["id"].as_str().expect("an id"));
    assert_eq!(world.call(Method::DELETE, &path, Some(&world.operator()), None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.call(Method::DELETE, &path, Some(&world.operator()), None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(status(&long).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn scopes_decide_what_a_token_may_do() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let list = "query A { user { checks { nodes { repo } } } }";
    let rerun = include_str!("../documents/RerunChecks.graphql");
    for (scope, may_list, may_rerun) in [("telemetry:write", false, false), ("checks:read", true, false), ("checks:rerun", false, true)] {
        let token = world.token("acme", Some(&[scope])).await;
        let is_refused = |answer: &Value| answer["errors"][0]["extensions"]["code"] == "FORBIDDEN";
        let (_, answer) = world.ask(&token, list, Value::Null).await;
        assert_eq!(is_refused(&answer), !may_list, "{scope} {answer}");
        let (_, answer) = world.ask(&token, rerun, json!({ "org": acme.id.to_string(), "checkIds": [] })).await;
        assert_eq!(is_refused(&answer), !may_rerun, "{scope} {answer}");
        assert_eq!(world.post("/query", &token, json!({ "query": USER })).await.0, StatusCode::OK);
        let (status, _) = world.post("/operator/v1/tokens", &token, json!({ "org": "acme", "name": "more" })).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn the_last_use_of_a_token_is_kept_to_the_hour() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let last_use = async || {
        let (_, list) = world.call(Method::GET, "/operator/v1/tokens?org=acme", Some(&world.operator()), None).await;
        list["tokens"][0]["last_used_at"].as_str().map(str::to_owned)
    };
    assert_eq!(last_use().await, None);
    for (seconds, expected) in [(0, "2027-01-15T08:00:00Z"), (3_599, "2027-01-15T08:00:00Z"), (1, "2027-01-15T09:00:00Z")] {
        world.pass(seconds);
        assert_eq!(world.post("/query", &acme.token, json!({ "query": USER })).await.0, StatusCode::OK);
        assert_eq!(last_use().await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn people_and_ci_jobs_are_told_who_they_are() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    world.org("other").await;
    let (user, ann) = world.person("ann").await;
    let who = async |authorization: &str| world.query(authorization, USER, Value::Null).await["user"].clone();
    assert_eq!(who(&ann).await, json!({ "id": user.id.to_string(), "orgs": [] }), "in no org yet: `dagger login` waits for one");
    world.deps.tenancy.add_member(acme.id, user.id, Roles::ADMIN, &world.deed()).await.expect("a member");
    let orgs = json!([{ "id": acme.id.to_string(), "name": "acme" }]);
    assert_eq!(who(&ann).await, json!({ "id": user.id.to_string(), "orgs": orgs }));
    let job = world.ci_job(acme.id);
    assert_eq!(who(&job).await, json!({ "id": format!("ci:{}", acme.id), "orgs": orgs }));
    world.pass(6 * 3_600);
    assert_eq!(world.post("/query", &job, json!({ "query": USER })).await.0, StatusCode::UNAUTHORIZED, "six hours are over");
    world.deps.tenancy.set_roles(acme.id, user.id, Roles::MEMBER, &world.deed()).await.expect_err("the last admin");
}

#[tokio::test]
async fn a_job_reads_no_org_that_has_lost_its_repository() {
    let world = World::new().await;
    let (acme, other) = (world.org("acme").await, world.org("other").await);
    let api = world.repository(acme.id, 7, "acme/api").await;
    let token = quillon_secrets::telemetry::mint_ci(&world.key(), acme.id, Some(api.id), world.deps.clock.now());
    let job = format!("Bearer {}", token.expose());
    let asks = async || world.post("/query", &job, json!({ "query": USER })).await.0;
    assert_eq!(asks().await, StatusCode::OK);
    let store = &world.deps.store;
    assert!(store.release_installation(api.installation, acme.id).await.expect("a table").is_done());
    assert_eq!(asks().await, StatusCode::UNAUTHORIZED, "disconnected");
    assert!(store.claim_installation(api.installation, other.id, world.deps.clock.now()).await.expect("a table").is_done());
    assert_eq!(asks().await, StatusCode::UNAUTHORIZED, "of another org");
}
