//! `logsEmitted`: log records by time in batches, then those that arrive.

use std::collections::VecDeque;
use std::sync::Arc;

use async_graphql::{Context, ID};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use quillon_core::trace::SpanId;
use quillon_core::trace::span::{Attributes, LogRecord, Value};
use quillon_core::trace::state::primary_root;
use quillon_traces::{LogPage, Snapshot};

use super::reader::Reader;
use super::record::{self, LogMessage};
use super::{Batches, choice, cost};
use crate::access::Field;
use crate::error::ApiError;
use crate::graphql::error::Failure;

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Whose records.
    pub(super) span: SpanId,
    /// Those of everything below it too.
    pub(super) is_deep: bool,
    /// Only later ones.
    pub(super) after: Option<Timestamp>,
}

/// The answer to a subscription, once it is certain that the caller may have it.
///
/// # Errors
/// Not found, forbidden, or the trace cannot be read.
pub(super) async fn batches(context: &Context<'_>, org: &ID, trace: &ID, wanted: Wanted) -> Result<Batches<LogMessage>, Failure> {
    let reader = Reader::open(context, Field::LogsEmitted, org, trace).await?;
    let left = reader.is_finite().then_some(cost::ANSWER);
    let feed = Feed { reader, wanted, step: Step::Page(None), ready: VecDeque::new(), left, newest_ns: 0 };
    Ok(stream::try_unfold(feed, |feed| async { feed.next().await.map_err(|error| Failure::from(error).into()) }).boxed())
}

/// What comes next.
enum Step {
    /// A page of what was there from the start.
    Page(Option<String>),
    /// To say that this was all so far.
    CaughtUp,
    /// To wait for more.
    Tail,
    /// Nothing: the rest does not fit.
    Over,
}

/// Log records on their way to a client.
struct Feed {
    reader: Reader,
    wanted: Wanted,
    step: Step,
    /// Records that are loaded, with what each costs.
    ready: VecDeque<(usize, LogRecord)>,
    /// How much more goes into the answer; none where it streams.
    left: Option<usize>,
    /// The newest time of a record that was loaded.
    newest_ns: u64,
}

impl Feed {
    /// The next batch; none at the end.
    async fn next(mut self) -> Result<Option<(Vec<LogMessage>, Self)>, ApiError> {
        loop {
            let batch = self.take();
            if !batch.is_empty() {
                return Ok(Some((batch, self)));
            }
            match std::mem::replace(&mut self.step, Step::Over) {
                Step::Page(after) => {
                    let next = self.load(after, self.wanted.after).await?;
                    self.step = if next.is_some() { Step::Page(next) } else { Step::CaughtUp };
                }
                Step::CaughtUp => {
                    self.step = Step::Tail;
                    return Ok(Some((vec![], self)));
                }
                Step::Tail => {
                    let seen = Arc::clone(&self.reader.snapshot);
                    if !self.reader.look_again().await? {
                        return Ok(None);
                    }
                    self.load_since(&seen).await?;
                    self.step = Step::Tail;
                }
                Step::Over => return Ok(None),
            }
        }
    }

    /// Whose records: none for those of the whole trace, some of which belong to no span.
    fn span(&self) -> Option<SpanId> {
        let snapshot = &self.reader.snapshot;
        let root = primary_root(&snapshot.outline, &snapshot.tree).and_then(|root| choice::row(&snapshot.outline, root));
        let is_first_root = root.is_some_and(|root| root.id == self.wanted.span);
        (!(self.wanted.is_deep && is_first_root)).then_some(self.wanted.span)
    }

    /// Loads a page; gives where the next one begins.
    async fn load(&mut self, page: Option<String>, after: Option<Timestamp>) -> Result<Option<String>, ApiError> {
        let page = LogPage { after: page, limit: u32::try_from(cost::BATCH_RECORDS).unwrap_or(u32::MAX) };
        let span = self.span();
        let found = self.reader.traces.logs(&self.reader.snapshot, span, self.wanted.is_deep, &page).await?;
        self.ready(found.items, after);
        Ok(found.next)
    }

    /// Loads what arrived since.
    async fn load_since(&mut self, seen: &Snapshot) -> Result<(), ApiError> {
        if self.reader.snapshot.has_same_records(seen) {
            return Ok(());
        }
        let span = self.span();
        match self.reader.traces.logs_since(&self.reader.snapshot, seen, span, self.wanted.is_deep).await? {
            Some(records) => self.ready(records, self.wanted.after),
            // What arrived last is among the rest: the times tell it.
            None => {
                let newest = record::time(self.newest_ns).0;
                let mut page = None;
                loop {
                    page = self.load(page, Some(newest)).await?;
                    if page.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn ready(&mut self, records: Vec<LogRecord>, after: Option<Timestamp>) {
        let is_later = |record: &LogRecord| after.is_none_or(|after| record::time(record.time_ns).0 > after);
        for record in records.into_iter().filter(is_later) {
            self.newest_ns = self.newest_ns.max(record.time_ns);
            self.ready.push_back((cost::of_log(&record), record));
        }
    }

    /// Loaded records, as many as one batch takes.
    fn take(&mut self) -> Vec<LogMessage> {
        let mut total = 0;
        let mut batch = Vec::new();
        while let Some((cost, record)) = self.ready.front() {
            if self.left.is_some_and(|left| *cost > left) {
                batch.push(LogMessage::new(cut_after(record)));
                self.ready.clear();
                self.step = Step::Over;
                break;
            }
            total += cost;
            let is_full = total > cost::BATCH || batch.len() >= cost::BATCH_RECORDS;
            if is_full && !batch.is_empty() {
                break;
            }
            if let Some((cost, record)) = self.ready.pop_front() {
                self.left = self.left.map(|left| left.saturating_sub(cost));
                batch.push(LogMessage::new(record));
            }
        }
        batch
    }
}

/// A record that says where the log was cut: an error would take what was sent with it.
fn cut_after(next: &LogRecord) -> LogRecord {
    let note = format!("\n… the log goes on from {}: it is longer than one answer of this server …\n", record::time(next.time_ns).0);
    let stderr = Attributes(vec![("stdio.stream".to_owned(), Value::Int(2))]);
    LogRecord { body: Value::Text(note), attributes: stderr, ..next.clone() }
}
