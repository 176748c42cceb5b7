//! The outline of a trace: rows in the order in which their spans first came, so that a row keeps its number.

use quillon_core::trace::SpanId;
use quillon_core::trace::outline::{Columns, NO_SEGMENT, Note, Place, Stray, Wait};

use super::blob::{DigestReader, DigestWriter, Digests};
use super::columns::{Numbers, TextReader, TextWriter, Texts, difference, sum};
use super::{Damaged, MAX_EXPANDED, MAX_PART, compress, expand};

/// A part: consecutive rows.
#[derive(Clone, PartialEq, prost::Message)]
struct Part {
    #[prost(message, required, tag = "1")]
    digests: Digests,
    #[prost(bytes = "vec", tag = "2")]
    ids: Vec<u8>,
    #[prost(message, required, tag = "3")]
    parents: References,
    #[prost(message, required, tag = "4")]
    texts: Texts,
    #[prost(uint32, repeated, tag = "5")]
    names: Vec<u32>,
    /// What each row has, as bits.
    #[prost(uint32, repeated, tag = "6")]
    bits: Vec<u32>,
    /// Since the start of the row before.
    #[prost(sint64, repeated, tag = "7")]
    starts: Vec<i64>,
    /// Since the row's own start.
    #[prost(sint64, repeated, tag = "8")]
    ends: Vec<i64>,
    /// Since the row's own end, or start while it runs, in milliseconds.
    #[prost(sint64, repeated, tag = "9")]
    received: Vec<i64>,
    #[prost(uint32, repeated, tag = "10")]
    flags: Vec<u32>,
    #[prost(uint32, repeated, tag = "11")]
    logs: Vec<u32>,
    #[prost(uint32, repeated, tag = "12")]
    log_firsts: Vec<u32>,
    /// Since the first segment.
    #[prost(uint32, repeated, tag = "13")]
    log_lasts: Vec<u32>,
    #[prost(bytes = "vec", tag = "14")]
    pairs: Vec<u8>,
    /// Since the row before.
    #[prost(sint64, repeated, tag = "15")]
    segments: Vec<i64>,
    /// Since the row before.
    #[prost(sint64, repeated, tag = "16")]
    indexes: Vec<i64>,
    #[prost(uint32, repeated, tag = "17")]
    wait_rows: Vec<u32>,
    #[prost(message, required, tag = "18")]
    waits: References,
    /// Since the start of the row.
    #[prost(sint64, repeated, tag = "19")]
    wait_starts: Vec<i64>,
    #[prost(uint64, repeated, tag = "20")]
    wait_lengths: Vec<u64>,
    #[prost(uint32, repeated, tag = "21")]
    origin_rows: Vec<u32>,
    #[prost(message, required, tag = "22")]
    origins: References,
    #[prost(uint32, repeated, tag = "23")]
    note_rows: Vec<u32>,
    #[prost(message, required, tag = "24")]
    notes: Texts,
    #[prost(message, repeated, tag = "25")]
    strays: Vec<StoredStray>,
}

const HAS_END: u32 = 1;
const HAS_LOGS: u32 = 2;
const HAS_PAIR: u32 = 4;

/// Spans that are pointed to: by their distance in rows where they are known by then, else by their ids.
#[derive(Clone, PartialEq, prost::Message)]
struct References {
    /// 0 for none, 1 for the next id, else two more than the distance in zigzag.
    #[prost(uint64, repeated, tag = "1")]
    numbers: Vec<u64>,
    #[prost(bytes = "vec", tag = "2")]
    ids: Vec<u8>,
}

/// What is known of a span that has not come.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredStray {
    #[prost(bytes = "vec", tag = "1")]
    span: Vec<u8>,
    #[prost(uint32, tag = "2")]
    logs: u32,
    #[prost(uint32, tag = "3")]
    log_first: u32,
    #[prost(uint32, tag = "4")]
    log_last: u32,
    #[prost(bool, tag = "5")]
    has_metrics: bool,
}

impl References {
    /// Adds a reference of a row; `position` knows the rows up to the end of this part.
    fn push(&mut self, row: u32, target: Option<SpanId>, position: &impl Fn(SpanId) -> Option<u32>) {
        let Some(target) = target else { return self.numbers.push(0) };
        match position(target) {
            Some(known) => {
                let distance = i64::from(row) - i64::from(known);
                self.numbers.push(2 + u64::from_ne_bytes(((distance << 1) ^ (distance >> 63)).to_ne_bytes()));
            }
            None => {
                self.numbers.push(1);
                self.ids.extend_from_slice(target.as_bytes());
            }
        }
    }
}

struct ReferenceReader {
    numbers: Numbers<u64>,
    ids: std::vec::IntoIter<SpanId>,
}

