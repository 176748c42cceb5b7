//! The head of a trace: counters that every writer adds to, and nothing that has to be read before.
//!
//! | attribute | what it is |
//! |---|---|
//! | `seq` | the last sequence number that was given out; they begin at 1 |
//! | `records`, `bytes` | what was ever taken in, repetitions among it |
//! | `unsealed` | records that no sealed part holds yet |
//! | `first_ms`, `last_ms` | when telemetry came first and last, epoch milliseconds |
//! | `generation` | the last generation of parts that a sealer began |
//! | `seal` | what is sealed, a [`SealPointer`] |
//! | `deleted_at` | epoch milliseconds; its being there is the tombstone |
//!
//! It stays below 1 KB, because the size of an item is the price of adding to it.

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use serde::Deserialize;

use super::{TraceStore, head_key, parse_partition, seals::SealPointer};
use crate::error::Error;
use crate::item::{self, DUE, Kind};
use crate::keys::{Attributes, Key, number, string};
use crate::read::{Index, Order, Range, Sort};
use crate::update::{Test, Update, Updated};
use crate::{Result, Written};

/// What a writer wants to add to a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// How many chunks it will put.
    pub chunks: u32,
    /// How many records are in them.
    pub records: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// The time.
    pub now: Timestamp,
    /// Until when the head is kept at least: what keeps it longer still does.
    pub expires_at: Timestamp,
    /// When a sealer looks at the trace, unless it is to look already.
    pub due_at: Timestamp,
    /// From so many records on the trace is full.
    pub limit_records: u64,
    /// From so many bytes on the trace is full.
    pub limit_bytes: u64,
    /// From so many sealed spans on the trace is full; none for what is taken in however many there are.
    pub limit_spans: Option<u64>,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The chunks are to be put under this sequence number and the following ones.
    Seq {
        /// The number of the first chunk.
        first: u64,
        /// The head, this reservation in it.
        head: Box<Head>,
    },
    /// The trace was deleted, and stays so.
    Deleted,
    /// The trace has as many records, bytes or spans as it may have.
    Full,
}

/// The head of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The last sequence number that was given out; 0 for none.
    pub seq: u64,
    /// Records ever taken in, repetitions among them.
    pub records: u64,
    /// Bytes ever taken in, compressed.
    pub bytes: u64,
    /// Records that no sealed part holds yet.
    pub unsealed: u64,
    /// When telemetry came first, epoch milliseconds.
    pub first_ms: i64,
    /// When it came last, epoch milliseconds.
    pub last_ms: i64,
    /// When the trace was deleted.
    pub deleted_at: Option<Timestamp>,
    /// The last generation of parts that a sealer began, 0 for none: beyond that of the pointer somebody is at it, or died.
    pub generation: u32,
    /// What is sealed.
    pub seal: Option<SealPointer>,
    /// When a sealer is to look at it.
    pub due_at: Option<Timestamp>,
    /// When the table may delete it.
    pub expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    records: u64,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    unsealed: i64,
    #[serde(default)]
    first_ms: i64,
    #[serde(default)]
    last_ms: i64,
    deleted_at: Option<i64>,
    #[serde(default)]
    generation: u32,
    seal: Option<SealPointer>,
    due_at: Option<i64>,
    ttl: Option<i64>,
}

/// The head that an item says.
pub(super) fn decode(attributes: Attributes) -> Result<Head> {
    let key = item::check(Kind::TraceHead, &attributes)?;
    let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(attributes).map_err(|error| Error::corrupt(&key, error))?;
    let millisecond = |ms: Option<i64>| ms.map(Timestamp::from_millisecond).transpose().map_err(|error| Error::corrupt(&key, error));
    Ok(Head {
        seq: stored.seq,
        records: stored.records,
        bytes: stored.bytes,
        // A reservation that was sent twice and sealed once leaves some; the other way round cannot be, but costs nothing.
        unsealed: u64::try_from(stored.unsealed).unwrap_or(0),
        first_ms: stored.first_ms,
        last_ms: stored.last_ms,
        deleted_at: millisecond(stored.deleted_at)?,
        generation: stored.generation,
        seal: stored.seal,
        due_at: millisecond(stored.due_at)?,
        expires_at: stored.ttl.map(Timestamp::from_second).transpose().map_err(|error| Error::corrupt(&key, error))?,
    })
}

