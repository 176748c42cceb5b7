//! Who gets in, over all functions: the routes of the template, and telemetry by everybody.
//!
//! What each function lets whom do is tested in its own room, `functions/api/tests/api/access.rs` for one; here is what no room can
//! see: that the template leads no request past those tests, and that whoever brings nothing gets nothing.

use bytes::Bytes;
use http::Request;
use quillon::cloud::RouteTable;
use quillon::template::{EventSource, Template};
use quillon_api::access::ROUTES;
use quillon_core::access::{Permission, Standing, Verdict, allows};
use quillon_core::member::Roles;
use quillon_core::org::Scope;
use quillon_tests::World;
use serde_json::{Value, json};

/// What is there for whoever comes, by method and path; everything else refuses, or leads to the first page or to signing in.
const OPEN: [(&str, &str); 2] = [("GET", "/healthz"), ("GET", "/plans")];

/// The routes of the template by function, those without a path of their own as their function's pages.
fn routes(template: &Template) -> Vec<(String, Option<String>, String)> {
    let mut routes = Vec::new();
    for function in &template.functions {
        for event in &function.events {
            if let EventSource::HttpApi { method, path } = &event.source {
                routes.push((function.logical_id.clone(), method.clone(), path.clone().unwrap_or_else(|| "/".to_owned())));
            }
        }
    }
    routes
}

#[tokio::test]
async fn the_template_leads_to_every_route_of_the_api_and_to_nothing_else_there() {
    let world = World::new().await;
    let template = world.system.cloud().template();
    let table = RouteTable::of(template);
    for route in &ROUTES {
        // API Gateway has no route for HEAD of its own: load balancers ask the local one.
        if route.method == http::Method::HEAD {
            continue;
        }
        let path = route.path.replace("{}", "x");
        let found = table.find(route.method.as_str(), &path).map(|found| found.function.to_owned());
        assert_eq!(found.as_deref(), Some("Api"), "{} {path}", route.method);
    }
    for (function, method, path) in routes(template).into_iter().filter(|(function, _, _)| function == "Api") {
        let prefix = path.split('{').next().unwrap_or_default();
        let is_led_to = |route: &&quillon_api::access::Route| {
            method.as_deref().is_none_or(|own| own == route.method.as_str()) && route.path.starts_with(prefix)
        };
        assert!(ROUTES.iter().any(|route| is_led_to(&route)), "{function} has no {method:?} {path}");
    }
    world.finish().await;
}

