//! The pages over the embedded engines: who may see what, what the buttons do, what a page costs.

mod access;
mod accounts;
mod audit;
mod buttons;
mod devices;
mod lists;
mod members;
mod orgs;
mod plan;
mod refusals;
mod sources;
mod tokens;
mod traces;
mod visibility;
mod world;

use http::{Method, StatusCode};
use world::World;

#[tokio::test]
async fn with_https_the_cookie_is_for_this_host_alone() {
    let world = World::at("https://ci.example.com").await;
    let link = format!("/operator/sign-in?key={}", world.operator_key());
    let answer = world.send(Method::GET, &link, &[("host", "ci.example.com")], "").await;
    assert!(answer.header("set-cookie").starts_with("__Host-quillon_session=") && answer.header("set-cookie").ends_with("; Secure"));
}

#[tokio::test]
async fn a_rebound_name_gets_no_page() {
    let world = World::new().await;
    let browser = world.sign_in().await;
    for host in ["evil.example", "evil.example:8800", "127.0.0.1.evil.example"] {
        let headers = [("host", host), ("cookie", browser.cookie.as_str())];
        assert_eq!(world.send(Method::GET, "/", &headers, "").await.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_strict_headers() {
    let world = World::new().await;
    world.org(1, "acme").await;
    let browser = world.sign_in().await;
    let page = browser.get("/acme/checks").await;
    let style =
        page.text.split("rel=\"stylesheet\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a style sheet").to_owned();
    let style = world.send(Method::GET, &style, &[], "").await;
    assert_eq!((style.status, style.header("content-type")), (StatusCode::OK, "text/css; charset=utf-8"));
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
    let answers = [
        page,
        style,
        browser.get("/").await,
        browser.get("/nobody/checks").await,
        browser.get("/assets/none.js").await,
        world.send(Method::GET, "/", &[], "").await,
        world.send(Method::GET, "/", &[("host", "evil.example")], "").await,
        world.send(Method::DELETE, "/", &[], "").await,
        browser.press("/acme/checks/cancel", "attempt=x").await,
        world.send(Method::GET, "/sign-in?next=/acme/checks", &[], "").await,
        browser.get("/acme/settings?tab=Members").await,
        browser.press("/acme/settings/rename", "name=a+b").await,
        browser.get("/acme/settings/audit.csv").await,
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(directive) && !policy.contains("unsafe"), "{} {policy}", answer.status);
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-robots-tag"), "noindex");
        assert!(!answer.text.contains(" style=") && !answer.text.contains("<style") && !answer.header("content-type").contains("json"));
    }
}

#[tokio::test]
async fn the_first_page_leads_on() {
    let world = World::new().await;
    let browser = world.sign_in().await;
    assert!(browser.get("/").await.text.contains("Install your GitHub App"));
    world.org(1, "acme").await;
    let answer = browser.get("/").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/acme/checks"));
    world.org(2, "globex").await;
    let answer = browser.get("/").await;
    assert!(answer.text.contains("href=\"/?org=acme\"") && answer.text.contains("href=\"/?org=globex\""));
    assert_eq!(browser.get("/?org=globex").await.header("location"), "/globex/checks");
    assert_eq!(browser.get("/?org=nobody").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/?after=rubbish").await.header("location"), "/");
}
