//! `spansUpdated`: the spans of a trace in batches, then whatever changes.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use async_graphql::{Context, ID};
use futures::{StreamExt, stream};
use quillon_core::trace::SpanId;
use quillon_core::trace::hint::Flags;
use quillon_core::trace::outline::{Outline, Row};
use quillon_traces::Snapshot;

use super::choice::{self, Choice, Wanted};
use super::reader::Reader;
use super::record::{Place, Span};
use super::{Batches, cost};
use crate::access::Field;
use crate::error::ApiError;
use crate::graphql::error::Failure;

/// Bytes of memory that spans take which are loaded at once: each may be of some megabytes.
const MAX_LOADED: usize = 8 << 20;

/// The answer to a subscription, once it is certain that the caller may have it.
///
/// # Errors
/// Not found, forbidden, or the trace cannot be read.
pub(super) async fn batches(context: &Context<'_>, org: &ID, trace: &ID, wanted: Wanted) -> Result<Batches<Span>, Failure> {
    let mut reader = Reader::open(context, Field::SpansUpdated, org, trace).await?;
    if wanted.before.is_some() {
        reader.stay();
    }
    let feed = Feed::begin(reader, wanted).await?;
    Ok(stream::try_unfold(feed, |feed| async { feed.next().await.map_err(|error| Failure::from(error).into()) }).boxed())
}

/// A trace on its way to a client.
struct Feed {
    reader: Reader,
    wanted: Wanted,
    /// Rows of the reader's snapshot that are still to be sent.
    rows: VecDeque<u32>,
    /// Spans that are loaded, with what each costs.
    ready: VecDeque<(usize, Span)>,
    is_partial: bool,
    /// What was sent; only kept where less than everything is.
    sent: HashSet<SpanId>,
    is_caught_up: bool,
}

impl Feed {
    async fn begin(reader: Reader, wanted: Wanted) -> Result<Self, ApiError> {
        let Choice { rows, is_partial } = choose(&reader.snapshot, &wanted);
        let is_finite = reader.is_finite();
        let mut feed =
            Self { reader, wanted, rows: rows.into(), ready: VecDeque::new(), is_partial, sent: HashSet::new(), is_caught_up: false };
        if is_finite {
            feed.fit().await?;
        }
        Ok(feed)
    }

    /// Loads all that there is to send, or so much of what matters most as goes into one piece.
    async fn fit(&mut self) -> Result<(), ApiError> {
        if self.load_up_to(cost::ANSWER).await? {
            return Ok(());
        }
        if self.wanted.is_from_roots && !self.wanted.is_incremental {
            self.wanted.is_incremental = true;
            self.rows = choose(&self.reader.snapshot, &self.wanted).rows.into();
            self.ready.clear();
            self.load_up_to(cost::ANSWER).await?;
        }
        self.rows.clear();
        self.is_partial = true;
        for (_, span) in &mut self.ready {
            span.mark_partial();
        }
        Ok(())
    }

    /// Loads rows until there are no more, or the next does not fit: false.
    async fn load_up_to(&mut self, limit: usize) -> Result<bool, ApiError> {
        let mut total = 0;
        let mut fitting = VecDeque::new();
        while !self.rows.is_empty() {
            self.load().await?;
            while let Some((cost, span)) = self.ready.pop_front() {
                total += cost;
                if total > limit {
                    self.ready = fitting;
                    return Ok(false);
                }
                fitting.push_back((cost, span));
            }
        }
        self.ready = fitting;
        Ok(true)
    }

    /// Loads the next rows.
    async fn load(&mut self) -> Result<(), ApiError> {
        let rows: Vec<u32> = self.rows.iter().take(cost::BATCH_RECORDS).copied().collect();
        let snapshot = &self.reader.snapshot;
        let newest_ms = snapshot.outline.last_received_ms().unwrap_or_default();
        let spans = self.reader.traces.first_spans(snapshot, &rows, MAX_LOADED).await?;
        self.rows.drain(..spans.len());
        for (number, span) in rows.into_iter().zip(spans) {
            let Some(row) = choice::row(&snapshot.outline, number) else { continue };
            let place = Place {
                trace: snapshot.trace,
                parent: shown_parent(&snapshot.outline, number, row),
                updated_ms: choice::updated_ms(&snapshot.outline, number, row, newest_ms),
                has_logs: row.logs > 0,
                children: snapshot.tree.children(number).len(),
                is_partial: self.is_partial,
            };
            self.ready.push_back((cost::of_span(&span), Span::new(span, place)));
            if self.is_partial && !self.reader.is_finite() {
                self.sent.insert(row.id);
            }
        }
        Ok(())
    }

    /// The next batch; none at the end.
    async fn next(mut self) -> Result<Option<(Vec<Span>, Self)>, ApiError> {
        loop {
            if self.ready.is_empty() && !self.rows.is_empty() {
                self.load().await?;
            }
            let batch = self.take();
            if !batch.is_empty() {
                return Ok(Some((batch, self)));
            }
            if !self.is_caught_up {
                self.is_caught_up = true;
                return Ok(Some((vec![], self)));
            }
            let seen = Arc::clone(&self.reader.snapshot);
            if !self.reader.look_again().await? {
                return Ok(None);
            }
            self.queue_changes(&seen);
        }
    }

    /// Loaded spans, as many as one batch takes.
    fn take(&mut self) -> Vec<Span> {
        let mut total = 0;
        let mut batch = Vec::new();
        while let Some((cost, _)) = self.ready.front() {
            total += cost;
            let is_full = total > cost::BATCH || batch.len() >= cost::BATCH_RECORDS;
            if is_full && !batch.is_empty() {
                break;
            }
            batch.extend(self.ready.pop_front().map(|(_, span)| span));
        }
        batch
    }

    /// Queues what the client has not got of the newest snapshot.
    fn queue_changes(&mut self, seen: &Snapshot) {
        let snapshot = &self.reader.snapshot;
        if snapshot.has_same_records(seen) {
            return;
        }
        let Choice { mut rows, is_partial } = choose(snapshot, &self.wanted);
        self.is_partial = is_partial;
        // What can no longer be told apart is sent again: clients keep the newest of each span.
        if let Some(changed) = self.reader.traces.changed(snapshot, seen.cursor) {
            let changed: BTreeSet<u32> = changed.into_iter().filter(|number| shows_change(seen, snapshot, *number)).collect();
            let is_unknown =
                |number: u32| is_partial && choice::row(&snapshot.outline, number).is_some_and(|row| !self.sent.contains(&row.id));
            rows.retain(|number| changed.contains(number) || is_unknown(*number));
        }
        self.rows = rows.into();
    }
}

fn choose(snapshot: &Snapshot, wanted: &Wanted) -> Choice {
    choice::choose(&snapshot.outline, &snapshot.tree, wanted)
}

/// Whether a client sees that a row has changed: that a span has a log record more, it does not.
fn shows_change(seen: &Snapshot, snapshot: &Snapshot, number: u32) -> bool {
    let shown = |snapshot: &Snapshot| {
        let row = choice::row(&snapshot.outline, number)?;
        Some((row.id, row.place, row.received_ms, row.logs > 0, snapshot.tree.children(number).len()))
    };
    shown(seen) != shown(snapshot)
}

/// The parent as the client is told of it. The CLI begins with the first span that has none, so the root of a `dagger` command that
/// runs under a span of somebody else, who does not send it here, has none either.
fn shown_parent(outline: &Outline, number: u32, row: &Row) -> Option<SpanId> {
    let is_command = row.flags.contains(Flags::CLI) && outline.parent_row(number).is_none();
    row.parent.filter(|_| !is_command)
}