impl ReferenceReader {
    fn new(references: References) -> Result<Self, Damaged> {
        Ok(Self { numbers: Numbers::new(references.numbers), ids: span_ids(&references.ids)?.into_iter() })
    }

    fn take(&mut self, row: u32, known: &[SpanId]) -> Result<Option<SpanId>, Damaged> {
        let missing = Damaged("a span that is pointed to is missing");
        match self.numbers.take()? {
            0 => Ok(None),
            1 => self.ids.next().map(Some).ok_or(missing),
            number => {
                let zigzag = number - 2;
                let distance = i64::from_ne_bytes((zigzag >> 1).to_ne_bytes()) ^ -i64::from_ne_bytes((zigzag & 1).to_ne_bytes());
                let target = i64::from(row).checked_sub(distance).and_then(|target| usize::try_from(target).ok());
                target.and_then(|target| known.get(target).copied()).map(Some).ok_or(missing)
            }
        }
    }
}

fn span_ids(bytes: &[u8]) -> Result<Vec<SpanId>, Damaged> {
    bytes.chunks(8).map(|id| SpanId::of_bytes(id).ok_or(Damaged("a span id is not valid"))).collect()
}

/// Packs rows that follow `first` earlier ones into parts. `columns` gives the columns of a range of rows, `position` the row of a span.
pub(crate) fn pack_outline(
    rows: std::ops::Range<u32>,
    columns: &impl Fn(std::ops::Range<u32>) -> Columns,
    position: &impl Fn(SpanId) -> Option<u32>,
) -> Result<Vec<Vec<u8>>, Damaged> {
    let known = |span| position(span).filter(|row| *row < rows.end);
    let bytes = compress(&encode(rows.start, &columns(rows.clone()), &known)?)?;
    if bytes.len() <= MAX_PART || rows.len() < 2 {
        return Ok(vec![bytes]);
    }
    let middle = rows.start + (rows.end - rows.start) / 2;
    let mut parts = pack_outline(rows.start..middle, columns, position)?;
    parts.extend(pack_outline(middle..rows.end, columns, position)?);
    Ok(parts)
}

fn encode(first: u32, columns: &Columns, position: &impl Fn(SpanId) -> Option<u32>) -> Result<Part, Damaged> {
    let mut part = Part { names: columns.names.clone(), flags: columns.flags.clone(), ..Part::default() };
    let mut texts = TextWriter::default();
    columns.texts.iter().for_each(|text| texts.push(text.as_bytes()));
    let (mut start_before, mut place_before) = (0, (0, 0));
    for (at, row) in (0..columns.len()).zip(first..) {
        let (start, end) = (columns.starts[at], columns.ends[at]);
        part.ids.extend_from_slice(columns.ids[at].as_bytes());
        part.parents.push(row, columns.parents[at], position);
        let has_logs = columns.logs[at] > 0 || columns.log_firsts[at] != NO_SEGMENT;
        let marks = [(HAS_END, end.is_some()), (HAS_LOGS, has_logs), (HAS_PAIR, columns.pairs[at] != 0)];
        part.bits.push(marks.iter().filter(|(_, is_set)| *is_set).fold(0, |bits, (bit, _)| bits | bit));
        part.starts.push(difference(start, start_before));
        start_before = start;
        part.ends.extend(end.map(|end| difference(end, start)));
        part.received.push(columns.received[at].wrapping_sub(milliseconds(end.unwrap_or(start))));
        if has_logs {
            part.logs.push(columns.logs[at]);
            part.log_firsts.push(columns.log_firsts[at]);
            part.log_lasts.push(columns.log_lasts[at].wrapping_sub(columns.log_firsts[at]));
        }
        if columns.pairs[at] != 0 {
            part.pairs.extend_from_slice(&columns.pairs[at].to_be_bytes());
        }
        let Place::Sealed { segment, index } = columns.places[at] else { return Err(Damaged("a row is not sealed")) };
        let place = (i64::from(segment), i64::from(index));
        part.segments.push(place.0 - place_before.0);
        part.indexes.push(place.1 - place_before.1);
        place_before = place;
    }
    for (at, wait) in &columns.waits {
        part.wait_rows.push(*at);
        part.waits.push(first + at, Some(wait.to), position);
        part.wait_starts.push(difference(wait.start_ns, columns.starts[*at as usize]));
        part.wait_lengths.push(wait.end_ns - wait.start_ns);
    }
    for (at, origin) in &columns.origins {
        part.origin_rows.push(*at);
        part.origins.push(first + at, Some(*origin), position);
    }
    let mut notes = TextWriter::default();
    for (at, note) in &columns.notes {
        part.note_rows.push(*at);
        notes.push(note.message.as_bytes());
    }
    part.strays = columns.strays.iter().map(store_stray).collect();
    let mut digests = DigestWriter::default();
    part.texts = texts.finish(&mut digests);
    part.notes = notes.finish(&mut digests);
    part.digests = digests.finish();
    Ok(part)
}

