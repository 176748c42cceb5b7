//! Rows as columns, for those who keep an outline: plain vectors that know nothing of its inside.

use thiserror::Error;

use super::record::{Note, Record, Wait};
use super::{NO_SEGMENT, NameId, Outline, Place, Row, Standing};
use crate::trace::hint::Flags;
use crate::trace::id::SpanId;

/// Some rows of an outline, column by column, with everything that belongs to them. Names are numbered within these columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// [`Row::id`].
    pub ids: Vec<SpanId>,
    /// [`Row::parent`].
    pub parents: Vec<Option<SpanId>>,
    /// The place of each name in [`Columns::texts`].
    pub names: Vec<u32>,
    /// [`Row::start_ns`].
    pub starts: Vec<u64>,
    /// [`Row::end_ns`].
    pub ends: Vec<Option<u64>>,
    /// [`Row::received_ms`].
    pub received: Vec<i64>,
    /// The bits of [`Row::flags`].
    pub flags: Vec<u32>,
    /// [`Row::logs`].
    pub logs: Vec<u32>,
    /// [`Row::log_first`].
    pub log_firsts: Vec<u32>,
    /// [`Row::log_last`].
    pub log_lasts: Vec<u32>,
    /// [`Row::pair`].
    pub pairs: Vec<u64>,
    /// [`Row::place`].
    pub places: Vec<Place>,
    /// The names, each once.
    pub texts: Vec<String>,
    /// What rows waited for, with the place of the row in these columns.
    pub waits: Vec<(u32, Wait)>,
    /// Where errors of rows began, with the place of the row in these columns.
    pub origins: Vec<(u32, SpanId)>,
    /// The error messages of rows, with the place of the row in these columns.
    pub notes: Vec<(u32, Note)>,
    /// What is known of spans that have not come; see [`Outline::strays`].
    pub strays: Vec<Stray>,
}

/// What is known of a span beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// The span.
    pub span: SpanId,
    /// How many log records it has.
    pub logs: u32,
    /// The first log segment with records of it; [`NO_SEGMENT`] without any.
    pub log_first: u32,
    /// The last log segment with records of it; [`NO_SEGMENT`] without any.
    pub log_last: u32,
    /// Whether it has metric points.
    pub has_metrics: bool,
}

impl Stray {
    /// Nothing is known of a span.
    #[must_use]
    pub fn new(span: SpanId) -> Self {
        Self { span, logs: 0, log_first: NO_SEGMENT, log_last: NO_SEGMENT, has_metrics: false }
    }

    pub(super) fn of_row(row: &Row) -> Self {
        let Row { id, logs, log_first, log_last, flags, .. } = *row;
        Self { span: id, logs, log_first, log_last, has_metrics: flags.contains(Flags::METRICS) }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.logs = self.logs.saturating_add(other.logs);
        self.log_first = self.log_first.min(other.log_first);
        // No segment is the greatest number, but comes before all others here.
        self.log_last = self.log_last.wrapping_add(1).max(other.log_last.wrapping_add(1)).wrapping_sub(1);
        self.has_metrics |= other.has_metrics;
    }
}

/// Why columns cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the columns of an outline do not belong together")]
pub struct UnevenColumns;

impl Columns {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether all columns have one length, and all numbers point into them.
    fn is_even(&self) -> bool {
        let rows = self.len();
        let lengths = [
            self.parents.len(),
            self.names.len(),
            self.starts.len(),
            self.ends.len(),
            self.received.len(),
            self.flags.len(),
            self.logs.len(),
            self.log_firsts.len(),
            self.log_lasts.len(),
            self.pairs.len(),
            self.places.len(),
        ];
        let is_row = |row: u32| (row as usize) < rows;
        lengths.iter().all(|length| *length == rows)
            && self.names.iter().all(|name| (*name as usize) < self.texts.len())
            && self.waits.iter().all(|(row, wait)| is_row(*row) && wait.start_ns <= wait.end_ns)
            && self.origins.iter().all(|(row, _)| is_row(*row))
            && self.notes.iter().all(|(row, _)| is_row(*row))
    }

