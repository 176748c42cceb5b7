//! What issuers publish: how often they are asked, and what serves on when they cannot be.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use jiff::Timestamp;
use quillon_core::ci::CiProvider;
use quillon_core::person::ProviderId;
use quillon_identity::ci::{CiError, CiIssuers, CiJobs};
use quillon_identity::{Error, Http, Issuers, OpenId, TokenError};
use quillon_test_vendors::ci::{CiIssuer, CiSystem};
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

const START: i64 = 1_800_000_000;
const HOUR: i64 = 3_600;

/// The time of a test, which it moves.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }

    fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).expect("a time")
    }

    fn clock(&self) -> quillon_test_vendors::Clock {
        let hands = self.clone();
        Arc::new(move || hands.now())
    }
}

/// A job of GitHub that shows who it is.
async fn job(jobs: &CiJobs, token: &str, now: Timestamp) -> Result<(), CiError> {
    let public = Url::parse("https://ci.example.com").expect("a URL");
    jobs.verify(CiProvider::GitHub, token, &public, now).await.map(|_| ())
}

fn trusting(issuer: String) -> CiJobs {
    CiJobs::new(CiIssuers { github: Some(issuer), ..CiIssuers::default() }, &Http::default())
}

fn good(issuer: &CiIssuer) -> String {
    issuer.token(&json!({ "aud": "dagger.cloud" }))
}

fn is_unavailable(result: &Result<(), CiError>) -> bool {
    matches!(result, Err(CiError::Identity(Error::Unavailable { .. })))
}

fn is_wrong(result: &Result<(), CiError>, expected: TokenError) -> bool {
    matches!(result, Err(CiError::Identity(Error::Token { source, .. })) if *source == expected)
}

