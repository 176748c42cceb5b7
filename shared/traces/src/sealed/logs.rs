//! Log records.

use std::collections::HashMap;

use quillon_core::trace::SpanId;
use quillon_core::trace::span::LogRecord;

use super::columns::{Mostly0, MostlyEmpty, Numbers, TextReader, TextWriter, Texts, difference, sum, unless_zero};
use super::dictionary::{Dictionary, DictionaryReader, DictionaryWriter};
use super::{Damaged, compress, expand, pack};

/// A part.
#[derive(Clone, PartialEq, prost::Message)]
struct Part {
    /// With the bodies.
    #[prost(message, required, tag = "1")]
    dictionary: Dictionary,
    #[prost(message, required, tag = "2")]
    spans: Spans,
    /// Since the record before.
    #[prost(sint64, repeated, tag = "3")]
    times: Vec<i64>,
    /// Since the record's own time.
    #[prost(sint64, repeated, tag = "4")]
    observed: Vec<i64>,
    #[prost(sint32, repeated, tag = "5")]
    severities: Vec<i32>,
    #[prost(message, required, tag = "6")]
    severity_texts: Texts,
    #[prost(uint32, repeated, tag = "7")]
    bodies: Vec<u32>,
    #[prost(uint32, repeated, tag = "8")]
    shapes: Vec<u32>,
    #[prost(uint32, repeated, tag = "9")]
    dropped: Vec<u32>,
    #[prost(uint32, repeated, tag = "10")]
    scopes: Vec<u32>,
    #[prost(uint32, repeated, tag = "11")]
    resources: Vec<u32>,
    #[prost(uint32, repeated, tag = "12")]
    flags: Vec<u32>,
    /// None where all are empty.
    #[prost(message, optional, tag = "13")]
    event_names: Option<Texts>,
}

/// The spans of records.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Spans {
    /// Each once, 8 bytes.
    #[prost(bytes = "vec", tag = "1")]
    ids: Vec<u8>,
    /// One more than the number of the record's span; 0 for none.
    #[prost(uint32, repeated, tag = "2")]
    numbers: Vec<u32>,
}

impl Spans {
    pub(super) fn of(spans: impl Iterator<Item = Option<SpanId>>) -> Self {
        let mut known: HashMap<SpanId, u32> = HashMap::new();
        let mut ids = Vec::new();
        let mut number = |span: SpanId| {
            let next = u32::try_from(known.len() + 1).unwrap_or(u32::MAX);
            *known.entry(span).or_insert_with(|| {
                ids.extend_from_slice(span.as_bytes());
                next
            })
        };
        let numbers = spans.map(|span| span.map_or(0, &mut number)).collect();
        Self { ids, numbers }
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn at(&self, position: usize) -> Result<Option<SpanId>, Damaged> {
        let number = *self.numbers.get(position).ok_or(Damaged("a column of spans is too short"))? as usize;
        if number == 0 {
            return Ok(None);
        }
        self.ids.get((number - 1) * 8..number * 8).and_then(SpanId::of_bytes).map(Some).ok_or(Damaged("a span is missing"))
    }
}

/// Packs log records; each part with how many it has.
pub(crate) fn pack_logs(records: &[LogRecord]) -> Result<Vec<(usize, Vec<u8>)>, Damaged> {
    pack(records, &|records| compress(&encode(records)))
}

fn encode(records: &[LogRecord]) -> Part {
    let mut part = Part { spans: Spans::of(records.iter().map(|record| record.span)), ..Part::default() };
    let (mut dictionary, mut severity_texts) = (DictionaryWriter::default(), TextWriter::default());
    let mut before = 0;
    for record in records {
        part.times.push(difference(record.time_ns, before));
        before = record.time_ns;
        part.observed.push(difference(record.observed_ns, record.time_ns));
        part.severities.push(record.severity);
        severity_texts.push(record.severity_text.as_bytes());
        part.bodies.push(dictionary.table.single(&record.body));
        part.shapes.push(dictionary.table.attributes(&record.attributes));
        part.dropped.push(record.dropped_attributes);
        part.scopes.push(dictionary.origins.scope(&record.scope));
        part.resources.push(dictionary.origins.resource(&record.resource));
    }
    part.flags = unless_zero(records.iter().map(|record| record.flags).collect());
    let event_names = TextWriter::of_some(records.iter().map(|record| record.event_name.as_bytes()));
    part.dictionary = dictionary.finish(|digests| {
        part.severity_texts = severity_texts.finish(digests);
        part.event_names = event_names.map(|names| names.finish(digests));
    });
    part
}

/// The records of a part, in their order.
pub(crate) fn unpack_logs(bytes: &[u8]) -> Result<Vec<LogRecord>, Damaged> {
    let part: Part = expand(bytes)?;
    let (mut dictionary, mut digests) = DictionaryReader::new(part.dictionary)?;
    let mut severity_texts = TextReader::new(part.severity_texts, &mut digests)?;
    let (mut event_names, mut flags) = (MostlyEmpty::new(part.event_names, &mut digests)?, Mostly0::new(part.flags));
    let (mut times, mut observed) = (Numbers::new(part.times), Numbers::new(part.observed));
    let (mut severities, mut bodies, mut shapes) = (Numbers::new(part.severities), Numbers::new(part.bodies), Numbers::new(part.shapes));
    let (mut dropped, mut scopes, mut resources) = (Numbers::new(part.dropped), Numbers::new(part.scopes), Numbers::new(part.resources));
    let mut time_ns = 0;
    let records = (0..part.spans.len()).map(|position| {
        time_ns = sum(time_ns, times.take()?);
        Ok(LogRecord {
            span: part.spans.at(position)?,
            time_ns,
            observed_ns: sum(time_ns, observed.take()?),
            severity: severities.take()?,
            severity_text: severity_texts.text()?.to_owned(),
            event_name: event_names.text()?.to_owned(),
            body: dictionary.table.single(bodies.take()?)?,
            attributes: dictionary.table.attributes(shapes.take()?)?,
            dropped_attributes: dropped.take()?,
            flags: flags.take()?,
            scope: dictionary.origins.scope(scopes.take()?)?,
            resource: dictionary.origins.resource(resources.take()?)?,
        })
    });
    records.collect()
}
