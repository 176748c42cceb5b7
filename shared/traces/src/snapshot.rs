//! All of a trace at one moment: who is whose child, and where every record is.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::Card;
use quillon_core::trace::outline::{NO_ROW, Outline, Place, Tree, Upsert};
use quillon_core::trace::span::{LogRecord, Span};
use quillon_core::trace::state::TraceState;
use quillon_store::{ChunkKind, SealPointer, StoredChunk, TraceHead};

use crate::error::Result;
use crate::sealed::{Segment, Summary};
use crate::sequence::{READER_WAITS, SEALER_WAITS, Sequence, Step};
use crate::source::{At, Source, of_chunk};

/// How long a batch of logs or metrics is recognised when it comes again, in milliseconds.
pub(crate) const RECEIPT_MS: i64 = 600_000;

/// Most batches that are remembered for that.
const MAX_RECEIPTS: usize = 16_384;

/// A trace as it was at one moment; clones share everything that is large.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whose trace it is.
    pub org: OrgId,
    /// Which trace it is.
    pub trace: TraceId,
    /// All its spans, in the order in which they first came, sealed or not.
    pub outline: Arc<Outline>,
    /// Who is whose child.
    pub tree: Arc<Tree>,
    /// Its counters.
    pub head: TraceHead,
    /// What lists show of it.
    pub card: Card,
    /// The last chunk that is in it: with the same cursor and numbering nothing has changed.
    pub cursor: u64,
    /// Changes when names, or even rows, are numbered anew: with a seal, or a chunk that came late.
    pub numbering: u16,
    /// Whether the trace was over when it was sealed, and nothing came since.
    pub is_sealed_final: bool,
    /// When it was read.
    pub(crate) at: Timestamp,
    pub(crate) inside: Arc<Inside>,
}

/// Where records are, and what changed when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inside {
    /// The generation of the parts, and the number of the last chunk in them.
    pub(crate) generation: Option<u32>,
    pub(crate) through_seq: u64,
    pub(crate) summary: Summary,
    /// The chunk and index of every record in the tail that a [`Place::Tail`] may name.
    pub(crate) tail: Vec<(u64, u32)>,
    /// Chunks of the tail.
    pub(crate) span_chunks: Vec<u64>,
    pub(crate) log_chunks: Vec<(u64, Segment)>,
    pub(crate) metric_chunks: Vec<(u64, u32)>,
    /// Batches of logs and metrics of the last minutes, by digest.
    pub(crate) receipts: HashMap<[u8; 16], i64>,
    /// Numbers that were passed without a chunk, and when: it may still come.
    gaps: Vec<(u64, i64)>,
    passed: u64,
    /// How many chunks came after they had been passed.
    late: u64,
    /// What a reader was told of every row, and by which cursor.
    told: Vec<Told>,
    /// Changes up to here are no longer told apart.
    told_from: u64,
}

/// What a reader sees of a row beside its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Told {
    cursor: u64,
    flags: u32,
    logs: u32,
    parent: u32,
    children: u32,
}

impl Snapshot {
    /// Where the trace stands now.
    #[must_use]
    pub fn state(&self, now_ms: i64) -> TraceState {
        let seen = quillon_core::trace::state::trace_state(&self.outline, &self.tree, now_ms);
        // Without any span, the head says whether anybody still sends.
        if self.outline.is_empty() { crate::list::state(&self.card, Some(&self.head), now_ms) } else { seen }
    }

    /// Whether it has the same records as another one of the same trace.
    #[must_use]
    pub fn has_same_records(&self, other: &Self) -> bool {
        (self.cursor, self.inside.generation, self.inside.late) == (other.cursor, other.inside.generation, other.inside.late)
    }

    /// How many log records it has.
    pub(crate) fn log_count(&self) -> u64 {
        self.log_segments().map(|(_, _, segment)| u64::from(segment.records)).sum()
    }

    /// Whether the log records of an earlier one are the first ones of this: they are, but where a sealer has put a chunk in its place
    /// that had been passed.
    pub(crate) fn begins_with_logs_of(&self, earlier: &Self) -> bool {
        self.inside.generation == earlier.inside.generation || earlier.inside.passed == 0
    }

