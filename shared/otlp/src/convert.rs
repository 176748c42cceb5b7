//! Values as the core has them, out of what protobuf has, types kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord as ProtoLog;
use opentelemetry_proto::tonic::trace::v1::{self as proto, span as proto_span};
use prost::Message;
use quillon_core::trace::SpanId;
use quillon_core::trace::span::{
    Attributes, Dropped, Link, LogRecord, Resource, Scope, Span, SpanEvent, SpanKind, Status, StatusCode, Value,
};

use crate::record::end_of;
use crate::sieve::IS_BASE64;
use crate::wire::Malformed;

const RECORD: Malformed = Malformed("a record cannot be read");
const ORIGIN: Malformed = Malformed("a resource or a scope cannot be read");

/// The number under which a stored resource or scope has the URL of its schema. OTLP has it beside them, and numbers far below this.
pub(crate) const SCHEMA_URL: u32 = 100;

/// A resource as it is stored: OTLP's own, and its schema.
#[derive(Clone, PartialEq, Message)]
struct StoredResource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")]
    dropped_attributes: u32,
    #[prost(string, tag = "100")]
    schema_url: String,
}

/// A scope as it is stored: OTLP's own, and its schema.
#[derive(Clone, PartialEq, Message)]
struct StoredScope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "4")]
    dropped_attributes: u32,
    #[prost(string, tag = "100")]
    schema_url: String,
}

fn value(value: AnyValue) -> Value {
    match value.value {
        Some(any_value::Value::StringValue(text)) => Value::Text(text),
        Some(any_value::Value::BoolValue(bool)) => Value::Bool(bool),
        Some(any_value::Value::IntValue(int)) => Value::Int(int),
        Some(any_value::Value::DoubleValue(double)) => Value::Double(double),
        Some(any_value::Value::ArrayValue(list)) => Value::List(list.values.into_iter().map(self::value).collect()),
        Some(any_value::Value::KvlistValue(map)) => Value::Map(attributes(map.values)),
        Some(any_value::Value::BytesValue(bytes)) => Value::Bytes(bytes),
        Some(any_value::Value::StringValueStrindex(_)) | None => Value::Empty,
    }
}

fn attribute(attribute: KeyValue) -> (String, Value) {
    let is_base64 = attribute.key_strindex == IS_BASE64;
    let value = match (attribute.value.map_or(Value::Empty, value), is_base64) {
        (Value::Bytes(bytes), true) => Value::Text(STANDARD.encode(bytes)),
        (value, _) => value,
    };
    (attribute.key, value)
}

pub(crate) fn attributes(entries: Vec<KeyValue>) -> Attributes {
    Attributes(entries.into_iter().map(attribute).collect())
}

/// A resource from its bytes.
pub(crate) fn resource(bytes: &[u8]) -> Result<Resource, Malformed> {
    let StoredResource { attributes, dropped_attributes, schema_url } = StoredResource::decode(bytes).map_err(|_| ORIGIN)?;
    Ok(Resource { attributes: self::attributes(attributes), dropped_attributes, schema_url })
}

/// A scope from its bytes.
pub(crate) fn scope(bytes: &[u8]) -> Result<Scope, Malformed> {
    let StoredScope { name, version, attributes, dropped_attributes, schema_url } = StoredScope::decode(bytes).map_err(|_| ORIGIN)?;
    Ok(Scope { name, version, attributes: self::attributes(attributes), dropped_attributes, schema_url })
}

fn event(event: proto_span::Event) -> SpanEvent {
    SpanEvent {
        time_ns: event.time_unix_nano,
        name: event.name,
        attributes: attributes(event.attributes),
        dropped_attributes: event.dropped_attributes_count,
    }
}

fn link(link: proto_span::Link) -> Link {
    Link {
        trace_id: link.trace_id,
        span_id: link.span_id,
        trace_state: link.trace_state,
        attributes: attributes(link.attributes),
        dropped_attributes: link.dropped_attributes_count,
        flags: link.flags,
    }
}

/// A span from its bytes, without where it comes from.
pub(crate) fn span_of(bytes: &[u8], received_ms: i64) -> Result<Span, Malformed> {
    let span = proto::Span::decode(bytes).map_err(|_| RECORD)?;
    let status = span.status.unwrap_or_default();
    Ok(Span {
        id: SpanId::of_bytes(&span.span_id).ok_or(RECORD)?,
        parent: SpanId::of_bytes(&span.parent_span_id),
        flags: span.flags,
        trace_state: span.trace_state,
        name: span.name,
        kind: match proto_span::SpanKind::try_from(span.kind) {
            Ok(proto_span::SpanKind::Internal) => SpanKind::Internal,
            Ok(proto_span::SpanKind::Server) => SpanKind::Server,
            Ok(proto_span::SpanKind::Client) => SpanKind::Client,
            Ok(proto_span::SpanKind::Producer) => SpanKind::Producer,
            Ok(proto_span::SpanKind::Consumer) => SpanKind::Consumer,
            Ok(proto_span::SpanKind::Unspecified) | Err(_) => SpanKind::Unspecified,
        },
        start_ns: span.start_time_unix_nano,
        end_ns: end_of(span.start_time_unix_nano, span.end_time_unix_nano),
        attributes: attributes(span.attributes),
        events: span.events.into_iter().map(event).collect(),
        links: span.links.into_iter().map(link).collect(),
        status: Status {
            code: match proto::status::StatusCode::try_from(status.code) {
                Ok(proto::status::StatusCode::Ok) => StatusCode::Ok,
                Ok(proto::status::StatusCode::Error) => StatusCode::Error,
                Ok(proto::status::StatusCode::Unset) | Err(_) => StatusCode::Unset,
            },
            message: status.message,
        },
        dropped: Dropped { attributes: span.dropped_attributes_count, events: span.dropped_events_count, links: span.dropped_links_count },
        scope: Default::default(),
        resource: Default::default(),
        received_ms,
    })
}

/// A log record from its bytes, without where it comes from.
pub(crate) fn log_of(bytes: &[u8]) -> Result<LogRecord, Malformed> {
    let record = ProtoLog::decode(bytes).map_err(|_| RECORD)?;
    let observed_ns = record.observed_time_unix_nano;
    Ok(LogRecord {
        span: SpanId::of_bytes(&record.span_id),
        time_ns: if record.time_unix_nano == 0 { observed_ns } else { record.time_unix_nano },
        observed_ns,
        severity: record.severity_number,
        severity_text: record.severity_text,
        event_name: record.event_name,
        body: record.body.map_or(Value::Empty, value),
        attributes: attributes(record.attributes),
        dropped_attributes: record.dropped_attributes_count,
        flags: record.flags,
        scope: Default::default(),
        resource: Default::default(),
    })
}

/// OTLP's number of a kind.
pub(crate) fn kind_number(kind: SpanKind) -> i32 {
    let kind = match kind {
        SpanKind::Unspecified => proto_span::SpanKind::Unspecified,
        SpanKind::Internal => proto_span::SpanKind::Internal,
        SpanKind::Server => proto_span::SpanKind::Server,
        SpanKind::Client => proto_span::SpanKind::Client,
        SpanKind::Producer => proto_span::SpanKind::Producer,
        SpanKind::Consumer => proto_span::SpanKind::Consumer,
    };
    kind.into()
}

/// OTLP's number of a status.
pub(crate) fn status_number(code: StatusCode) -> i32 {
    let code = match code {
        StatusCode::Unset => proto::status::StatusCode::Unset,
        StatusCode::Ok => proto::status::StatusCode::Ok,
        StatusCode::Error => proto::status::StatusCode::Error,
    };
    code.into()
}
