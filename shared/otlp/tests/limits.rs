//! What hostile and broken senders get: clear answers, bounded work, and everything else of their request taken in.

#![expect(clippy::expect_used, reason = "helpers of tests fail like tests")]

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value as Proto};
use opentelemetry_proto::tonic::logs::v1::{LogRecord as ProtoLog, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as ProtoSpan, Status, span};
use prost::Message as _;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::{Card, Claim};
use quillon_core::trace::span::{Attributes, LogRecord, Number, Span, Value};
use quillon_otlp::{Decoded, Encoding, Limits, Refused, Signal, decode, json, unpack_logs, unpack_metrics, unpack_spans};

const NOW: i64 = 1_795_376_500;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

fn attribute(key: &str, value: Proto) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Proto::StringValue(value.to_owned()))
}

fn sent(id: u8) -> ProtoSpan {
    ProtoSpan { trace_id: vec![1; 16], span_id: vec![id; 8], name: "name".to_owned(), start_time_unix_nano: 5, ..ProtoSpan::default() }
}

fn request(spans: Vec<ProtoSpan>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }.encode_to_vec()
}

fn traces(body: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
    decode(Signal::Traces, Encoding::Protobuf, body, limits, now())
}

fn read(decoded: &Decoded) -> Vec<Span> {
    let mut spans = Vec::new();
    for chunk in decoded.batches.iter().flat_map(|batch| batch.pack(1, 350_000)) {
        assert!(chunk.bytes.len() <= 350_000, "{}", chunk.bytes.len());
        unpack_spans(&chunk.bytes, 0, |span| spans.push(span)).expect("a chunk");
    }
    spans
}

/// One span through everything.
fn through(span: ProtoSpan) -> Span {
    let decoded = traces(&request(vec![span]), &Limits::default()).expect("OTLP");
    assert_eq!(decoded.rejected.count, 0, "{}", decoded.rejected.reason);
    read(&decoded).remove(0)
}

#[test]
fn records_without_valid_ids_are_rejected_and_counted() {
    let zero_trace = ProtoSpan { trace_id: vec![0; 16], ..sent(1) };
    let short_trace = ProtoSpan { trace_id: vec![1; 8], ..sent(1) };
    let zero_span = ProtoSpan { span_id: vec![0; 8], ..sent(1) };
    let no_span = ProtoSpan { span_id: Vec::new(), ..sent(1) };
    let short_parent = ProtoSpan { parent_span_id: vec![1; 3], ..sent(1) };
    let zero_parent = ProtoSpan { parent_span_id: vec![0; 8], ..sent(2) };
    let body = request(vec![zero_trace, short_trace, zero_span, no_span, short_parent, zero_parent]);
    let decoded = traces(&body, &Limits::default()).expect("OTLP");
    assert_eq!(decoded.rejected.count, 5);
    assert_eq!(
        decoded.rejected.reason,
        "a trace id is not 16 bytes or is all zero (2); a span id is not 8 bytes or is all zero (2); the id of a parent is not 8 bytes (1)"
    );
    let read = read(&decoded);
    assert_eq!((read.len(), read[0].parent), (1, None));
}

#[test]
fn a_span_runs_while_its_end_is_before_its_start() {
    for (start, end, is_running) in [
        (5, 0, true),
        (5, 4, true),
        (5, 5, false),
        (5, 6, false),
        (1_795_376_469_000_000_000, 11_651_379_494_838_206_464, true),
        (0, 0, false),
        (u64::MAX, 0, true),
        (u64::MAX, u64::MAX, false),
        (u64::MAX, 7, true),
    ] {
        let span = through(ProtoSpan { start_time_unix_nano: start, end_time_unix_nano: end, ..sent(1) });
        assert_eq!((span.start_ns, span.end_ns), (start, (!is_running).then_some(end)));
    }
}

