//! `POST heartbeat`: renews a lease, and tells the agent whether to go on.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::attempt::{AttemptState, Event, LEASE_TTL, later};
use quillon_core::protocol::{HeartbeatAnswer, HeartbeatRequest, Order};

use super::job;
use crate::Deps;
use crate::body::{self, SMALL};
use crate::error::ApiError;

pub(super) async fn handle(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let beat: HeartbeatRequest = body::json(request, SMALL)?;
    let now = deps.clock.now();
    job::authenticate(deps, request.headers(), beat.attempt, beat.lease, now).await?;
    let event = Event::Renewed { lease: beat.lease, until: later(now, LEASE_TTL) };
    let applied = deps.workflow.apply(beat.attempt, &event, now, "agent").await?.ok_or(ApiError::LeaseGone)?;
    tracing::debug!(attempt.id = %beat.attempt, elapsed_s = beat.elapsed_s, "heartbeat");
    match &applied.attempt.state {
        AttemptState::Running { lease, cancel, .. } if lease.id == beat.lease => {
            let order = if cancel.is_some() { Order::Cancel } else { Order::Continue };
            Ok(quillon_runtime::json(StatusCode::OK, &HeartbeatAnswer { order, lease_until: lease.until }))
        }
        AttemptState::Queued { .. }
        | AttemptState::Offered { .. }
        | AttemptState::Running { .. }
        | AttemptState::Expanding { .. }
        | AttemptState::Finished { .. } => Err(ApiError::LeaseGone),
    }
}
