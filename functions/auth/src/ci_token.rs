//! CI jobs: the token of their system for one of ours.
//!
//! `POST /v1/oidc?provider=github` with the system's token as Bearer. The stock CLI reads the answer whatever its status is, so it is
//! always the same JSON, with an `error` where there is no token.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use quillon_core::ci::CiProvider;
use quillon_core::text::with_causes;
use quillon_identity::ci::CiError;
use quillon_identity::{Error as IdentityError, MAX_TOKEN};
use quillon_runtime::{Form, bearer, json, put_header};
use quillon_secrets::telemetry;
use serde::Serialize;

use crate::Deps;

/// Largest body that is taken; the stock CLI sends three short texts, of which nothing is believed.
const MAX_BODY: usize = 64 * 1024;

/// When to come back after an issuer or storage could not be reached, in seconds.
const UNAVAILABLE_S: u32 = 5;

/// The answer.
#[derive(Debug, Default, Serialize)]
struct Answer {
    token: String,
    org_id: String,
    org_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Why a job gets none.
#[derive(Debug, thiserror::Error)]
enum Denied {
    #[error("{0}")]
    Malformed(String),
    #[error("the request is larger than {MAX_BODY} bytes")]
    TooLarge,
    #[error("no token: send the one of your CI system as `Authorization: Bearer <token>`")]
    Missing,
    #[error(transparent)]
    Job(#[from] CiError),
    #[error(transparent)]
    Org(#[from] quillon_tenancy::Error),
    #[error(transparent)]
    Secret(#[from] quillon_secrets::Error),
}

/// Answers `POST /v1/oidc`.
pub(crate) async fn exchange(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    let mut response = match job_token(deps, request, now).await {
        Ok(answer) => json(StatusCode::OK, &answer),
        Err(denied) => refuse(&denied),
    };
    put_header(&mut response, CACHE_CONTROL, "no-store");
    response
}

async fn job_token(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Result<Answer, Denied> {
    if request.body().len() > MAX_BODY {
        return Err(Denied::TooLarge);
    }
    let query = Form::of_query(request).map_err(|problem| Denied::Malformed(problem.to_string()))?;
    let provider = query.value("provider").unwrap_or_default();
    let provider: CiProvider = provider
        .parse()
        .map_err(|_| Denied::Malformed("`provider` has to be one of `github`, `gitlab`, `circleci`, `buildkite`".to_owned()))?;
    let token = bearer(request.headers()).filter(|token| !token.is_empty()).ok_or(Denied::Missing)?;
    if token.len() > MAX_TOKEN {
        return Err(Denied::Malformed(format!("the token is longer than {MAX_TOKEN} bytes")));
    }
    let job = deps.jobs.verify(provider, token, &deps.public, now).await?;
    let (org, repository) = deps.tenancy.ci_org(&job).await?;
    let key = deps.secrets.instance_key(&deps.session_secret_arn, now).await?;
    let token = telemetry::mint_ci(&key, org.id, repository, now);
    tracing::info!(org.id = %org.id, ci.provider = %provider, "a CI job has shown who it is");
    Ok(Answer { token: token.expose().clone(), org_id: org.id.to_string(), org_name: org.name.to_string(), error: None })
}

fn refuse(denied: &Denied) -> Response<Bytes> {
    use quillon_tenancy::Error as Tenancy;
    let status = match denied {
        Denied::Malformed(_) => StatusCode::BAD_REQUEST,
        Denied::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        // An issuer that says no does not know what the token names.
        Denied::Missing
        | Denied::Job(CiError::Identity(IdentityError::Token { .. } | IdentityError::Refused { .. }) | CiError::Audience(_)) => {
            StatusCode::UNAUTHORIZED
        }
        Denied::Job(CiError::Off(_)) | Denied::Org(Tenancy::Refused(_) | Tenancy::Invalid(_)) => StatusCode::FORBIDDEN,
        // Whether the org or its trust is missing is not told to whoever can make a token anywhere.
        Denied::Org(Tenancy::NotFound(_)) => StatusCode::FORBIDDEN,
        Denied::Job(CiError::Identity(IdentityError::Unavailable { .. }))
        | Denied::Org(Tenancy::Store(_) | Tenancy::Entropy(_) | Tenancy::Contended(_))
        | Denied::Secret(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match denied {
        Denied::Org(Tenancy::NotFound(_)) => {
            "no org here trusts this job: install the GitHub App on its repository, or add its project under Settings, Tokens".to_owned()
        }
        Denied::Org(Tenancy::Store(_) | Tenancy::Entropy(_) | Tenancy::Contended(_)) | Denied::Secret(_) => {
            tracing::error!("a CI job cannot be known now: {}", with_causes(denied));
            "something is broken here: try again in a few seconds".to_owned()
        }
        Denied::Malformed(_) | Denied::TooLarge | Denied::Missing | Denied::Job(_) | Denied::Org(_) => denied.to_string(),
    };
    tracing::info!(http.status = status.as_u16(), "refused a CI job: {text}");
    let mut response = json(status, &Answer { error: Some(text), ..Answer::default() });
    if status == StatusCode::UNAUTHORIZED {
        put_header(&mut response, WWW_AUTHENTICATE, "Bearer realm=\"quillon\"");
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        put_header(&mut response, RETRY_AFTER, &UNAVAILABLE_S.to_string());
    }
    response
}