/// The attributes that put a head among what is due.
pub(super) fn due(at: Timestamp) -> [(&'static str, aws_sdk_dynamodb::types::AttributeValue); 2] {
    [("due_pk", string(DUE)), ("due_at", number(at.as_millisecond()))]
}

impl TraceStore {
    /// Takes sequence numbers and counts what will be put under them, in one request that reads nothing.
    ///
    /// A repetition by the SDK takes further numbers: a gap in the sequence means nothing.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn reserve(&self, org: OrgId, trace: TraceId, reserve: &Reserve) -> Result<Reserved> {
        let now = number(reserve.now.as_millisecond());
        let key = head_key(org, trace);
        let mut set_once = vec![("first_ms", now.clone())];
        set_once.extend(due(reserve.due_at));
        let mut set = vec![("last_ms", now)];
        set.extend(item::label(Kind::TraceHead));
        let mut tests = vec![
            Test::Lacks("deleted_at"),
            Test::LacksOrLess("records", number(reserve.limit_records)),
            Test::LacksOrLess("bytes", number(reserve.limit_bytes)),
        ];
        tests.extend(reserve.limit_spans.map(|most| Test::LacksOrLess("seal.spans", number(most))));
        let update = Update {
            set,
            set_once,
            add: vec![
                ("seq", number(reserve.chunks)),
                ("records", number(reserve.records)),
                ("unsealed", number(reserve.records)),
                ("bytes", number(reserve.bytes)),
            ],
            tests,
            ..Update::default()
        };
        let expires_s = reserve.expires_at.as_second();
        let mut longer = update.clone();
        longer.set.push(("ttl", number(expires_s)));
        longer.tests.push(Test::LacksOrLess("ttl", number(expires_s.saturating_add(1))));
        let mut updated = self.access.update("reserve a place in a trace", &self.table, &key, &longer).await?;
        if let Updated::Lost(Some(stored)) = &updated
            && item::ttl(stored).is_some_and(|kept_s| kept_s > expires_s)
        {
            updated = self.access.update("reserve a place in a trace", &self.table, &key, &update).await?;
        }
        match updated {
            Updated::Done(stored) => {
                let head = decode(stored)?;
                Ok(Reserved::Seq { first: (head.seq + 1).saturating_sub(u64::from(reserve.chunks)), head: Box::new(head) })
            }
            Updated::Lost(stored) if stored.as_ref().is_some_and(|stored| stored.contains_key("deleted_at")) => Ok(Reserved::Deleted),
            Updated::Lost(_) => Ok(Reserved::Full),
        }
    }

    /// The head of a trace as it is now, that of a deleted one too.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn head(&self, org: OrgId, trace: TraceId) -> Result<Option<Head>> {
        self.access.get("read the head of a trace", &self.table, &head_key(org, trace)).await?.map(decode).transpose()
    }

    /// The heads of many traces, in the order asked for.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn heads(&self, traces: &[(OrgId, TraceId)]) -> Result<Vec<Option<Head>>> {
        let keys: Vec<Key> = traces.iter().map(|(org, trace)| head_key(*org, *trace)).collect();
        let found = self.access.get_many("read the heads of traces", &self.table, &keys).await?;
        keys.iter().map(|key| found.get(key).cloned().map(decode).transpose()).collect()
    }

    /// Traces that a sealer is to look at, the longest overdue first. Comes from an index: some may have been looked at meanwhile.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn due_traces(&self, now: Timestamp, limit: u32) -> Result<Vec<(OrgId, TraceId)>> {
        let range = Range {
            operation: "list traces that are due",
            table: &self.table,
            index: Index::Gsi3,
            partition: DUE.to_owned(),
            sort: Sort::AtMost(number(now.as_millisecond())),
            order: Order::Ascending,
        };
        let items = self.access.range(&range, Some(limit as usize)).await?;
        let parse = |item: &Attributes| {
            let key = Key::of(item).ok_or_else(|| Error::corrupt(&DUE, "an item without a key"))?;
            parse_partition(&key.pk).ok_or_else(|| Error::corrupt(&key, "it is due, but no trace"))
        };
        items.iter().map(parse).collect()
    }

    /// Says when a sealer is to look again; `None` for not before more telemetry comes. `Lost` when there is no such trace, and
    /// with `None` also when sequence numbers beyond `seen` were given out.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn rearm(&self, org: OrgId, trace: TraceId, seen: u64, at: Option<Timestamp>) -> Result<Written> {
        let update = match at {
            Some(at) => Update { set: due(at).into(), tests: vec![Test::Has("pk")], ..Update::default() },
            None => Update {
                remove: vec!["due_pk", "due_at"],
                tests: vec![Test::Has("pk"), Test::LacksOrIs("seq", number(seen))],
                ..Update::default()
            },
        };
        match self.access.update("say when a trace is due", &self.table, &head_key(org, trace), &update).await? {
            Updated::Done(_) => Ok(Written::Done),
            Updated::Lost(_) => Ok(Written::Lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::partition;

    #[test]
    fn a_partition_says_whose_trace_it_is() {
        let org = OrgId::from_parts(1, 2);
        let trace = TraceId::of_bytes(&[7; 16]).expect("an id");
        assert_eq!(parse_partition(&partition(org, trace)), Some((org, trace)));
        for other in ["", "T#", "T#org_1#07", &format!("O#{org}#{trace}"), &format!("T#{org}")] {
            assert_eq!(parse_partition(other), None, "{other}");
        }
    }
}
