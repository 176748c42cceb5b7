//! Parts of a sealed trace: what the chunks said, without repetitions, in order.
//!
//! | sk | attribute |
//! |---|---|
//! | `Z#<generation, 6 digits>#<kind><n, 6 digits>` | `b`, in the form of `quillon-traces` |
//!
//! Parts of a generation are written by the one sealer that began it, and are read only through the pointer in the head.

use std::ops::Range as Numbers;

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;

use super::chunks::{binary, blob};
use super::{TraceStore, partition};
use crate::Result;
use crate::error::Error;
use crate::item::{self, Item, Kind, Place};
use crate::keys::{Attributes, Key};
use crate::read::Sort;

/// What is in a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartKind {
    /// All spans in a few dozen bytes each.
    Outline,
    /// Spans.
    Spans,
    /// Log records.
    Logs,
    /// Points of metrics.
    Metrics,
    /// Digests of batches that may still be sent again.
    Digests,
}

impl PartKind {
    fn letter(self) -> char {
        match self {
            Self::Outline => 'o',
            Self::Spans => 's',
            Self::Logs => 'l',
            Self::Metrics => 'm',
            Self::Digests => 'd',
        }
    }
}

fn sort(generation: u32, kind: PartKind, number: u32) -> String {
    format!("Z#{generation:06}#{}{number:06}", kind.letter())
}

fn decode(attributes: &Attributes) -> Result<Vec<u8>> {
    let key = item::check(Kind::TracePart, attributes)?;
    binary(attributes, "b").ok_or_else(|| Error::corrupt(&key, "its `b` is missing or damaged"))
}

impl TraceStore {
    /// Puts a part under a generation that this sealer began.
    ///
    /// # Errors
    /// Transient or refused.
    #[expect(clippy::too_many_arguments, reason = "a key of five segments, a value and its end")]
    pub async fn put_part(
        &self,
        org: OrgId,
        trace: TraceId,
        generation: u32,
        kind: PartKind,
        number: u32,
        bytes: &[u8],
        expires_at: Timestamp,
    ) -> Result<()> {
        let key = Key::new(partition(org, trace), sort(generation, kind, number));
        let place = Place { expires_at: Some(expires_at), ..Place::nowhere() };
        let item = Item::flat(Kind::TracePart, key, vec![("b", blob(bytes))], &place);
        self.access.put("put a part of a trace", &self.table, item).await
    }

    /// One part; none when it is gone, because a newer generation took over.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn part(&self, org: OrgId, trace: TraceId, generation: u32, kind: PartKind, number: u32) -> Result<Option<Vec<u8>>> {
        let key = Key::new(partition(org, trace), sort(generation, kind, number));
        self.access.get("read a part of a trace", &self.table, &key).await?.map(|item| decode(&item)).transpose()
    }

    /// Consecutive parts in their order; none when one of them is gone, because a newer generation took over.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn parts(
        &self,
        org: OrgId,
        trace: TraceId,
        generation: u32,
        kind: PartKind,
        numbers: Numbers<u32>,
    ) -> Result<Option<Vec<Vec<u8>>>> {
        let Some(last) = numbers.end.checked_sub(1).filter(|_| !numbers.is_empty()) else { return Ok(Some(vec![])) };
        let bounds = Sort::Between(sort(generation, kind, numbers.start), sort(generation, kind, last));
        let range = self.of_trace("read parts of a trace", org, trace, bounds);
        let items = self.access.range(&range, None).await?;
        if items.len() != numbers.len() {
            return Ok(None);
        }
        items.iter().map(decode).collect::<Result<_>>().map(Some)
    }

    /// Deletes the parts of one generation; may end half-way, and can be repeated.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn delete_parts(&self, org: OrgId, trace: TraceId, generation: u32) -> Result<()> {
        self.delete_between(org, trace, generation, generation.saturating_add(1)).await
    }

    /// Deletes the parts of all generations before one; may end half-way, and can be repeated.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn delete_parts_before(&self, org: OrgId, trace: TraceId, generation: u32) -> Result<()> {
        self.delete_between(org, trace, 0, generation).await
    }

    async fn delete_between(&self, org: OrgId, trace: TraceId, first: u32, end: u32) -> Result<()> {
        // No part is at the bare number of its generation: the end does not belong to what is deleted.
        let bounds = Sort::Between(format!("Z#{first:06}#"), format!("Z#{end:06}#"));
        let range = self.of_trace("delete parts of a trace", org, trace, bounds);
        let keys = self.access.keys(&range).await?;
        self.access.delete_many(range.operation, &self.table, &keys).await
    }
}
