//! OTLP JSON lines, as the [file exporter](https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/) writes them: one object per
//! line, ids in hex, 64-bit numbers as texts, nothing that is empty.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quillon_core::trace::TraceId;
use quillon_core::trace::span::{Attributes, LogRecord, MetricPoint, Number, Resource, Scope, Span, Value};
use serde_json::{Map, Value as Json, json};

use crate::convert::{kind_number, status_number};

/// Spans of a trace as one line, `TracesData`, without a line break.
#[must_use]
pub fn traces(trace: TraceId, spans: &[Span]) -> String {
    let trace = trace.to_string();
    lines("resourceSpans", "scopeSpans", "spans", spans, |span| (&span.resource, Some(&span.scope)), |span| self::span(&trace, span))
}

/// Log records of a trace as one line, `LogsData`, without a line break.
#[must_use]
pub fn logs(trace: TraceId, records: &[LogRecord]) -> String {
    let trace = trace.to_string();
    lines(
        "resourceLogs",
        "scopeLogs",
        "logRecords",
        records,
        |record| (&record.resource, Some(&record.scope)),
        |record| log(&trace, record),
    )
}

/// Metric points as one line, `MetricsData`, without a line break. Each is a gauge of one point.
#[must_use]
pub fn metrics(points: &[MetricPoint]) -> String {
    lines("resourceMetrics", "scopeMetrics", "metrics", points, |point| (&point.resource, None), metric)
}

