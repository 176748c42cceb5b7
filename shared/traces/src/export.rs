//! All of a trace as OTLP JSON lines, page by page: spans, then log records, then metric points.

use quillon_otlp::json;

use crate::error::{Error, Result};
use crate::open::MAX_TRIES;
use crate::snapshot::Snapshot;
use crate::source::At;
use crate::{Traces, cursor, weight};

/// Bytes of a page; its last line may go beyond.
const MAX_PAGE: usize = 3 << 20;

/// Records of a line.
const LINE: usize = 256;

/// About how many bytes of records a line holds at most.
const MAX_LINE: usize = 1 << 20;

/// A page of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Lines of JSON, each with its line break.
    pub lines: String,
    /// Where the next page begins; none if this was the last.
    pub next: Option<String>,
}

const SPANS: u64 = 0;
const LOGS: u64 = 1;
const METRICS: u64 = 2;
const END: u64 = 3;

impl Traces {
    /// A page of everything, as the OTLP file exporter writes it.
    ///
    /// # Errors
    /// When the table cannot be used, or the cursor is not one of an export.
    pub async fn export(&self, snapshot: &Snapshot, after: Option<&str>) -> Result<Export> {
        let [list, done] = after.map_or(Ok([SPANS, 0]), |cursor| cursor::read('x', cursor))?;
        let mut current = None;
        for _ in 0..MAX_TRIES {
            let snapshot: &Snapshot = current.as_deref().unwrap_or(snapshot);
            match self.export_now(snapshot, list, done).await {
                Err(Error::Moved) => current = Some(self.again(snapshot).await?),
                outcome => return outcome,
            }
        }
        Err(Error::Moved)
    }

    async fn export_now(&self, snapshot: &Snapshot, mut list: u64, mut done: u64) -> Result<Export> {
        let mut lines = String::new();
        while list < END && lines.len() < MAX_PAGE {
            let (line, count) = match list {
                SPANS => self.span_line(snapshot, done).await?,
                LOGS => self.log_line(snapshot, done).await?,
                METRICS => self.metric_line(snapshot, done).await?,
                _ => return Err(Error::InvalidCursor),
            };
            if count == 0 {
                (list, done) = (list + 1, 0);
                continue;
            }
            done += count;
            lines.push_str(&line);
            lines.push('\n');
        }
        let next = if list < END { Some(cursor::write('x', &[list, done])) } else { None };
        Ok(Export { lines, next })
    }

    async fn span_line(&self, snapshot: &Snapshot, done: u64) -> Result<(String, u64)> {
        let first = u32::try_from(done).map_err(|_| Error::InvalidCursor)?;
        let rows = u32::try_from(snapshot.outline.len()).unwrap_or(u32::MAX);
        let rows: Vec<u32> = (first..rows).take(LINE).collect();
        let spans = self.first_spans(snapshot, &rows, MAX_LINE).await?;
        Ok((json::traces(snapshot.trace, &spans), spans.len() as u64))
    }

    async fn log_line(&self, snapshot: &Snapshot, done: u64) -> Result<(String, u64)> {
        let segments = snapshot.log_segments().map(|(at, _, segment)| (at, segment.records));
        let Some((at, skip)) = holder(segments, done) else { return Ok((String::new(), 0)) };
        let records = self.log_records(snapshot.of(), at).await?;
        let records = fitting(records.get(skip..).unwrap_or_default(), weight::log);
        Ok((json::logs(snapshot.trace, records), records.len() as u64))
    }

    async fn metric_line(&self, snapshot: &Snapshot, done: u64) -> Result<(String, u64)> {
        let Some((at, skip)) = holder(snapshot.metric_sources(), done) else { return Ok((String::new(), 0)) };
        let points = self.metric_points(snapshot.of(), at).await?;
        let points = fitting(points.get(skip..).unwrap_or_default(), weight::point);
        Ok((json::metrics(points), points.len() as u64))
    }
}

/// Which source holds the record of a number, and how many of it are before that.
fn holder(sources: impl Iterator<Item = (At, u32)>, number: u64) -> Option<(At, usize)> {
    let mut before = 0;
    for (at, records) in sources {
        let end = before + u64::from(records);
        if number < end {
            return Some((at, usize::try_from(number - before).unwrap_or(usize::MAX)));
        }
        before = end;
    }
    None
}

/// The records that go into one line: at least one.
fn fitting<T>(records: &[T], weight: impl Fn(&T) -> usize) -> &[T] {
    let mut held = 0;
    let more = records.iter().take(LINE).skip(1).take_while(|record| {
        held += weight(record);
        held < MAX_LINE
    });
    &records[..records.len().min(1 + more.count())]
}
