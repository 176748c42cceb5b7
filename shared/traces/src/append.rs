//! A batch into the table: numbers for its chunks, the chunks, and what it says about its trace.

use std::sync::Arc;

use jiff::Timestamp;
use quillon_core::attempt::later;
use quillon_core::retention::Retention;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::{Card, Claim, Headline};
use quillon_core::trace::outline::MAX_SPANS;
use quillon_otlp::{Batch, Signal};
use quillon_store::{ChunkKind, Reserve, Reserved, StoredChunk, Written};

use crate::error::Result;
use crate::seal::{FIRST_LOOK, is_worth_compacting};
use crate::weight::CARD;
use crate::{MAX_BYTES, MAX_RECORDS, Traces, lock};

/// How hard chunks are compressed: they live for minutes, and senders wait.
const LEVEL: i32 = 3;

/// Largest chunk, in bytes.
const MAX_CHUNK: usize = 350_000;

/// How often a card is folded again after somebody else wrote first.
const MAX_FOLDS: usize = 8;

/// Records between two hints to the sealer that a trace is worth compacting.
const HINT_EVERY: u64 = 4_096;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is stored.
    Stored {
        /// Whether the sealer should be told to look at the trace now.
        wants_seal: bool,
    },
    /// The trace was deleted, and stays so.
    Deleted,
    /// The trace has as much as it may have.
    Full,
}

impl Traces {
    /// The same traces, for telemetry that is kept so long.
    #[must_use]
    pub fn keeping(&self, retention: Retention) -> Self {
        Self { retention, ..self.clone() }
    }

    /// Until when the telemetry of a sender is kept.
    pub(crate) fn expires_at(&self, is_check: bool, now: Timestamp) -> Timestamp {
        if is_check { self.retention.checks.after(now) } else { self.retention.traces.after(now) }
    }

    /// Appends a batch to its trace. The same batch again changes nothing that a reader sees.
    ///
    /// # Errors
    /// When the table cannot be used; then the batch may be there, and can be sent again.
    pub async fn append(&self, claim: &Claim, batch: &Batch, now: Timestamp) -> Result<Appended> {
        let chunks = batch.pack(LEVEL, MAX_CHUNK);
        if chunks.is_empty() {
            return Ok(Appended::Stored { wants_seal: false });
        }
        let records = chunks.iter().map(|chunk| u64::from(chunk.records)).sum();
        let expires_at = self.expires_at(claim.attempt.is_some(), now);
        let reserve = Reserve {
            chunks: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
            records,
            bytes: chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum(),
            now,
            expires_at,
            due_at: later(now, FIRST_LOOK),
            limit_records: MAX_RECORDS,
            limit_bytes: MAX_BYTES,
            // What no outline takes in need not be stored. That the run is over has to be, with whatever else came in the same batch.
            limit_spans: (batch.signal == Signal::Traces && !batch.headline.has_root()).then_some(MAX_SPANS as u64),
        };
        let (first, head) = match self.store.reserve(claim.org, batch.trace, &reserve).await? {
            Reserved::Seq { first, head } => (first, head),
            Reserved::Deleted => return Ok(Appended::Deleted),
            Reserved::Full => return Ok(Appended::Full),
        };
        let kind = match batch.signal {
            Signal::Traces => ChunkKind::Spans,
            Signal::Logs => ChunkKind::Logs,
            Signal::Metrics => ChunkKind::Metrics,
        };
        for (seq, chunk) in (first..).zip(chunks) {
            let chunk =
                StoredChunk { seq, kind, records: chunk.records, digest: chunk.digest, at_ms: now.as_millisecond(), bytes: chunk.bytes };
            self.store.put_chunk(claim.org, batch.trace, &chunk, expires_at).await?;
        }
        // The records are safe: a card that cannot be written now is put right by the next batch or by the sealer.
        if let Err(error) = Box::pin(self.fold(claim, batch.trace, &batch.headline, now)).await {
            tracing::warn!(trace.id = %batch.trace, "the card of trace {} could not be brought up to date: {error}", batch.trace);
        }
        let before = head.unsealed.saturating_sub(records);
        let has_crossed = before / HINT_EVERY != head.unsealed / HINT_EVERY;
        Ok(Appended::Stored { wants_seal: has_crossed && is_worth_compacting(&head) })
    }

    /// Folds what a batch says into the card of its trace.
    ///
    /// A card only ever learns, so what is no news to a card that was read earlier is none to the stored one, and most batches
    /// neither read nor write it.
    pub(crate) async fn fold(&self, claim: &Claim, trace: TraceId, headline: &Headline, now: Timestamp) -> Result<()> {
        let of = (claim.org, trace);
        if let Some(known) = lock(&self.shared.cards).value(&of)
            && !take_in(&mut Card::clone(&known), claim, headline)
        {
            return Ok(());
        }
        for _ in 0..MAX_FOLDS {
            let stored = self.store.card(claim.org, trace).await?;
            let is_first = stored.is_none();
            let mut card = stored.unwrap_or_else(|| Card::new(claim, trace, now));
            let is_news = take_in(&mut card, claim, headline);
            if is_first || is_news {
                card.version += 1;
                let expires_at = self.expires_at(card.attempt.is_some(), now);
                match self.store.save_card(&card, expires_at).await? {
                    Written::Done => {}
                    Written::Lost => continue,
                }
            }
            lock(&self.shared.cards).keep(of, Arc::new(card), CARD);
            return Ok(());
        }
        Err(crate::Error::Contended)
    }
}

/// Takes in what a batch says; whether any of it is news.
fn take_in(card: &mut Card, claim: &Claim, headline: &Headline) -> bool {
    let is_claim_news = card.claim(claim);
    card.fold(headline) || is_claim_news
}
