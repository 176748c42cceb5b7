//! The parts of a new generation: records that count, in the order of their arrival.

use jiff::Timestamp;
use quillon_core::trace::outline::{Columns, NO_ROW, Outline, Place};
use quillon_core::trace::span::{LogRecord, MetricPoint, Span};
use quillon_store::PartKind;

use super::{Error, Result, count};
use crate::sealed::{Damaged, Segment, Summary, pack_logs, pack_metrics, pack_outline, pack_spans, unpack_spans};
use crate::snapshot::{Inside, extent, note_logs};
use crate::source::{Source, of_chunk};
use crate::spans::whole;
use crate::{Of, Traces, weight};

/// Most records of a part.
const MAX_RECORDS: usize = 4_096;

/// About how many bytes of memory the records of a part take at most.
const MAX_WEIGHT: usize = 16 << 20;

/// A part of spans with so many is taken over as it is, if nearly all of them still count.
const FULL: usize = MAX_RECORDS / 2;

/// Of how many spans of such a part one may count no more: it takes room until it is written anew.
const HOLES: usize = 16;

/// Rows of a part of the outline.
const ROWS: u32 = 8_192;

/// Writes a generation.
pub(super) struct Writer<'a> {
    traces: &'a Traces,
    of: Of,
    generation: u32,
    expires_at: Timestamp,
    pub(super) outline: Outline,
    pub(super) inside: Inside,
    /// Where each row's record is now.
    places: Vec<Option<Place>>,
    spans: Vec<u32>,
    logs: Vec<Segment>,
    metrics: Vec<u32>,
    pub(super) outline_parts: u32,
    pub(super) bytes: u64,
    wanted: Option<u32>,
    /// The record of a row that was asked for.
    pub(super) kept: Option<Span>,
}

/// Spans on their way into a part.
#[derive(Default)]
struct Batch {
    rows: Vec<u32>,
    spans: Vec<Span>,
    weight: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(traces: &'a Traces, of: Of, generation: u32, expires_at: Timestamp, outline: Outline, inside: Inside) -> Self {
        let places = vec![None; outline.len()];
        Self {
            traces,
            of,
            generation,
            expires_at,
            outline,
            inside,
            places,
            spans: vec![],
            logs: vec![],
            metrics: vec![],
            outline_parts: 0,
            bytes: 0,
            wanted: None,
            kept: None,
        }
    }

    /// Asks for the record of a row to be kept when it passes.
    pub(super) fn keep_span_of(&mut self, row: Option<u32>) {
        self.wanted = row;
    }

    async fn put(&mut self, kind: PartKind, number: u32, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        let (org, trace) = self.of;
        Ok(self.traces.store.put_part(org, trace, self.generation, kind, number, bytes, self.expires_at).await?)
    }

    /// A part of the generation before.
    async fn old(&self, kind: PartKind, number: u32) -> Result<Vec<u8>> {
        let generation = self.inside.generation.ok_or(Error::Moved)?;
        self.traces.store.part(self.of.0, self.of.1, generation, kind, number).await?.ok_or(Error::Moved)
    }

