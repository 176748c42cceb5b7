//! CI jobs show who they are: by the repository's number at GitHub, by a project that an org trusts elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Request, StatusCode};
use quillon_core::ci::CiProvider;
use quillon_core::id::{AccountId, InstallationId, OrgId, RepositoryId};
use quillon_core::org::{Installation, Org, Repository, RepositorySettings};
use quillon_core::trace::card::Claim;
use quillon_secrets::telemetry;
use quillon_tenancy::Deed;
use quillon_test_vendors::ci::{CiIssuer, CiSystem};
use quillon_test_vendors::jwt::Forgery;
use serde_json::{Value, json};

use crate::world::{PUBLIC, START, World};

const REPOSITORY: u64 = 77;
const OWNER: u64 = 7;

/// An instance that trusts issuers of the test's own.
struct Ci {
    world: World,
    issuers: [CiIssuer; 4],
    acme: OrgId,
}

impl Ci {
    async fn new() -> Self {
        // No time passes in these tests.
        let start = jiff::Timestamp::from_second(START).expect("a time");
        let now: quillon_test_vendors::Clock = Arc::new(move || start);
        let start = async |system| CiIssuer::start(system, Arc::clone(&now)).await;
        let [github, gitlab] = [start(CiSystem::GitHub).await, start(CiSystem::GitLab).await];
        let [circleci, buildkite] = [start(CiSystem::CircleCi).await, start(CiSystem::Buildkite).await];
        let world = World::with(|parameters| {
            parameters
                .with("GithubActionsIssuer", github.issuer())
                .with("GitlabIssuer", gitlab.issuer())
                .with("CircleciIssuer", format!("{}/org", circleci.url()))
                .with("BuildkiteIssuer", buildkite.issuer())
        })
        .await;
        let store = &world.deps.store;
        let org = Org::new(OrgId::from_parts(1, 1), "acme".parse().expect("a name"), world.now());
        assert!(store.create_org(&org).await.expect("a table").is_done());
        let installation = Installation::new(InstallationId(5), Some(org.id), AccountId(OWNER), "acme".to_owned());
        store.save_installation(&installation).await.expect("a table");
        let repository = Repository {
            id: RepositoryId(REPOSITORY),
            name: "acme/hello".parse().expect("a name"),
            installation: installation.id,
            default_branch: "main".parse().expect("a branch"),
            is_private: true,
            is_enabled: true,
            settings: RepositorySettings::default(),
        };
        store.save_repository(org.id, &repository).await.expect("a table");
        Self { world, issuers: [github, gitlab, circleci, buildkite], acme: org.id }
    }

    fn issuer(&self, provider: CiProvider) -> &CiIssuer {
        let [github, gitlab, circleci, buildkite] = &self.issuers;
        match provider {
            CiProvider::GitHub => github,
            CiProvider::GitLab => gitlab,
            CiProvider::CircleCi => circleci,
            CiProvider::Buildkite => buildkite,
        }
    }

    /// What a token of a good job claims.
    fn claims(provider: CiProvider) -> Value {
        match provider {
            CiProvider::GitHub => {
                json!({ "aud": "dagger.cloud", "repository_id": REPOSITORY.to_string(), "repository_owner_id": OWNER.to_string() })
            }
            CiProvider::GitLab | CiProvider::CircleCi | CiProvider::Buildkite => json!({ "aud": format!("{PUBLIC}/acme") }),
        }
    }

    async fn exchange(&self, provider: CiProvider, token: &str) -> (StatusCode, HeaderMap, Value) {
        ask(&self.world, &format!("/v1/oidc?provider={provider}"), Some(token), "{}").await
    }

    /// Refused with this status; what is said.
    async fn refused(&self, provider: CiProvider, token: &str, expected: StatusCode) -> String {
        let (status, _, body) = self.exchange(provider, token).await;
        assert_eq!(status, expected, "{body}");
        error(&body)
    }

    async fn trust(&self, provider: CiProvider, project: &str) {
        let deed = Deed { who: "ann", from: None, now: self.world.now() };
        self.world.deps.tenancy.add_trust(self.acme, provider, project, "hello", &deed).await.expect("a project");
    }
}

async fn ask(world: &World, path: &str, token: Option<&str>, body: &str) -> (StatusCode, HeaderMap, Value) {
    let mut request = Request::post(path).header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = world.ask(request.body(Bytes::from(body.to_owned())).expect("a request")).await;
    let (parts, body) = answer.into_parts();
    let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{}: {body:?}", parts.status));
    assert_eq!(
        (parts.headers[CONTENT_TYPE].to_str().ok(), parts.headers[CACHE_CONTROL].to_str().ok()),
        (Some("application/json"), Some("no-store"))
    );
    (parts.status, parts.headers, body)
}

/// What is said where there is no token; the stock CLI reads the other fields whatever the status is.
fn error(body: &Value) -> String {
    assert_eq!((&body["token"], &body["org_id"], &body["org_name"]), (&json!(""), &json!(""), &json!("")), "{body}");
    body["error"].as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{body}")).to_owned()
}

