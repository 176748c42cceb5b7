//! Spans by their rows, wherever their records are.

use std::collections::BTreeMap;
use std::sync::Arc;

use quillon_core::trace::outline::{Place, Row};
use quillon_core::trace::span::{Attributes, Span, SpanEvent};

use crate::error::{Error, Result};
use crate::open::MAX_TRIES;
use crate::sealed::Detail;
use crate::snapshot::Snapshot;
use crate::{Traces, weight};

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Part(u32),
    Chunk(u64),
}

/// A record as it is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Record<'a> {
    /// Without what its row says.
    Detail(&'a Detail),
    /// Whole.
    Span(&'a Span),
}

impl Record<'_> {
    pub(crate) fn attributes(&self) -> &Attributes {
        match self {
            Self::Detail(detail) => &detail.attributes,
            Self::Span(span) => &span.attributes,
        }
    }

    /// The text of its status.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Detail(detail) => &detail.status.message,
            Self::Span(span) => &span.status.message,
        }
    }

    fn span(&self, row: &Row, name: &str) -> Span {
        match self {
            Self::Span(span) => Span::clone(span),
            Self::Detail(detail) => whole(detail, row, name),
        }
    }
}

/// The span that a row and a detail are.
pub(crate) fn whole(detail: &Detail, row: &Row, name: &str) -> Span {
    let event = |event: &SpanEvent| SpanEvent { time_ns: event.time_ns.wrapping_add(row.start_ns), ..event.clone() };
    Span {
        id: row.id,
        parent: row.parent,
        flags: detail.flags,
        trace_state: detail.trace_state.clone(),
        name: name.to_owned(),
        kind: detail.kind,
        start_ns: row.start_ns,
        end_ns: row.end_ns,
        attributes: detail.attributes.clone(),
        events: detail.events.iter().map(event).collect(),
        links: detail.links.clone(),
        status: detail.status.clone(),
        dropped: detail.dropped,
        scope: detail.scope.clone(),
        resource: detail.resource.clone(),
        received_ms: row.received_ms,
    }
}

/// The first spans of a list that come in any order, some of them twice.
struct FirstSpans {
    spans: BTreeMap<usize, Span>,
    bytes: usize,
    /// From here on there is no room.
    end: usize,
}

impl FirstSpans {
    fn add(&mut self, at: usize, span: Span, most: usize) {
        self.bytes += weight::span(&span);
        if let Some(twice) = self.spans.insert(at, span) {
            self.bytes -= weight::span(&twice);
        }
        while self.bytes > most && self.spans.len() > 1 {
            let Some((at, last)) = self.spans.pop_last() else { break };
            self.bytes -= weight::span(&last);
            self.end = at;
        }
    }
}

impl Traces {
    /// The rows that changed after a cursor, in ascending order; none when that is no longer told apart, and everything has to be read.
    #[must_use]
    pub fn changed(&self, snapshot: &Snapshot, since: u64) -> Option<Vec<u32>> {
        snapshot.changed(since)
    }

    /// The newest records of rows, one for each, in their order.
    ///
    /// # Errors
    /// When there is no such row, or the table cannot be used.
    pub async fn spans(&self, snapshot: &Snapshot, rows: &[u32]) -> Result<Vec<Span>> {
        let mut found: Vec<Option<Span>> = vec![None; rows.len()];
        let mut visit = |at: usize, row: &Row, name: &str, record: Record<'_>| found[at] = Some(record.span(row, name));
        self.visit(snapshot, rows, &mut visit).await?;
        found.into_iter().zip(rows).map(|(span, row)| span.ok_or(Error::NoRow(*row))).collect()
    }

    /// The newest records of the first of some rows, in their order: as many as take about `most` bytes of memory, at least one.
    ///
    /// # Errors
    /// As [`Traces::spans`].
    pub async fn first_spans(&self, snapshot: &Snapshot, rows: &[u32], most: usize) -> Result<Vec<Span>> {
        let mut first = FirstSpans { spans: BTreeMap::new(), bytes: 0, end: usize::MAX };
        let mut visit = |at: usize, row: &Row, name: &str, record: Record<'_>| {
            if at < first.end {
                first.add(at, record.span(row, name), most);
            }
        };
        self.visit(snapshot, rows, &mut visit).await?;
        Ok(first.spans.into_values().collect())
    }

    /// Shows the records of rows, in the order in which they are kept; `at` is the place of the row among those asked for. Some may be
    /// shown twice.
    pub(crate) async fn visit(
        &self,
        snapshot: &Snapshot,
        rows: &[u32],
        visit: &mut impl FnMut(usize, &Row, &str, Record<'_>),
    ) -> Result<()> {
        match self.visit_now(snapshot, rows, visit).await {
            Err(Error::Moved) => {}
            outcome => return outcome,
        }
        // What was read has been sealed meanwhile: the spans are elsewhere now, in the same or a newer version.
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            ids.push(snapshot.outline.rows.get(*row as usize).ok_or(Error::NoRow(*row))?.id);
        }
        for _ in 0..MAX_TRIES {
            let fresh: Arc<Snapshot> = self.open(snapshot.org, snapshot.trace, snapshot.at).await?.ok_or(Error::Moved)?;
            let rows: Option<Vec<u32>> = ids.iter().map(|id| fresh.outline.row(*id)).collect();
            match self.visit_now(&fresh, &rows.ok_or(Error::Moved)?, visit).await {
                Err(Error::Moved) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Moved)
    }

    async fn visit_now(&self, snapshot: &Snapshot, rows: &[u32], visit: &mut impl FnMut(usize, &Row, &str, Record<'_>)) -> Result<()> {
        let mut wanted: BTreeMap<Holder, Vec<(usize, u32, u32)>> = BTreeMap::new();
        for (at, number) in rows.iter().enumerate() {
            let row = snapshot.outline.rows.get(*number as usize).ok_or(Error::NoRow(*number))?;
            let (holder, index) = match row.place {
                Place::Sealed { segment, index } => (Holder::Part(segment), index),
                Place::Tail(place) => {
                    let (seq, index) = *snapshot.inside.tail.get(place as usize).ok_or(Error::NoRow(*number))?;
                    (Holder::Chunk(seq), index)
                }
            };
            wanted.entry(holder).or_default().push((at, *number, index));
        }
        let outline = &snapshot.outline;
        for (holder, wanted) in wanted {
            match holder {
                Holder::Part(part) => {
                    let generation = snapshot.inside.generation.ok_or(Error::Moved)?;
                    let details = self.details(snapshot.of(), generation, part).await?;
                    for (at, number, index) in wanted {
                        let row = &outline.rows[number as usize];
                        let detail = details.get(index as usize).ok_or(Error::NoRow(number))?;
                        visit(at, row, outline.name(row.name), Record::Detail(detail));
                    }
                }
                Holder::Chunk(seq) => {
                    let spans = self.chunk_spans(snapshot.of(), seq).await?;
                    for (at, number, index) in wanted {
                        let row = &outline.rows[number as usize];
                        let span = spans.get(index as usize).ok_or(Error::NoRow(number))?;
                        visit(at, row, outline.name(row.name), Record::Span(span));
                    }
                }
            }
        }
        Ok(())
    }
}