    fn record<'a>(&'a self, at: usize, waits: Vec<Wait>, origins: Vec<SpanId>, note: Option<Note>) -> Record<'a> {
        Record {
            row: Row {
                id: self.ids[at],
                parent: self.parents[at],
                name: NameId(0),
                start_ns: self.starts[at],
                end_ns: self.ends[at],
                received_ms: self.received[at],
                flags: Flags::of_bits(self.flags[at]),
                logs: 0,
                log_first: NO_SEGMENT,
                log_last: NO_SEGMENT,
                pair: self.pairs[at],
                place: self.places[at],
            },
            name: &self.texts[self.names[at] as usize],
            waits,
            origins,
            note,
        }
    }

    fn standing(&self, at: usize) -> Standing {
        Standing { is_ended: self.ends[at].is_some(), received_ms: self.received[at], end_ns: self.ends[at], place: self.places[at] }
    }

    fn stray(&self, at: usize) -> Stray {
        Stray {
            span: self.ids[at],
            logs: self.logs[at],
            log_first: self.log_firsts[at],
            log_last: self.log_lasts[at],
            has_metrics: Flags::of_bits(self.flags[at]).contains(Flags::METRICS),
        }
    }
}

impl Outline {
    /// Some rows with everything that belongs to them, in the order given; [`Outline::strays`] are not among it.
    #[must_use]
    pub fn columns(&self, rows: impl IntoIterator<Item = u32>) -> Columns {
        let mut columns = Columns::default();
        let mut names = vec![None; self.name_count()];
        for number in rows {
            let Some(row) = self.rows.get(number as usize) else { continue };
            let at = u32::try_from(columns.len()).unwrap_or(u32::MAX);
            let name = *names[row.name.0 as usize].get_or_insert_with(|| {
                columns.texts.push(self.name(row.name).to_owned());
                u32::try_from(columns.texts.len() - 1).unwrap_or(u32::MAX)
            });
            columns.ids.push(row.id);
            columns.parents.push(row.parent);
            columns.names.push(name);
            columns.starts.push(row.start_ns);
            columns.ends.push(row.end_ns);
            columns.received.push(row.received_ms);
            columns.flags.push(row.flags.without(Flags::ROOT.with(Flags::ERROR_ORIGIN)).bits());
            columns.logs.push(row.logs);
            columns.log_firsts.push(row.log_first);
            columns.log_lasts.push(row.log_last);
            columns.pairs.push(row.pair);
            columns.places.push(row.place);
            columns.waits.extend(self.waits_of(number).iter().map(|wait| (at, *wait)));
            columns.origins.extend(self.origins_of(number).iter().map(|origin| (at, *origin)));
            columns.notes.extend(self.note_of(number).map(|note| (at, note.clone())));
        }
        columns
    }

    /// What is known of spans that have not come, by id. A keeper of the outline keeps it once, in the `strays` of one of its
    /// [`Columns`].
    #[must_use]
    pub fn strays(&self) -> Vec<Stray> {
        let mut strays: Vec<Stray> = self.strays.values().copied().collect();
        strays.sort_unstable_by_key(|stray| stray.span);
        strays
    }

    /// Takes in rows as if their records came, and adds their logs and metrics to what is known.
    ///
    /// # Errors
    ///
    /// The columns do not belong together; the outline is as it was.
    pub fn extend(&mut self, mut columns: Columns) -> Result<(), UnevenColumns> {
        if !columns.is_even() {
            return Err(UnevenColumns);
        }
        let mut waits = Grouped::new(std::mem::take(&mut columns.waits));
        let mut origins = Grouped::new(std::mem::take(&mut columns.origins));
        let mut notes = Grouped::new(std::mem::take(&mut columns.notes));
        self.rows.reserve(columns.len());
        self.parents.reserve(columns.len());
        self.index.reserve(columns.len());
        for (at, number) in (0..columns.len()).zip(0_u32..) {
            let (waits, origins, note) = (waits.take(number), origins.take(number), notes.take(number).pop());
            self.admit(columns.ids[at], columns.standing(at), || columns.record(at, waits, origins, note));
            let known = columns.stray(at);
            if known != Stray::new(known.span) {
                self.note(known.span, &known);
            }
        }
        for stray in &columns.strays {
            self.note(stray.span, stray);
        }
        Ok(())
    }
}