    /// Whether a chunk that was passed may still come.
    pub(crate) fn has_gaps(&self) -> bool {
        !self.inside.gaps.is_empty()
    }

    pub(crate) fn of(&self) -> (OrgId, TraceId) {
        (self.org, self.trace)
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        let inside = &self.inside;
        let rows = self.outline.len();
        self.outline.weight() + rows * (16 + size_of::<Told>()) + inside.tail.capacity() * 16 + inside.log_chunks.len() * 64 + 4_096
    }

    /// Where the log records of a segment are.
    pub(crate) fn log_segments(&self) -> impl Iterator<Item = (At, u32, Segment)> {
        let inside = &self.inside;
        let generation = inside.generation.unwrap_or(0);
        let sealed = (0..).zip(&inside.summary.logs).map(move |(number, segment)| (At::Part(generation, number), number, *segment));
        let tail = inside.log_chunks.iter().map(|(seq, segment)| (At::Chunk(*seq), inside.log_segment(*seq), *segment));
        sealed.chain(tail)
    }

    /// Where metric points are, and how many.
    pub(crate) fn metric_sources(&self) -> impl Iterator<Item = (At, u32)> {
        let inside = &self.inside;
        let generation = inside.generation.unwrap_or(0);
        let sealed = (0..).zip(&inside.summary.metrics).map(move |(number, points)| (At::Part(generation, number), *points));
        sealed.chain(inside.metric_chunks.iter().map(|(seq, points)| (At::Chunk(*seq), *points)))
    }

    /// The rows that changed after a cursor; none when that is no longer told apart, and everything has to be read.
    pub(crate) fn changed(&self, since: u64) -> Option<Vec<u32>> {
        if since > self.cursor || since < self.inside.told_from {
            return None;
        }
        let changed = (0..).zip(&self.inside.told).filter(|(_, told)| told.cursor > since);
        Some(changed.map(|(row, _)| row).collect())
    }
}

impl Inside {
    /// What the pointer and the summary of a generation say.
    pub(crate) fn of(pointer: &SealPointer, summary: Summary) -> Self {
        let receipts = summary.receipts.iter().filter_map(|receipt| Some((receipt.digest.as_slice().try_into().ok()?, receipt.at_ms)));
        Self {
            generation: Some(pointer.generation),
            through_seq: pointer.through_seq,
            receipts: receipts.collect(),
            summary,
            ..Self::default()
        }
    }

    /// Names are numbered anew with every seal; and rows where a chunk came late, which other readers may have read in time.
    fn numbering(&self) -> u16 {
        let seals = u64::from(self.generation.unwrap_or(0)).wrapping_mul(257);
        let passed = self.summary.passed.wrapping_add(self.passed);
        u16::try_from(seals.wrapping_add(passed) % 65_536).unwrap_or(0)
    }

    /// The number of a chunk of logs among the segments: behind the sealed ones.
    fn log_segment(&self, seq: u64) -> u32 {
        let sealed = u64::try_from(self.summary.logs.len()).unwrap_or(u64::MAX);
        u32::try_from(sealed.saturating_add(seq.saturating_sub(self.through_seq))).unwrap_or(u32::MAX - 1)
    }

    /// Notes a batch; whether it was there before.
    fn is_repeated(&mut self, digest: [u8; 16], at_ms: i64) -> bool {
        if self.receipts.get(&digest).is_some_and(|before| at_ms.saturating_sub(*before) <= RECEIPT_MS) {
            return true;
        }
        if self.receipts.len() >= MAX_RECEIPTS {
            self.receipts.retain(|_, before| at_ms.saturating_sub(*before) <= RECEIPT_MS);
        }
        if self.receipts.len() < MAX_RECEIPTS {
            self.receipts.insert(digest, at_ms);
        }
        false
    }
}

/// A snapshot that takes in chunks.
#[derive(Debug)]
pub(crate) struct Growing {
    pub(crate) outline: Arc<Outline>,
    pub(crate) inside: Arc<Inside>,
    pub(crate) sequence: Sequence,
    tree: Option<Arc<Tree>>,
    /// Rows whose record changed.
    touched: Vec<u32>,
    is_read: bool,
    is_waiting: bool,
    /// Whether a chunk came that had been passed.
    is_late: bool,
    /// Whether log records are counted on rows.
    notes_logs: bool,
}