#[test]
fn values_up_to_the_limit_are_whole_and_longer_ones_are_cut_at_a_character() {
    let whole = "x".repeat(64 * 1024);
    let span = through(ProtoSpan { attributes: vec![text("a", &whole)], ..sent(1) });
    assert_eq!((span.attributes.text("a"), span.attributes.value("quillon.truncated")), (Some(&*whole), None));
    let long = format!("x{}", "é".repeat(40 * 1024));
    let list = Proto::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(Proto::StringValue(long.clone())) }] });
    let span = through(ProtoSpan {
        attributes: vec![text("a", &long), attribute("b", Proto::BytesValue(vec![9; 70_000])), attribute("c", list), text("d", "short")],
        name: "é".repeat(1_000),
        status: Some(Status { code: 2, message: long.clone() }),
        ..sent(1)
    });
    let cut = &long[..64 * 1024 - 1];
    assert_eq!(span.attributes.text("a"), Some(cut));
    assert_eq!(span.attributes.value("b"), Some(&Value::Bytes(vec![9; 64 * 1024])));
    assert_eq!(span.attributes.value("c"), Some(&Value::List(vec![Value::Text(cut.to_owned())])));
    assert_eq!((span.attributes.text("d"), span.attributes.value("quillon.truncated")), (Some("short"), Some(&Value::Bool(true))));
    assert_eq!((span.name.len(), span.status.message.as_str()), (1_024, cut));
}

#[test]
fn five_thousand_attributes_are_five_hundred_and_a_count() {
    let attributes = (0..5_000).map(|number| text(&format!("key {number}"), "value")).collect();
    let event = span::Event { attributes: (0..200).map(|number| text(&number.to_string(), "")).collect(), ..span::Event::default() };
    let span = through(ProtoSpan {
        attributes,
        dropped_attributes_count: 7,
        events: vec![event; 200],
        links: vec![span::Link::default(); 300],
        ..sent(1)
    });
    assert_eq!((span.attributes.0.len(), span.dropped.attributes), (512, 4_488 + 7));
    assert_eq!((span.events.len(), span.dropped.events, span.events[0].attributes.0.len()), (128, 72, 128));
    assert_eq!((span.links.len(), span.dropped.links), (256, 44));
}

#[test]
fn deep_and_wide_values_are_left_out_and_counted() {
    let nested = |depth: usize| {
        (0..depth).fold(Proto::BoolValue(true), |inner, _| Proto::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(inner) }] }))
    };
    let wide = |values: usize| Proto::ArrayValue(ArrayValue { values: vec![AnyValue { value: None }; values] });
    let span = through(ProtoSpan {
        attributes: vec![
            attribute("fits", nested(15)),
            attribute("deep", nested(16)),
            attribute("wide", wide(4_000)),
            attribute("too wide", wide(5_000_000)),
            text(&"k".repeat(2_000), ""),
        ],
        ..sent(1)
    });
    let keys: Vec<&str> = span.attributes.0.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!((keys, span.dropped.attributes), (vec!["fits", "wide"], 3));
    // Deeper than any reader's stack, written by hand because no writer would.
    let mut deep = Vec::new();
    for _ in 0..100_000 {
        let mut outer = vec![0x0A];
        prost::encode_length_delimiter(deep.len(), &mut outer).expect("memory");
        if outer.len() + deep.len() > 60_000 {
            break;
        }
        outer.extend_from_slice(&deep);
        deep = vec![0x2A];
        prost::encode_length_delimiter(outer.len(), &mut deep).expect("memory");
        deep.extend_from_slice(&outer);
    }
    let mut value = vec![0x4A];
    let mut attribute = vec![0x0A, 1, b'a', 0x12];
    prost::encode_length_delimiter(deep.len(), &mut attribute).expect("memory");
    attribute.extend_from_slice(&deep);
    prost::encode_length_delimiter(attribute.len(), &mut value).expect("memory");
    value.extend_from_slice(&attribute);
    let span = [sent(1).encode_to_vec(), value].concat();
    let decoded = traces(&framed(&framed_in(2, &framed_in(2, &span))), &Limits::default()).expect("OTLP");
    assert_eq!(read(&decoded)[0].dropped.attributes, 1);
}

fn framed(resource: &[u8]) -> Vec<u8> {
    framed_in(1, resource)
}

fn framed_in(number: u8, message: &[u8]) -> Vec<u8> {
    let mut framed = vec![number << 3 | 2];
    prost::encode_length_delimiter(message.len(), &mut framed).expect("memory");
    framed.extend_from_slice(message);
    framed
}

