//! Spans without what the outline of their trace says of them: id, parent, name and times.

use std::sync::Arc;

use quillon_core::trace::span::{Attributes, Dropped, Link, Resource, Scope, Span, SpanEvent, SpanKind, Status, StatusCode};

use super::columns::{Numbers, TextReader, TextWriter, Texts, difference, sum};
use super::dictionary::{Dictionary, DictionaryReader, DictionaryWriter};
use super::{Damaged, compress, expand, pack};

/// What the outline does not say of a span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detail {
    pub(crate) has_remote_parent: bool,
    pub(crate) trace_state: String,
    pub(crate) kind: SpanKind,
    pub(crate) attributes: Attributes,
    /// Their times are differences to the start of the span.
    pub(crate) events: Vec<SpanEvent>,
    pub(crate) links: Vec<Link>,
    pub(crate) status: Status,
    pub(crate) dropped: Dropped,
    pub(crate) scope: Arc<Scope>,
    pub(crate) resource: Arc<Resource>,
}

/// A part.
#[derive(Clone, PartialEq, prost::Message)]
struct Part {
    #[prost(message, required, tag = "1")]
    dictionary: Dictionary,
    /// What each span has, as bits.
    #[prost(uint32, repeated, tag = "2")]
    bits: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    shapes: Vec<u32>,
    #[prost(uint32, repeated, tag = "4")]
    scopes: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    resources: Vec<u32>,
    #[prost(message, required, tag = "6")]
    messages: Texts,
    #[prost(message, required, tag = "7")]
    trace_states: Texts,
    /// Counts: of dropped attributes, events and links; of events; of links; each where the bits say so.
    #[prost(uint32, repeated, tag = "8")]
    counts: Vec<u32>,
    #[prost(message, required, tag = "9")]
    event_names: Texts,
    #[prost(sint64, repeated, tag = "10")]
    event_times: Vec<i64>,
    #[prost(uint32, repeated, tag = "11")]
    event_shapes: Vec<u32>,
    #[prost(message, required, tag = "12")]
    link_traces: Texts,
    #[prost(message, required, tag = "13")]
    link_spans: Texts,
    #[prost(message, required, tag = "14")]
    link_states: Texts,
    #[prost(uint32, repeated, tag = "15")]
    link_shapes: Vec<u32>,
}

/// Bits 0 to 2 are the kind, 3 and 4 the status.
const HAS_MESSAGE: u32 = 1 << 5;
const HAS_TRACE_STATE: u32 = 1 << 6;
const HAS_DROPPED: u32 = 1 << 7;
const HAS_EVENTS: u32 = 1 << 8;
const HAS_LINKS: u32 = 1 << 9;
const HAS_REMOTE_PARENT: u32 = 1 << 10;

/// Packs spans; each part with how many it has.
pub(crate) fn pack_spans(spans: &[Span]) -> Result<Vec<(usize, Vec<u8>)>, Damaged> {
    pack(spans, &|spans| compress(&encode(spans)))
}

fn encode(spans: &[Span]) -> Part {
    let mut part = Part::default();
    let (mut dictionary, mut links_table) = (DictionaryWriter::default(), LinkWriter::default());
    let (mut messages, mut trace_states, mut event_names) = (TextWriter::default(), TextWriter::default(), TextWriter::default());
    for span in spans {
        part.bits.push(bits(span));
        part.shapes.push(dictionary.table.attributes(&span.attributes));
        part.scopes.push(dictionary.origins.scope(&span.scope));
        part.resources.push(dictionary.origins.resource(&span.resource));
        if !span.status.message.is_empty() {
            messages.push(span.status.message.as_bytes());
        }
        if !span.trace_state.is_empty() {
            trace_states.push(span.trace_state.as_bytes());
        }
        if span.dropped != Dropped::default() {
            part.counts.extend([span.dropped.attributes, span.dropped.events, span.dropped.links]);
        }
        if !span.events.is_empty() {
            part.counts.push(count(span.events.len()));
        }
        for event in &span.events {
            event_names.push(event.name.as_bytes());
            part.event_times.push(difference(event.time_ns, span.start_ns));
            part.event_shapes.push(dictionary.table.attributes(&event.attributes));
        }
        if !span.links.is_empty() {
            part.counts.push(count(span.links.len()));
        }
        for link in &span.links {
            links_table.traces.push(&link.trace_id);
            links_table.spans.push(&link.span_id);
            links_table.states.push(link.trace_state.as_bytes());
            part.link_shapes.push(dictionary.table.attributes(&link.attributes));
        }
    }
    part.dictionary = dictionary.finish(|digests| {
        part.messages = messages.finish(digests);
        part.trace_states = trace_states.finish(digests);
        part.event_names = event_names.finish(digests);
        part.link_traces = links_table.traces.finish(digests);
        part.link_spans = links_table.spans.finish(digests);
        part.link_states = links_table.states.finish(digests);
    });
    part
}

