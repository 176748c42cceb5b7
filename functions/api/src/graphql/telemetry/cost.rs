//! How large an answer may grow, counted before it is written.

use quillon_core::trace::span::{Attributes, LogRecord, Span, Value};

/// Most bytes of one batch.
pub(super) const BATCH: usize = 1_000_000;

/// Most records of one batch.
pub(super) const BATCH_RECORDS: usize = 2_000;

/// Most bytes of an answer that must be given in one piece: Lambda takes 6 MB, and JSON within JSON writes quotes twice.
pub(super) const ANSWER: usize = 5_000_000;

/// What the fields of a span take without their values, all of them selected.
const SPAN: usize = 700;

/// What the fields of an event, a link or a log record take.
const PART: usize = 200;

/// Quotes, colon and comma around a name and its value.
const PAIR: usize = 10;

/// An upper bound of what a span takes.
pub(super) fn of_span(span: &Span) -> usize {
    let events: usize = span.events.iter().map(|event| PART + text(&event.name) + attributes(&event.attributes)).sum();
    let links: usize = span.links.iter().map(|link| PART + text(&link.trace_state) + attributes(&link.attributes)).sum();
    let scope = text(&span.scope.name) + text(&span.scope.version);
    let texts = text(&span.name) + text(&span.trace_state) + text(&span.status.message) + scope;
    SPAN + texts + attributes(&span.attributes) + events + links
}

/// An upper bound of what a log record takes.
pub(super) fn of_log(record: &LogRecord) -> usize {
    PART + value(&record.body) + attributes(&record.attributes)
}

fn attributes(attributes: &Attributes) -> usize {
    attributes.0.iter().map(|(name, held)| PAIR + text(name) + value(held)).sum()
}

fn value(held: &Value) -> usize {
    match held {
        Value::Text(held) => text(held) + 4,
        Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Empty => 26,
        Value::Bytes(bytes) => bytes.len().div_ceil(3) * 4 + 4,
        Value::List(values) => values.iter().map(|held| value(held) + 1).sum::<usize>() + 2,
        Value::Map(map) => attributes(map) + 2,
    }
}

/// The length of a text that is escaped as JSON, and that once more.
fn text(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' => 4,
        b'\n' | b'\r' | b'\t' => 3,
        0..=0x1f => 7,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_takes_more_than_was_counted() {
        for sample in ["plain", "a \"quoted\" \\ path", "line\nline\r\ttab", "\u{1b}[31mred\u{1b}[0m", "münchen 🗡", "\u{0}\u{1f}\u{7f}"]
        {
            let once = serde_json::to_string(sample).expect("a text");
            let twice = serde_json::to_string(&once).expect("a text");
            // Without the quotes around it, which the fields count.
            assert!(twice.len() <= text(sample) + 6, "{sample}: {} {}", twice.len(), text(sample));
        }
    }
}
