//! Sealing: a new generation of parts that says the same in less.
//!
//! It may happen to a running trace too, whenever enough has come in. The tail is read twice: once to find out which records
//! count, once to write them. Old parts are taken over as they are unless too much in them counts no more. So the memory is
//! the outline and one part, and the work goes with what is new. Readers see the old generation until the new one is
//! whole; who dies half-way leaves parts behind that nobody is pointed at, and the next sealer deletes them.

mod plan;
mod write;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::{Card, Claim, Headline};
use quillon_core::trace::outline::{Outline, Tree};
use quillon_core::trace::state::{TraceState, primary_root};
use quillon_store::{SealPointer, StoredChunk, TraceHead, Written};

use crate::error::{Error, Result};
use crate::sealed::Summary;
use crate::sequence::SEALER_WAITS;
use crate::snapshot::{Growing, Inside};
use crate::{Of, Traces};

pub(crate) use plan::{FIRST_LOOK, is_worth_compacting};

use plan::Plan;
use write::Writer;

/// How long a sealer has the trace for itself, more than its function may run; others that come all the same lose, and harm nothing.
const LEASE: SignedDuration = SignedDuration::from_mins(15);

/// When to try again after a failure.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// How long after a deletion chunks may still be put.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// What became of an attempt to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// There was nothing to do yet, or somebody else did it.
    Nothing,
    /// The trace goes on; what came so far takes less.
    Compacted,
    /// The trace is over.
    Final,
    /// There is no such trace, or it was deleted.
    Gone,
}

