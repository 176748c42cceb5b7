//! A snapshot, read for the first time or brought up to date: the head, what is sealed, and the chunks behind what is known.

use std::sync::Arc;

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::{Card, Claim};
use quillon_core::trace::outline::Outline;
use quillon_store::{PartKind, SealPointer, TraceHead};

use crate::error::{Error, Result};
use crate::sealed::{Damaged, Summary, read_outline};
use crate::snapshot::{Growing, Inside, Snapshot};
use crate::source::SourceKey;
use crate::{Of, Traces, lock};

/// How often reading begins again because what is read was sealed meanwhile.
pub(crate) const MAX_TRIES: usize = 5;

/// Parts of one request; about what one answer of the table holds.
const PARTS: u32 = 3;

impl Traces {
    /// A trace as it is now; none when there is no such trace, or it was deleted.
    ///
    /// # Errors
    /// When the table cannot be used, or what it holds cannot be read.
    pub async fn open(&self, org: OrgId, trace: TraceId, now: Timestamp) -> Result<Option<Arc<Snapshot>>> {
        let of = (org, trace);
        let _lane = self.lane(of).await;
        for _ in 0..MAX_TRIES {
            let (head, card) = tokio::try_join!(Box::pin(self.store.head(org, trace)), Box::pin(self.store.card(org, trace)))?;
            let is_there = |head: &TraceHead| head.deleted_at.is_none() && head.expires_at.is_none_or(|expires_at| expires_at > now);
            let Some(head) = head.filter(is_there) else {
                self.forget(of);
                return Ok(None);
            };
            match Box::pin(self.read(of, head, card, now)).await {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(Error::Moved) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Moved)
    }

    async fn read(&self, of: Of, head: TraceHead, card: Option<Card>, now: Timestamp) -> Result<Arc<Snapshot>> {
        let claim = Claim { org: of.0, attempt: None, repository: None };
        // Between a batch and its card there is a moment without.
        let card = card.unwrap_or_else(|| Card::new(&claim, of.1, Timestamp::from_millisecond(head.first_ms).unwrap_or(now)));
        let known = lock(&self.shared.snapshots).value(&of);
        let generation = head.seal.as_ref().map(|pointer| pointer.generation);
        let mut growing = match known {
            Some(known) if known.inside.generation == generation => {
                if known.cursor == head.seq && !known.has_gaps() && known.head == head && known.card == card {
                    return Ok(known);
                }
                // The cache lets go of it, so that it can grow in place.
                lock(&self.shared.snapshots).remove(&of);
                Growing::of(known)
            }
            _ => self.sealed(of, head.seal.as_ref()).await?,
        };
        self.catch_up(of, &mut growing, &head, now).await?;
        let snapshot = Arc::new(growing.finish(head, card, now));
        lock(&self.shared.snapshots).keep(of, snapshot.clone(), snapshot.weight());
        Ok(snapshot)
    }

    /// What is sealed of a trace.
    async fn sealed(&self, of: Of, pointer: Option<&SealPointer>) -> Result<Growing> {
        let Some(pointer) = pointer else { return Ok(Growing::sealed(Outline::new(), Inside::default())) };
        let summary = self.summary(of, pointer).await?;
        let outline = self.sealed_outline(of, pointer).await?;
        Ok(Growing::sealed(outline, Inside::of(pointer, summary)))
    }

    pub(crate) async fn summary(&self, of: Of, pointer: &SealPointer) -> Result<Summary> {
        let bytes = self.store.part(of.0, of.1, pointer.generation, PartKind::Digests, 0).await?.ok_or(Error::Moved)?;
        Ok(Summary::unpack(&bytes)?)
    }

    pub(crate) async fn sealed_outline(&self, of: Of, pointer: &SealPointer) -> Result<Outline> {
        let mut outline = Outline::new();
        let mut known = Vec::new();
        let last = pointer.outline_parts;
        for first in (0..last).step_by(4 * PARTS as usize) {
            let range = |number: u32| {
                let from = (first + number * PARTS).min(last);
                Box::pin(self.store.parts(of.0, of.1, pointer.generation, PartKind::Outline, from..(from + PARTS).min(last)))
            };
            let (one, two, three, four) = tokio::try_join!(range(0), range(1), range(2), range(3))?;
            for parts in [one, two, three, four] {
                for part in parts.ok_or(Error::Moved)? {
                    let columns = read_outline(&part, &mut known)?;
                    outline.extend(columns).map_err(|_| Damaged("the columns of an outline do not belong together"))?;
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(outline)
    }

    /// Reads the chunks behind what is known.
    async fn catch_up(&self, of: Of, growing: &mut Growing, head: &TraceHead, now: Timestamp) -> Result<()> {
        // A few chunks are what somebody who looks on will ask for next; a long tail would only push everything else out.
        let keeps = head.seq.saturating_sub(growing.sequence.cursor) < 64;
        if growing.read_from() >= head.seq {
            return Ok(());
        }
        let mut from = growing.read_from();
        loop {
            let page = self.store.chunks(of.0, of.1, from).await?;
            for chunk in &page.chunks {
                from = from.max(chunk.seq);
                match growing.take_in(chunk, now.as_millisecond()) {
                    Ok(None) => {}
                    Ok(Some(Ok(source))) if keeps => self.keep(SourceKey::Chunk(of, chunk.seq), &source),
                    Ok(Some(Ok(_))) => {}
                    // The rest of the trace is still worth reading; the sealer stops at it, so nothing is lost silently.
                    Ok(Some(Err(error))) => tracing::error!(trace.id = %of.1, "chunk {} of trace {} is left out: {error}", chunk.seq, of.1),
                    Err(_) => return self.still_there(of, growing, head).await,
                }
            }
            if page.is_end || page.chunks.is_empty() {
                return self.still_there(of, growing, head).await;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Whether chunks may have been missed because a sealer has deleted them meanwhile.
    async fn still_there(&self, of: Of, growing: &Growing, head: &TraceHead) -> Result<()> {
        if growing.sequence.cursor >= head.seq && growing.sequence.passed == 0 {
            return Ok(());
        }
        let now = self.store.head(of.0, of.1).await?.ok_or(Error::Moved)?;
        let is_same = now.seal.as_ref().map(|pointer| pointer.generation) == head.seal.as_ref().map(|pointer| pointer.generation);
        if is_same && now.deleted_at.is_none() { Ok(()) } else { Err(Error::Moved) }
    }
}
