//! Log records in the order of their times, of a span, of everything below it, or of the whole trace.

use std::collections::{BinaryHeap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use quillon_core::trace::SpanId;
use quillon_core::trace::outline::{NO_SEGMENT, Outline, Stray};
use quillon_core::trace::span::LogRecord;

use crate::error::{Error, Result};
use crate::open::MAX_TRIES;
use crate::sealed::Segment;
use crate::snapshot::Snapshot;
use crate::source::At;
use crate::{Traces, cursor, weight};

/// Most records of a page.
const MAX_PAGE: usize = 10_000;

/// About how many bytes of records a page holds at most.
const MAX_BYTES: usize = 4 << 20;

/// Which part of the records is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The cursor that the part before ended with; none for the first.
    pub after: Option<String>,
    /// Most records, between 1 and 10,000; other numbers are taken as the nearest of these.
    pub limit: u32,
}

impl LogPage {
    /// The first part.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}

/// A part of the records.
#[derive(Debug, Clone, PartialEq)]
pub struct Logs {
    /// The records.
    pub items: Vec<LogRecord>,
    /// Where the next part begins; none if this was the last for now.
    pub next: Option<String>,
    /// The cursor behind the last record, for those who ask again when more has come; none without records.
    pub end: Option<String>,
    /// How many records there are in all parts.
    pub total: u64,
}

/// Where a record stands: by its time, then by its arrival. Arrival is counted over the whole trace and survives sealing.
type Position = (u64, u64);

/// Whose records are wanted.
enum Wanted {
    All,
    Of(HashSet<SpanId>),
}

impl Wanted {
    fn admits(&self, record: &LogRecord) -> bool {
        match self {
            Self::All => true,
            Self::Of(spans) => record.span.is_some_and(|span| spans.contains(&span)),
        }
    }
}

impl Wanted {
    /// The first segment with records that these admit and those do not.
    fn first_beside(&self, those: &Self, outline: &Outline) -> u32 {
        let segment = |span: &SpanId| outline.row(*span).map_or(0, |row| outline.rows[row as usize].log_first);
        match (self, those) {
            (Self::Of(these), Self::Of(those)) => these.difference(those).map(segment).min().unwrap_or(NO_SEGMENT),
            (Self::All, Self::Of(_)) => 0,
            (Self::All | Self::Of(_), Self::All) => NO_SEGMENT,
        }
    }
}

/// Some records of a trace, and where to look for them.
struct Selection {
    wanted: Wanted,
    /// The first and the last segment that can have any.
    first: u32,
    last: u32,
    total: u64,
}

impl Selection {
    fn new(snapshot: &Snapshot, span: Option<SpanId>, descendants: bool) -> Self {
        let Some(span) = span else {
            let total = snapshot.log_segments().map(|(_, _, segment)| u64::from(segment.records)).sum();
            return Self { wanted: Wanted::All, first: 0, last: NO_SEGMENT, total };
        };
        let outline = &snapshot.outline;
        let Some(row) = outline.row(span) else {
            // Its records may have come before it.
            let stray = outline.strays().into_iter().find(|stray| stray.span == span).unwrap_or(Stray::new(span));
            let (first, last) = if stray.logs > 0 { (stray.log_first, stray.log_last) } else { (NO_SEGMENT, 0) };
            return Self { wanted: Wanted::Of(HashSet::from([span])), first, last, total: u64::from(stray.logs) };
        };
        let rows = if descendants { snapshot.tree.subtree(row) } else { vec![row] };
        let with_logs = rows.iter().map(|row| &outline.rows[*row as usize]).filter(|row| row.logs > 0);
        let (mut spans, mut first, mut last, mut total) = (HashSet::new(), NO_SEGMENT, 0, 0);
        for row in with_logs {
            spans.insert(row.id);
            first = first.min(row.log_first);
            last = last.max(row.log_last);
            total += u64::from(row.logs);
        }
        Self { wanted: Wanted::Of(spans), first, last, total }
    }
}

/// A record in its place.
struct Placed {
    position: Position,
    record: LogRecord,
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position
    }
}

