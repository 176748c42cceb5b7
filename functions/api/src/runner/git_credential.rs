//! `POST git-credential`: a short-lived right to read the one repository of a job.
//!
//! The token is narrowed to the base repository and to reading. A pull request from a fork is fetched from there too, by
//! its `refs/pull/…/head`, so no job ever gets a token for anything else.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::protocol::{GitCredential, JobRequest};

use super::job;
use crate::Deps;
use crate::body::{self, SMALL};
use crate::error::ApiError;

/// The user name that GitHub wants beside an installation token.
const USERNAME: &str = "x-access-token";

pub(super) async fn handle(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let JobRequest { attempt, lease } = body::json(request, SMALL)?;
    let now = deps.clock.now();
    job::authenticate(deps, request.headers(), attempt, lease, now).await?;
    let attempt = deps.store.attempt(attempt).await?.ok_or(ApiError::LeaseGone)?;
    job::held_until(&attempt, lease).filter(|until| now < *until).ok_or(ApiError::LeaseGone)?;
    let repository = attempt.key.run.commit.repository;
    let known = deps.store.repository(repository).await?.filter(|repository| repository.is_enabled);
    let known = known.ok_or_else(|| ApiError::Unprocessable("the repository is no longer checked by this instance".to_owned()))?;
    let password = deps.github_app(now).await?.read_token(known.installation, repository).await?;
    let credential = GitCredential { username: USERNAME.to_owned(), password: password.expose().clone() };
    Ok(quillon_runtime::json(StatusCode::OK, &credential))
}