#[test]
fn many_tiny_messages_cost_no_more_than_their_bytes() {
    // Every pair of bytes is an empty message: as values they would be a hundred times as large.
    let empty = |number: u8, count: usize| [number << 3 | 2, 0].repeat(count);
    let millions = 2_000_000;
    let spans = framed(&framed_in(2, &empty(2, millions)));
    let decoded = traces(&spans, &Limits::default()).expect("OTLP");
    assert_eq!((decoded.batches.len(), decoded.rejected.count), (0, millions as u64));
    for body in [empty(1, millions), framed(&empty(2, millions)), framed(&framed_in(1, &empty(1, millions)))] {
        assert_eq!(traces(&body, &Limits::default()).expect("OTLP").rejected.count, 0);
    }
    for number in [9, 11, 13] {
        let span = [sent(1).encode_to_vec(), empty(number, millions)].concat();
        let decoded = traces(&framed(&framed_in(2, &framed_in(2, &span))), &Limits::default()).expect("OTLP");
        assert_eq!(read(&decoded).len(), 1);
    }
    let points = framed(&framed_in(2, &framed_in(2, &framed_in(5, &empty(1, millions)))));
    let decoded = decode(Signal::Metrics, Encoding::Protobuf, &points, &Limits::default(), now()).expect("OTLP");
    assert_eq!(decoded.rejected.count, millions as u64);
    let json = format!(r#"{{"resourceSpans":[{}]}}"#, vec!["{}"; 1_000_000].join(","));
    let refused = decode(Signal::Traces, Encoding::Json, json.as_bytes(), &Limits::default(), now()).expect_err("too many");
    assert!(matches!(refused, Refused::Malformed(_)), "{refused}");
}

#[test]
fn many_scopes_share_the_bytes_of_their_resource() {
    let resource = Some(Resource {
        attributes: vec![text("large", &"x".repeat(64 * 1024)), text("service.name", "dagger-cli")],
        ..Resource::default()
    });
    let scope = |number: u64| ScopeSpans {
        spans: vec![ProtoSpan { span_id: (number + 1).to_be_bytes().to_vec(), ..sent(1) }],
        scope: Some(InstrumentationScope { name: number.to_string(), ..InstrumentationScope::default() }),
        ..ScopeSpans::default()
    };
    let scope_spans = (0..20_000).map(scope).collect();
    let body = ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }] };
    let decoded = traces(&body.encode_to_vec(), &Limits::default()).expect("OTLP");
    assert_eq!(decoded.batches[0].pack(1, 350_000).len(), 1);
    let spans = read(&decoded);
    assert_eq!((spans.len(), spans[19_999].scope.name.as_str()), (20_000, "19999"));
    assert!(spans.iter().all(|span| std::sync::Arc::ptr_eq(&span.resource, &spans[0].resource)));
}

#[test]
fn a_request_of_ten_megabytes_is_split_into_chunks() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:016x}")
    };
    let spans = (0..5_000_u64)
        .map(|number| ProtoSpan {
            span_id: (number + 1).to_be_bytes().to_vec(),
            attributes: vec![text("noise", &(0..128).map(|_| noise()).collect::<String>())],
            ..sent(1)
        })
        .collect();
    let body = request(spans);
    assert!(body.len() > 10_000_000);
    let decoded = traces(&body, &Limits::default()).expect("OTLP");
    let chunks = decoded.batches[0].pack(1, 350_000);
    assert!(chunks.len() > 10 && chunks.iter().all(|chunk| chunk.bytes.len() <= 350_000));
    assert_eq!(chunks.iter().map(|chunk| chunk.records).sum::<u32>(), 5_000);
    assert_eq!(read(&decoded).len(), 5_000);
}

#[test]
fn a_record_that_fits_no_chunk_is_rejected() {
    let mut state = 1_u64;
    let mut noise = |bytes: usize| {
        let mut text = Vec::with_capacity(bytes);
        while text.len() < bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.extend_from_slice(&state.to_be_bytes()[..4]);
        }
        Proto::BytesValue(text)
    };
    let large = ProtoSpan { attributes: (0..8).map(|number| attribute(&number.to_string(), noise(60_000))).collect(), ..sent(1) };
    let compressible = ProtoSpan { attributes: (0..20).map(|number| text(&number.to_string(), &"x".repeat(60_000))).collect(), ..sent(2) };
    let decoded = traces(&request(vec![large, compressible, sent(3)]), &Limits::default()).expect("OTLP");
    assert_eq!((decoded.rejected.count, decoded.rejected.reason.as_str()), (1, "a record is too large (1)"));
    assert_eq!(read(&decoded).len(), 2);
}

