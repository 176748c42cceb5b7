//! All spans of a trace in a few dozen bytes each: which record of a span counts, and who is whose child.
//!
//! Records come in any order and any number: live, again while they run, finished, through the CLI and from the engine itself.
//! What the outline says depends only on which records it has seen. What a record points to may come later than the record:
//! parents, error origins, and the span of a log.

mod column;
mod name;
#[cfg(test)]
mod properties;
mod record;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;

use name::Names;
use record::Record;
use sha2::{Digest, Sha256};

pub use column::{Columns, Stray, UnevenColumns};
pub use name::NameId;
pub use record::{Note, Wait};
pub use tree::{NO_ROW, Tree};

use super::hint::Flags;
use super::id::SpanId;
use super::span::Span;

/// Most spans of one trace; further ones are left out.
pub const MAX_SPANS: usize = 2_000_000;
/// Most error messages that are kept.
const MAX_NOTES: usize = 10_000;
/// Most waits that are kept of a whole trace.
const MAX_WAITS: usize = 2_000_000;
/// Most spans of a trace whose error origins are kept.
const MAX_BLAMING: usize = 100_000;
/// The number of a log segment where there is none.
pub const NO_SEGMENT: u32 = u32::MAX;

/// One span of an outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: SpanId,
    /// Its parent, whether or not that is in the trace.
    pub parent: Option<SpanId>,
    /// Its name.
    pub name: NameId,
    /// When it started, nanoseconds since the epoch.
    pub start_ns: u64,
    /// When it ended; none while it runs.
    pub end_ns: Option<u64>,
    /// When its record was taken in, epoch milliseconds.
    pub received_ms: i64,
    /// What is known about it.
    pub flags: Flags,
    /// How many log records it has.
    pub logs: u32,
    /// The first log segment with records of it; [`NO_SEGMENT`] without any.
    pub log_first: u32,
    /// The last log segment with records of it; [`NO_SEGMENT`] without any.
    pub log_last: u32,
    /// What the same call of another trace has too; 0 for a span without.
    pub pair: u64,
    /// Where its record is.
    pub place: Place,
}

/// Where the record of a row is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a sealed part.
    Sealed {
        /// The part.
        segment: u32,
        /// The record in it.
        index: u32,
    },
    /// In the unsealed tail, by a number of its reader.
    Tail(u32),
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upsert {
    /// It is the first of its span.
    New,
    /// It replaced what was known of its span.
    Replaced,
    /// What was known of its span counts more.
    Ignored,
    /// The trace has too many spans already.
    Full,
}

/// All spans of a trace.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// The spans, in the order in which they came. A reader may move the `place` of a row and change nothing else.
    pub rows: Vec<Row>,
    /// The row of each row's parent, or [`NO_ROW`].
    parents: Vec<u32>,
    names: Names,
    index: HashMap<SpanId, u32>,
    /// Rows whose parent has not come, by that parent. Entries may be out of date: a row can change its parent.
    orphans: HashMap<SpanId, Vec<u32>>,
    /// What is known of spans that have not come.
    strays: HashMap<SpanId, Stray>,
    waits: HashMap<u32, Box<[Wait]>>,
    wait_count: usize,
    origins: HashMap<u32, Box<[SpanId]>>,
    /// How many rows say that their error began in a span.
    blamed: HashMap<SpanId, u32>,
    notes: HashMap<u32, Note>,
    failed_checks: u32,
    last_received_ms: i64,
}

impl Outline {
    /// Of a trace without spans.
    #[must_use]
    pub fn new() -> Self {
        Self { last_received_ms: i64::MIN, ..Self::default() }
    }

    /// Takes in a record of a span.
    ///
    /// A finished record is never replaced by a running one. Of two finished or two running ones the later received counts, then
    /// the one that ends later, then the one in the later place.
    pub fn upsert(&mut self, span: &Span, place: Place) -> Upsert {
        let standing = Standing { is_ended: span.end_ns.is_some(), received_ms: span.received_ms, end_ns: span.end_ns, place };
        self.admit(span.id, standing, || Record::of_span(span, place))
    }

    /// The row of a span.
    #[must_use]
    pub fn row(&self, span: SpanId) -> Option<u32> {
        self.index.get(&span).copied()
    }

    /// The row of a row's parent; none for a root. Spans may be parents of each other, which only [`Outline::tree`] resolves.
    #[must_use]
    pub fn parent_row(&self, row: u32) -> Option<u32> {
        self.parents.get(row as usize).copied().filter(|&parent| parent != NO_ROW)
    }

    /// The text of a name.
    #[must_use]
    pub fn name(&self, name: NameId) -> &str {
        self.names.text(name)
    }

    /// How many different names there are; they are numbered from 0.
    #[must_use]
    pub fn name_count(&self) -> usize {
        self.names.len()
    }

