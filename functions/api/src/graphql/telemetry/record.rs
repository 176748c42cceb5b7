//! Spans and log records as the schema shows them: every value with the type that it was sent with.

use async_graphql::{Enum, ID, InputValueResult, Name, Number, Scalar, ScalarType, SimpleObject, Value as Answer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use quillon_core::trace::span::{self, LogRecord, StatusCode, Value};
use quillon_core::trace::{SpanId, TraceId};

use crate::graphql::types::Time;

/// Named values as a JSON object: booleans, numbers and lists are what they are, bytes are base64.
pub(crate) struct Attributes(span::Attributes);

#[Scalar(name = "Attributes")]
impl ScalarType for Attributes {
    fn parse(value: Answer) -> InputValueResult<Self> {
        // It is never an argument.
        Err(async_graphql::InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Answer {
        object(&self.0)
    }
}

fn object(attributes: &span::Attributes) -> Answer {
    Answer::Object(attributes.0.iter().map(|(name, value)| (Name::new(name), json(value))).collect())
}

fn json(value: &Value) -> Answer {
    match value {
        Value::Text(text) => Answer::String(text.clone()),
        Value::Bool(truth) => Answer::Boolean(*truth),
        Value::Int(number) => Answer::Number(Number::from(*number)),
        // JSON has no number for these; the OTLP form of JSON writes them as text too.
        Value::Double(number) => Number::from_f64(*number).map_or_else(|| Answer::String(unusual(*number)), Answer::Number),
        Value::Bytes(bytes) => Answer::String(STANDARD.encode(bytes)),
        Value::List(values) => Answer::List(values.iter().map(json).collect()),
        Value::Map(map) => object(map),
        Value::Empty => Answer::Null,
    }
}

fn unusual(number: f64) -> String {
    let text = if number.is_nan() {
        "NaN"
    } else if number.is_sign_negative() {
        "-Infinity"
    } else {
        "Infinity"
    };
    text.to_owned()
}

/// What a span is to its parent.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the names are those of OTLP")]
pub(crate) enum SpanKind {
    /// Not said.
    SpanKindUnspecified,
    /// Within a process.
    SpanKindInternal,
    /// Serves a request.
    SpanKindServer,
    /// Makes a request.
    SpanKindClient,
    /// Sends a message.
    SpanKindProducer,
    /// Receives a message.
    SpanKindConsumer,
}

impl From<span::SpanKind> for SpanKind {
    fn from(kind: span::SpanKind) -> Self {
        match kind {
            span::SpanKind::Unspecified => Self::SpanKindUnspecified,
            span::SpanKind::Internal => Self::SpanKindInternal,
            span::SpanKind::Server => Self::SpanKindServer,
            span::SpanKind::Client => Self::SpanKindClient,
            span::SpanKind::Producer => Self::SpanKindProducer,
            span::SpanKind::Consumer => Self::SpanKindConsumer,
        }
    }
}

/// How a span ended.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the names are those of OTLP")]
pub(crate) enum SpanStatusCode {
    /// Not said.
    StatusCodeUnset,
    /// Well.
    StatusCodeOk,
    /// With an error.
    StatusCodeError,
}

/// A step of a trace.
#[derive(SimpleObject)]
pub(crate) struct Span {
    /// 16 hex digits.
    id: ID,
    /// 32 hex digits.
    trace_id: ID,
    /// W3C trace state.
    trace_state: String,
    /// Its name; may change until it ends.
    name: String,
    /// The span above it; null for a root.
    parent_id: Option<ID>,
    /// What it is to its parent.
    kind: SpanKind,
    /// When it started.
    timestamp: Time,
    /// When it ended; null while it runs.
    end_time: Option<Time>,
    /// When this server was last told about it, about a root: about its trace. Never goes back.
    update_time: Time,
    /// What is said about it.
    attributes: Attributes,
    /// How it ended.
    status: SpanStatus,
    /// What happened during it.
    events: Vec<SpanEvent>,
    /// What it points to.
    links: Vec<SpanLink>,
    /// The library that it comes from.
    scope: SpanScope,
    /// Whether it has log records of its own.
    has_logs: bool,
    /// How many spans are directly below it.
    child_count: i32,
    /// Whether the trace has spans that this answer leaves out.
    partial: bool,
}

/// How a span ended, and what it said about it.
#[derive(SimpleObject)]
pub(crate) struct SpanStatus {
    /// The error's text.
    message: String,
    /// How.
    code: SpanStatusCode,
}

/// Something that happened during a span.
#[derive(SimpleObject)]
pub(crate) struct SpanEvent {
    /// When.
    timestamp: Time,
    /// What.
    name: String,
    /// More about it.
    attributes: Attributes,
}

/// A pointer to a span, of this trace or of another.
#[derive(SimpleObject)]
pub(crate) struct SpanLink {
    /// The trace, in hex.
    trace_id: ID,
    /// The span, in hex.
    span_id: ID,
    /// W3C trace state.
    trace_state: String,
    /// Why, and more.
    attributes: Attributes,
}

/// A library that emits telemetry.
#[derive(SimpleObject)]
pub(crate) struct SpanScope {
    /// Its name.
    name: String,
    /// Its version.
    version: String,
}

/// One write of a program: it may hold several lines, or part of one.
#[derive(SimpleObject)]
pub(crate) struct LogMessage {
    /// Of which span; null for one of the trace as a whole.
    span_id: Option<ID>,
    /// When.
    timestamp: Time,
    /// What was written.
    body: String,
    /// What is said about it: `stdio.stream` and more.
    attributes: Attributes,
}

/// What a span alone does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The trace.
    pub(super) trace: TraceId,
    /// The parent to show.
    pub(super) parent: Option<SpanId>,
    /// When it was last updated, epoch milliseconds.
    pub(super) updated_ms: i64,
    /// Whether it has log records.
    pub(super) has_logs: bool,
    /// Its children.
    pub(super) children: usize,
    /// Whether the answer leaves spans out.
    pub(super) is_partial: bool,
}

impl Span {
    /// A span as the schema shows it.
    pub(super) fn new(span: span::Span, place: Place) -> Self {
        let Place { trace, parent, updated_ms, has_logs, children, is_partial } = place;
        let code = match span.status.code {
            StatusCode::Unset => SpanStatusCode::StatusCodeUnset,
            StatusCode::Ok => SpanStatusCode::StatusCodeOk,
            StatusCode::Error => SpanStatusCode::StatusCodeError,
        };
        Self {
            id: ID(span.id.to_string()),
            trace_id: ID(trace.to_string()),
            trace_state: span.trace_state,
            name: span.name,
            parent_id: parent.map(|parent| ID(parent.to_string())),
            kind: span.kind.into(),
            timestamp: time(span.start_ns),
            end_time: span.end_ns.map(time),
            update_time: Time(Timestamp::from_millisecond(updated_ms).unwrap_or_default()),
            attributes: Attributes(span.attributes),
            status: SpanStatus { message: span.status.message, code },
            events: span.events.into_iter().map(SpanEvent::new).collect(),
            links: span.links.into_iter().map(SpanLink::new).collect(),
            scope: SpanScope { name: span.scope.name.clone(), version: span.scope.version.clone() },
            has_logs,
            child_count: i32::try_from(children).unwrap_or(i32::MAX),
            partial: is_partial,
        }
    }

    /// Says that spans are left out, which was not known when it was made.
    pub(super) fn mark_partial(&mut self) {
        self.partial = true;
    }
}

impl SpanEvent {
    fn new(event: span::SpanEvent) -> Self {
        Self { timestamp: time(event.time_ns), name: event.name, attributes: Attributes(event.attributes) }
    }
}

impl SpanLink {
    fn new(link: span::Link) -> Self {
        Self {
            trace_id: ID(hex::encode(link.trace_id)),
            span_id: ID(hex::encode(link.span_id)),
            trace_state: link.trace_state,
            attributes: Attributes(link.attributes),
        }
    }
}

impl LogMessage {
    /// A log record as the schema shows it.
    pub(super) fn new(record: LogRecord) -> Self {
        let body = match record.body {
            Value::Text(text) => text,
            Value::Empty => String::new(),
            // As JSON: the answer's own type would print itself as GraphQL, with bare names.
            other @ (Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_)) => {
                json(&other).into_json().unwrap_or_default().to_string()
            }
        };
        Self {
            span_id: record.span.map(|span| ID(span.to_string())),
            timestamp: time(record.time_ns),
            body,
            attributes: Attributes(record.attributes),
        }
    }
}

/// Nanoseconds since the epoch; every `u64` is a time before the year 2555.
pub(super) fn time(ns: u64) -> Time {
    Time(Timestamp::from_nanosecond(i128::from(ns)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn every_type_comes_back_as_it_was_sent() {
        let held = |name: &str, value: Value| (name.to_owned(), value);
        let attributes = span::Attributes(vec![
            held("text", Value::Text("true".to_owned())),
            held("truth", Value::Bool(true)),
            held("large", Value::Int(i64::MIN)),
            held("half", Value::Double(0.5)),
            held("nan", Value::Double(f64::NAN)),
            held("down", Value::Double(f64::NEG_INFINITY)),
            held("bytes", Value::Bytes(vec![0, 255])),
            held("list", Value::List(vec![Value::Int(1), Value::Text("1".to_owned())])),
            held("map", Value::Map(span::Attributes(vec![held("a.b", Value::Empty)]))),
            held("twice", Value::Int(1)),
            held("twice", Value::Int(2)),
        ]);
        let shown = Attributes(attributes).to_value().into_json().expect("json");
        assert_eq!(
            shown,
            serde_json::json!({
                "text": "true", "truth": true, "large": i64::MIN, "half": 0.5, "nan": "NaN", "down": "-Infinity",
                "bytes": "AP8=", "list": [1, "1"], "map": { "a.b": null }, "twice": 2,
            })
        );
    }

    #[test]
    fn a_body_that_is_no_text_is_shown_as_json() {
        let record = |body| LogRecord {
            span: None,
            time_ns: 1,
            observed_ns: 1,
            severity: 0,
            severity_text: String::new(),
            event_name: String::new(),
            body,
            attributes: span::Attributes::default(),
            dropped_attributes: 0,
            flags: 0,
            scope: Arc::default(),
            resource: Arc::default(),
        };
        let shown = |body: Value| LogMessage::new(record(body)).body;
        let map = Value::Map(span::Attributes(vec![("a b".to_owned(), Value::List(vec![Value::Int(1), Value::Empty]))]));
        assert_eq!(shown(map), r#"{"a b":[1,null]}"#);
        assert_eq!(shown(Value::Bytes(vec![0, 255])), r#""AP8=""#);
        assert_eq!((shown(Value::Text("as it is".to_owned())), shown(Value::Empty)), ("as it is".to_owned(), String::new()));
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        assert_eq!(time(1_800_000_000_000_000_001).0.to_string(), "2027-01-15T08:00:00.000000001Z");
        assert_eq!(time(u64::MAX).0.to_string(), "2554-07-21T23:34:33.709551615Z");
    }
}