#[tokio::test]
async fn whoever_brings_nothing_gets_nothing() {
    let world = World::new().await;
    let mut asked = 0;
    for (function, method, path) in routes(world.system.cloud().template()) {
        // What a greedy segment stands for is tested where it is read; a name is as good as another.
        let path = path.replace("{proxy+}", "x").replace(['{', '}', '+'], "");
        let methods =
            method.map_or_else(|| vec!["GET".to_owned(), "POST".to_owned(), "PUT".to_owned(), "DELETE".to_owned()], |one| vec![one]);
        for method in methods.into_iter().filter(|method| !OPEN.contains(&(method.as_str(), path.as_str()))) {
            let request = Request::builder()
                .method(method.as_str())
                .uri(&path)
                .header("host", "quillon.test")
                .header("content-type", "application/json")
                .body(Bytes::from_static(b"{}"))
                .expect("a request");
            let answer = world.system.http(request).await;
            let location = answer.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
            // To the first page, or to sign in.
            let is_led_away = answer.status().is_redirection() && location.starts_with('/') && !location.starts_with("//");
            let case = format!("{function} {method} {path}: {} {location}", answer.status());
            assert!(answer.status().is_client_error() || is_led_away, "{case}");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
    world.finish().await;
}

#[tokio::test]
async fn telemetry_is_taken_from_whom_the_table_says() {
    let world = World::new().await;
    let (acme, other) = (world.org_named("acme").await, world.tenancy().found_org("other".parse().expect("a name"), &world.deed()).await);
    let other = other.expect("an org").id;
    // Credential, what it is to `acme`, and whether its CLI says which org it means.
    let mut cast: Vec<(String, String, Standing, bool)> = Vec::new();
    for (name, roles) in [("admin", Roles::ADMIN), ("member", Roles::MEMBER), ("both", Roles::BOTH)] {
        cast.push((name.to_owned(), world.member(acme, name, roles).await, Standing::Person(roles), true));
    }
    cast.push(("stranger".to_owned(), world.member(other, "stranger", Roles::BOTH).await, Standing::Stranger, true));
    cast.push(("nobody".to_owned(), world.person("nobody").await.1, Standing::Stranger, true));
    for scope in Scope::ALL {
        let token = world.scoped_token(acme, &[scope]).await;
        cast.push((format!("token {scope}"), token, Standing::Token(vec![scope]), false));
    }
    cast.push(("CI job".to_owned(), world.ci_token(acme).await, Standing::CiJob, false));
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        for (name, credential, standing, is_named) in &cast {
            let mut request = Request::post(path)
                .header("host", "quillon.test")
                .header("authorization", format!("Bearer {credential}"))
                .header("content-type", "application/x-protobuf");
            if *is_named {
                request = request.header("x-dagger-org", acme.to_string());
            }
            let status = world.system.http(request.body(Bytes::new()).expect("a request")).await.status().as_u16();
            let expected = match allows(standing, Permission::WriteTelemetry) {
                Verdict::Allowed => 200,
                Verdict::Refused(_) => 403,
                Verdict::Hidden => 404,
            };
            assert_eq!(status, expected, "{path} by {name}");
        }
        for credential in ["Bearer dag_acme_0", "Bearer qat_0", "Bearer qtt_0", "Basic !!!", "Bearer"] {
            let request = Request::post(path).header("host", "quillon.test").header("authorization", credential);
            let request = request.header("content-type", "application/x-protobuf").body(Bytes::new()).expect("a request");
            assert_eq!(world.system.http(request).await.status().as_u16(), 401, "{path} with {credential}");
        }
    }
    world.finish().await;
}

/// The tables of the local cloud let a function do what the template grants it and no more.
#[tokio::test]
async fn the_api_has_the_rights_that_its_calls_take() {
    let mut world = World::new().await;
    let acme = world.org_named("acme").await;
    let ann = world.member(acme, "ann", Roles::BOTH).await;
    let (bob, _) = world.person("bob").await;
    let call = async |method: &str, path: &str, credential: &str, body: Value| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "quillon.test")
            .header("authorization", format!("Bearer {credential}"))
            .header("content-type", "application/json")
            .body(Bytes::from(if body.is_null() { String::new() } else { body.to_string() }))
            .expect("a request");
        let answer = world.system.http(request).await;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(answer.status().is_success(), "{method} {path}: {} {text}", answer.status());
        serde_json::from_str(&text).unwrap_or(Value::Null)
    };
    let operator =
        async |method: &str, path: &str, body: Value| call(method, &format!("/operator/v1/{path}"), &world.operator_key, body).await;
    operator("POST", "orgs", json!({ "name": "beta" })).await;
    operator("PUT", "orgs/beta", json!({ "name": "gamma", "public_traces": false })).await;
    operator("POST", "orgs/gamma/members", json!({ "user": bob.id, "roles": ["admin", "member"] })).await;
    operator("POST", "orgs/gamma/members", json!({ "user": bob.id, "roles": ["admin"] })).await;
    let invite = operator("POST", "orgs/gamma/invites", json!({ "invitee": "cyd", "roles": ["member"] })).await;
    operator("GET", "orgs/gamma/invites", Value::Null).await;
    operator("DELETE", &format!("orgs/gamma/invites/{}", invite["invite"]["id"].as_str().expect("an id")), Value::Null).await;
    let token = operator("POST", "tokens", json!({ "org": "gamma", "name": "x" })).await;
    operator("DELETE", &format!("tokens/{}?org=gamma", token["record"]["id"].as_str().expect("an id")), Value::Null).await;
    operator("DELETE", "orgs/gamma", Value::Null).await;
    operator("POST", "orgs/gamma/restore", json!({})).await;
    operator("GET", "orgs/gamma/members", Value::Null).await;
    operator("PUT", "repositories/acme/app/settings", json!({ "timeout_s": 77, "autocheck": false })).await;
    let installations = operator("GET", "installations", Value::Null).await;
    assert_eq!(installations["installations"][0]["org"], "acme", "{installations}");
    operator("POST", &format!("installations/{}/claim", world.installation.id), json!({ "org": "acme" })).await;
    operator("POST", "orgs/acme/members", json!({ "user": bob.id, "roles": ["member"] })).await;
    operator("DELETE", &format!("orgs/acme/members/{}", bob.id), Value::Null).await;

    let installation = world.installation.id;
    let ask = async |query: String| {
        let answer = call("POST", "/query", &ann, json!({ "query": query })).await;
        assert!(answer["errors"].is_null(), "{query}: {answer}");
        answer["data"].clone()
    };
    ask("{ user { id orgs { name subscription { status } features { name } } } sources { id } getRepos { name } }".to_owned()).await;
    for repositories in [json!([]), json!(["acme/app"])] {
        let source = format!("{{ installationId: \"{installation}\", mode: SELECTED, repositories: {repositories} }}");
        ask(format!("mutation {{ configureSource(source: {source}) {{ mode repositories }} }}")).await;
    }
    let checked = ask("{ user { repositories { ref mappedSource { mode } } } }".to_owned()).await;
    assert_eq!(checked["user"]["repositories"][0]["mappedSource"]["mode"], "SELECTED", "{checked}");
    ask(format!("mutation {{ updateOrgRepoSetting(org: \"{acme}\", setting: {{ repo: \"acme/app\", isPublic: true }}) }}")).await;
    ask(format!("mutation {{ deleteOrgRepoSetting(org: \"{acme}\", repoName: \"acme/app\") }}")).await;
    world.settle().await;
    world.finish().await;
}
