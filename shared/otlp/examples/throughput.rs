//! How many span records per CPU-second are decoded, checked and packed: `cargo run --release -p quillon-otlp --example throughput`.
//!
//! Prints one JSON line per figure. The requests are like those of the CLI: 2,048 records, live and final, API calls with about 1 KB of
//! `dagger.io/dag.call`.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a command-line tool that measures")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use quillon_otlp::{Encoding, Limits, Signal, decode};

const SPANS: u64 = 2_048;

/// A sequence that looks random and is the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn span_id(number: u64) -> [u8; 8] {
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1).to_be_bytes()
}

fn span(numbers: &mut Numbers, number: u64, trace: u64, digests: &mut Vec<String>, is_final: bool) -> Span {
    let digest = format!("xxh3:{:016x}", numbers.next());
    let receiver = digests.last().cloned().unwrap_or_default();
    let mut call = Vec::new();
    call.extend_from_slice(format!("\n\u{15}{receiver}\u{12}\u{b}\n\tContainer\u{1a}\u{8}withExec").as_bytes());
    for argument in 0..8 {
        call.extend_from_slice(
            format!("\"\u{60}\n\u{4}args\u{12}\u{58}:go test ./internal/package{argument}/... -run {:08x}", numbers.next() as u32)
                .as_bytes(),
        );
        call.extend_from_slice(b" -count=1 -timeout=10m -coverprofile=/tmp/cover.out -race");
    }
    call.extend_from_slice(format!("J\u{15}{digest}").as_bytes());
    let mut attributes = vec![
        text("dagger.io/dag.digest", &*digest),
        text("dagger.io/dag.call", STANDARD.encode(call)),
        attribute(
            "dagger.io/dag.inputs",
            Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(Value::StringValue(receiver)) }] }),
        ),
        attribute("dagger.io/ui.internal", Value::BoolValue(number.is_multiple_of(3))),
        attribute("wcprof.engine_span", Value::BoolValue(true)),
    ];
    if is_final {
        attributes.push(text("dagger.io/dag.output", format!("xxh3:{:016x}", numbers.next())));
        attributes.push(text("dagger.io/cache.contract", "1"));
        attributes.push(text("dagger.io/cache.outcome", "executed"));
        attributes.push(text("dagger.io/cache.self_digest", format!("xxh3:{:016x}", numbers.next())));
    }
    digests.push(digest);
    let start = 1_795_376_469_000_000_000 + number * 1_000_003;
    Span {
        trace_id: [trace.to_be_bytes(), [7; 8]].concat(),
        span_id: span_id(number).to_vec(),
        parent_span_id: if number == 0 { Vec::new() } else { span_id(number / 5).to_vec() },
        flags: 0x101,
        name: ["Container.withExec", "Container.from", "Directory.file", "exec go test ./..."][(number % 4) as usize].to_owned(),
        kind: 1,
        start_time_unix_nano: start,
        end_time_unix_nano: if is_final { start + numbers.next() % 1_000_000_000 } else { 0 },
        attributes,
        status: is_final.then(|| Status { message: String::new(), code: 1 }),
        ..Span::default()
    }
}

fn request(numbers: &mut Numbers, trace: u64) -> Vec<u8> {
    let mut digests = vec!["xxh3:0000000000000000".to_owned()];
    let spans = (0..SPANS).map(|number| span(numbers, number / 2, trace, &mut digests, number % 2 == 1)).collect();
    let resource =
        Resource { attributes: vec![text("service.name", "dagger-engine"), text("service.version", "v1.0.0")], ..Resource::default() };
    let scope = InstrumentationScope { name: "dagger.io/dagql".to_owned(), ..InstrumentationScope::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans, schema_url: String::new() }] }
        .encode_to_vec()
}

/// CPU time of this process, in seconds.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("linux");
    let fields: Vec<&str> = text.rsplit(')').next().expect("stat").split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks") / 100.0).sum()
}

fn main() {
    let mut numbers = Numbers(0x1234_5678_9ABC_DEF1);
    let requests: Vec<Vec<u8>> = (1..=8).map(|trace| request(&mut numbers, trace)).collect();
    let bytes: usize = requests.iter().map(Vec::len).sum();
    let (limits, now) = (Limits::default(), Timestamp::UNIX_EPOCH);
    for (name, level) in [("decode", None), ("decode_pack_1", Some(1)), ("decode_pack_3", Some(3))] {
        let (mut records, mut stored, began) = (0, 0, cpu());
        while cpu() - began < 3.0 {
            for request in &requests {
                let decoded = decode(Signal::Traces, Encoding::Protobuf, request, &limits, now).expect("OTLP");
                for batch in &decoded.batches {
                    records += batch.records;
                    if let Some(level) = level {
                        stored += batch.pack(level, 350_000).iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
                    }
                }
            }
        }
        let per_second = records as f64 / (cpu() - began);
        println!(
            r#"{{"figure":"otlp_{name}","spans_per_cpu_second":{per_second:.0},"bytes_per_record_in":{},"bytes_per_record_stored":{:.0}}}"#,
            bytes / (requests.len() * SPANS as usize),
            stored as f64 / records as f64
        );
    }
}