#[derive(Debug, Default)]
struct LinkWriter {
    traces: TextWriter,
    spans: TextWriter,
    states: TextWriter,
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn bits(span: &Span) -> u32 {
    let kind = match span.kind {
        SpanKind::Unspecified => 0,
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    let status = match span.status.code {
        StatusCode::Unset => 0,
        StatusCode::Ok => 1,
        StatusCode::Error => 2,
    };
    let marks = [
        (HAS_MESSAGE, !span.status.message.is_empty()),
        (HAS_TRACE_STATE, !span.trace_state.is_empty()),
        (HAS_DROPPED, span.dropped != Dropped::default()),
        (HAS_EVENTS, !span.events.is_empty()),
        (HAS_LINKS, !span.links.is_empty()),
        (HAS_REMOTE_PARENT, span.has_remote_parent),
    ];
    marks.iter().filter(|(_, is_set)| *is_set).fold(kind | status << 3, |bits, (bit, _)| bits | bit)
}

/// The details of the spans of a part, in their order.
pub(crate) fn unpack_spans(bytes: &[u8]) -> Result<Vec<Detail>, Damaged> {
    let part: Part = expand(bytes)?;
    let (dictionary, mut digests) = DictionaryReader::new(part.dictionary)?;
    let mut reader = Reader {
        dictionary,
        shapes: Numbers::new(part.shapes),
        scopes: Numbers::new(part.scopes),
        resources: Numbers::new(part.resources),
        messages: TextReader::new(part.messages, &mut digests)?,
        trace_states: TextReader::new(part.trace_states, &mut digests)?,
        counts: Numbers::new(part.counts),
        event_names: TextReader::new(part.event_names, &mut digests)?,
        event_times: Numbers::new(part.event_times),
        event_shapes: Numbers::new(part.event_shapes),
        link_traces: TextReader::new(part.link_traces, &mut digests)?,
        link_spans: TextReader::new(part.link_spans, &mut digests)?,
        link_states: TextReader::new(part.link_states, &mut digests)?,
        link_shapes: Numbers::new(part.link_shapes),
    };
    part.bits.into_iter().map(|bits| reader.detail(bits)).collect()
}

struct Reader {
    dictionary: DictionaryReader,
    shapes: Numbers<u32>,
    scopes: Numbers<u32>,
    resources: Numbers<u32>,
    messages: TextReader,
    trace_states: TextReader,
    counts: Numbers<u32>,
    event_names: TextReader,
    event_times: Numbers<i64>,
    event_shapes: Numbers<u32>,
    link_traces: TextReader,
    link_spans: TextReader,
    link_states: TextReader,
    link_shapes: Numbers<u32>,
}

impl Reader {
    fn detail(&mut self, bits: u32) -> Result<Detail, Damaged> {
        let kind = match bits & 7 {
            0 => SpanKind::Unspecified,
            1 => SpanKind::Internal,
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            _ => return Err(Damaged("a kind of span is not known")),
        };
        let code = match bits >> 3 & 3 {
            0 => StatusCode::Unset,
            1 => StatusCode::Ok,
            2 => StatusCode::Error,
            _ => return Err(Damaged("a status is not known")),
        };
        let has = |bit: u32| bits & bit != 0;
        // In the order in which the writer adds to its columns.
        let attributes = self.dictionary.table.attributes(self.shapes.take()?)?;
        let scope = self.dictionary.origins.scope(self.scopes.take()?)?;
        let resource = self.dictionary.origins.resource(self.resources.take()?)?;
        let message = if has(HAS_MESSAGE) { self.messages.text()?.to_owned() } else { String::new() };
        let trace_state = if has(HAS_TRACE_STATE) { self.trace_states.text()?.to_owned() } else { String::new() };
        let mut dropped = Dropped::default();
        if has(HAS_DROPPED) {
            dropped = Dropped { attributes: self.counts.take()?, events: self.counts.take()?, links: self.counts.take()? };
        }
        let events = if has(HAS_EVENTS) { self.counts.take()? } else { 0 };
        let events = (0..events).map(|_| self.event()).collect::<Result<_, _>>()?;
        let links = if has(HAS_LINKS) { self.counts.take()? } else { 0 };
        let links = (0..links).map(|_| self.link()).collect::<Result<_, _>>()?;
        let status = Status { code, message };
        Ok(Detail {
            has_remote_parent: has(HAS_REMOTE_PARENT),
            trace_state,
            kind,
            attributes,
            events,
            links,
            status,
            dropped,
            scope,
            resource,
        })
    }

    fn event(&mut self) -> Result<SpanEvent, Damaged> {
        let name = self.event_names.text()?.to_owned();
        let time_ns = sum(0, self.event_times.take()?);
        Ok(SpanEvent { time_ns, name, attributes: self.dictionary.table.attributes(self.event_shapes.take()?)? })
    }

    fn link(&mut self) -> Result<Link, Damaged> {
        let (trace_id, span_id) = (self.link_traces.bytes()?.to_vec(), self.link_spans.bytes()?.to_vec());
        let trace_state = self.link_states.text()?.to_owned();
        Ok(Link { trace_id, span_id, trace_state, attributes: self.dictionary.table.attributes(self.link_shapes.take()?)? })
    }
}
