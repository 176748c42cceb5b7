//! Batches as senders make them: OTLP requests, decoded.

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use quillon_core::id::OrgId;
use quillon_core::trace::card::Claim;
use quillon_core::trace::{SpanId, TraceId};
use quillon_otlp::{Batch, Encoding, Limits, Signal, decode};

/// A time of the tests: so many seconds after their beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + seconds * 1_000).expect("in range")
}

/// The same in nanoseconds since the epoch, plus some.
pub(crate) fn ns(seconds: i64, more: u64) -> u64 {
    u64::try_from(at(seconds).as_nanosecond()).expect("after 1970") + more
}

pub(crate) fn org() -> OrgId {
    OrgId::from_parts(1_700_000_000_000, 1)
}

pub(crate) fn other_org() -> OrgId {
    OrgId::from_parts(1_700_000_000_000, 2)
}

pub(crate) fn claim(org: OrgId) -> Claim {
    Claim { org, attempt: None, repository: None }
}

pub(crate) fn trace(number: u64) -> TraceId {
    TraceId::of_bytes(&(u128::from(number) + 1).to_be_bytes()).expect("not zero")
}

pub(crate) fn span_id(number: u64) -> SpanId {
    SpanId::of_bytes(&number.to_be_bytes()).expect("not zero")
}

fn value(value: any_value::Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

pub(crate) fn text(name: &str, text: &str) -> KeyValue {
    KeyValue { key: name.to_owned(), value: value(any_value::Value::StringValue(text.to_owned())), ..KeyValue::default() }
}

fn attributes(number: u64) -> Vec<KeyValue> {
    let digest = format!("xxh3:{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let list = ArrayValue { values: vec![AnyValue { value: Some(any_value::Value::StringValue(digest.clone())) }; 2] };
    vec![
        text("dagger.io/dag.digest", &digest),
        text("dagger.io/dag.call", "CgR4eGgz"),
        KeyValue { key: "dagger.io/dag.inputs".to_owned(), value: value(any_value::Value::ArrayValue(list)), ..KeyValue::default() },
        KeyValue {
            key: "number".to_owned(),
            value: value(any_value::Value::IntValue(i64::try_from(number).expect("small"))),
            ..KeyValue::default()
        },
        KeyValue { key: "half".to_owned(), value: value(any_value::Value::DoubleValue(0.5)), ..KeyValue::default() },
        KeyValue { key: "even".to_owned(), value: value(any_value::Value::BoolValue(number.is_multiple_of(2))), ..KeyValue::default() },
        KeyValue { key: "none".to_owned(), value: None, ..KeyValue::default() },
    ]
}

/// A record of a span: number, parent, name, start and end in nanoseconds.
pub(crate) fn span(trace: TraceId, number: u64, parent: u64, name: &str, start: u64, end: Option<u64>) -> Span {
    Span {
        trace_id: trace.as_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { vec![] } else { parent.to_be_bytes().to_vec() },
        name: name.to_owned(),
        kind: 1,
        start_time_unix_nano: start,
        end_time_unix_nano: end.unwrap_or(0),
        attributes: attributes(number),
        status: end.map(|_| Status { code: 1, message: String::new() }),
        ..Span::default()
    }
}

fn resource() -> Option<Resource> {
    let attributes = vec![text("service.name", "dagger-cli"), text("dagger.io/git.remote", "github.com/acme/api")];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "dagger.io/cli".to_owned(), version: "1".to_owned(), ..InstrumentationScope::default() })
}

/// A batch of records of spans.
pub(crate) fn spans(spans: Vec<Span>, now: Timestamp) -> Batch {
    let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }];
    let request =
        ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource: resource(), scope_spans, ..ResourceSpans::default() }] };
    batch(Signal::Traces, &request.encode_to_vec(), now)
}

/// A log record of a span, or of none with number 0.
pub(crate) fn log(trace: TraceId, span: u64, time: u64, body: &str) -> LogRecord {
    LogRecord {
        trace_id: trace.as_bytes().to_vec(),
        span_id: if span == 0 { vec![] } else { span.to_be_bytes().to_vec() },
        time_unix_nano: time,
        observed_time_unix_nano: time + 5,
        body: value(any_value::Value::StringValue(body.to_owned())),
        attributes: vec![KeyValue { key: "stdio.stream".to_owned(), value: value(any_value::Value::IntValue(1)), ..KeyValue::default() }],
        ..LogRecord::default()
    }
}

/// A batch of log records.
pub(crate) fn logs(records: Vec<LogRecord>, now: Timestamp) -> Batch {
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records: records, ..ScopeLogs::default() }];
    let request =
        ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { resource: resource(), scope_logs, ..ResourceLogs::default() }] };
    batch(Signal::Logs, &request.encode_to_vec(), now)
}

/// A batch of metric points of spans: number, time, value.
pub(crate) fn metrics(trace: TraceId, points: &[(u64, u64, i64)], now: Timestamp) -> Batch {
    let point = |(span, time, number): &(u64, u64, i64)| NumberDataPoint {
        attributes: vec![text("dagger.io/metrics.trace", &trace.to_string()), text("dagger.io/metrics.span", &span_id(*span).to_string())],
        time_unix_nano: *time,
        value: Some(number_data_point::Value::AsInt(*number)),
        ..NumberDataPoint::default()
    };
    let gauge = Gauge { data_points: points.iter().map(point).collect() };
    let metric = Metric {
        name: "dagger.io/metrics.memory.current".to_owned(),
        unit: "byte".to_owned(),
        data: Some(metric::Data::Gauge(gauge)),
        ..Metric::default()
    };
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics: vec![metric], ..ScopeMetrics::default() }];
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource: resource(), scope_metrics, ..ResourceMetrics::default() }],
    };
    batch(Signal::Metrics, &request.encode_to_vec(), now)
}

fn batch(signal: Signal, bytes: &[u8], now: Timestamp) -> Batch {
    let mut decoded = decode(signal, Encoding::Protobuf, bytes, &Limits::default(), now).expect("a request");
    assert_eq!(decoded.rejected.count, 0, "{}", decoded.rejected.reason);
    assert_eq!(decoded.batches.len(), 1);
    decoded.batches.remove(0)
}
