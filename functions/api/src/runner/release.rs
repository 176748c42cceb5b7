//! `POST release`: an agent that shuts down gives its job back.

use bytes::Bytes;
use http::{Request, Response};
use quillon_core::attempt::Event;
use quillon_core::protocol::JobRequest;

use super::job;
use crate::body::{self, SMALL};
use crate::error::ApiError;
use crate::{Deps, no_content};

pub(super) async fn handle(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let JobRequest { attempt, lease } = body::json(request, SMALL)?;
    let now = deps.clock.now();
    job::authenticate(deps, request.headers(), attempt, lease, now).await?;
    let applied = deps.workflow.apply(attempt, &Event::Released { lease }, now, "agent").await?;
    match applied {
        Some(applied) if applied.changed => Ok(no_content()),
        Some(_) | None => Err(ApiError::LeaseGone),
    }
}
