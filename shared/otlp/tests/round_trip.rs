//! Any span that the core can hold survives storage and OTLP JSON, types kept.

#![expect(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quillon_core::trace::span::{
    Attributes, Dropped, Link, LogRecord, Resource, Scope, Span, SpanEvent, SpanKind, Status, StatusCode, Value,
};
use quillon_core::trace::{SpanId, TraceId};
use quillon_otlp::{Encoding, Limits, Signal, decode, json, unpack_logs, unpack_spans};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ".{0,20}".prop_map(Value::Text),
        // Canonical base64 and what only looks like it.
        "[A-Za-z0-9+/]{0,8}={0,2}".prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        // Of a number with many digits the reader of JSON may miss the last bit.
        any::<f64>().prop_filter("nothing equals NaN", |number| !number.is_nan()).prop_map(Value::Double),
        vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        Just(Value::Empty),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            vec((".{0,5}", inner), 0..4).prop_map(|entries| Value::Map(Attributes(entries))),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let key = prop_oneof![".{0,10}", Just("dagger.io/dag.call".to_owned()), Just("dagger.io/check.passed".to_owned())];
    vec((key, value()), 0..5).prop_map(Attributes)
}

fn span_id() -> impl Strategy<Value = SpanId> {
    (1..u64::MAX).prop_map(|id| SpanId::of_bytes(&id.to_be_bytes()).expect("not zero"))
}

prop_compose! {
    fn event()(time_ns in any::<u64>(), name in ".{0,9}", attributes in attributes(), dropped_attributes in 0..3_u32) -> SpanEvent {
        SpanEvent { time_ns, name, attributes, dropped_attributes }
    }
}

prop_compose! {
    fn link()(
        (id, trace_state, attributes) in (span_id(), "[ -~]{0,20}", attributes()),
        (dropped_attributes, flags) in (0..3_u32, any::<u32>()),
    ) -> Link {
        Link { trace_id: vec![1; 16], span_id: id.as_bytes().to_vec(), trace_state, attributes, dropped_attributes, flags }
    }
}

prop_compose! {
    fn scope()((name, version, schema_url) in (".{0,9}", ".{0,9}", ".{0,9}"), attributes in attributes(), dropped_attributes in 0..3_u32) -> Arc<Scope> {
        Arc::new(Scope { name, version, attributes, dropped_attributes, schema_url })
    }
}

prop_compose! {
    fn resource()(attributes in attributes(), dropped_attributes in 0..3_u32, schema_url in ".{0,9}") -> Arc<Resource> {
        Arc::new(Resource { attributes, dropped_attributes, schema_url })
    }
}

prop_compose! {
    fn span()(
        (id, parent, flags) in (span_id(), option::of(span_id()), any::<u32>()),
        (trace_state, name) in ("[ -~]{0,20}", ".{0,30}"),
        kind in prop::sample::select(vec![SpanKind::Unspecified, SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer]),
        (start_ns, length) in (1..u64::MAX / 4, option::of(0..u64::MAX / 4)),
        attributes in attributes(),
        (events, links) in (vec(event(), 0..3), vec(link(), 0..3)),
        (code, message) in (prop::sample::select(vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error]), ".{0,20}"),
        dropped in (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(attributes, events, links)| Dropped { attributes, events, links }),
        (scope, resource) in (scope(), resource()),
    ) -> Span {
        Span {
            id, parent, flags, trace_state, name, kind, start_ns,
            end_ns: length.map(|length| start_ns + length), attributes, events, links, status: Status { code, message }, dropped,
            scope, resource, received_ms: 7,
        }
    }
}

prop_compose! {
    fn log()(
        (span, time_ns, observed_ns) in (option::of(span_id()), 1..u64::MAX, any::<u64>()),
        (severity, severity_text, event_name) in (any::<i32>(), ".{0,9}", ".{0,9}"),
        (body, attributes) in (value(), attributes()),
        (dropped_attributes, flags) in (any::<u32>(), any::<u32>()),
        (scope, resource) in (scope(), resource()),
    ) -> LogRecord {
        LogRecord { span, time_ns, observed_ns, severity, severity_text, event_name, body, attributes, dropped_attributes, flags, scope, resource }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn spans_survive_json_and_storage(spans in vec(span(), 1..5)) {
        let trace: TraceId = "0123456789abcdef0123456789abcdef".parse().expect("an id");
        let line = json::traces(trace, &spans);
        prop_assert!(!line.contains('\n'));
        let decoded = decode(Signal::Traces, Encoding::Json, line.as_bytes(), &Limits::default(), Timestamp::UNIX_EPOCH).expect("OTLP");
        prop_assert_eq!(decoded.rejected.count, 0);
        let mut read = Vec::new();
        for chunk in decoded.batches[0].pack(1, 350_000) {
            unpack_spans(&chunk.bytes, 7, |span| read.push(span)).expect("a chunk");
        }
        prop_assert_eq!(read, spans);
    }

    #[test]
    fn log_records_survive_json_and_storage(records in vec(log(), 1..5)) {
        let trace: TraceId = "0123456789abcdef0123456789abcdef".parse().expect("an id");
        let line = json::logs(trace, &records);
        let decoded = decode(Signal::Logs, Encoding::Json, line.as_bytes(), &Limits::default(), Timestamp::UNIX_EPOCH).expect("OTLP");
        prop_assert_eq!(decoded.rejected.count, 0);
        let read: Vec<LogRecord> =
            decoded.batches[0].pack(1, 350_000).iter().flat_map(|chunk| unpack_logs(&chunk.bytes).expect("a chunk")).collect();
        prop_assert_eq!(read, records);
    }
}