#[tokio::test]
async fn keys_are_read_once_an_hour() {
    let hands = Hands::new();
    let issuer = CiIssuer::start(CiSystem::GitHub, hands.clock()).await;
    let jobs = trusting(issuer.issuer());
    for (pass, reads) in [(0, 1), (60, 1), (HOUR - 61, 1), (1, 2), (HOUR, 3)] {
        hands.pass(pass);
        assert!(job(&jobs, &good(&issuer), hands.now()).await.is_ok());
        assert_eq!(issuer.key_reads(), reads, "after {pass} s more");
    }
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_a_wrong_one_is_looked_for_once_a_minute() {
    let hands = Hands::new();
    let issuer = CiIssuer::start(CiSystem::GitHub, hands.clock()).await;
    let jobs = trusting(issuer.issuer());
    assert!(job(&jobs, &good(&issuer), hands.now()).await.is_ok());
    hands.pass(60);
    issuer.rotate(true);
    assert!(job(&jobs, &good(&issuer), hands.now()).await.is_ok(), "its minute is over");
    issuer.rotate(true);
    for _ in 0..10 {
        assert!(is_wrong(&job(&jobs, &good(&issuer), hands.now()).await, TokenError::UnknownKey));
    }
    assert_eq!(issuer.key_reads(), 2);
    hands.pass(60);
    assert!(job(&jobs, &good(&issuer), hands.now()).await.is_ok());
}

#[tokio::test]
async fn what_is_known_serves_for_a_day_when_an_issuer_is_gone() {
    let hands = Hands::new();
    let issuer = CiIssuer::start(CiSystem::GitHub, hands.clock()).await;
    let jobs = trusting(issuer.issuer());
    assert!(job(&jobs, &good(&issuer), hands.now()).await.is_ok());
    let later = |hours: i64| {
        let second = START + hours * HOUR;
        issuer.token(&json!({ "aud": "dagger.cloud", "iat": second, "nbf": second, "exp": second + 300 }))
    };
    let tokens: Vec<(i64, String)> = [2, 23, 25].into_iter().map(|hours| (hours, later(hours))).collect();
    let last = later(25);
    drop(issuer);
    for (hours, token) in tokens {
        let result = job(&jobs, &token, Timestamp::from_second(START + hours * HOUR).expect("a time")).await;
        assert_eq!(result.is_ok(), hours < 24, "{hours}: {result:?}");
        assert!(hours < 24 || is_unavailable(&result), "{result:?}");
    }
    // What is too old to serve does not make us ask with every token.
    let again = job(&jobs, &last, Timestamp::from_second(START + 25 * HOUR + 30).expect("a time")).await;
    assert!(again.expect_err("nobody answers").to_string().ends_with("it did not answer a moment ago"));
}

/// Serves a discovery document and keys as a test has them.
async fn serve(document: impl Fn(&str) -> String, keys: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let issuer = format!("http://{}", listener.local_addr().expect("an address"));
    let document = document(&issuer);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let router = Router::new().fallback(move |uri: axum::http::Uri| async move {
        seen.lock().expect("no panic").push(uri.path().to_owned());
        match uri.path() {
            "/.well-known/openid-configuration" => document.into_response(),
            "/keys" => keys.into_response(),
            "/moved" => (StatusCode::FOUND, [(header::LOCATION, "/keys")]).into_response(),
            "/large" => "x".repeat(1024 * 1024 + 1).into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (issuer, asked)
}

/// Where people would be sent to sign in.
async fn authorization(issuer: &str) -> Result<Url, Error> {
    let client = OpenId { provider: ProviderId::google(), issuer: issuer.to_owned(), client_id: "us".to_owned() };
    let redirect = Url::parse("https://ci.example.com/auth/google/callback").expect("a URL");
    let now = Timestamp::from_second(START).expect("a time");
    client.authorize_url(&Issuers::new(Http::default()), &redirect, ("s", "n", "v"), now).await
}

#[tokio::test]
async fn documents_that_are_not_the_issuers_own_are_not_believed() {
    let of = |change: fn(&mut serde_json::Value)| {
        move |issuer: &str| {
            let mut document =
                json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "authorization_endpoint": format!("{issuer}/authorize") });
            change(&mut document);
            document.to_string()
        }
    };
    let (issuer, _) = serve(of(|_| ()), r#"{"keys":[{"kty":"unknown"},7,{"kty":"RSA"}]}"#).await;
    let url = authorization(&issuer).await.expect("a good document, with keys of kinds that nobody knows");
    assert!(url.as_str().starts_with(&format!("{issuer}/authorize?response_type=code&client_id=us&")), "{url}");

    let base = |change, keys| serve(of(change), keys);
    for (number, (issuer, _)) in [
        base(|document| document["issuer"] = "https://evil.example".into(), r#"{"keys":[]}"#).await,
        base(|document| document["jwks_uri"] = "file:///etc/passwd".into(), r#"{"keys":[]}"#).await,
        base(|document| document["jwks_uri"] = "javascript:alert(1)".into(), r#"{"keys":[]}"#).await,
        base(|document| document["authorization_endpoint"] = "javascript:alert(1)".into(), r#"{"keys":[]}"#).await,
        base(|document| document["jwks_uri"] = serde_json::Value::Null, r#"{"keys":[]}"#).await,
        base(|_| (), "<html>").await,
        base(|_| (), r#"{"keys":7}"#).await,
    ]
    .into_iter()
    .enumerate()
    {
        let result = authorization(&issuer).await;
        assert!(matches!(result, Err(Error::Unavailable { .. })), "{number}: {result:?}");
    }
    for path in ["moved", "large", "nowhere"] {
        let (issuer, asked) = serve(
            move |issuer| json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/{path}"), "authorization_endpoint": issuer }).to_string(),
            r#"{"keys":[]}"#,
        )
        .await;
        assert!(authorization(&issuer).await.is_err(), "{path}");
        assert!(!asked.lock().expect("no panic").contains(&"/keys".to_owned()), "no redirect is followed");
    }
}

#[tokio::test]
async fn a_trust_file_is_read_where_there_is_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let (issuer, _) = serve(
        |issuer| json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "authorization_endpoint": issuer }).to_string(),
        r#"{"keys":[]}"#,
    )
    .await;
    let ask = async |path: std::path::PathBuf| {
        let client = OpenId { provider: ProviderId::google(), issuer: issuer.clone(), client_id: "us".to_owned() };
        let redirect = Url::parse("https://ci.example.com/").expect("a URL");
        let now = Timestamp::from_second(START).expect("a time");
        client.authorize_url(&Issuers::new(Http::new(Some(path))), &redirect, ("s", "n", "v"), now).await
    };
    let roots = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/roots/roots.pem");
    assert!(ask(roots.into()).await.is_ok());
    assert!(ask(directory.path().join("none.pem")).await.is_ok(), "then what the process trusts");
    let damaged = directory.path().join("damaged.pem");
    std::fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("a file");
    let refused = ask(damaged).await.expect_err("not a certificate");
    assert!(matches!(refused, Error::Unavailable { .. }), "{refused}");
}
