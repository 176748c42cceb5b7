//! What the outline keeps of one record of a span.

use std::cmp::Reverse;

use super::{NO_SEGMENT, NameId, Place, Row, pair};
use crate::trace::hint::{ERROR_ORIGIN, Flags, LINK_PURPOSE, WAIT, flags};
use crate::trace::id::SpanId;
use crate::trace::marker::{marked_spans, without_markers};
use crate::trace::span::{Link, Span, Value};

/// Most waits that are kept of one span: the longest.
const MAX_WAITS_PER_SPAN: usize = 32;
/// Most error origins that are kept of one span: the first.
const MAX_ORIGINS_PER_SPAN: usize = 16;
/// Most bytes of an error message.
const MAX_MESSAGE: usize = 4 << 10;

/// A time during which a span waited for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// For which span; it need not be in the trace.
    pub to: SpanId,
    /// From when, nanoseconds since the epoch.
    pub start_ns: u64,
    /// Until when; never before the start.
    pub end_ns: u64,
}

/// What a failed span says about its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The message without markers, at most 4 KiB.
    pub message: String,
}

/// What the outline keeps of one record.
pub(super) struct Record<'a> {
    /// The row; its name and what is known from elsewhere are set by the outline.
    pub(super) row: Row,
    pub(super) name: &'a str,
    pub(super) waits: Vec<Wait>,
    pub(super) origins: Vec<SpanId>,
    pub(super) note: Option<Note>,
}

impl<'a> Record<'a> {
    pub(super) fn of_span(span: &'a Span, place: Place) -> Self {
        let flags = flags(span);
        Self {
            row: Row {
                id: span.id,
                parent: span.parent,
                name: NameId(0),
                start_ns: span.start_ns,
                end_ns: span.end_ns,
                received_ms: span.received_ms,
                flags,
                logs: 0,
                log_first: NO_SEGMENT,
                log_last: NO_SEGMENT,
                pair: pair(span),
                place,
            },
            name: &span.name,
            waits: waits(span),
            origins: origins(span),
            note: note(span, flags),
        }
    }
}

fn note(span: &Span, flags: Flags) -> Option<Note> {
    if !flags.contains(Flags::ERROR) {
        return None;
    }
    let message = without_markers(&span.status.message);
    let message = message.trim();
    let kept = &message[..message.floor_char_boundary(MAX_MESSAGE)];
    (!kept.is_empty()).then(|| Note { message: kept.to_owned() })
}

fn waits(span: &Span) -> Vec<Wait> {
    let mut waits: Vec<Wait> = span.links.iter().filter_map(wait).collect();
    waits.sort_unstable_by_key(|wait| (Reverse(wait.end_ns - wait.start_ns), wait.start_ns, wait.to));
    waits.dedup();
    waits.truncate(MAX_WAITS_PER_SPAN);
    waits
}

fn wait(link: &Link) -> Option<Wait> {
    let attributes = &link.attributes;
    if attributes.text(LINK_PURPOSE) != Some(WAIT) {
        return None;
    }
    let moment = |name| match attributes.value(name)? {
        Value::Text(text) => text.parse().ok(),
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Bool(_) | Value::Double(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::Empty => None,
    };
    let (start_ns, end_ns) = (moment("wcprof.wait.start_unix_ns")?, moment("wcprof.wait.end_unix_ns")?);
    let to = SpanId::of_bytes(&link.span_id)?;
    (start_ns <= end_ns).then_some(Wait { to, start_ns, end_ns })
}

/// The origins that links name, then those of markers. A span is not the origin of its own error in this sense.
fn origins(span: &Span) -> Vec<SpanId> {
    let links = span.links.iter().filter(|link| link.attributes.text(LINK_PURPOSE) == Some(ERROR_ORIGIN));
    let linked = links.filter_map(|link| SpanId::of_bytes(&link.span_id));
    let mut origins = Vec::new();
    for origin in linked.chain(marked_spans(&span.status.message).map(|(_, origin)| origin)) {
        if origins.len() == MAX_ORIGINS_PER_SPAN {
            break;
        }
        if origin != span.id && !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    origins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, id};

    #[test]
    fn only_the_longest_waits_are_kept() {
        let spans = (1..100).fold(SpanBuilder::new(1), |span, number| span.waits(number, 10, 10 + number).waits(number, 10, 10 + number));
        let waits = waits(&spans.waits(1, 9, 8).build());
        assert_eq!(waits.len(), MAX_WAITS_PER_SPAN);
        assert_eq!(waits[0], Wait { to: id(99), start_ns: 10, end_ns: 109 });
    }

    #[test]
    fn origins_are_few_and_others() {
        let span = (1..100).fold(SpanBuilder::new(1), |span, number| span.blames(1).blames(2).blames(number));
        let origins = origins(&span.build());
        assert_eq!(origins, (2..18).map(id).collect::<Vec<_>>());
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let span = SpanBuilder::new(1).failed(9, &format!("x{}", "é".repeat(MAX_MESSAGE))).build();
        let note = note(&span, flags(&span)).expect("a message");
        assert_eq!(note.message.len(), MAX_MESSAGE - 1);
        assert_eq!(super::note(&SpanBuilder::new(1).failed(9, "  ").build(), Flags::ERROR), None);
    }
}
