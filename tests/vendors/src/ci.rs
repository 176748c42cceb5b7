//! Issuers of tokens that say which job of a CI system somebody is: GitHub Actions, GitLab, `CircleCI`, Buildkite.
//!
//! What their tokens claim: [GitHub](https://docs.github.com/en/actions/reference/security/oidc),
//! [GitLab](https://docs.gitlab.com/ci/secrets/id_token_authentication/),
//! [CircleCI](https://circleci.com/docs/guides/permissions-authentication/openid-connect-tokens/),
//! [Buildkite](https://buildkite.com/docs/agent/cli/reference/oidc).

use std::sync::{Arc, Mutex};

use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::Clock;
use crate::jwt::{Forgery, KeyKind, Signer, unguessable};
use crate::server::{Server, lock};

/// How long a token is valid, in seconds.
const LIFETIME_S: i64 = 300;

/// The organization at `CircleCI`, which is part of the issuer's name.
pub const CIRCLECI_ORG: &str = "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e00";

/// Which system an issuer is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiSystem {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// `CircleCI`.
    CircleCi,
    /// Buildkite.
    Buildkite,
}

impl CiSystem {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::CircleCi, Self::Buildkite];

    /// What the issuer's name has behind its host.
    fn base(self) -> String {
        match self {
            Self::GitHub | Self::GitLab | Self::Buildkite => String::new(),
            Self::CircleCi => format!("/org/{CIRCLECI_ORG}"),
        }
    }

    /// Where the keys are, behind the issuer's name.
    fn keys(self) -> &'static str {
        match self {
            Self::GitHub | Self::Buildkite => "/.well-known/jwks",
            Self::GitLab => "/oauth/discovery/keys",
            Self::CircleCi => "/.well-known/jwks-pub.json",
        }
    }
}

struct Inner {
    system: CiSystem,
    clock: Clock,
    signer: Mutex<Signer>,
    key_reads: Mutex<u32>,
}

/// An issuer; clones share everything.
#[derive(Clone)]
pub struct CiIssuer {
    inner: Arc<Inner>,
    server: Arc<Server>,
}

impl std::fmt::Debug for CiIssuer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CiIssuer").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

impl CiIssuer {
    /// Starts one.
    pub async fn start(system: CiSystem, clock: Clock) -> Self {
        let inner = Arc::new(Inner { system, clock, signer: Mutex::new(Signer::new(KeyKind::Rsa)), key_reads: Mutex::new(0) });
        let served = Arc::clone(&inner);
        let server = Server::start(move |url| Router::new().fallback(serve).with_state((served, url.to_owned()))).await;
        Self { inner, server: Arc::new(server) }
    }

    /// The address of its host, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Its name, `iss`: the host, at `CircleCI` with the organization.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("{}{}", self.url(), self.inner.system.base())
    }

    /// Signs with a new key from now on; the old ones stay published, or are gone at once.
    pub fn rotate(&self, keep_old: bool) {
        lock(&self.inner.signer).rotate(keep_old);
    }

    /// How often its keys were read.
    #[must_use]
    pub fn key_reads(&self) -> u32 {
        *lock(&self.inner.key_reads)
    }

    /// A good token with these claims over the ones that every token of the system has; `null` takes one away.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let claims = self.claims(claims);
        lock(&self.inner.signer).sign(&claims)
    }

    /// A token with these claims that nobody may accept.
    #[must_use]
    pub fn forged(&self, forgery: Forgery, claims: &Value) -> String {
        let claims = self.claims(claims);
        lock(&self.inner.signer).forge(forgery, &claims)
    }

    fn claims(&self, more: &Value) -> Value {
        let now = (self.inner.clock)().as_second();
        let mut claims = usual(self.inner.system);
        claims["iss"] = self.issuer().into();
        claims["iat"] = now.into();
        claims["nbf"] = (now - 5).into();
        claims["exp"] = (now + LIFETIME_S).into();
        claims["jti"] = unguessable().into();
        if let (Value::Object(claims), Value::Object(more)) = (&mut claims, more) {
            for (name, value) in more {
                if value.is_null() {
                    claims.remove(name);
                } else {
                    claims.insert(name.clone(), value.clone());
                }
            }
        }
        claims
    }
}

async fn serve(State((inner, url)): State<(Arc<Inner>, String)>, OriginalUri(uri): OriginalUri) -> Response {
    let base = inner.system.base();
    let issuer = format!("{url}{base}");
    if uri.path() == format!("{base}/.well-known/openid-configuration") {
        let document = json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}{}", inner.system.keys()), "subject_types_supported": ["public"],
            "response_types_supported": ["id_token"], "id_token_signing_alg_values_supported": ["RS256"],
        });
        return Json(document).into_response();
    }
    if uri.path() == format!("{base}{}", inner.system.keys()) {
        *lock(&inner.key_reads) += 1;
        return Json(lock(&inner.signer).jwks()).into_response();
    }
    StatusCode::NOT_FOUND.into_response()
}

/// What every token of a system claims beside its issuer and its times. Ids are texts, as the systems write them.
fn usual(system: CiSystem) -> Value {
    match system {
        CiSystem::GitHub => json!({
            "sub": "repo:acme/hello:ref:refs/heads/main", "aud": "https://github.com/acme", "ref": "refs/heads/main",
            "ref_type": "branch", "sha": "0123456789abcdef0123456789abcdef01234567", "repository": "acme/hello", "repository_id": "1",
            "repository_owner": "acme", "repository_owner_id": "2", "repository_visibility": "private", "actor": "ann", "actor_id": "3",
            "workflow": "CI", "event_name": "push", "run_id": "4", "run_number": "5", "run_attempt": "1",
            "runner_environment": "github-hosted", "job_workflow_ref": "acme/hello/.github/workflows/ci.yml@refs/heads/main",
        }),
        CiSystem::GitLab => json!({
            "sub": "project_path:acme/hello:ref_type:branch:ref:main", "aud": "https://gitlab.example", "namespace_id": "72",
            "namespace_path": "acme", "project_id": "20", "project_path": "acme/hello", "user_id": "1", "user_login": "ann",
            "user_email": "ann@example.com", "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "main",
            "ref_type": "branch", "ref_protected": "true", "sha": "0123456789abcdef0123456789abcdef01234567",
            "runner_environment": "gitlab-hosted", "project_visibility": "private",
        }),
        CiSystem::CircleCi => json!({
            "sub": format!("org/{CIRCLECI_ORG}/project/0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e01/user/0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e02"),
            "aud": CIRCLECI_ORG, "oidc.circleci.com/project-id": "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e01",
            "oidc.circleci.com/context-ids": [], "oidc.circleci.com/vcs-origin": "github.com/acme/hello",
            "oidc.circleci.com/vcs-ref": "refs/heads/main", "oidc.circleci.com/job-id": "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e03",
        }),
        CiSystem::Buildkite => json!({
            "sub": "organization:acme:pipeline:hello:ref:refs/heads/main:commit:0123456789abcdef0123456789abcdef01234567:step:build",
            "aud": "https://buildkite.com/acme", "organization_slug": "acme", "organization_id": "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e04",
            "pipeline_slug": "hello", "pipeline_id": "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e05", "build_number": 1, "build_branch": "main",
            "build_commit": "0123456789abcdef0123456789abcdef01234567", "step_key": "build",
            "job_id": "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e06", "agent_id": "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e07",
        }),
    }
}