#[test]
fn limits_of_a_request_reject_the_rest() {
    let limits = Limits { spans: 10, traces: 3, ..Limits::default() };
    let decoded = traces(&request((1..=30).map(sent).collect()), &limits).expect("OTLP");
    assert_eq!((decoded.batches[0].records, decoded.rejected.count), (10, 20));
    let spread = (1..=5).map(|id| ProtoSpan { trace_id: vec![id; 16], ..sent(1) }).collect();
    let decoded = traces(&request(spread), &limits).expect("OTLP");
    assert_eq!((decoded.batches.len(), decoded.rejected.reason.as_str()), (3, "the request has too many traces (2)"));
    let large = traces(&vec![0; Limits::default().inflated + 1], &Limits::default()).expect_err("too large");
    assert!(matches!(large, Refused::TooLarge { .. }));
}

#[test]
fn what_is_no_otlp_is_told() {
    let mut invalid = request(vec![ProtoSpan { name: "zzzz".to_owned(), ..sent(1) }]);
    let at = invalid.windows(4).position(|window| window == b"zzzz").expect("the name");
    invalid[at] = 0xFF;
    for (body, cause) in [
        (invalid, "a text is not valid UTF-8"),
        (b"\n\x50hello".to_vec(), "the message ends in the middle of a field"),
        (framed(&[0x12, 0x02, 0x10, 0x01]), "a field has a type that OTLP does not give it"),
        (b"{}".to_vec(), "a field has a wire type that OTLP does not use"),
    ] {
        let refused = traces(&body, &Limits::default()).expect_err("not OTLP");
        assert_eq!(refused.status(), 400);
        assert!(refused.to_string().contains(cause), "{refused}");
    }
    assert_eq!(traces(&[], &Limits::default()).expect("an empty request is one").batches.len(), 0);
    for body in [
        "",
        "[",
        "{\"resourceSpans\":3}",
        &"[".repeat(100_000),
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"xy\"}]}]}]}",
    ] {
        let refused = decode(Signal::Traces, Encoding::Json, body.as_bytes(), &Limits::default(), now()).expect_err("not OTLP");
        assert_eq!(refused.status(), 400, "{body:.40}");
    }
}

#[test]
fn json_has_its_integers_as_numbers_or_texts_and_fields_of_the_future() {
    let body = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"x"}}],"future":{}},"scopeSpans":[{"scope":{"name":"s"},
        "spans":[{"traceId":"0102030405060708090A0B0C0D0E0F10","spanId":"0102030405060708","name":"n","kind":2,"startTimeUnixNano":"1544712660000000000",
        "endTimeUnixNano":1544712661000000000,"future":[1],"attributes":[{"key":"text","value":{"intValue":"42"}},{"key":"number","value":{"intValue":7}},
        {"key":"double","value":{"doubleValue":1.5}},{"key":"list","value":{"arrayValue":{"values":[{"boolValue":true}]}}},{"key":"none","value":{}}],
        "status":{"code":1}}]}]}],"future":1}"#;
    let decoded = decode(Signal::Traces, Encoding::Json, body.as_bytes(), &Limits::default(), now()).expect("OTLP");
    let span = read(&decoded).remove(0);
    assert_eq!(span.id.to_string(), "0102030405060708");
    assert_eq!((span.start_ns, span.end_ns), (1_544_712_660_000_000_000, Some(1_544_712_661_000_000_000)));
    let values: Vec<Value> = span.attributes.0.into_iter().map(|(_, value)| value).collect();
    let list = Value::List(vec![Value::Bool(true)]);
    assert_eq!(values, [Value::Int(42), Value::Int(7), Value::Double(1.5), list, Value::Empty]);
    assert_eq!(span.resource.attributes.text("service.name"), Some("x"));
}

