//! The pages over the embedded engines: who may see what, what the buttons do, what a page costs.

mod buttons;
mod lists;
mod traces;
mod world;

use http::{Method, StatusCode};
use world::State::Passed;
use world::World;

#[tokio::test]
async fn nobody_sees_anything_without_the_sign_in_link() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    world.run(&org, &repository, 1, "main", &[("load", Passed)]).await;
    for path in ["/", "/acme/checks", "/nobody/checks", &format!("/acme/checks/github.com/acme/api@{:040x}", 1), "/anything"] {
        let answer = world.send(Method::GET, path, &[], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.text.contains("sign-in link") && !answer.text.contains("acme/api"), "{path}");
    }
    for path in ["/acme/checks/rerun", "/acme/checks/rerun-load", "/acme/checks/cancel", "/operator/sign-out"] {
        assert_eq!(world.send(Method::POST, path, &[], "").await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_link_becomes_a_session_and_its_key_leaves_the_address() {
    let world = World::new().await;
    for query in ["", "?key=", "?key=0000", &format!("?key={}0", world.operator_key())] {
        let answer = world.send(Method::GET, &format!("/operator/sign-in{query}"), &[], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{query}");
        assert_eq!(answer.header("set-cookie"), "");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
    let answer = world.send(Method::GET, &format!("/operator/sign-in?key={}", world.operator_key()), &[], "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert_eq!((answer.header("referrer-policy"), answer.header("cache-control")), ("no-referrer", "no-store"));
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("quillon_session=") && cookie.contains("; HttpOnly; SameSite=Lax") && !cookie.contains(&world.operator_key())
    );

    let browser = world.sign_in().await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    world.pass(31 * 24 * 3_600);
    assert_eq!(browser.get("/").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_out_needs_the_form_and_takes_the_cookie() {
    let world = World::new().await;
    world.org(1, "acme").await;
    let browser = world.sign_in().await;
    let answer = world.send(Method::POST, "/operator/sign-out", &[("cookie", &browser.cookie)], "csrf=0").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let answer = browser.press("/operator/sign-out", "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
}

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
    assert!(answer.text.contains("href=\"/acme/checks\"") && answer.text.contains("href=\"/globex/checks\""));
    assert_eq!(browser.get("/?after=rubbish").await.header("location"), "/");
}