impl Growing {
    /// On top of sealed parts.
    pub(crate) fn sealed(outline: Outline, inside: Inside) -> Self {
        let sequence = Sequence::new(inside.through_seq, 0, READER_WAITS);
        Self {
            outline: Arc::new(outline),
            inside: Arc::new(inside),
            sequence,
            tree: None,
            touched: vec![],
            is_read: false,
            is_waiting: false,
            is_late: false,
            notes_logs: true,
        }
    }

    /// Like [`Growing::sealed`], for a sealer: it waits longer for what is missing, and counts log records itself.
    pub(crate) fn for_sealer(outline: Outline, inside: Inside) -> Self {
        let mut growing = Self::sealed(outline, inside);
        growing.sequence = Sequence::new(growing.inside.through_seq, 0, SEALER_WAITS);
        growing.notes_logs = false;
        growing
    }

    /// On top of a snapshot, which nobody else should hold: else it is copied.
    pub(crate) fn of(snapshot: Arc<Snapshot>) -> Self {
        let snapshot = Arc::unwrap_or_clone(snapshot);
        let sequence = Sequence::new(snapshot.cursor, 0, READER_WAITS);
        Self {
            outline: snapshot.outline,
            inside: snapshot.inside,
            sequence,
            tree: Some(snapshot.tree),
            touched: vec![],
            is_read: false,
            is_waiting: false,
            is_late: false,
            notes_logs: true,
        }
    }

    /// Behind which number to read: that of a gap which may still be filled, else the cursor.
    pub(crate) fn read_from(&self) -> u64 {
        self.inside.gaps.first().map_or(self.sequence.cursor, |(seq, _)| seq - 1)
    }

    /// Takes in a chunk; what was decoded of it, or none when it was known or repeats another. `Err` when it has to wait for the one before it.
    pub(crate) fn take_in(&mut self, chunk: &StoredChunk, now_ms: i64) -> std::result::Result<Option<Result<Source>>, Waiting> {
        let before = self.sequence;
        match self.sequence.step(chunk.seq, chunk.at_ms, now_ms) {
            Step::Wait => {
                self.is_waiting = true;
                return Err(Waiting);
            }
            Step::Known => {
                let inside = Arc::make_mut(&mut self.inside);
                let Some(late) = inside.gaps.iter().position(|(seq, _)| *seq == chunk.seq) else { return Ok(None) };
                inside.gaps.remove(late);
                inside.late += 1;
                self.is_late = true;
            }
            Step::Read => {
                let inside = Arc::make_mut(&mut self.inside);
                inside.gaps.extend((before.cursor + 1..chunk.seq).take(1_000).map(|seq| (seq, now_ms)));
                inside.passed += self.sequence.passed - before.passed;
            }
        }
        Ok(self.read(chunk).transpose())
    }

    fn read(&mut self, chunk: &StoredChunk) -> Result<Option<Source>> {
        self.is_read = true;
        let is_repeated = match chunk.kind {
            // The same running spans again are a heartbeat.
            ChunkKind::Spans => false,
            ChunkKind::Logs | ChunkKind::Metrics => Arc::make_mut(&mut self.inside).is_repeated(chunk.digest, chunk.at_ms),
        };
        if is_repeated {
            return Ok(None);
        }
        let source = of_chunk(chunk)?;
        match &source {
            Source::Spans(spans) => self.add_spans(chunk.seq, spans),
            Source::Logs(records) => {
                let inside = Arc::make_mut(&mut self.inside);
                inside.log_chunks.push((chunk.seq, extent(records)));
                if self.notes_logs {
                    note_logs(Arc::make_mut(&mut self.outline), inside.log_segment(chunk.seq), records);
                }
            }
            Source::Metrics(points) => {
                let inside = Arc::make_mut(&mut self.inside);
                inside.metric_chunks.push((chunk.seq, u32::try_from(points.len()).unwrap_or(u32::MAX)));
                if self.notes_logs {
                    let outline = Arc::make_mut(&mut self.outline);
                    points.iter().filter_map(|point| point.span).for_each(|span| outline.note_metrics(span));
                }
            }
            Source::Details(_) => {}
        }
        Ok(Some(source))
    }