#[test]
fn json_of_other_writers_is_read() {
    let body = r#"{"resourceSpans":[{"resource":null,"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708",
        "parentSpanId":null,"name":"n","startTimeUnixNano":"5","status":null,"events":null,"attributes":[{"key":"list","value":{"arrayValue":{}}},
        {"key":"map","value":{"kvlistValue":{}}},{"key":"double","value":{"doubleValue":"1.5"}},{"key":"up","value":{"doubleValue":"Infinity"}},
        {"key":"down","value":{"doubleValue":"-Infinity"}},{"key":"null","value":null},{"key":"nan","value":{"doubleValue":"NaN"}}]}]}]}]}"#;
    let decoded = decode(Signal::Traces, Encoding::Json, body.as_bytes(), &Limits::default(), now()).expect("OTLP");
    let mut values: Vec<Value> = read(&decoded).remove(0).attributes.0.into_iter().map(|(_, value)| value).collect();
    assert!(matches!(values.pop(), Some(Value::Double(number)) if number.is_nan()));
    let (up, down) = (Value::Double(f64::INFINITY), Value::Double(f64::NEG_INFINITY));
    assert_eq!(values, [Value::List(Vec::new()), Value::Map(Attributes::default()), Value::Double(1.5), up, down, Value::Empty]);

    let keys = r#"{"key":"dagger.io/metrics.trace","value":{"stringValue":"0102030405060708090a0b0c0d0e0f10"}}"#;
    let point = |value: &str| format!(r#"{{"timeUnixNano":"1","attributes":[{keys}],"asDouble":{value}}}"#);
    let points = [point("\"Infinity\""), point("\"-0.5\""), point("2")].join(",");
    let body =
        format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{points}]}}}}]}}]}}]}}"#);
    let decoded = decode(Signal::Metrics, Encoding::Json, body.as_bytes(), &Limits::default(), now()).expect("OTLP");
    let chunks = decoded.batches[0].pack(1, 350_000);
    let values: Vec<Number> = unpack_metrics(&chunks[0].bytes).expect("a chunk").into_iter().map(|point| point.value).collect();
    assert_eq!(values, [Number::Double(f64::INFINITY), Number::Double(-0.5), Number::Double(2.0)]);
}

#[test]
fn json_that_is_no_request_is_refused() {
    for body in ["", "[]", "[[]]", "null", "1", r#""{}""#, "{", "{}{}", r#"{"resourceSpans":1}"#, r#"{"resourceSpans":[[]"#] {
        let refused = decode(Signal::Traces, Encoding::Json, body.as_bytes(), &Limits::default(), now());
        assert!(matches!(refused, Err(Refused::Malformed(_))), "{body}");
    }
    assert!(decode(Signal::Traces, Encoding::Json, b" \n{}", &Limits::default(), now()).is_ok());
    // The names of media types have no case.
    assert_eq!(Encoding::of(Some("Application/JSON; charset=UTF-8")), Ok(Encoding::Json));
    assert_eq!(Encoding::of(Some("application/X-Protobuf")), Ok(Encoding::Protobuf));
}

#[test]
fn absurd_clocks_are_kept_but_do_not_reach_the_list() {
    let seen = |parent: Vec<u8>, time: u64| {
        let span = ProtoSpan { start_time_unix_nano: time, end_time_unix_nano: time, parent_span_id: parent, ..sent(1) };
        let decoded = traces(&request(vec![span]), &Limits::default()).expect("OTLP");
        (read(&decoded)[0].start_ns, decoded.batches[0].headline.clone())
    };
    let now_ns = u64::try_from(NOW).expect("positive") * 1_000_000_000;
    let (_, honest) = seen(vec![9; 8], now_ns);
    for absurd in [1, 900_000_000_000_000_000, now_ns + 2 * 86_400_000_000_000, u64::MAX] {
        let (kept, headline) = seen(vec![9; 8], absurd);
        assert_eq!((kept, headline), (absurd, honest.clone()));
        // The start of a root is what it is known by, in every batch alike: the card makes sense of it.
        let (_, headline) = seen(vec![], absurd);
        let claim = Claim { org: OrgId::from_parts(1, 1), attempt: None, repository: None };
        let mut card = Card::new(&claim, TraceId::of_bytes(&[1; 16]).expect("an id"), now());
        assert!(card.fold(&headline));
        assert_eq!(card.listed_ms(), now().as_millisecond());
    }
}

#[test]
fn calls_that_are_no_canonical_base64_stay_the_texts_that_they_are() {
    for call in ["", "aGVsbG8=", "aGVsbG8", "aGVsbG9=", "aGVsbG8=\n", "not base64", "_-==", "AAAA"] {
        let span = through(ProtoSpan { attributes: vec![text("dagger.io/dag.call", call)], ..sent(1) });
        assert_eq!(span.attributes.0, [("dagger.io/dag.call".to_owned(), Value::Text(call.to_owned()))]);
    }
    // A sender that uses the mark that storage uses gains nothing by it.
    let marked = KeyValue { key_strindex: 1, ..attribute("dagger.io/dag.call", Proto::BytesValue(vec![1, 2, 3])) };
    let span = through(ProtoSpan { attributes: vec![marked], ..sent(1) });
    assert_eq!(span.attributes.0, [("dagger.io/dag.call".to_owned(), Value::Bytes(vec![1, 2, 3]))]);
}

