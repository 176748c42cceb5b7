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
