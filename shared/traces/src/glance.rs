//! The first look at a sealed trace: a few spans that a reader wants first, without reading all of it.

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::Card;
use quillon_core::trace::outline::Outline;
use quillon_store::{PartKind, TraceHead};

use crate::Traces;
use crate::error::Result;
use crate::sealed::{Damaged, read_outline};

/// The spans of a trace that a reader wants first: roots, checks, tests, origins of errors, and what is above them.
#[derive(Debug, Clone)]
pub struct Glance {
    /// What lists show of the trace.
    pub card: Card,
    /// Its counters.
    pub head: TraceHead,
    /// Some of its spans. Its rows have other numbers than those of a snapshot.
    pub outline: Outline,
    /// Whether these are all its spans.
    pub is_complete: bool,
}

impl Traces {
    /// A first look at a trace that was sealed when it was over; none for any other, which [`Traces::open`] is for.
    ///
    /// # Errors
    /// When the table cannot be used, or what it holds cannot be read.
    pub async fn glance(&self, org: OrgId, trace: TraceId, now: Timestamp) -> Result<Option<Glance>> {
        let (head, card) = tokio::try_join!(Box::pin(self.store.head(org, trace)), Box::pin(self.store.card(org, trace)))?;
        let (Some(head), Some(card)) = (head, card) else { return Ok(None) };
        let is_there = head.deleted_at.is_none() && head.expires_at.is_none_or(|expires_at| expires_at > now);
        let Some(pointer) = head.seal.as_ref().filter(|pointer| is_there && pointer.is_final && pointer.through_seq == head.seq) else {
            return Ok(None);
        };
        let part = self.store.part(org, trace, pointer.generation, PartKind::Priority, 0).await?;
        let Some(part) = part else { return Ok(None) };
        let mut outline = Outline::new();
        let columns = read_outline(&part, &mut Vec::new())?;
        outline.extend(columns).map_err(|_| Damaged("the columns of an outline do not belong together"))?;
        Ok(Some(Glance { is_complete: outline.len() as u64 == pointer.spans, card, outline, head }))
    }
}
