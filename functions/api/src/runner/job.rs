//! The credential of a job, and whether its lease is in force.

use http::HeaderMap;
use jiff::Timestamp;
use quillon_core::attempt::{Attempt, AttemptState};
use quillon_core::id::{AttemptId, LeaseId};
use quillon_runtime::presented;
use quillon_secrets::InstanceKey;

use crate::Deps;
use crate::error::ApiError;

/// What job tokens are signed for.
const PURPOSE: &str = "job";

/// The credential for everything about an attempt under a lease.
pub(super) fn token(key: &InstanceKey, attempt: AttemptId, lease: LeaseId) -> String {
    key.sign(PURPOSE, &format!("{attempt}/{lease}"))
}

/// Checks that the caller was given this attempt under this lease.
///
/// # Errors
/// 401 for any other credential, one of another attempt or another lease included.
pub(super) async fn authenticate(
    deps: &Deps,
    headers: &HeaderMap,
    attempt: AttemptId,
    lease: LeaseId,
    now: Timestamp,
) -> Result<(), ApiError> {
    const WRONG: ApiError = ApiError::Unauthenticated("the job token is not the one of this attempt and lease");
    let presented = presented(headers).ok_or(WRONG)?;
    let key = deps.instance_key(now).await?;
    if key.verify(PURPOSE, &format!("{attempt}/{lease}"), presented.expose()) { Ok(()) } else { Err(WRONG) }
}

/// Whether an agent works on the attempt under this lease.
pub(super) fn is_running_under(attempt: &Attempt, lease: LeaseId) -> bool {
    match &attempt.state {
        AttemptState::Running { lease: held, .. } => held.id == lease,
        AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Expanding { .. } | AttemptState::Finished { .. } => {
            false
        }
    }
}

/// Until when the attempt is held under this lease, if it is.
pub(super) fn held_until(attempt: &Attempt, lease: LeaseId) -> Option<Timestamp> {
    match &attempt.state {
        AttemptState::Running { lease: held, .. } => (held.id == lease).then_some(held.until),
        AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Expanding { .. } | AttemptState::Finished { .. } => None,
    }
}
