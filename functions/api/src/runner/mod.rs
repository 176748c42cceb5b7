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
use crate::access::RunnerCall;
use crate::error::ApiError;

/// Serves a call of the runner protocol.
pub(crate) async fn handle(deps: &Deps, request: &Request<Bytes>, call: RunnerCall) -> Result<Response<Bytes>, ApiError> {
    match call {
        RunnerCall::Enroll => enroll::handle(deps, request).await,
        RunnerCall::Lease => lease::handle(deps, request).await,
        RunnerCall::Heartbeat => heartbeat::handle(deps, request).await,
        RunnerCall::GitCredential => git_credential::handle(deps, request).await,
        RunnerCall::Release => release::handle(deps, request).await,
        RunnerCall::Result => result::handle(deps, request).await,
    }
}