    /// How many spans there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no span.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Says that a log segment has this many records of a span, which may not have come yet.
    pub fn note_logs(&mut self, span: SpanId, segment: u32, count: u32) {
        if count > 0 {
            self.note(span, &Stray { span, logs: count, log_first: segment, log_last: segment, has_metrics: false });
        }
    }

    /// Says that a span, which may not have come yet, has metric points.
    pub fn note_metrics(&mut self, span: SpanId) {
        self.note(span, &Stray { has_metrics: true, ..Stray::new(span) });
    }

    /// The error message of a span that ended with an error, without markers.
    #[must_use]
    pub fn note_of(&self, row: u32) -> Option<&Note> {
        self.notes.get(&row)
    }

    /// What a span waited for, the longest waits first.
    #[must_use]
    pub fn waits_of(&self, row: u32) -> &[Wait] {
        self.waits.get(&row).map_or(&[], |waits| waits)
    }

    /// Where a span says that its error began; the spans need not be in the trace.
    #[must_use]
    pub fn origins_of(&self, row: u32) -> &[SpanId] {
        self.origins.get(&row).map_or(&[], |origins| origins)
    }

    /// The spans that other spans call the origin of their error, in no order; they need not be in the trace.
    pub(super) fn blamed(&self) -> impl Iterator<Item = SpanId> {
        self.blamed.keys().copied()
    }

    /// How many checks did not pass.
    #[must_use]
    pub fn failed_checks(&self) -> u32 {
        self.failed_checks
    }

    /// When a record was taken in last, whether or not it counts; epoch milliseconds.
    #[must_use]
    pub fn last_received_ms(&self) -> Option<i64> {
        (self.last_received_ms != i64::MIN).then_some(self.last_received_ms)
    }

