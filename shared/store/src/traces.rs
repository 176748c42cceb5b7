//! Table `traces`: everything about one trace of one org is one partition, `T#<org>#<trace>`.
//!
//! | item | sk | file |
//! |---|---|---|
//! | head: counters, the pointer to what is sealed, the tombstone | `HEAD` | [`heads`], [`seals`], [`deletion`] |
//! | chunk of spans, log records or metric points, as it came in | `C#<seq>` | [`chunks`] |
//! | part of a sealed trace | `Z#<generation>#<kind><n>` | [`parts`] |
//! | card, what a list shows | `CARD` | [`cards`] |
//!
//! | index | partition | sort | what for |
//! |---|---|---|---|
//! | gsi1 | `O#<org>#<yyyymmdd>` | `<start>#<trace>` | the traces of a day |
//! | gsi2 | `G#<org>#<git remote, or ->` | same | the traces of a repository |
//! | gsi3, keys only | `DUE` | epoch milliseconds | what may have to be sealed |
//!
//! The org is part of every key: the same trace id in two orgs never meets. Numbers in keys are zero-padded.

mod cards;
mod chunks;
mod deletion;
mod heads;
mod parts;
mod seals;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;

pub use chunks::{ChunkKind, ChunkPage, StoredChunk};
pub use heads::{Head, Reserve, Reserved};
pub use parts::PartKind;
pub use seals::SealPointer;

use crate::access::Access;
use crate::keys::Key;
use crate::read::{Index, Order, Range, Sort};

/// The table of traces. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TraceStore {
    access: Access,
    table: Arc<str>,
}

impl TraceStore {
    /// A store over this table; nothing is sent until it is used.
    #[must_use]
    pub fn new(client: Client, table: impl Into<Arc<str>>) -> Self {
        Self { access: Access::new(client), table: table.into() }
    }

    /// A range of the items of one trace, in the order of their keys.
    fn of_trace(&self, operation: &'static str, org: OrgId, trace: TraceId, sort: Sort) -> Range<'_> {
        let partition = partition(org, trace);
        Range { operation, table: &self.table, index: Index::Table, partition, sort, order: Order::Ascending }
    }
}

fn partition(org: OrgId, trace: TraceId) -> String {
    format!("T#{org}#{trace}")
}

/// The org and the trace of a partition.
fn parse_partition(pk: &str) -> Option<(OrgId, TraceId)> {
    let (org, trace) = pk.strip_prefix("T#")?.split_once('#')?;
    Some((org.parse().ok()?, trace.parse().ok()?))
}

fn head_key(org: OrgId, trace: TraceId) -> Key {
    Key::new(partition(org, trace), "HEAD")
}

fn card_key(org: OrgId, trace: TraceId) -> Key {
    Key::new(partition(org, trace), "CARD")
}
