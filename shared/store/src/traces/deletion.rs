//! Deleting a trace: a tombstone that no late telemetry can undo, then everything else.

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;

use super::heads::due;
use super::{TraceStore, card_key, head_key};
use crate::Result;
use crate::item::{self, Kind};
use crate::keys::{Key, number};
use crate::read::Sort;
use crate::update::Update;

/// How long a tombstone is kept, in days: as long as telemetry may come late.
const TOMBSTONE_DAYS: i64 = 30;

/// When what was written at the same time is looked for: a writer lives 30 seconds at most.
const LATE: SignedDuration = SignedDuration::from_secs(60);

impl TraceStore {
    /// Deletes a trace. It is gone once the tombstone is there, which is the first write; what remains after a crash, or was being
    /// written meanwhile, goes with [`Self::purge_trace`] when the trace is due.
    ///
    /// # Errors
    /// Transient or refused; it can be repeated.
    pub async fn delete_trace(&self, org: OrgId, trace: TraceId, now: Timestamp) -> Result<()> {
        let expires_at = later(now, SignedDuration::from_hours(24 * TOMBSTONE_DAYS));
        let mut set = vec![("ttl", number(expires_at.as_second()))];
        set.extend(item::label(Kind::TraceHead));
        set.extend(due(later(now, LATE)));
        let update =
            Update { set, set_once: vec![("deleted_at", number(now.as_millisecond()))], remove: vec!["seal"], ..Update::default() };
        self.access.update("bury a trace", &self.table, &head_key(org, trace), &update).await?;
        // A card is made under the condition that there is no tombstone: from here on none can come.
        self.access.delete("delete the card of a trace", &self.table, &card_key(org, trace)).await?;
        self.purge_trace(org, trace).await
    }

    /// Deletes everything of a trace but its head; may end half-way, and can be repeated. For traces with a tombstone.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn purge_trace(&self, org: OrgId, trace: TraceId) -> Result<()> {
        let range = self.of_trace("delete what is left of a trace", org, trace, Sort::All);
        let head = head_key(org, trace);
        let keys: Vec<Key> = self.access.keys(&range).await?.into_iter().filter(|key| *key != head).collect();
        self.access.delete_many(range.operation, &self.table, &keys).await
    }
}