impl Eq for Placed {}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.position.cmp(&other.position)
    }
}

/// The first records of many, of bounded number and size.
struct First {
    heap: BinaryHeap<Placed>,
    bytes: usize,
    limit: usize,
    is_cut: bool,
}

impl First {
    fn new(limit: usize) -> Self {
        Self { heap: BinaryHeap::new(), bytes: 0, limit, is_cut: false }
    }

    /// Whether nothing from here on can be among the first.
    fn excludes(&self, position: Position) -> bool {
        self.is_cut && self.heap.peek().is_some_and(|last| last.position < position)
    }

    fn offer(&mut self, position: Position, record: &LogRecord) {
        if self.excludes(position) {
            return;
        }
        self.bytes += weight::log(record);
        self.heap.push(Placed { position, record: record.clone() });
        while self.heap.len() > self.limit || (self.bytes > MAX_BYTES && self.heap.len() > 1) {
            if let Some(last) = self.heap.pop() {
                self.bytes -= weight::log(&last.record);
                self.is_cut = true;
            }
        }
    }
}

impl Traces {
    /// Log records by time, then by arrival: of a span, with `descendants` of everything below it as well, without a span all of the trace.
    ///
    /// # Errors
    /// When the table cannot be used, or the cursor is not one of this list.
    pub async fn logs(&self, snapshot: &Snapshot, span: Option<SpanId>, descendants: bool, page: &LogPage) -> Result<Logs> {
        let after = page.after.as_deref().map(|cursor| cursor::read::<2>('l', cursor)).transpose()?.map(|[time, arrival]| (time, arrival));
        let limit = usize::try_from(page.limit).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
        let mut current = None;
        for _ in 0..MAX_TRIES {
            let now: &Snapshot = current.as_deref().unwrap_or(snapshot);
            // Whoever reads a snapshot and then follows the trace gets what came since by then.
            let count = if now.begins_with_logs_of(snapshot) { snapshot.log_count() } else { u64::MAX };
            match self.logs_now(now, &Selection::new(now, span, descendants), after, limit, count).await {
                Err(Error::Moved) => current = Some(self.again(now).await?),
                outcome => return outcome,
            }
        }
        Err(Error::Moved)
    }

    /// The trace as it is now, after something that was read has moved.
    pub(crate) async fn again(&self, snapshot: &Snapshot) -> Result<Arc<Snapshot>> {
        self.open(snapshot.org, snapshot.trace, snapshot.at).await?.ok_or(Error::Moved)
    }

    /// Of the first `count` records to arrive.
    async fn logs_now(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
        after: Option<Position>,
        limit: usize,
        count: u64,
    ) -> Result<Logs> {
        let mut arrival = 0;
        let mut segments: Vec<(At, Segment, u64)> = Vec::new();
        for (at, number, segment) in snapshot.log_segments() {
            if (selection.first..=selection.last).contains(&number) && after.is_none_or(|(time, _)| segment.last_ns >= time) {
                segments.push((at, segment, arrival));
            }
            arrival += u64::from(segment.records);
        }
        segments.sort_by_key(|(_, segment, arrival)| (segment.first_ns, *arrival));
        let mut first = First::new(limit);
        for (at, segment, arrival) in segments {
            if first.excludes((segment.first_ns, arrival)) {
                continue;
            }
            let records = self.log_records(snapshot.of(), at).await?;
            for (record, arrival) in records.iter().zip(arrival..count.max(arrival)) {
                let position = (record.time_ns, arrival);
                if after.is_none_or(|after| position > after) && selection.wanted.admits(record) {
                    first.offer(position, record);
                }
            }
        }
        let is_cut = first.is_cut;
        let found = first.heap.into_sorted_vec();
        let last = found.last().map(|placed| placed.position).or(after);
        let end = last.map(|(time, arrival)| cursor::write('l', &[time, arrival]));
        let next = end.clone().filter(|_| is_cut);
        Ok(Logs { items: found.into_iter().map(|placed| placed.record).collect(), next, end, total: selection.total })
    }

