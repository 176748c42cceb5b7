//! Spans without what the outline of their trace says of them: id, parent, name and times.

use std::sync::Arc;

use quillon_core::trace::span::{Attributes, Dropped, Link, Resource, Scope, Span, SpanEvent, SpanKind, Status, StatusCode};

use super::columns::{Mostly0, Numbers, TextReader, TextWriter, Texts, difference, sum, unless_zero};
use super::dictionary::{Dictionary, DictionaryReader, DictionaryWriter};
use super::{Damaged, compress, expand, pack};

/// What the outline does not say of a span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detail {
    pub(crate) flags: u32,
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
    /// None where all are 0, like the columns after it.
    #[prost(uint32, repeated, tag = "16")]
    flags: Vec<u32>,
    #[prost(uint32, repeated, tag = "17")]
    event_dropped: Vec<u32>,
    #[prost(uint32, repeated, tag = "18")]
    link_dropped: Vec<u32>,
    #[prost(uint32, repeated, tag = "19")]
    link_flags: Vec<u32>,
}

/// Bits 0 to 2 are the kind, 3 and 4 the status.
const HAS_MESSAGE: u32 = 1 << 5;
const HAS_TRACE_STATE: u32 = 1 << 6;
const HAS_DROPPED: u32 = 1 << 7;
const HAS_EVENTS: u32 = 1 << 8;
const HAS_LINKS: u32 = 1 << 9;
/// In parts of before there was a column of flags: of those no more was kept.
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
    part.flags = unless_zero(spans.iter().map(|span| span.flags).collect());
    part.event_dropped = unless_zero(spans.iter().flat_map(|span| &span.events).map(|event| event.dropped_attributes).collect());
    part.link_dropped = unless_zero(spans.iter().flat_map(|span| &span.links).map(|link| link.dropped_attributes).collect());
    part.link_flags = unless_zero(spans.iter().flat_map(|span| &span.links).map(|link| link.flags).collect());
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
        flags: Mostly0::new(part.flags),
        event_dropped: Mostly0::new(part.event_dropped),
        link_dropped: Mostly0::new(part.link_dropped),
        link_flags: Mostly0::new(part.link_flags),
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
    flags: Mostly0,
    event_dropped: Mostly0,
    link_dropped: Mostly0,
    link_flags: Mostly0,
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
            flags: self.flags.take()? | if has(HAS_REMOTE_PARENT) { Span::HAS_REMOTE_PARENT } else { 0 },
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
        let attributes = self.dictionary.table.attributes(self.event_shapes.take()?)?;
        Ok(SpanEvent { time_ns, name, attributes, dropped_attributes: self.event_dropped.take()? })
    }

    fn link(&mut self) -> Result<Link, Damaged> {
        let (trace_id, span_id) = (self.link_traces.bytes()?.to_vec(), self.link_spans.bytes()?.to_vec());
        let trace_state = self.link_states.text()?.to_owned();
        let attributes = self.dictionary.table.attributes(self.link_shapes.take()?)?;
        let (dropped_attributes, flags) = (self.link_dropped.take()?, self.link_flags.take()?);
        Ok(Link { trace_id, span_id, trace_state, attributes, dropped_attributes, flags })
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use quillon_core::trace::SpanId;

    use super::*;

    /// The message of a part that was stored before there were flags, schemas, and counts of what events and links left out.
    const BEFORE: &str = "0a2e0a040a000a0012220a01001201001a160a100a0e6461676765722e696f2f636f726512020e00220212001a0212001202f10f1a010022\
        01002a010032120a0d0a0b6578697420636f6465203112010b3a0a0a050a03613d62120103420501000001014a100a0b0a09657863657074\
        696f6e1201095201045a010062170a120a10070707070707070707070707070707071201106a0f0a0a0a0808080808080808081201087205\
        0a001201007a0100";

    fn span() -> Span {
        let id = |number: u64| SpanId::of_bytes(&number.to_be_bytes()).expect("not zero");
        Span {
            id: id(1),
            parent: Some(id(2)),
            flags: 0,
            trace_state: "a=b".to_owned(),
            name: "exec".to_owned(),
            kind: SpanKind::Internal,
            start_ns: 10,
            end_ns: Some(20),
            attributes: Attributes::default(),
            events: vec![SpanEvent { time_ns: 12, name: "exception".to_owned(), ..SpanEvent::default() }],
            links: vec![Link { trace_id: vec![7; 16], span_id: vec![8; 8], ..Link::default() }],
            status: Status { code: StatusCode::Error, message: "exit code 1".to_owned() },
            dropped: Dropped { attributes: 1, events: 0, links: 0 },
            scope: Arc::new(Scope { name: "dagger.io/core".to_owned(), ..Scope::default() }),
            resource: Arc::default(),
            received_ms: 1,
        }
    }

    #[test]
    fn parts_from_before_there_were_flags_are_read() {
        let mut part = encode(&[span()]);
        part.bits[0] |= HAS_REMOTE_PARENT;
        assert_eq!(hex::encode(part.encode_to_vec()), BEFORE);
        let stored = zstd::encode_all(hex::decode(BEFORE).expect("hex").as_slice(), 1).expect("compressed");
        let details = unpack_spans(&stored).expect("a part");
        let span = Span { flags: Span::HAS_REMOTE_PARENT, ..span() };
        assert_eq!((details.len(), details[0].flags, &details[0].status), (1, span.flags, &span.status));
        let events = [SpanEvent { time_ns: 2, ..span.events[0].clone() }];
        assert_eq!((&details[0].events[..], &details[0].links, &details[0].scope), (&events[..], &span.links, &span.scope));
    }

    #[test]
    fn flags_cost_nothing_where_there_are_none() {
        let plain = encode(&[span()]);
        assert_eq!((plain.flags.len(), plain.event_dropped.len(), plain.link_dropped.len(), plain.link_flags.len()), (0, 0, 0, 0));
        let flagged = encode(&[span(), Span { flags: 0x101, ..span() }]);
        assert_eq!(flagged.flags, [0, 0x101]);
    }
}
