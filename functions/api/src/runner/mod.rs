//! `/runner/v1/*`: what agents and this instance say to each other; the shapes are those of `quillon_core::protocol`.
//!
//! An agent token says who asks for work. Everything about a job is asked with its job token, a signature over attempt and
//! lease: it opens nothing but that attempt under that lease, and only while the lease is in force.

mod enroll;
mod git_credential;
mod heartbeat;
mod job;
mod lease;
mod release;
mod result;

use bytes::Bytes;
use http::{Request, Response};

use crate::Deps;
use crate::error::ApiError;

/// Serves a call of the runner protocol.
pub(crate) async fn handle(deps: &Deps, request: &Request<Bytes>, call: &str) -> Result<Response<Bytes>, ApiError> {
    match call {
        "enroll" => enroll::handle(deps, request).await,
        "lease" => lease::handle(deps, request).await,
        "heartbeat" => heartbeat::handle(deps, request).await,
        "git-credential" => git_credential::handle(deps, request).await,
        "release" => release::handle(deps, request).await,
        "result" => result::handle(deps, request).await,
        _ => Err(ApiError::NotFound("the runner protocol has no such call: update the agent or the server".to_owned())),
    }
}