    /// The log records that a snapshot has and an earlier one had not, by time, then by arrival; none when they are not told apart, and
    /// all have to be read again.
    ///
    /// # Errors
    /// When the table cannot be used, or the trace is sealed faster than it can be read.
    pub async fn logs_since(
        &self,
        snapshot: &Snapshot,
        earlier: &Snapshot,
        span: Option<SpanId>,
        descendants: bool,
    ) -> Result<Option<Vec<LogRecord>>> {
        if !snapshot.begins_with_logs_of(earlier) {
            return Ok(None);
        }
        let mut current = None;
        for _ in 0..MAX_TRIES {
            let now: &Snapshot = current.as_deref().unwrap_or(snapshot);
            if !now.begins_with_logs_of(snapshot) {
                return Ok(None);
            }
            let arrivals = earlier.log_count()..snapshot.log_count();
            let (wanted, before) = (Selection::new(snapshot, span, descendants), Selection::new(earlier, span, descendants));
            match self.arrived(now, arrivals, &wanted, &before.wanted).await {
                Err(Error::Moved) => current = Some(self.again(now).await?),
                outcome => return outcome.map(Some),
            }
        }
        Err(Error::Moved)
    }

    /// The wanted records among the arrivals. Of spans that were not wanted before, earlier ones too: a record may come before its span.
    async fn arrived(&self, snapshot: &Snapshot, arrivals: Range<u64>, selection: &Selection, before: &Wanted) -> Result<Vec<LogRecord>> {
        let beside = selection.wanted.first_beside(before, &snapshot.outline);
        let mut found = Vec::new();
        let mut arrival = 0;
        for (at, number, segment) in snapshot.log_segments() {
            let first = arrival;
            arrival += u64::from(segment.records);
            if first >= arrivals.end || (arrival <= arrivals.start && number < beside) {
                continue;
            }
            let records = self.log_records(snapshot.of(), at).await?;
            let fresh =
                |arrival: u64, record: &LogRecord| arrivals.contains(&arrival) || (arrival < arrivals.start && !before.admits(record));
            let records =
                records.iter().zip(first..).filter(|(record, arrival)| selection.wanted.admits(record) && fresh(*arrival, record));
            found.extend(records.map(|(record, _)| record.clone()));
        }
        // Stable: of equal times the first to come is the first.
        found.sort_by_key(|record| record.time_ns);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_core::trace::span::{Attributes, Resource, Scope, Value};

    fn record(time_ns: u64, bytes: usize) -> LogRecord {
        LogRecord {
            span: None,
            time_ns,
            observed_ns: 0,
            severity: 0,
            severity_text: String::new(),
            event_name: String::new(),
            body: Value::Text("x".repeat(bytes)),
            attributes: Attributes::default(),
            dropped_attributes: 0,
            flags: 0,
            scope: Arc::new(Scope::default()),
            resource: Arc::new(Resource::default()),
        }
    }

    #[test]
    fn the_first_of_many_are_bounded_in_number_and_size() {
        let mut first = First::new(2);
        for time in [5, 3, 9, 1] {
            first.offer((time, 0), &record(time, 1));
        }
        let times: Vec<u64> = first.heap.into_sorted_vec().iter().map(|placed| placed.position.0).collect();
        assert_eq!((times, first.is_cut), (vec![1, 3], true));
        let mut first = First::new(10);
        for time in [1, 2, 3] {
            first.offer((time, 0), &record(time, MAX_BYTES / 2));
        }
        assert_eq!((first.heap.len(), first.is_cut), (1, true));
        let mut first = First::new(10);
        first.offer((1, 0), &record(1, MAX_BYTES * 2));
        assert_eq!((first.heap.len(), first.is_cut), (1, false), "one always comes");
    }
}