#[tokio::test]
async fn a_job_of_github_gets_a_token_of_the_org_of_its_repository() {
    let ci = Ci::new().await;
    for audience in [json!("dagger.cloud"), json!(PUBLIC), json!([format!("{PUBLIC}/"), "other"])] {
        let mut claims = Ci::claims(CiProvider::GitHub);
        claims["aud"] = audience;
        let token = ci.issuer(CiProvider::GitHub).token(&claims);
        let job = r#"{"github_job":"build","github_ref":"refs/heads/main","github_sha":"0123"}"#;
        let (status, _, body) = ask(&ci.world, "/v1/oidc?provider=github", Some(&token), job).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!((&body["org_id"], &body["org_name"]), (&json!(ci.acme.to_string()), &json!("acme")));
        let text = body["token"].as_str().expect("a token");
        let claim = Claim { org: ci.acme, attempt: None, repository: Some(RepositoryId(REPOSITORY)) };
        assert_eq!(telemetry::verify(ci.world.key(), text, ci.world.now()), Some(claim));
        assert_eq!(telemetry::verify(&World::foreign_key(), text, ci.world.now()), None);
    }
    assert_eq!(ci.issuer(CiProvider::GitHub).key_reads(), 1, "keys are kept");
}

#[tokio::test]
async fn a_repository_is_its_number_its_owner_and_a_living_installation() {
    let ci = Ci::new().await;
    let github = ci.issuer(CiProvider::GitHub);
    let token = |name: &str, value: Value| {
        let mut claims = Ci::claims(CiProvider::GitHub);
        claims[name] = value;
        github.token(&claims)
    };
    // Somebody else's repository of the same name; the same number with another owner after a transfer.
    for (name, value) in [("repository_id", json!("78")), ("repository_owner_id", json!("8"))] {
        ci.refused(CiProvider::GitHub, &token(name, value), StatusCode::FORBIDDEN).await;
    }
    for (name, value) in [("repository_id", json!(REPOSITORY)), ("repository_id", json!("x")), ("repository_owner_id", Value::Null)] {
        ci.refused(CiProvider::GitHub, &token(name, value), StatusCode::UNAUTHORIZED).await;
    }
    let store = &ci.world.deps.store;
    let suspended =
        Installation { is_suspended: true, ..Installation::new(InstallationId(5), Some(ci.acme), AccountId(OWNER), "acme".to_owned()) };
    store.save_installation(&suspended).await.expect("a table");
    ci.refused(CiProvider::GitHub, &github.token(&Ci::claims(CiProvider::GitHub)), StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn a_token_for_somebody_else_is_refused() {
    let ci = Ci::new().await;
    for provider in CiProvider::ALL {
        for audience in [
            json!("https://github.com/acme"),
            json!("https://evil.example"),
            json!(format!("{PUBLIC}.evil.example/acme")),
            json!(format!("{PUBLIC}/acme/x")),
            json!([]),
            json!(7),
            Value::Null,
        ] {
            let mut claims = Ci::claims(provider);
            claims["aud"] = audience.clone();
            let said = ci.refused(provider, &ci.issuer(provider).token(&claims), StatusCode::UNAUTHORIZED).await;
            assert!(said.contains("audience") || said.contains("`aud`"), "{provider} {audience}: {said}");
        }
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let ci = Ci::new().await;
    for provider in CiProvider::ALL {
        let (issuer, claims) = (ci.issuer(provider), Ci::claims(provider));
        for forgery in Forgery::ALL {
            ci.refused(provider, &issuer.forged(forgery, &claims), StatusCode::UNAUTHORIZED).await;
        }
        // Another issuer's good token, and one that names another issuer than it was signed by.
        let other = if provider == CiProvider::GitLab { CiProvider::Buildkite } else { CiProvider::GitLab };
        ci.refused(provider, &ci.issuer(other).token(&claims), StatusCode::UNAUTHORIZED).await;
        let now = ci.world.now().as_second();
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("iss", json!([issuer.issuer()])),
            ("iss", Value::Null),
            ("exp", json!(now - 61)),
            ("exp", Value::Null),
            ("iat", json!(now + 120)),
            ("nbf", json!(now + 120)),
        ] {
            let mut changed = claims.clone();
            changed[name] = value.clone();
            let said = ci.refused(provider, &issuer.token(&changed), StatusCode::UNAUTHORIZED).await;
            assert!(!said.contains("broken"), "{provider} {name} {value}: {said}");
        }
        for text in ["x", "a.b.c", "..", &"x".repeat(10_000)] {
            ci.refused(provider, text, StatusCode::UNAUTHORIZED).await;
        }
        let (status, _, body) = ci.exchange(provider, &"x".repeat(16 * 1024 + 1)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(issuer.key_reads() <= 2, "{provider}: nobody makes us ask more than once a minute");
    }
}

#[tokio::test]
async fn projects_elsewhere_are_trusted_by_the_org_that_their_job_names() {
    let ci = Ci::new().await;
    for (provider, project) in [
        (CiProvider::GitLab, "20"),
        (CiProvider::CircleCi, "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e01"),
        (CiProvider::Buildkite, "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e05"),
    ] {
        let token = ci.issuer(provider).token(&Ci::claims(provider));
        let untrusted = ci.refused(provider, &token, StatusCode::FORBIDDEN).await;
        ci.trust(provider, project).await;
        let (status, _, body) = ci.exchange(provider, &token).await;
        assert_eq!(status, StatusCode::OK, "{provider}: {body}");
        let claim = telemetry::verify(ci.world.key(), body["token"].as_str().expect("a token"), ci.world.now());
        assert_eq!(claim, Some(Claim { org: ci.acme, attempt: None, repository: None }));
        // An org that there is not is refused in the same words as one that does not trust it.
        let mut other = Ci::claims(provider);
        other["aud"] = format!("{PUBLIC}/unknown").into();
        assert_eq!(ci.refused(provider, &ci.issuer(provider).token(&other), StatusCode::FORBIDDEN).await, untrusted);
    }
}

#[tokio::test]
async fn requests_that_are_no_exchange_are_told_so_in_json() {
    let ci = Ci::new().await;
    let token = ci.issuer(CiProvider::GitHub).token(&Ci::claims(CiProvider::GitHub));
    for (path, token, expected) in [
        ("/v1/oidc", Some(token.as_str()), StatusCode::BAD_REQUEST),
        ("/v1/oidc?provider=jenkins", Some(&token), StatusCode::BAD_REQUEST),
        ("/v1/oidc?provider=github&provider=gitlab", Some(&token), StatusCode::BAD_REQUEST),
        ("/v1/oidc?provider=github", None, StatusCode::UNAUTHORIZED),
        ("/v1/oidc?provider=github", Some(""), StatusCode::UNAUTHORIZED),
    ] {
        let (status, _, body) = ask(&ci.world, path, token, "{}").await;
        assert_eq!(status, expected, "{path}: {body}");
        error(&body);
    }
    let (status, _, body) = ask(&ci.world, "/v1/oidc?provider=github", Some(&token), &" ".repeat(64 * 1024 + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{body}");
    error(&body);
    // The body is not believed, and not needed.
    for body in ["", "no JSON", "[]"] {
        assert_eq!(ask(&ci.world, "/v1/oidc?provider=github", Some(&token), body).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_is_another_matter_than_a_bad_token() {
    let ci = Ci::new().await;
    let world = World::with(|parameters| {
        // Nobody listens at the discard port.
        parameters.with("GithubActionsIssuer", "http://127.0.0.1:9").with("GitlabIssuer", "")
    })
    .await;
    let mut claims = Ci::claims(CiProvider::GitHub);
    claims["iss"] = "http://127.0.0.1:9".into();
    let token = ci.issuer(CiProvider::GitHub).token(&claims);
    let (status, headers, body) = ask(&world, "/v1/oidc?provider=github", Some(&token), "{}").await;
    assert_eq!((status, headers[RETRY_AFTER].to_str().ok()), (StatusCode::SERVICE_UNAVAILABLE, Some("5")), "{body}");
    assert!(error(&body).contains("127.0.0.1:9"), "{body}");
    let (status, _, body) = ask(&world, "/v1/oidc?provider=gitlab", Some(&token), "{}").await;
    assert!(status == StatusCode::FORBIDDEN && error(&body).contains("GitLab CI are not accepted here"), "{body}");
}

/// The public issuer speaks of repositories of `github.com`, whose numbers mean nothing at another GitHub.
#[tokio::test]
async fn github_com_does_not_speak_for_another_github() {
    let world = World::new().await;
    let ci = Ci::new().await;
    let mut claims = Ci::claims(CiProvider::GitHub);
    claims["iss"] = "https://token.actions.githubusercontent.com".into();
    let token = ci.issuer(CiProvider::GitHub).token(&claims);
    let (status, _, body) = ask(&world, "/v1/oidc?provider=github", Some(&token), "{}").await;
    assert!(status == StatusCode::FORBIDDEN && error(&body).contains("GitHub Actions are not accepted here"), "{body}");
}

/// Whoever sends tokens of organizations that `CircleCI` does not have makes us ask it only so often, and keeps no other system out.
#[tokio::test]
async fn made_up_organizations_cost_little() {
    let ci = Ci::new().await;
    let circleci = ci.issuer(CiProvider::CircleCi);
    for number in 0..40 {
        let mut claims = Ci::claims(CiProvider::CircleCi);
        claims["iss"] = format!("{}/org/0189e5a2-1f2b-4c3d-8e4f-{number:012}", circleci.url()).into();
        let (status, _, body) = ci.exchange(CiProvider::CircleCi, &circleci.token(&claims)).await;
        let expected = if number < 30 { StatusCode::UNAUTHORIZED } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!((status, error(&body).contains("too many issuers")), (expected, number >= 30), "{number}: {body}");
    }
    let token = ci.issuer(CiProvider::GitHub).token(&Ci::claims(CiProvider::GitHub));
    assert_eq!(ci.exchange(CiProvider::GitHub, &token).await.0, StatusCode::OK);
}