#[test]
fn log_records_have_a_time_and_a_body_within_limits() {
    let log = |body: Option<Proto>, time: u64, observed: u64| ProtoLog {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        time_unix_nano: time,
        observed_time_unix_nano: observed,
        body: body.map(|value| AnyValue { value: Some(value) }),
        ..ProtoLog::default()
    };
    let long = Proto::StringValue("é".repeat(200_000));
    let wide = Proto::ArrayValue(ArrayValue { values: vec![AnyValue { value: None }; 10_000] });
    let no_trace = ProtoLog { trace_id: Vec::new(), ..log(None, 1, 1) };
    let no_span = ProtoLog { span_id: Vec::new(), ..log(None, 1, 1) };
    let log_records = vec![log(None, 0, 0), log(None, 0, 7), log(Some(long), 5, 7), log(Some(wide), 5, 5), no_trace, no_span];
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let body = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }.encode_to_vec();
    let decoded = decode(Signal::Logs, Encoding::Protobuf, &body, &Limits::default(), now()).expect("OTLP");
    assert_eq!(decoded.rejected.count, 1);
    let logs: Vec<LogRecord> =
        decoded.batches[0].pack(1, 350_000).iter().flat_map(|chunk| unpack_logs(&chunk.bytes).expect("a chunk")).collect();
    let times: Vec<(u64, u64)> = logs.iter().map(|log| (log.time_ns, log.observed_ns)).collect();
    let now_ns = u64::try_from(NOW).expect("positive") * 1_000_000_000;
    assert_eq!(times, [(now_ns, now_ns), (7, 7), (5, 7), (5, 5), (1, 1)]);
    assert_eq!((logs[2].body.as_text().map(str::len), logs[2].attributes.is_true("quillon.truncated")), (Some(256 * 1024), true));
    assert_eq!((&logs[3].body, logs[3].attributes.is_true("quillon.truncated")), (&Value::Empty, true));
    assert_eq!(logs[4].span, None);
}

#[test]
fn metric_points_belong_to_the_span_that_they_name() {
    let point = |attributes: Vec<KeyValue>, value: Option<number_data_point::Value>| NumberDataPoint {
        attributes,
        time_unix_nano: 9,
        value,
        ..NumberDataPoint::default()
    };
    let (trace, span) = (text("dagger.io/metrics.trace", &"ab".repeat(16)), text("dagger.io/metrics.span", &"cd".repeat(8)));
    let int = Some(number_data_point::Value::AsInt(-5));
    let data_points = vec![
        point(vec![trace.clone(), span.clone()], int),
        point(vec![trace.clone()], Some(number_data_point::Value::AsDouble(0.5))),
        point(vec![span], int),
        point(vec![trace.clone(), text("dagger.io/metrics.span", "x")], int),
        point(vec![trace], None),
    ];
    let gauge = Metric {
        name: "m".to_owned(),
        unit: "byte".to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points })),
        ..Metric::default()
    };
    let histogram = Histogram { data_points: vec![HistogramDataPoint::default(); 2], aggregation_temporality: 0 };
    let histogram = Metric { name: "h".to_owned(), data: Some(metric::Data::Histogram(histogram)), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![gauge, histogram], ..ScopeMetrics::default() }];
    let body = ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }] };
    let decoded = decode(Signal::Metrics, Encoding::Protobuf, &body.encode_to_vec(), &Limits::default(), now()).expect("OTLP");
    assert_eq!(
        decoded.rejected.reason,
        "a metric point does not name its trace in `dagger.io/metrics.trace` (1); `dagger.io/metrics.span` of a metric point is not a span id (1); \
         a metric point has no value (1); a metric is neither a gauge nor a sum (2)"
    );
    let points = unpack_metrics(&decoded.batches[0].pack(1, 350_000)[0].bytes).expect("a chunk");
    let seen: Vec<_> =
        points.iter().map(|point| (point.span.map(|span| span.to_string()), point.value, point.unit.as_str(), point.time_ns)).collect();
    assert_eq!(seen, [(Some("cd".repeat(8)), Number::Int(-5), "byte", 9), (None, Number::Double(0.5), "byte", 9)]);
    assert_eq!(decoded.batches[0].trace.to_string(), "ab".repeat(16));
    let again = decode(Signal::Metrics, Encoding::Json, json::metrics(&points).as_bytes(), &Limits::default(), now()).expect("OTLP");
    assert_eq!(unpack_metrics(&again.batches[0].pack(1, 350_000)[0].bytes).expect("a chunk"), points);
}
