//! One span or log record, copied from wire to wire: what is known of it, within limits, without the id of its trace.

use std::borrow::Cow;

use quillon_core::trace::span::Span;
use quillon_core::trace::{SpanId, TraceId};

use crate::convert::SCHEMA_URL;
use crate::sieve::{Seen, Sieve, Tally};
use crate::wire::{Content, Fields, Malformed, put_bytes, put_fixed32, put_fixed64, put_varint};

/// Why one record is not taken in; shown to its sender.
pub(crate) type Reason = &'static str;

/// What is known of a copied span.
#[derive(Debug)]
pub(crate) struct SpanSeen {
    pub(crate) trace: TraceId,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: Option<u64>,
    /// Without a parent here: it may be the root of its trace.
    pub(crate) is_root: bool,
    pub(crate) has_failed_check: bool,
}

/// Whether a span runs: a sender says so by an end before the start, with zero or with the wrap of a date before the epoch.
pub(crate) fn end_of(start_ns: u64, end_ns: u64) -> Option<u64> {
    let is_running = (end_ns.cast_signed()) < start_ns.cast_signed() || end_ns < start_ns;
    (!is_running).then_some(end_ns)
}

const TRACE_ID: Reason = "a trace id is not 16 bytes or is all zero";
const SPAN_ID: Reason = "a span id is not 8 bytes or is all zero";
const PARENT_ID: Reason = "the id of a parent is not 8 bytes";

/// Appends a span to `out`; what was appended of one that is not taken in is worthless.
///
/// Fields: <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>.
pub(crate) fn span(sieve: &mut Sieve<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<Result<SpanSeen, Reason>, Malformed> {
    let limits = sieve.limits;
    let mut attributes = Tally::new(limits.attributes);
    let (mut events, mut links) = (Tally::new(limits.events), Tally::new(limits.links));
    let (mut trace, mut id, mut parent): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let (mut start_ns, mut end_ns, mut flags) = (0, 0, 0);
    let mut has_failed_check = false;
    sieve.has_cut = false;
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => trace = field.content.bytes()?,
            2 => id = field.content.bytes()?,
            3 => trace_state(sieve, out, 3, field.content)?,
            4 => parent = field.content.bytes()?,
            5 => sieve.text(out, 5, field.content, limits.name)?,
            6 => {
                field.content.varint()?;
                out.extend_from_slice(field.whole);
            }
            7 => start_ns = field.content.fixed64()?,
            8 => end_ns = field.content.fixed64()?,
            9 => {
                if let Some(seen) = sieve.attribute(out, 9, field.content.bytes()?, &mut attributes)? {
                    has_failed_check |= is_failed_check(&seen);
                }
            }
            10 => attributes.sender_dropped(field.content.varint()?),
            11 => inner(sieve, out, 11, field.content.bytes()?, &mut events, event)?,
            12 => events.sender_dropped(field.content.varint()?),
            13 => inner(sieve, out, 13, field.content.bytes()?, &mut links, link)?,
            14 => links.sender_dropped(field.content.varint()?),
            15 => status(sieve, out, field.content.bytes()?)?,
            16 => flags = field.content.fixed32()?,
            _ => {}
        }
    }
    let Some(trace) = TraceId::of_bytes(trace) else { return Ok(Err(TRACE_ID)) };
    let Some(id) = SpanId::of_bytes(id) else { return Ok(Err(SPAN_ID)) };
    // Senders write "none" as nothing or as zeros.
    let parent = match parent.len() {
        0 => None,
        8 => SpanId::of_bytes(parent),
        _ => return Ok(Err(PARENT_ID)),
    };
    let is_remote = flags & Span::HAS_REMOTE_PARENT == Span::HAS_REMOTE_PARENT;
    put_bytes(out, 2, id.as_bytes());
    if let Some(parent) = parent {
        put_bytes(out, 4, parent.as_bytes());
    }
    put_fixed64(out, 7, start_ns);
    let end_ns = end_of(start_ns, end_ns);
    if let Some(end_ns) = end_ns {
        put_fixed64(out, 8, end_ns);
    }
    if flags != 0 {
        put_fixed32(out, 16, flags);
    }
    sieve.put_cut_mark(out, 9);
    for (number, tally) in [(10, &attributes), (12, &events), (14, &links)] {
        if tally.dropped > 0 {
            put_varint(out, number, u64::from(tally.dropped));
        }
    }
    Ok(Ok(SpanSeen { trace, start_ns, end_ns, is_root: parent.is_none() || is_remote, has_failed_check }))
}