impl Traces {
    /// Traces that [`Traces::seal`] should look at, the longest overdue first.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<(OrgId, TraceId)>> {
        Ok(self.store.due_traces(now, limit).await?)
    }

    /// Seals a trace if it is over or much has come in, and says when to look again. Can be called at any time, by anyone.
    ///
    /// # Errors
    /// When the table cannot be used; everything readable stays so.
    pub async fn seal(&self, org: OrgId, trace: TraceId, now: Timestamp) -> Result<Sealed> {
        let of = (org, trace);
        let Some(head) = self.store.head(org, trace).await? else { return Ok(Sealed::Gone) };
        if let Some(deleted_at) = head.deleted_at {
            self.forget(of);
            self.store.purge_trace(org, trace).await?;
            if now >= later(deleted_at, LATE) {
                let _ = self.store.rearm(org, trace, head.seq, None).await?;
            }
            return Ok(Sealed::Gone);
        }
        let card = self.store.card(org, trace).await?;
        let has_ended = card.as_ref().is_some_and(|card| match card.state_at(now.as_millisecond()) {
            TraceState::Running | TraceState::Lost => false,
            TraceState::Succeeded | TraceState::Failed | TraceState::Canceled => true,
        });
        match plan::plan(&head, has_ended, now) {
            Plan::Nothing { look_at: Some(at) } => {
                let _ = self.store.rearm(org, trace, head.seq, Some(at)).await?;
                Ok(Sealed::Nothing)
            }
            Plan::Nothing { look_at: None } => {
                // Whoever sealed it would have said so: it died, and what it had left to do is done now.
                if let Some(pointer) = &head.seal {
                    let outline = self.sealed_outline(of, pointer).await?;
                    let tree = outline.tree();
                    Box::pin(self.recount(of, card, &Counted { headline: Headline::default(), outline, tree }, now)).await?;
                    self.clean_up(of, pointer).await?;
                }
                let _ = self.store.rearm(org, trace, head.seq, None).await?;
                Ok(Sealed::Nothing)
            }
            // Whoever is at it does what there is to do; another would only take its processor away.
            Plan::Seal { .. } if is_leased(&head, now) => Ok(Sealed::Nothing),
            Plan::Seal { is_final } => {
                let outcome = Box::pin(self.seal_now(of, card, is_final, now)).await;
                if outcome.is_err() {
                    // Best effort: the lease ends by itself.
                    let _ = self.store.rearm(org, trace, head.seq, Some(later(now, AGAIN))).await;
                }
                outcome
            }
        }
    }

    async fn seal_now(&self, of: Of, card: Option<Card>, is_final: bool, now: Timestamp) -> Result<Sealed> {
        // Never closed; and without a permit the work is the same.
        let _permit = self.shared.sealers.acquire().await.ok();
        let Some((generation, head)) = self.store.begin_seal(of.0, of.1, later(now, LEASE)).await? else { return Ok(Sealed::Gone) };
        let base = head.seal.as_ref().map(|pointer| pointer.generation);
        let Some(work) = self.build(of, generation, &head, is_final, now).await? else {
            let _ = self.store.rearm(of.0, of.1, head.seq, Some(later(now, LATE))).await?;
            return Ok(Sealed::Nothing);
        };
        // Due once more in any case: should this sealer die now, somebody has to clean up.
        let pointer = &work.pointer;
        let look_at = later(now, LATE);
        match self.store.finish_seal(of.0, of.1, base, pointer, work.records, Some(look_at)).await? {
            Written::Done => {}
            Written::Lost => {
                self.store.delete_parts(of.0, of.1, generation).await?;
                return Ok(Sealed::Nothing);
            }
        }
        self.recount(of, card, &work.counted, now).await?;
        self.clean_up(of, pointer).await?;
        if pointer.is_final {
            let _ = self.store.rearm(of.0, of.1, pointer.through_seq, None).await?;
            return Ok(Sealed::Final);
        }
        Ok(Sealed::Compacted)
    }

    /// Deletes what a generation replaces.
    async fn clean_up(&self, of: Of, pointer: &SealPointer) -> Result<()> {
        self.store.delete_parts_before(of.0, of.1, pointer.generation).await?;
        Ok(self.store.delete_chunks(of.0, of.1, pointer.through_seq).await?)
    }

    /// Writes the parts of a generation; none when there is nothing that may be sealed yet.
    async fn build(&self, of: Of, generation: u32, head: &TraceHead, is_final: bool, now: Timestamp) -> Result<Option<Work>> {
        let now_ms = now.as_millisecond();
        let (outline, old) = match &head.seal {
            Some(pointer) => (self.sealed_outline(of, pointer).await?, Inside::of(pointer, self.summary(of, pointer).await?)),
            None => (Outline::new(), Inside::default()),
        };
        let mut growing = Growing::for_sealer(outline, old);
        let mut records = 0;
        self.each_chunk(of, growing.inside.through_seq, |chunk| {
            match growing.take_in(chunk, now_ms) {
                Ok(Some(source)) => drop(source?),
                Ok(None) => {}
                Err(_) => return Ok(false),
            }
            records += u64::from(chunk.records);
            Ok(true)
        })
        .await?;
        let mut through = growing.sequence.cursor;
        let mut passed = growing.inside.summary.passed + growing.sequence.passed;
        // Whoever took these numbers is gone.
        let is_quiet = now_ms.saturating_sub(head.last_ms) >= SEALER_WAITS;
        if is_quiet && growing.has_read_all() && through < head.seq {
            passed += head.seq - through;
            through = head.seq;
        }
        let is_final = is_final && through >= head.seq;
        let was_final = head.seal.as_ref().is_some_and(|pointer| pointer.is_final);
        if through == growing.inside.through_seq && is_final == was_final {
            return Ok(None);
        }
        let Growing { outline, inside, .. } = growing;
        let expires_at = head.expires_at.unwrap_or_else(|| self.expires_at(false, now));
        let mut writer = Writer::new(self, of, generation, expires_at, Arc::unwrap_or_clone(outline), Arc::unwrap_or_clone(inside));
        let tree = writer.outline.tree();
        writer.keep_span_of(primary_root(&writer.outline, &tree));
        writer.write_spans().await?;
        writer.write_logs().await?;
        writer.write_metrics().await?;
        let summary = Summary { passed, receipts: plan::receipts(&writer.inside.receipts, now_ms), ..writer.summary() };
        writer.write_rest(&summary).await?;
        let pointer = SealPointer {
            generation,
            through_seq: through,
            sealed_at: now,
            is_final,
            spans: writer.outline.len() as u64,
            logs: summary.logs.iter().map(|segment| u64::from(segment.records)).sum(),
            metrics: summary.metrics.iter().map(|points| u64::from(*points)).sum(),
            bytes: writer.bytes,
            outline_parts: writer.outline_parts,
            span_parts: count(summary.spans.len()),
            log_parts: count(summary.logs.len()),
            metric_parts: count(summary.metrics.len()),
            digest_parts: 1,
        };
        let mut headline = Headline::default();
        if let Some(span) = &writer.kept {
            headline.span(span);
        }
        Ok(Some(Work { pointer, records, counted: Counted { headline, outline: writer.outline, tree } }))
    }

    /// Shows the chunks behind a number, until `show` has seen enough.
    async fn each_chunk(&self, of: Of, after: u64, mut show: impl FnMut(&StoredChunk) -> Result<bool>) -> Result<()> {
        let mut from = after;
        loop {
            let page = self.store.chunks(of.0, of.1, from).await?;
            for chunk in &page.chunks {
                from = from.max(chunk.seq);
                if !show(chunk)? {
                    return Ok(());
                }
            }
            if page.is_end || page.chunks.is_empty() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// Puts the card right: what it estimated, and what a crash kept from it.
    async fn recount(&self, of: Of, card: Option<Card>, counted: &Counted, now: Timestamp) -> Result<()> {
        if card.is_none() {
            // Who sent it is no longer known: nobody proved a repository.
            let claim = Claim { org: of.0, attempt: None, repository: None };
            self.fold(&claim, of.1, &counted.headline, now).await?;
        }
        let change = |card: &mut Card| {
            let before = card.clone();
            card.fold(&counted.headline);
            card.recount(&counted.outline, &counted.tree);
            *card != before
        };
        match self.change_card(of.0, of.1, now, change).await {
            Ok(_) => Ok(()),
            // Others are writing it right now; the next look will find it.
            Err(Error::Contended) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether another sealer has begun, has not finished, and may still be alive.
fn is_leased(head: &TraceHead, now: Timestamp) -> bool {
    let finished = head.seal.as_ref().map_or(0, |pointer| pointer.generation);
    head.generation > finished && head.due_at.is_some_and(|due_at| due_at > now)
}

/// What a sealer has done before readers are pointed at it.
struct Work {
    pointer: SealPointer,
    records: u64,
    counted: Counted,
}

/// What a card is put right by.
struct Counted {
    /// What the root's record says.
    headline: Headline,
    outline: Outline,
    tree: Tree,
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
