//! What real `dagger` runs sent comes back as it was sent.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use quillon_core::trace::span::{LogRecord, Span, StatusCode, Value};
use quillon_otlp::{Batch, Encoding, Limits, Signal, decode, json, unpack_logs, unpack_spans};

const NOW_MS: i64 = 1_795_376_500_000;

fn now() -> Timestamp {
    Timestamp::from_millisecond(NOW_MS).expect("a time")
}

fn recorded() -> Vec<(String, Signal, Vec<u8>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).expect("recordings") {
        let path = entry.expect("a file").path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let signal = match () {
            () if name.ends_with("-traces.bin") => Signal::Traces,
            () if name.ends_with("-logs.bin") => Signal::Logs,
            () if name.ends_with("-metrics.bin") => Signal::Metrics,
            () => continue,
        };
        all.push((name, signal, fs::read(path).expect("readable")));
    }
    all.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    assert_eq!(all.len(), 10);
    // A run without a container has no metrics, and the CLI says so in a request without any.
    for (name, signal, body) in all.extract_if(.., |(_, signal, _)| *signal == Signal::Metrics) {
        let decoded = decode(signal, Encoding::Protobuf, &body, &Limits::default(), now()).expect("OTLP");
        assert_eq!((decoded.batches.len(), decoded.rejected.count), (0, 0), "{name}");
    }
    all
}

fn one_batch(signal: Signal, encoding: Encoding, body: &[u8]) -> Batch {
    let decoded = decode(signal, encoding, body, &Limits::default(), now()).expect("OTLP");
    assert_eq!(decoded.rejected.count, 0, "{}", decoded.rejected.reason);
    let mut batches = decoded.batches;
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

fn spans(batch: &Batch) -> Vec<Span> {
    let mut spans = Vec::new();
    for chunk in batch.pack(1, 350_000) {
        unpack_spans(&chunk.bytes, NOW_MS, |span| spans.push(span)).expect("a chunk");
    }
    assert_eq!(batch.records, spans.len() as u64);
    spans
}

fn logs(batch: &Batch) -> Vec<LogRecord> {
    batch.pack(1, 350_000).iter().flat_map(|chunk| unpack_logs(&chunk.bytes).expect("a chunk")).collect()
}

#[test]
fn every_span_comes_back_as_it_was_sent() {
    for (name, signal, body) in recorded() {
        if signal != Signal::Traces {
            continue;
        }
        let request = ExportTraceServiceRequest::decode(&body[..]).expect("OTLP");
        let read = spans(&one_batch(signal, Encoding::Protobuf, &body));
        let mut read = read.iter();
        for resource in &request.resource_spans {
            for scope in &resource.scope_spans {
                for sent in &scope.spans {
                    let span = read.next().expect("as many");
                    assert_eq!(
                        (span.id.as_bytes().as_slice(), &span.name, span.start_ns),
                        (&sent.span_id[..], &sent.name, sent.start_time_unix_nano)
                    );
                    assert_eq!(span.end_ns.unwrap_or(0), sent.end_time_unix_nano);
                    assert_eq!(span.parent.map(|parent| parent.as_bytes().to_vec()).unwrap_or_default(), sent.parent_span_id);
                    assert_eq!(span.scope.name, scope.scope.as_ref().map(|scope| scope.name.clone()).unwrap_or_default());
                    // The values are compared as the JSON of two writers: the crate's of what was sent, ours of what was read.
                    let ours: serde_json::Value =
                        serde_json::from_str(&json::traces("1".repeat(32).parse().unwrap(), std::slice::from_ref(span))).unwrap();
                    let ours = &ours["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
                    let theirs = serde_json::to_value(sent).expect("JSON");
                    assert_eq!(ours["attributes"].as_array().map_or(0, Vec::len), sent.attributes.len());
                    if !sent.attributes.is_empty() {
                        assert_eq!(ours["attributes"], theirs["attributes"], "{name}");
                    }
                    assert_eq!(span.events.len(), sent.events.len());
                    assert_eq!(span.links.len(), sent.links.len());
                }
            }
        }
        assert!(read.next().is_none());
    }
}

#[test]
fn every_log_record_comes_back_as_it_was_sent() {
    for (_, signal, body) in recorded() {
        if signal != Signal::Logs {
            continue;
        }
        let request = ExportLogsServiceRequest::decode(&body[..]).expect("OTLP");
        let sent: Vec<_> =
            request.resource_logs.iter().flat_map(|resource| &resource.scope_logs).flat_map(|scope| &scope.log_records).collect();
        let read = logs(&one_batch(signal, Encoding::Protobuf, &body));
        assert_eq!(read.len(), sent.len());
        for (read, sent) in read.iter().zip(sent) {
            assert_eq!(read.time_ns, if sent.time_unix_nano == 0 { sent.observed_time_unix_nano } else { sent.time_unix_nano });
            assert_eq!(read.attributes.0.len(), sent.attributes.len());
            assert_eq!(read.span.map(|span| span.as_bytes().to_vec()).unwrap_or_default(), sent.span_id);
        }
    }
}

#[test]
fn a_run_says_what_it_is() {
    let mut seen = BTreeMap::new();
    for (name, signal, body) in recorded() {
        let batch = one_batch(signal, Encoding::Protobuf, &body);
        match signal {
            Signal::Traces => {
                let spans = spans(&batch);
                assert!(!batch.headline.is_empty());
                if let Some(check) = spans.iter().find(|span| span.attributes.value("dagger.io/check.passed").is_some()) {
                    assert_eq!(check.attributes.value("dagger.io/check.passed"), Some(&Value::Bool(false)));
                    assert_eq!(check.status.code, StatusCode::Error);
                    seen.insert(name, "a failed check");
                }
            }
            Signal::Logs => assert!(logs(&batch).iter().any(|log| log.body.as_text().is_some_and(|text| !text.is_empty()))),
            Signal::Metrics => {}
        }
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn json_lines_keep_everything() {
    for (name, signal, body) in recorded() {
        let batch = one_batch(signal, Encoding::Protobuf, &body);
        let trace = batch.trace;
        match signal {
            Signal::Traces => {
                let before = spans(&batch);
                assert_eq!(spans(&one_batch(signal, Encoding::Json, json::traces(trace, &before).as_bytes())), before, "{name}");
            }
            Signal::Logs => {
                let before = logs(&batch);
                assert_eq!(logs(&one_batch(signal, Encoding::Json, json::logs(trace, &before).as_bytes())), before, "{name}");
            }
            Signal::Metrics => {}
        }
    }
}

#[test]
fn a_request_that_is_sent_again_has_the_same_digests() {
    let mut digests = BTreeMap::new();
    for (name, signal, body) in recorded() {
        let (one, other) = (one_batch(signal, Encoding::Protobuf, &body), one_batch(signal, Encoding::Protobuf, &body));
        assert_eq!((one.digest, one.pack(1, 350_000)), (other.digest, other.pack(1, 350_000)));
        for chunk in one.pack(3, 4_000) {
            assert_eq!(digests.insert(chunk.digest, name.clone()), None);
        }
    }
}