    pub(super) async fn write_spans(&mut self) -> Result<()> {
        let mut batch = Batch::default();
        let (starts, rows) = self.sealed_rows();
        for number in 0..self.inside.summary.spans.len() {
            let rows = rows.get(starts[number]..starts[number + 1]).unwrap_or_default();
            let bytes = self.old(PartKind::Spans, count(number)).await?;
            let holes = rows.iter().filter(|row| **row == NO_ROW).count();
            let is_whole = rows.len() >= FULL && holes * HOLES <= rows.len();
            let wants_one = self.wanted.is_some_and(|wanted| rows.contains(&wanted));
            if is_whole && !wants_one {
                self.flush(&mut batch).await?;
                let segment = count(self.spans.len());
                self.put(PartKind::Spans, segment, &bytes).await?;
                for (index, row) in (0..).zip(rows).filter(|(_, row)| **row != NO_ROW) {
                    self.places[*row as usize] = Some(Place::Sealed { segment, index });
                }
                self.spans.push(count(rows.len()));
                continue;
            }
            for (detail, row) in unpack_spans(&bytes)?.iter().zip(rows).filter(|(_, row)| **row != NO_ROW) {
                let known = self.outline.rows[*row as usize];
                self.add(&mut batch, *row, whole(detail, &known, self.outline.name(known.name))).await?;
            }
        }
        for seq in std::mem::take(&mut self.inside.span_chunks) {
            let Source::Spans(spans) = self.chunk(seq).await? else { return Err(Error::Moved) };
            for (index, span) in (0..).zip(spans.iter()) {
                let Some(row) = self.outline.row(span.id) else { continue };
                let Place::Tail(place) = self.outline.rows[row as usize].place else { continue };
                if self.inside.tail.get(place as usize) == Some(&(seq, index)) {
                    self.add(&mut batch, row, span.clone()).await?;
                }
            }
        }
        self.flush(&mut batch).await
    }

    /// The row of every record of the old parts, or [`NO_ROW`] for those that count no more; and where each part begins.
    fn sealed_rows(&self) -> (Vec<usize>, Vec<u32>) {
        let mut starts = vec![0];
        for spans in &self.inside.summary.spans {
            starts.push(starts[starts.len() - 1] + *spans as usize);
        }
        let mut rows = vec![NO_ROW; starts[starts.len() - 1]];
        for (number, row) in (0..).zip(&self.outline.rows) {
            if let Place::Sealed { segment, index } = row.place
                && let Some(start) = starts.get(segment as usize)
                && let Some(slot) = rows.get_mut(start + index as usize)
            {
                *slot = number;
            }
        }
        (starts, rows)
    }

    async fn add(&mut self, batch: &mut Batch, row: u32, span: Span) -> Result<()> {
        if self.wanted == Some(row) {
            self.kept = Some(span.clone());
        }
        let weight = weight::span(&span);
        if batch.spans.len() >= MAX_RECORDS || (batch.weight + weight > MAX_WEIGHT && !batch.spans.is_empty()) {
            self.flush(batch).await?;
        }
        batch.rows.push(row);
        batch.spans.push(span);
        batch.weight += weight;
        Ok(())
    }