    fn add_spans(&mut self, seq: u64, spans: &[Span]) {
        let (outline, inside) = (Arc::make_mut(&mut self.outline), Arc::make_mut(&mut self.inside));
        inside.span_chunks.push(seq);
        for (index, span) in (0..).zip(spans) {
            let before = outline.row(span.id).map(|row| (row, outline.rows[row as usize]));
            let place = Place::Tail(u32::try_from(inside.tail.len()).unwrap_or(u32::MAX));
            match outline.upsert(span, place) {
                Upsert::New => self.tree = None,
                Upsert::Replaced => {
                    let is_moved = before.is_none_or(|(_, row)| (row.parent, row.start_ns) != (span.parent, span.start_ns));
                    if is_moved {
                        self.tree = None;
                    }
                    self.touched.extend(before.map(|(row, _)| row));
                }
                Upsert::Ignored | Upsert::Full => continue,
            }
            inside.tail.push((seq, index));
        }
    }

    /// Whether nothing was left waiting.
    pub(crate) fn has_read_all(&self) -> bool {
        !self.is_waiting
    }

    /// The snapshot of what was taken in.
    pub(crate) fn finish(mut self, head: TraceHead, card: Card, at: Timestamp) -> Snapshot {
        let is_first = self.inside.told.is_empty();
        let tree = match self.tree.take() {
            Some(tree) => tree,
            None => Arc::new(self.outline.tree()),
        };
        let cursor = self.sequence.cursor;
        // What came late is news to those who have the same cursor already.
        let told_at = cursor + u64::from(self.is_late);
        if self.is_read || is_first {
            let inside = Arc::make_mut(&mut self.inside);
            let new = u32::try_from(inside.told.len()).unwrap_or(u32::MAX)..u32::try_from(self.outline.len()).unwrap_or(u32::MAX);
            self.touched.extend(new);
            inside.told.resize(self.outline.len(), Told::default());
            for (row, told) in (0..).zip(&mut inside.told) {
                let shown = &self.outline.rows[row as usize];
                let children = u32::try_from(tree.children(row).len()).unwrap_or(u32::MAX);
                let parent = tree.parent(row).unwrap_or(NO_ROW);
                let now = Told { cursor: told.cursor, flags: shown.flags.bits(), logs: shown.logs, parent, children };
                if now != *told {
                    *told = Told { cursor: told_at, ..now };
                }
            }
            for row in self.touched.drain(..) {
                inside.told[row as usize].cursor = told_at;
            }
            if is_first {
                inside.told_from = cursor;
            }
            // A writer that has not put its chunk after so long never will.
            inside.gaps.retain(|(_, since)| at.as_millisecond().saturating_sub(*since) < SEALER_WAITS);
        }
        let pointer = head.seal.as_ref();
        Snapshot {
            org: card.org,
            trace: card.trace,
            outline: self.outline,
            tree,
            is_sealed_final: pointer.is_some_and(|pointer| pointer.is_final && pointer.through_seq == head.seq),
            numbering: self.inside.numbering(),
            head,
            card,
            cursor,
            at,
            inside: self.inside,
        }
    }
}

/// A chunk has to wait for the one before it.
#[derive(Debug)]
pub(crate) struct Waiting;

/// Counts log records on their spans.
pub(crate) fn note_logs(outline: &mut Outline, segment: u32, records: &[LogRecord]) {
    let mut counts = HashMap::new();
    for span in records.iter().filter_map(|record| record.span) {
        *counts.entry(span).or_insert(0) += 1;
    }
    for (span, count) in counts {
        outline.note_logs(span, segment, count);
    }
}

/// How many records there are, and from when to when.
pub(crate) fn extent(records: &[LogRecord]) -> Segment {
    let times = records.iter().map(|record| record.time_ns);
    let (first_ns, last_ns) = times.fold((u64::MAX, 0), |(first, last), time| (first.min(time), last.max(time)));
    Segment { records: u32::try_from(records.len()).unwrap_or(u32::MAX), first_ns, last_ns }
}