/// Records under their resources and scopes: neighbours of the same origin share it.
fn lines<T>(
    resources: &str,
    scopes: &str,
    records: &str,
    all: &[T],
    origin: impl Fn(&T) -> (&Arc<Resource>, Option<&Arc<Scope>>),
    write: impl Fn(&T) -> Json,
) -> String {
    let is_same = |one: &T, other: &T| {
        let ((resource, scope), (other_resource, other_scope)) = (origin(one), origin(other));
        (Arc::ptr_eq(resource, other_resource) || resource == other_resource)
            && match (scope, other_scope) {
                (Some(scope), Some(other)) => Arc::ptr_eq(scope, other) || scope == other,
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    };
    let group = |group: &[T]| {
        let (resource, scope) = origin(group.first()?);
        let mut inner = Map::new();
        if let Some(scope) = scope {
            inner.insert("scope".to_owned(), self::scope(scope));
            put(&mut inner, "schemaUrl", &scope.schema_url);
        }
        inner.insert(records.to_owned(), group.iter().map(&write).collect());
        let mut outer = Map::new();
        outer.insert("resource".to_owned(), self::resource(resource));
        put(&mut outer, "schemaUrl", &resource.schema_url);
        outer.insert(scopes.to_owned(), json!([inner]));
        Some(outer)
    };
    let groups: Vec<Map<String, Json>> = all.chunk_by(is_same).filter_map(group).collect();
    json!({resources: groups}).to_string()
}

fn resource(resource: &Resource) -> Json {
    let mut object = Map::new();
    put_attributes(&mut object, &resource.attributes);
    put_number(&mut object, "droppedAttributesCount", resource.dropped_attributes);
    object.into()
}

fn scope(scope: &Scope) -> Json {
    let mut object = Map::new();
    put(&mut object, "name", &scope.name);
    put(&mut object, "version", &scope.version);
    put_attributes(&mut object, &scope.attributes);
    put_number(&mut object, "droppedAttributesCount", scope.dropped_attributes);
    object.into()
}

fn span(trace: &str, span: &Span) -> Json {
    let mut object = Map::new();
    object.insert("traceId".to_owned(), trace.into());
    object.insert("spanId".to_owned(), span.id.to_string().into());
    put(&mut object, "traceState", &span.trace_state);
    if let Some(parent) = span.parent {
        object.insert("parentSpanId".to_owned(), parent.to_string().into());
    }
    put_number(&mut object, "flags", span.flags);
    object.insert("name".to_owned(), span.name.clone().into());
    object.insert("kind".to_owned(), kind_number(span.kind).into());
    object.insert("startTimeUnixNano".to_owned(), span.start_ns.to_string().into());
    if let Some(end_ns) = span.end_ns {
        object.insert("endTimeUnixNano".to_owned(), end_ns.to_string().into());
    }
    put_attributes(&mut object, &span.attributes);
    put_number(&mut object, "droppedAttributesCount", span.dropped.attributes);
    if !span.events.is_empty() {
        let events = span.events.iter().map(|event| {
            let mut object = Map::new();
            object.insert("timeUnixNano".to_owned(), event.time_ns.to_string().into());
            put(&mut object, "name", &event.name);
            put_attributes(&mut object, &event.attributes);
            put_number(&mut object, "droppedAttributesCount", event.dropped_attributes);
            Json::from(object)
        });
        object.insert("events".to_owned(), events.collect());
    }
    put_number(&mut object, "droppedEventsCount", span.dropped.events);
    if !span.links.is_empty() {
        let links = span.links.iter().map(|link| {
            let mut object = Map::new();
            put(&mut object, "traceId", &hex(&link.trace_id));
            put(&mut object, "spanId", &hex(&link.span_id));
            put(&mut object, "traceState", &link.trace_state);
            put_attributes(&mut object, &link.attributes);
            put_number(&mut object, "droppedAttributesCount", link.dropped_attributes);
            put_number(&mut object, "flags", link.flags);
            Json::from(object)
        });
        object.insert("links".to_owned(), links.collect());
    }
    put_number(&mut object, "droppedLinksCount", span.dropped.links);
    let mut status = Map::new();
    put(&mut status, "message", &span.status.message);
    let code = status_number(span.status.code);
    if code != 0 {
        status.insert("code".to_owned(), code.into());
    }
    object.insert("status".to_owned(), status.into());
    object.into()
}

fn log(trace: &str, record: &LogRecord) -> Json {
    let mut object = Map::new();
    object.insert("timeUnixNano".to_owned(), record.time_ns.to_string().into());
    if record.observed_ns != 0 {
        object.insert("observedTimeUnixNano".to_owned(), record.observed_ns.to_string().into());
    }
    if record.severity != 0 {
        object.insert("severityNumber".to_owned(), record.severity.into());
    }
    put(&mut object, "severityText", &record.severity_text);
    object.insert("body".to_owned(), value(&record.body));
    put_attributes(&mut object, &record.attributes);
    put_number(&mut object, "droppedAttributesCount", record.dropped_attributes);
    put_number(&mut object, "flags", record.flags);
    object.insert("traceId".to_owned(), trace.into());
    if let Some(span) = record.span {
        object.insert("spanId".to_owned(), span.to_string().into());
    }
    put(&mut object, "eventName", &record.event_name);
    object.into()
}

fn metric(point: &MetricPoint) -> Json {
    let mut data = Map::new();
    put_attributes(&mut data, &point.attributes);
    data.insert("timeUnixNano".to_owned(), point.time_ns.to_string().into());
    match point.value {
        Number::Int(int) => data.insert("asInt".to_owned(), int.to_string().into()),
        Number::Double(number) => data.insert("asDouble".to_owned(), double(number)),
    };
    let mut object = Map::new();
    put(&mut object, "name", &point.name);
    put(&mut object, "unit", &point.unit);
    object.insert("gauge".to_owned(), json!({"dataPoints": [data]}));
    object.into()
}

fn attributes(attributes: &Attributes) -> Json {
    attributes.0.iter().map(|(key, value)| json!({"key": key, "value": self::value(value)})).collect()
}

fn value(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!({"stringValue": text}),
        Value::Bool(bool) => json!({"boolValue": bool}),
        Value::Int(int) => json!({"intValue": int.to_string()}),
        Value::Double(number) => json!({"doubleValue": double(*number)}),
        Value::Bytes(bytes) => json!({"bytesValue": STANDARD.encode(bytes)}),
        Value::List(values) => json!({"arrayValue": {"values": values.iter().map(self::value).collect::<Vec<_>>()}}),
        Value::Map(entries) => json!({"kvlistValue": {"values": attributes(entries)}}),
        Value::Empty => json!({}),
    }
}

/// JSON has no numbers for these; [protobuf's mapping](https://protobuf.dev/programming-guides/json/) has texts.
fn double(number: f64) -> Json {
    match number {
        number if number.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        number => number.into(),
    }
}

fn put(object: &mut Map<String, Json>, name: &str, text: &str) {
    if !text.is_empty() {
        object.insert(name.to_owned(), text.into());
    }
}

fn put_number(object: &mut Map<String, Json>, name: &str, number: u32) {
    if number != 0 {
        object.insert(name.to_owned(), number.into());
    }
}

fn put_attributes(object: &mut Map<String, Json>, of: &Attributes) {
    if !of.0.is_empty() {
        object.insert("attributes".to_owned(), attributes(of));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