    async fn flush(&mut self, batch: &mut Batch) -> Result<()> {
        let Batch { rows, spans, .. } = std::mem::take(batch);
        if spans.is_empty() {
            return Ok(());
        }
        let mut rows = rows.into_iter();
        for (records, bytes) in pack_spans(&spans)? {
            let segment = count(self.spans.len());
            self.put(PartKind::Spans, segment, &bytes).await?;
            for (index, row) in (0..).zip(rows.by_ref().take(records)) {
                self.places[row as usize] = Some(Place::Sealed { segment, index });
            }
            self.spans.push(count(records));
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// The records of a chunk of the tail, not through the cache: nobody will read it again.
    async fn chunk(&self, seq: u64) -> Result<Source> {
        let page = self.traces.store.chunks(self.of.0, self.of.1, seq.saturating_sub(1)).await?;
        let chunk = page.chunks.iter().find(|chunk| chunk.seq == seq).ok_or(Error::Moved)?;
        of_chunk(chunk)
    }

    pub(super) async fn write_logs(&mut self) -> Result<()> {
        // Nothing in the parts of logs ever stops to count: they keep their numbers.
        for number in 0..self.inside.summary.logs.len() {
            let bytes = self.old(PartKind::Logs, count(number)).await?;
            self.put(PartKind::Logs, count(number), &bytes).await?;
        }
        self.logs.clone_from(&self.inside.summary.logs);
        let mut batch: Vec<LogRecord> = Vec::new();
        let mut weight = 0;
        for (seq, _) in std::mem::take(&mut self.inside.log_chunks) {
            let Source::Logs(records) = self.chunk(seq).await? else { return Err(Error::Moved) };
            for record in records.iter() {
                let more = weight::log(record);
                if batch.len() >= MAX_RECORDS || (weight + more > MAX_WEIGHT && !batch.is_empty()) {
                    self.flush_logs(&mut batch).await?;
                    weight = 0;
                }
                batch.push(record.clone());
                weight += more;
            }
        }
        self.flush_logs(&mut batch).await
    }

    async fn flush_logs(&mut self, batch: &mut Vec<LogRecord>) -> Result<()> {
        let records = std::mem::take(batch);
        if records.is_empty() {
            return Ok(());
        }
        let mut rest = records.as_slice();
        for (packed, bytes) in pack_logs(&records)? {
            let (these, others) = rest.split_at(packed);
            rest = others;
            let segment = count(self.logs.len());
            self.put(PartKind::Logs, segment, &bytes).await?;
            note_logs(&mut self.outline, segment, these);
            self.logs.push(extent(these));
        }
        Ok(())
    }

    pub(super) async fn write_metrics(&mut self) -> Result<()> {
        for number in 0..self.inside.summary.metrics.len() {
            let bytes = self.old(PartKind::Metrics, count(number)).await?;
            self.put(PartKind::Metrics, count(number), &bytes).await?;
        }
        self.metrics.clone_from(&self.inside.summary.metrics);
        let mut batch: Vec<MetricPoint> = Vec::new();
        let mut weight = 0;
        for (seq, _) in std::mem::take(&mut self.inside.metric_chunks) {
            let Source::Metrics(points) = self.chunk(seq).await? else { return Err(Error::Moved) };
            for point in points.iter() {
                let more = weight::point(point);
                if batch.len() >= 2 * MAX_RECORDS || (weight + more > MAX_WEIGHT && !batch.is_empty()) {
                    self.flush_metrics(&mut batch).await?;
                    weight = 0;
                }
                batch.push(point.clone());
                weight += more;
            }
        }
        self.flush_metrics(&mut batch).await
    }

    async fn flush_metrics(&mut self, batch: &mut Vec<MetricPoint>) -> Result<()> {
        let points = std::mem::take(batch);
        if points.is_empty() {
            return Ok(());
        }
        points.iter().filter_map(|point| point.span).for_each(|span| self.outline.note_metrics(span));
        for (packed, bytes) in pack_metrics(&points)? {
            self.put(PartKind::Metrics, count(self.metrics.len()), &bytes).await?;
            self.metrics.push(count(packed));
        }
        Ok(())
    }

    /// How records lie in the parts.
    pub(super) fn summary(&self) -> Summary {
        Summary { spans: self.spans.clone(), logs: self.logs.clone(), metrics: self.metrics.clone(), ..Summary::default() }
    }

    /// Writes the outline, which now knows where everything is, and the summary.
    pub(super) async fn write_rest(&mut self, summary: &Summary) -> Result<()> {
        for (row, place) in self.outline.rows.iter_mut().zip(&self.places) {
            row.place = place.ok_or(Damaged("a record that counts was not found"))?;
        }
        let rows = count(self.outline.len());
        for first in (0..rows).step_by(ROWS as usize) {
            let range = first..rows.min(first + ROWS);
            let parts = pack_outline(range, &|range| self.outline.columns(range), &|span| self.outline.row(span))?;
            self.put_outline(parts).await?;
        }
        for strays in self.outline.strays().chunks(ROWS as usize) {
            let columns = Columns { strays: strays.to_vec(), ..Columns::default() };
            let parts = pack_outline(rows..rows, &|_| columns.clone(), &|_| None)?;
            self.put_outline(parts).await?;
        }
        self.put(PartKind::Digests, 0, &summary.pack()?).await
    }

    async fn put_outline(&mut self, parts: Vec<Vec<u8>>) -> Result<()> {
        for part in parts {
            self.put(PartKind::Outline, self.outline_parts, &part).await?;
            self.outline_parts += 1;
        }
        Ok(())
    }
}