/// Copies a W3C trace state. One that is too long is left out: its end could be in the middle of a member.
fn trace_state(sieve: &mut Sieve<'_>, out: &mut Vec<u8>, number: u32, content: Content<'_>) -> Result<(), Malformed> {
    let text = content.text()?;
    if text.len() <= sieve.limits.name {
        put_bytes(out, number, text.as_bytes());
    } else {
        sieve.has_cut = true;
    }
    Ok(())
}

fn is_failed_check(seen: &Seen<'_>) -> bool {
    seen.key == "dagger.io/check.passed" && !seen.is_true()
}

/// How the fields of a message within a record are copied.
type Copy = fn(&mut Sieve<'_>, &[u8], &mut Vec<u8>) -> Result<(), Malformed>;

/// Copies an event or a link, if there is still room for one.
fn inner(sieve: &mut Sieve<'_>, out: &mut Vec<u8>, number: u32, bytes: &[u8], tally: &mut Tally, copy: Copy) -> Result<(), Malformed> {
    if !tally.take_room() {
        return Ok(());
    }
    let mut copied = Vec::with_capacity(bytes.len());
    copy(sieve, bytes, &mut copied)?;
    put_bytes(out, number, &copied);
    Ok(())
}

fn event(sieve: &mut Sieve<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut attributes = Tally::new(sieve.limits.inner_attributes);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => {
                field.content.fixed64()?;
                out.extend_from_slice(field.whole);
            }
            2 => sieve.text(out, 2, field.content, sieve.limits.name)?,
            3 => drop(sieve.attribute(out, 3, field.content.bytes()?, &mut attributes)?),
            4 => attributes.sender_dropped(field.content.varint()?),
            _ => {}
        }
    }
    if attributes.dropped > 0 {
        put_varint(out, 4, u64::from(attributes.dropped));
    }
    Ok(())
}

fn link(sieve: &mut Sieve<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut attributes = Tally::new(sieve.limits.inner_attributes);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            // An id of any other length points nowhere.
            1 | 2 if field.content.bytes()?.len() <= 16 => out.extend_from_slice(field.whole),
            3 => trace_state(sieve, out, 3, field.content)?,
            4 => drop(sieve.attribute(out, 4, field.content.bytes()?, &mut attributes)?),
            5 => attributes.sender_dropped(field.content.varint()?),
            6 => {
                field.content.fixed32()?;
                out.extend_from_slice(field.whole);
            }
            _ => {}
        }
    }
    if attributes.dropped > 0 {
        put_varint(out, 5, u64::from(attributes.dropped));
    }
    Ok(())
}

fn status(sieve: &mut Sieve<'_>, out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Malformed> {
    let mut copied = Vec::with_capacity(bytes.len());
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            2 => sieve.text(&mut copied, 2, field.content, sieve.limits.text)?,
            3 => {
                field.content.varint()?;
                copied.extend_from_slice(field.whole);
            }
            _ => {}
        }
    }
    put_bytes(out, 15, &copied);
    Ok(())
}