/// Values by row, handed out row by row.
struct Grouped<T>(std::iter::Peekable<std::vec::IntoIter<(u32, T)>>);

impl<T> Grouped<T> {
    fn new(mut values: Vec<(u32, T)>) -> Self {
        // Stable: the order within a row is kept.
        values.sort_by_key(|(row, _)| *row);
        Self(values.into_iter().peekable())
    }

    fn take(&mut self, row: u32) -> Vec<T> {
        std::iter::from_fn(|| self.0.next_if(|(of, _)| *of == row)).map(|(_, value)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, id, outline};

    fn sample() -> Outline {
        let mut outline = outline([
            SpanBuilder::new(1).ended(9),
            SpanBuilder::new(2).under(1).failed(8, "nope").blames(3).waits(3, 1, 2).waits(9, 1, 3),
            SpanBuilder::new(3).under(2).failed(7, "nope").named("span 1"),
            SpanBuilder::new(4).under(50).waits(1, 4, 5),
        ]);
        outline.note_logs(id(3), 1, 4);
        outline.note_logs(id(77), 2, 5);
        outline.note_metrics(id(2));
        outline
    }

    #[test]
    fn columns_carry_an_outline_over() {
        let sample = sample();
        let mut columns = sample.columns(0..4);
        columns.strays = sample.strays();
        assert_eq!((columns.len(), columns.texts.len(), columns.strays.len()), (4, 3, 1));
        let mut copy = Outline::new();
        copy.extend(columns.clone()).expect("even columns");
        assert_eq!(copy.rows, sample.rows);
        assert_eq!(copy.tree(), sample.tree());
        let mut again = copy.columns(0..4);
        again.strays = copy.strays();
        assert_eq!(again, columns);
    }

    #[test]
    fn columns_carry_an_outline_over_in_parts_and_in_any_order() {
        let sample = sample();
        let mut copy = Outline::new();
        for part in [vec![3, 2], vec![], vec![1, 0, 99]] {
            copy.extend(sample.columns(part)).expect("even columns");
        }
        assert_eq!(copy.columns(copy.order()), sample.columns(sample.order()));
        assert_eq!(copy.rows[2].flags, sample.rows[1].flags);
        assert_eq!(copy.rows[1].flags, sample.rows[2].flags);
    }

    #[test]
    fn columns_that_do_not_belong_together_are_refused() {
        let good = sample().columns(0..4);
        let spoil: [fn(&mut Columns); 6] = [
            |columns: &mut Columns| columns.ids.truncate(3),
            |columns| columns.pairs.push(1),
            |columns| columns.names[2] = 3,
            |columns| columns.waits[0].0 = 4,
            |columns| columns.origins[0].0 = u32::MAX,
            |columns| columns.notes[0].0 = 4,
        ];
        for spoil in spoil {
            let mut bad = good.clone();
            spoil(&mut bad);
            let mut outline = Outline::new();
            assert_eq!(outline.extend(bad), Err(UnevenColumns));
            assert!(outline.is_empty());
        }
    }

    #[test]
    fn no_segment_comes_before_all_others() {
        let mut stray = Stray::new(id(1));
        stray.add(&Stray::new(id(1)));
        assert_eq!(stray, Stray::new(id(1)));
        stray.add(&Stray { logs: 2, log_first: 3, log_last: 3, ..stray });
        stray.add(&Stray::new(id(1)));
        assert_eq!((stray.logs, stray.log_first, stray.log_last), (2, 3, 3));
    }
}
