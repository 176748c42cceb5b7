//! About how many bytes of memory records take: for caches, so a little too much is better than too little.

use quillon_core::trace::span::{Attributes, LogRecord, MetricPoint, Span, Value};

use crate::sealed::Detail;

/// A card.
pub(crate) const CARD: usize = 4_096;

fn value(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len() + 16,
        Value::Bytes(bytes) => bytes.len() + 16,
        Value::List(values) => values.iter().map(|value| self::value(value) + size_of::<Value>()).sum(),
        Value::Map(map) => attributes(map),
        Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Empty => 0,
    }
}

pub(crate) fn attributes(attributes: &Attributes) -> usize {
    let entry = |(name, held): &(String, Value)| size_of::<(String, Value)>() + name.len() + 16 + value(held);
    attributes.0.iter().map(entry).sum()
}

pub(crate) fn span(span: &Span) -> usize {
    let events: usize = span.events.iter().map(|event| 64 + event.name.len() + attributes(&event.attributes)).sum();
    let links: usize = span.links.iter().map(|link| 160 + link.trace_state.len() + attributes(&link.attributes)).sum();
    size_of::<Span>() + span.name.len() + span.trace_state.len() + span.status.message.len() + attributes(&span.attributes) + events + links
}

pub(crate) fn detail(detail: &Detail) -> usize {
    let events: usize = detail.events.iter().map(|event| 64 + event.name.len() + attributes(&event.attributes)).sum();
    let links: usize = detail.links.iter().map(|link| 160 + link.trace_state.len() + attributes(&link.attributes)).sum();
    size_of::<Detail>() + detail.trace_state.len() + detail.status.message.len() + attributes(&detail.attributes) + events + links
}

pub(crate) fn log(record: &LogRecord) -> usize {
    size_of::<LogRecord>() + value(&record.body) + record.severity_text.len() + record.event_name.len() + attributes(&record.attributes)
}

pub(crate) fn point(point: &MetricPoint) -> usize {
    size_of::<MetricPoint>() + point.name.len() + point.unit.len() + attributes(&point.attributes)
}