/// Appends a log record to `out`; says of which trace it is.
///
/// Fields: <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto>.
pub(crate) fn log(sieve: &mut Sieve<'_>, bytes: &[u8], now_ns: u64, out: &mut Vec<u8>) -> Result<Result<TraceId, Reason>, Malformed> {
    let limits = sieve.limits;
    let mut attributes = Tally::new(limits.attributes);
    let (mut trace, mut id): (&[u8], &[u8]) = (&[], &[]);
    let (mut time_ns, mut observed_ns) = (0, 0);
    sieve.has_cut = false;
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => time_ns = field.content.fixed64()?,
            2 => {
                field.content.varint()?;
                out.extend_from_slice(field.whole);
            }
            3 | 12 => sieve.text(out, field.number, field.content, limits.name)?,
            5 => sieve.body(out, 5, field.content.bytes()?)?,
            6 => drop(sieve.attribute(out, 6, field.content.bytes()?, &mut attributes)?),
            7 => attributes.sender_dropped(field.content.varint()?),
            8 => {
                field.content.fixed32()?;
                out.extend_from_slice(field.whole);
            }
            9 => trace = field.content.bytes()?,
            10 => id = field.content.bytes()?,
            11 => observed_ns = field.content.fixed64()?,
            _ => {}
        }
    }
    let Some(trace) = TraceId::of_bytes(trace) else { return Ok(Err(TRACE_ID)) };
    let span = match id.len() {
        0 => None,
        8 => SpanId::of_bytes(id),
        _ => return Ok(Err(SPAN_ID)),
    };
    if let Some(span) = span {
        put_bytes(out, 10, span.as_bytes());
    }
    // A record without any time would stand before the beginning of its trace.
    let observed_ns = if time_ns == 0 && observed_ns == 0 { now_ns } else { observed_ns };
    for (number, time) in [(1, time_ns), (11, observed_ns)] {
        if time != 0 {
            put_fixed64(out, number, time);
        }
    }
    sieve.put_cut_mark(out, 6);
    if attributes.dropped > 0 {
        put_varint(out, 7, u64::from(attributes.dropped));
    }
    Ok(Ok(trace))
}

/// Who emitted the records of a `ResourceSpans`, a `ScopeSpans` or their like: a resource or a scope, and what the names in it mean.
#[derive(Debug, Default)]
pub(crate) struct Emitter<'a> {
    /// Field 1: a message that occurs several times is the join of all of them, and so are its bytes.
    pub(crate) message: Cow<'a, [u8]>,
    /// Field 3.
    pub(crate) schema_url: &'a str,
}

impl<'a> Emitter<'a> {
    /// Reads it out of the message that has it beside the records.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut emitter = Self::default();
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field.number {
                1 if emitter.message.is_empty() => emitter.message = field.content.bytes()?.into(),
                1 => emitter.message.to_mut().extend_from_slice(field.content.bytes()?),
                3 => emitter.schema_url = field.content.text()?,
                _ => {}
            }
        }
        Ok(emitter)
    }

    pub(crate) fn len(&self) -> usize {
        self.message.len() + self.schema_url.len()
    }
}

/// A resource (attributes in field 1, their count in 2) or a scope (name and version in 1 and 2, attributes in 3, count in 4) within
/// limits, as it is stored.
pub(crate) fn origin(sieve: &mut Sieve<'_>, emitter: &Emitter<'_>, is_scope: bool) -> Result<Vec<u8>, Malformed> {
    let limits = sieve.limits;
    let mut out = Vec::with_capacity(emitter.len().min(limits.resource));
    let mut attributes = Tally::new(limits.attributes);
    let (in_attributes, in_dropped) = if is_scope { (3, 4) } else { (1, 2) };
    let mut fields = Fields(&emitter.message);
    while let Some(field) = fields.next()? {
        match field.number {
            number if number == in_attributes => {
                let length = out.len();
                let kept = attributes.kept;
                sieve.attribute(&mut out, in_attributes, field.content.bytes()?, &mut attributes)?;
                if out.len() > limits.resource {
                    out.truncate(length);
                    attributes.kept = kept;
                    attributes.sender_dropped(1);
                }
            }
            number if number == in_dropped => attributes.sender_dropped(field.content.varint()?),
            1 | 2 if is_scope => sieve.text(&mut out, field.number, field.content, limits.name)?,
            _ => {}
        }
    }
    if attributes.dropped > 0 {
        put_varint(&mut out, in_dropped, u64::from(attributes.dropped));
    }
    // Half of an address leads nowhere.
    if !emitter.schema_url.is_empty() && emitter.schema_url.len() <= limits.name {
        put_bytes(&mut out, SCHEMA_URL, emitter.schema_url.as_bytes());
    }
    sieve.has_cut = false;
    Ok(out)
}
