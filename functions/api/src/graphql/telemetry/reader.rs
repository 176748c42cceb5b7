//! One trace, read for one answer: found, looked at again while it runs, and how long that goes on.

use std::sync::Arc;

use async_graphql::{Context, ID};
use jiff::Timestamp;
use quillon_core::trace::TraceId;
use quillon_core::trace::state::TraceState;
use quillon_runtime::Clock;
use quillon_traces::{Snapshot, Traces};
use tokio::sync::OwnedSemaphorePermit;

use crate::Deps;
use crate::access::{Field, door};
use crate::credential::{OrgAccess, shorten};
use crate::error::ApiError;
use crate::graphql::error::Failure;

/// How often a running trace is looked at.
const LOOK_MS: i64 = 500;

/// How often a trace that has ended is looked at without news before it is over: what was under way may still come.
const QUIET_LOOKS: u32 = 4;

/// The trace that a client names; people copy ids in capitals too.
pub(super) fn trace_id(id: &ID) -> Option<TraceId> {
    id.to_ascii_lowercase().parse().ok()
}

/// A trace at one moment, and the means to look again.
pub(super) struct Reader {
    pub(super) traces: Traces,
    clock: Clock,
    access: OrgAccess,
    /// The newest that was seen.
    pub(super) snapshot: Arc<Snapshot>,
    /// When following ends, epoch milliseconds; none where the answer is a snapshot.
    follows_until: Option<i64>,
    /// How often it was looked at since there was news.
    quiet_looks: u32,
    /// Given back when nobody reads any more.
    _tail: Option<OwnedSemaphorePermit>,
}

impl Reader {
    /// Finds a trace.
    ///
    /// # Errors
    /// Not found where the caller can see no such org or trace: foreign ones are not told from those that do not exist.
    pub(super) async fn open(context: &Context<'_>, field: Field, org_id: &ID, id: &ID) -> Result<Self, Failure> {
        let access = door::org(context, field, org_id).await?;
        let deps = context.data_unchecked::<Deps>();
        let now = deps.clock.now();
        let snapshot = match trace_id(id) {
            Some(trace) => deps.traces.open(access.org().id, trace, now).await?,
            None => None,
        };
        let unknown = || {
            let (id, org) = (shorten(id), &access.org().name);
            ApiError::NotFound(format!("no trace `{id}` in `{org}`: nothing of it has arrived, or it was deleted or is past its retention"))
        };
        let snapshot = snapshot.ok_or_else(unknown)?;
        let follow_ms = i64::try_from(deps.options.follow.as_millis()).unwrap_or(i64::MAX);
        let tail = Arc::clone(&deps.tails).try_acquire_owned().ok();
        // Where too many are followed already, this one is not, but it streams all the same.
        let until = if tail.is_some() { now.as_millisecond().saturating_add(follow_ms) } else { i64::MIN };
        let follows_until = (follow_ms > 0).then_some(until);
        let age_ms = now.as_millisecond().saturating_sub(snapshot.head.last_ms);
        let quiet_looks = u32::try_from(age_ms / LOOK_MS).unwrap_or_default();
        let (traces, clock) = (deps.traces.clone(), deps.clock.clone());
        Ok(Self { traces, clock, access, snapshot, follows_until, quiet_looks, _tail: tail })
    }

    /// Whether the answer has to end by itself and to fit in one piece.
    pub(super) fn is_finite(&self) -> bool {
        self.follows_until.is_none()
    }

    /// Makes the answer one that does not follow.
    pub(super) fn stay(&mut self) {
        self.follows_until = self.follows_until.map(|_| i64::MIN);
    }

    /// Waits until it is time to look again, then does; false once there is nothing left to wait for.
    ///
    /// # Errors
    /// When the trace cannot be read.
    pub(super) async fn look_again(&mut self) -> Result<bool, ApiError> {
        let now = self.clock.now();
        let Some(until) = self.follows_until.filter(|until| now.as_millisecond() < *until) else { return Ok(false) };
        if !self.is_moving(now) {
            return Ok(false);
        }
        self.clock.until(now.as_millisecond().saturating_add(LOOK_MS).min(until)).await;
        match self.traces.open(self.access.org().id, self.snapshot.trace, self.clock.now()).await? {
            Some(snapshot) => {
                self.quiet_looks = if snapshot.has_same_records(&self.snapshot) { self.quiet_looks.saturating_add(1) } else { 0 };
                self.snapshot = snapshot;
                Ok(true)
            }
            // Deleted meanwhile.
            None => Ok(false),
        }
    }

    /// Whether more of the trace can come.
    fn is_moving(&self, now: Timestamp) -> bool {
        match self.snapshot.state(now.as_millisecond()) {
            TraceState::Running => true,
            TraceState::Succeeded | TraceState::Failed | TraceState::Lost | TraceState::Canceled => self.quiet_looks < QUIET_LOOKS,
        }
    }
}