    /// The rows by start, then by id: the order in which a sealed trace keeps them.
    #[must_use]
    pub fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = self.numbers().collect();
        order.sort_unstable_by_key(|&row| self.moment(row));
        order
    }

    /// Who is whose child.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree::new(self)
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        const ROW: usize = size_of::<Row>() + size_of::<u32>();
        // A hash table is between seven sixteenths and seven eighths full, and has a byte of control per slot.
        const ENTRY: usize = 2 * (size_of::<(SpanId, u32)>() + 1);
        let notes: usize = self.notes.values().map(|note| note.message.len() + 64).sum();
        self.rows.capacity() * ROW
            + self.index.len() * ENTRY
            + self.names.weight()
            + self.wait_count * size_of::<Wait>()
            + (self.waits.len() + self.origins.len() + self.blamed.len() + self.orphans.len() + self.strays.len()) * 64
            + notes
    }

    /// All row numbers.
    pub(super) fn numbers(&self) -> std::ops::Range<u32> {
        // At most `MAX_SPANS`, which fits.
        0..u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// What rows are ordered by.
    pub(super) fn moment(&self, row: u32) -> (u64, SpanId) {
        let row = &self.rows[row as usize];
        (row.start_ns, row.id)
    }

    /// The flags of a row.
    pub(super) fn flags(&self, row: u32) -> Flags {
        self.rows[row as usize].flags
    }

    /// Takes in what one record of a span says, if it counts.
    fn admit<'a>(&mut self, span: SpanId, standing: Standing, record: impl FnOnce() -> Record<'a>) -> Upsert {
        self.last_received_ms = self.last_received_ms.max(standing.received_ms);
        match self.row(span) {
            Some(row) if standing <= Standing::of(&self.rows[row as usize]) => Upsert::Ignored,
            Some(row) => {
                self.put(row, record());
                Upsert::Replaced
            }
            None if self.rows.len() >= MAX_SPANS => Upsert::Full,
            None => {
                self.add(record());
                Upsert::New
            }
        }
    }

    /// Adds the first record of a span.
    fn add(&mut self, record: Record<'_>) {
        let row = self.numbers().end;
        let id = record.row.id;
        self.rows.push(Row { flags: Flags::NONE, parent: None, ..record.row });
        self.parents.push(NO_ROW);
        self.index.insert(id, row);
        self.put(row, record);
        for child in self.orphans.remove(&id).unwrap_or_default() {
            if self.rows[child as usize].parent == Some(id) {
                self.adopt(child);
            }
        }
        if let Some(stray) = self.strays.remove(&id) {
            self.note(id, &stray);
        }
    }

    /// Makes a record the one that counts for a row.
    fn put(&mut self, row: u32, record: Record<'_>) {
        let at = row as usize;
        let was = self.rows[at];
        let name = self.names.id(record.name);
        let kept = if was.flags.contains(Flags::METRICS) { Flags::METRICS } else { Flags::NONE };
        let flags = record.row.flags.without(KEPT).with(kept);
        self.failed_checks = self.failed_checks + u32::from(flags.is_failed_check()) - u32::from(was.flags.is_failed_check());
        self.rows[at] = Row { name, flags, logs: was.logs, log_first: was.log_first, log_last: was.log_last, ..record.row };

        self.put_waits(row, record.waits);
        self.put_origins(row, record.origins);
        self.notes.remove(&row);
        if let Some(note) = record.note
            && self.notes.len() < MAX_NOTES
        {
            self.notes.insert(row, note);
        }
        self.adopt(row);
        self.mark_origin(row);
    }

    /// Gives a row to its parent, or to the roots until that has come.
    fn adopt(&mut self, row: u32) {
        let at = row as usize;
        let wanted = self.rows[at].parent.filter(|parent| *parent != self.rows[at].id);
        let parent = wanted.and_then(|parent| self.row(parent));
        self.parents[at] = parent.unwrap_or(NO_ROW);
        self.rows[at].flags.set(Flags::ROOT, parent.is_none());
        if let (Some(wanted), None) = (wanted, parent) {
            let waiting = self.orphans.entry(wanted).or_default();
            if waiting.last() != Some(&row) {
                waiting.push(row);
            }
        }
    }

    fn put_waits(&mut self, row: u32, waits: Vec<Wait>) {
        self.wait_count -= self.waits.remove(&row).map_or(0, |waits| waits.len());
        if !waits.is_empty() && self.wait_count + waits.len() <= MAX_WAITS {
            self.wait_count += waits.len();
            self.waits.insert(row, waits.into_boxed_slice());
        }
    }

    fn put_origins(&mut self, row: u32, origins: Vec<SpanId>) {
        if self.origins.get(&row).map_or(&[][..], |known| known) == origins {
            return;
        }
        for span in self.origins.remove(&row).unwrap_or_default() {
            if let Some(count) = self.blamed.get_mut(&span) {
                *count -= 1;
                if *count == 0 {
                    self.blamed.remove(&span);
                    self.mark_origin_span(span);
                }
            }
        }
        if origins.is_empty() || self.origins.len() >= MAX_BLAMING {
            return;
        }
        for &span in &origins {
            let count = self.blamed.entry(span).or_insert(0);
            *count += 1;
            if *count == 1 {
                self.mark_origin_span(span);
            }
        }
        self.origins.insert(row, origins.into_boxed_slice());
    }

    fn mark_origin_span(&mut self, span: SpanId) {
        if let Some(row) = self.row(span) {
            self.mark_origin(row);
        }
    }

    /// An error began in a row if another one says so, or if it failed, is to be seen and names no other.
    fn mark_origin(&mut self, row: u32) {
        let Row { id, flags, .. } = self.rows[row as usize];
        let is_excused = flags.intersects(Flags::CANCELED.with(Flags::BLOCKED));
        let is_own = flags.is_failure() && !flags.intersects(Flags::PASSTHROUGH.with(Flags::INTERNAL)) && self.origins_of(row).is_empty();
        let is_origin = !is_excused && (is_own || self.blamed.contains_key(&id));
        self.rows[row as usize].flags.set(Flags::ERROR_ORIGIN, is_origin);
    }

    /// Adds what is known about a span beside its records.
    fn note(&mut self, span: SpanId, stray: &Stray) {
        if let Some(row) = self.row(span) {
            let row = &mut self.rows[row as usize];
            let mut known = Stray::of_row(row);
            known.add(stray);
            (row.logs, row.log_first, row.log_last) = (known.logs, known.log_first, known.log_last);
            row.flags.set(Flags::METRICS, known.has_metrics);
        } else if let Some(known) = self.strays.get_mut(&span) {
            known.add(stray);
        } else if self.strays.len() < MAX_SPANS {
            self.strays.insert(span, *stray);
        }
    }
}

/// Flags that come from other records than that of the span.
const KEPT: Flags = Flags::ERROR_ORIGIN.with(Flags::METRICS).with(Flags::ROOT);

/// What decides between two records of one span: the greater counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    is_ended: bool,
    received_ms: i64,
    end_ns: Option<u64>,
    place: Place,
}

impl Standing {
    fn of(row: &Row) -> Self {
        Self { is_ended: row.end_ns.is_some(), received_ms: row.received_ms, end_ns: row.end_ns, place: row.place }
    }
}

/// The first eight bytes of a digest of what the same call has in another trace too; 0 without one.
fn pair(span: &Span) -> u64 {
    let attributes = &span.attributes;
    let evidence = attributes.text("dagger.io/cache.pairing_digest").filter(|_| attributes.text("dagger.io/cache.contract") == Some("1"));
    // Spans below a call carry its digest too, but not the call.
    let digest = evidence.or_else(|| attributes.text("dagger.io/dag.call").and_then(|_| attributes.text("dagger.io/dag.digest")));
    digest.map_or(0, |digest| {
        let hash = Sha256::digest(digest);
        hash[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    })
}
