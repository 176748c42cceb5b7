//! The telemetry: fixed values of every type that the SDK can send, which the test on the other side knows as well.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, Key, KeyValue, SpanId, StringValue, TraceId, Value};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

/// What was made.
pub struct Ids {
    pub trace: TraceId,
    pub root: SpanId,
    pub step: SpanId,
    /// A span of another trace, which is never sent.
    pub linked: SpanId,
}

pub fn resource() -> [KeyValue; 2] {
    [KeyValue::new("service.name", "exporters-rust"), KeyValue::new("answer", 42_i64)]
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("rust.exporter").with_version("1.2.3").build()
}

fn texts(values: &[&str]) -> Array {
    Array::String(values.iter().map(|text| StringValue::from((*text).to_owned())).collect())
}

fn every_type() -> Vec<KeyValue> {
    vec![
        KeyValue::new("text", "héllo 🦀 \u{202e}\0end"),
        KeyValue::new("text.empty", ""),
        KeyValue::new("text.number", "42"),
        KeyValue::new("truth", true),
        KeyValue::new("lie", false),
        KeyValue::new("int.least", i64::MIN),
        KeyValue::new("int.most", i64::MAX),
        KeyValue::new("double", 0.1),
        KeyValue::new("double.whole", 1.0),
        KeyValue::new("double.least", -5e-324),
        KeyValue::new("double.nan", f64::NAN),
        KeyValue::new("double.down", f64::NEG_INFINITY),
        KeyValue::new("truths", Value::Array(Array::Bool(vec![true, false]))),
        KeyValue::new("ints", Value::Array(Array::I64(vec![0, -1, i64::MAX]))),
        KeyValue::new("doubles", Value::Array(Array::F64(vec![0.5, 2.0, f64::INFINITY]))),
        KeyValue::new("texts", Value::Array(texts(&["a", "", "日本語"]))),
        KeyValue::new("nothing", Value::Array(texts(&[]))),
    ]
}

/// A root that takes two seconds, with a step below it.
pub fn spans(provider: &SdkTracerProvider, at: SystemTime) -> Ids {
    let tracer = provider.tracer_with_scope(scope());
    let later = |ms| at + Duration::from_millis(ms);
    let mut root = tracer
        .span_builder("rust root ✓")
        .with_kind(SpanKind::Server)
        .with_start_time(at)
        .with_attributes(every_type())
        .start_with_context(&tracer, &Context::new());
    let (trace, root_id) = (root.span_context().trace_id(), root.span_context().span_id());
    root.add_event_with_timestamp("started", later(1), every_type());
    root.add_event_with_timestamp("nothing more", later(2), vec![]);

    let parent = Context::new().with_remote_span_context(root.span_context().clone());
    let mut step = tracer.span_builder("step").with_kind(SpanKind::Client).with_start_time(later(500)).start_with_context(&tracer, &parent);
    let linked = SpanId::from(0x0102_0304_0506_0708);
    let state = TraceState::from_key_value([("vendor", "value")]).unwrap_or_default();
    let elsewhere = SpanContext::new(TraceId::from(0x0a0b_0c0d), linked, TraceFlags::SAMPLED, true, state);
    step.add_link(elsewhere, vec![KeyValue::new("why", "another trace"), KeyValue::new("n", 7)]);
    step.set_status(Status::error("it bröke"));
    let step_id = step.span_context().span_id();
    step.end_with_timestamp(later(1_500));
    root.set_status(Status::Ok);
    root.end_with_timestamp(later(2_000));
    Ids { trace, root: root_id, step: step_id, linked }
}

/// A text, a structure, bytes, and a record without a body.
pub fn logs(provider: &SdkLoggerProvider, ids: &Ids, at: SystemTime) {
    let logger = provider.logger_with_scope(scope());
    let list = AnyValue::ListAny(Box::new(vec![AnyValue::Int(1), AnyValue::from("two"), AnyValue::Boolean(true), AnyValue::Double(0.5)]));
    let map = AnyValue::Map(Box::new(HashMap::from([(Key::new("list"), list.clone())])));
    let bodies =
        [Some(AnyValue::from("line 1\r\nlíne 2 \u{1b}[31mred")), Some(map.clone()), Some(AnyValue::Bytes(Box::new(vec![0, 255]))), None];
    for (number, body) in (0..).zip(bodies) {
        let mut record = logger.create_log_record();
        record.set_timestamp(at + Duration::from_millis(600 + number));
        record.set_observed_timestamp(at + Duration::from_millis(700));
        record.set_severity_number(Severity::Warn);
        record.set_severity_text("WARN");
        record.set_trace_context(ids.trace, ids.step, None);
        if let Some(body) = body {
            record.set_body(body);
        }
        record.add_attribute("stdio.stream", 2_i64);
        record.add_attribute("number", i64::MIN);
        record.add_attribute("double", 1.0);
        record.add_attribute("bytes", AnyValue::Bytes(Box::new(vec![1, 2, 3])));
        record.add_attribute("list", list.clone());
        record.add_attribute("map", map.clone());
        logger.emit(record);
    }
}

/// A gauge of either type, a sum, and a histogram, which no trace has use for.
pub fn metrics(provider: &SdkMeterProvider, ids: Option<&Ids>) {
    let meter = provider.meter_with_scope(scope());
    let mut attributes = vec![KeyValue::new("kind", "rust")];
    if let Some(ids) = ids {
        attributes.push(KeyValue::new("dagger.io/metrics.trace", ids.trace.to_string()));
        attributes.push(KeyValue::new("dagger.io/metrics.span", ids.step.to_string()));
    }
    meter.i64_gauge("dagger.io/metrics.memory.current").with_unit("byte").build().record(i64::MAX, &attributes);
    meter.f64_gauge("load").build().record(0.1, &attributes);
    meter.u64_counter("requests").with_unit("1").build().add(3, &attributes);
    meter.u64_histogram("latency").with_unit("ms").build().record(12, &attributes);
}