fn milliseconds(ns: u64) -> i64 {
    i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)
}

fn store_stray(stray: &Stray) -> StoredStray {
    let Stray { span, logs, log_first, log_last, has_metrics } = *stray;
    StoredStray { span: span.as_bytes().to_vec(), logs, log_first, log_last, has_metrics }
}

/// Reads a part; `known` are the ids of all rows before it, to which those of its own are added.
pub(crate) fn read_outline(bytes: &[u8], known: &mut Vec<SpanId>) -> Result<Columns, Damaged> {
    let part: Part = expand(bytes)?;
    let mut digests = DigestReader::new(part.digests, usize::try_from(MAX_EXPANDED).unwrap_or(usize::MAX));
    let mut texts = TextReader::new(part.texts, &mut digests)?;
    let mut notes = TextReader::new(part.notes, &mut digests)?;
    let first = u32::try_from(known.len()).map_err(|_| Damaged("it has too many rows"))?;
    let ids = span_ids(&part.ids)?;
    known.extend_from_slice(&ids);
    let mut columns = Columns { names: part.names, flags: part.flags, ..Columns::default() };
    let names = columns.names.iter().max().map_or(0, |name| *name as usize + 1);
    for _ in 0..names {
        columns.texts.push(texts.text()?.to_owned());
    }
    let mut parents = ReferenceReader::new(part.parents)?;
    let mut bits = Numbers::new(part.bits);
    let (mut starts, mut ends, mut received) = (Numbers::new(part.starts), Numbers::new(part.ends), Numbers::new(part.received));
    let (mut logs, mut firsts, mut lasts) = (Numbers::new(part.logs), Numbers::new(part.log_firsts), Numbers::new(part.log_lasts));
    let mut pairs = part.pairs.chunks_exact(8);
    let (mut segments, mut indexes) = (Numbers::new(part.segments), Numbers::new(part.indexes));
    let (mut start, mut segment, mut index) = (0, 0_i64, 0_i64);
    for row in (first..).take(ids.len()) {
        let bits = bits.take()?;
        start = sum(start, starts.take()?);
        let end = if bits & HAS_END != 0 { Some(sum(start, ends.take()?)) } else { None };
        columns.parents.push(parents.take(row, known)?);
        columns.starts.push(start);
        columns.ends.push(end);
        columns.received.push(received.take()?.wrapping_add(milliseconds(end.unwrap_or(start))));
        let has_logs = bits & HAS_LOGS != 0;
        let log_first = if has_logs { firsts.take()? } else { NO_SEGMENT };
        columns.logs.push(if has_logs { logs.take()? } else { 0 });
        columns.log_firsts.push(log_first);
        columns.log_lasts.push(if has_logs { log_first.wrapping_add(lasts.take()?) } else { NO_SEGMENT });
        let pair = if bits & HAS_PAIR != 0 { pairs.next().ok_or(Damaged("a pair is missing"))? } else { &[0; 8] };
        columns.pairs.push(pair.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
        segment = segment.saturating_add(segments.take()?);
        index = index.saturating_add(indexes.take()?);
        let (Ok(segment), Ok(index)) = (u32::try_from(segment), u32::try_from(index)) else { return Err(Damaged("a place is not valid")) };
        columns.places.push(Place::Sealed { segment, index });
    }
    let (mut waits, mut wait_starts, mut lengths) =
        (ReferenceReader::new(part.waits)?, Numbers::new(part.wait_starts), Numbers::new(part.wait_lengths));
    for at in part.wait_rows {
        let to = waits.take(first.saturating_add(at), known)?.ok_or(Damaged("a wait is for nothing"))?;
        let start = columns.starts.get(at as usize).ok_or(Damaged("a wait is of no row"))?;
        let start_ns = sum(*start, wait_starts.take()?);
        columns.waits.push((at, Wait { to, start_ns, end_ns: start_ns.saturating_add(lengths.take()?) }));
    }
    let mut origins = ReferenceReader::new(part.origins)?;
    for at in part.origin_rows {
        let origin = origins.take(first.saturating_add(at), known)?.ok_or(Damaged("an origin is nothing"))?;
        columns.origins.push((at, origin));
    }
    for at in part.note_rows {
        columns.notes.push((at, Note { message: notes.text()?.to_owned() }));
    }
    columns.ids = ids;
    let stray = |stray: StoredStray| {
        let span = SpanId::of_bytes(&stray.span).ok_or(Damaged("a span id is not valid"))?;
        Ok(Stray { span, logs: stray.logs, log_first: stray.log_first, log_last: stray.log_last, has_metrics: stray.has_metrics })
    };
    columns.strays = part.strays.into_iter().map(stray).collect::<Result<_, _>>()?;
    Ok(columns)
}
