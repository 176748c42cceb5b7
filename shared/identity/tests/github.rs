//! What GitHub answers, also where it does not answer as it should.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::person::Profile;
use quillon_core::source::SeenSources;
use quillon_identity::{Error, GithubOAuth, Http, Redeemed};
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

/// A GitHub whose answers are a function of the path.
async fn github(answers: fn(&str) -> Response) -> GithubOAuth {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = Url::parse(&format!("http://{}/base", listener.local_addr().expect("an address"))).expect("a URL");
    let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap| async move {
        let path = uri.path().strip_prefix("/base").unwrap_or("outside");
        let is_known = path == "/login/oauth/access_token" || headers.get("authorization").is_some_and(|value| value == "Bearer ghu_token");
        assert!(is_known && headers["user-agent"].to_str().is_ok_and(|agent| agent.starts_with("quillon/")));
        answers(path)
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    GithubOAuth { web_url: base.clone(), api_url: base, client_id: "Iv1.7".to_owned(), http: Http::default() }
}

/// What most of them say.
fn usual(path: &str) -> Response {
    let body = match path {
        "/login/oauth/access_token" => json!({ "access_token": "ghu_token", "token_type": "bearer", "scope": "" }),
        "/user" => json!({ "id": 7, "login": "ann", "name": null, "avatar_url": "http://plain.example/a.png" }),
        "/user/emails" => json!([
            { "email": "old@example.com", "primary": false, "verified": true },
            { "email": "ann@example.com", "primary": true, "verified": true },
        ]),
        "/user/installations" => json!({ "total_count": 4, "installations": [
            { "id": 1, "account": { "id": 7, "login": "ann", "type": "User" } },
            { "id": 2, "account": { "id": 8, "login": "acme", "type": "Organization" } },
            { "id": 3, "account": { "id": 9, "slug": "an-enterprise", "name": "An enterprise" } },
            { "id": 4, "account": { "id": 10, "login": "../../user", "type": "Organization" } },
            { "id": 5, "account": { "id": 11, "login": "ben", "type": "User" } },
            { "id": 6, "account": { "id": 12, "login": "pending", "type": "Organization" } },
            { "id": 7, "account": null },
        ] }),
        "/user/memberships/orgs/acme" => json!({ "state": "active", "role": "admin" }),
        "/user/memberships/orgs/pending" => json!({ "state": "pending", "role": "admin" }),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    axum::Json(body).into_response()
}

/// Too many requests, in GitHub's other way to say so.
fn limited(header: &'static str) -> Response {
    (StatusCode::FORBIDDEN, [(header, "0")]).into_response()
}

/// Signs in; who it is and what they administer.
async fn sign_in(github: &GithubOAuth) -> Result<(Profile, SeenSources), Error> {
    let redirect = Url::parse("https://ci.example.com/auth/github/callback").expect("a URL");
    let redeemed = Redeemed { code: "code", verifier: "verifier", redirect: &redirect, nonce: "" };
    let token = github.exchange(&Sensitive::new("secret".to_owned()), redeemed).await?;
    Ok((github.profile(&token).await?, github.sources(&token, Timestamp::UNIX_EPOCH).await?))
}

#[tokio::test]
async fn a_person_is_who_github_says_and_administers_what_it_says() {
    let (profile, sources) = sign_in(&github(usual).await).await.expect("answers");
    assert_eq!((profile.subject.as_str(), profile.login.as_str(), profile.name.as_str()), ("7", "ann", ""));
    assert_eq!((profile.email.as_deref(), profile.avatar_url), (Some("ann@example.com"), None));
    let seen: Vec<_> = sources.installations.iter().map(|seen| (seen.id.0, seen.is_org, seen.is_admin)).collect();
    assert_eq!(seen, [(1, false, true), (2, true, true), (4, true, false), (5, false, false), (6, true, false)]);
}

#[tokio::test]
async fn what_the_app_may_not_see_counts_as_absent() {
    for status in [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
        let answers: fn(&str) -> Response = match status {
            StatusCode::FORBIDDEN => |path| {
                let hidden = path == "/user/emails" || path.starts_with("/user/memberships/");
                if hidden { StatusCode::FORBIDDEN.into_response() } else { usual(path) }
            },
            _ => |path| {
                let hidden = path == "/user/emails" || path.starts_with("/user/memberships/");
                if hidden { StatusCode::NOT_FOUND.into_response() } else { usual(path) }
            },
        };
        let (profile, sources) = sign_in(&github(answers).await).await.expect("answers");
        assert_eq!(profile.email, None);
        let administers: Vec<_> = sources.installations.iter().filter(|seen| seen.is_admin).map(|seen| seen.id.0).collect();
        assert_eq!(administers, [1], "their own account only");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error_and_no_right() {
    type Answers = fn(&str) -> Response;
    let broken: [(&str, Answers, bool); 9] = [
        ("a used code", |_| axum::Json(json!({ "error": "bad_verification_code", "error_description": "x" })).into_response(), false),
        ("no token", |_| axum::Json(json!({})).into_response(), false),
        ("an empty token", |_| axum::Json(json!({ "access_token": "" })).into_response(), false),
        ("a page", |_| "<html>".into_response(), true),
        ("down", |_| StatusCode::BAD_GATEWAY.into_response(), true),
        (
            "no answer about a membership",
            |path| if path.starts_with("/user/memberships/") { StatusCode::INTERNAL_SERVER_ERROR.into_response() } else { usual(path) },
            true,
        ),
        ("limited for an hour", |path| if path == "/user/emails" { limited("x-ratelimit-remaining") } else { usual(path) }, true),
        ("limited for seconds", |path| if path.starts_with("/user/memberships/") { limited("retry-after") } else { usual(path) }, true),
        ("limited", |path| if path == "/user" { StatusCode::TOO_MANY_REQUESTS.into_response() } else { usual(path) }, true),
    ];
    for (name, answers, is_unavailable) in broken {
        match sign_in(&github(answers).await).await {
            Err(Error::Unavailable { .. }) => assert!(is_unavailable, "{name}"),
            Err(Error::Refused { cause, .. }) => assert!(!is_unavailable && !cause.is_empty(), "{name}: {cause}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_challenge_goes_along_and_the_verifier_stays() {
    let github = github(usual).await;
    let redirect = Url::parse("https://ci.example.com/auth/github/callback").expect("a URL");
    let url = github.authorize_url(&redirect, "the state", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let expected = [
        ("client_id", "Iv1.7"),
        ("redirect_uri", "https://ci.example.com/auth/github/callback"),
        ("state", "the state"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
