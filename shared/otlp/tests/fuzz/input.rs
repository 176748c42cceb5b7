//! What every input has to stand: shared by the suite here and by `tests/external/fuzz`, which tries for longer.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use jiff::Timestamp;
use quillon_core::trace::span::Span;
use quillon_otlp::{
    Encoding, Limits, Scrubber, Signal, answer, decode, inflate, json, response, unpack_logs, unpack_metrics, unpack_spans,
};

const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

/// Decodes a body as everything that it can be; what was taken in must be readable and whole.
pub(crate) fn try_all(body: &[u8]) {
    let limits = Limits::default();
    for signal in SIGNALS {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            match decode(signal, encoding, body, &limits, Timestamp::UNIX_EPOCH) {
                Ok(decoded) => {
                    drop(answer(signal, encoding, &decoded.rejected));
                    for batch in &decoded.batches {
                        read_back(batch);
                    }
                }
                Err(refused) => assert!(matches!(response(&refused, encoding).0, 400 | 413)),
            }
        }
    }
    let _ = inflate(body, Some("gzip"), &limits);
    let _ = unpack_spans(body, 0, drop);
    let _ = unpack_logs(body);
    let _ = unpack_metrics(body);
    Scrubber::new(["secret-of-a-job"]).scrub(&mut body.to_vec());
}

fn read_back(batch: &quillon_otlp::Batch) {
    let mut count = 0;
    for chunk in batch.pack(1, 350_000) {
        match batch.signal {
            Signal::Traces => {
                let mut spans: Vec<Span> = Vec::new();
                unpack_spans(&chunk.bytes, 0, |span| spans.push(span)).unwrap_or_else(|damaged| panic!("taken in, but {damaged}"));
                assert!(spans.iter().all(|span| span.end_ns.is_none_or(|end_ns| end_ns >= span.start_ns)));
                serde_json::from_str::<serde_json::Value>(&json::traces(batch.trace, &spans)).expect("JSON");
                count += spans.len();
            }
            Signal::Logs => count += unpack_logs(&chunk.bytes).unwrap_or_else(|damaged| panic!("taken in, but {damaged}")).len(),
            Signal::Metrics => count += unpack_metrics(&chunk.bytes).unwrap_or_else(|damaged| panic!("taken in, but {damaged}")).len(),
        }
    }
    assert_eq!(count as u64, batch.records);
}

/// Requests of real runs, small ones first.
static RECORDED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(crate::RECORDED);
    let files = fs::read_dir(directory).expect("recordings").filter_map(|entry| Some(entry.ok()?.path()));
    let mut bodies: Vec<Vec<u8>> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| fs::read(path).expect("readable"))
        .collect();
    bodies.sort_by_key(Vec::len);
    bodies
});

/// A real request with bytes changed, put in, taken out and repeated, as the input says.
pub(crate) fn changed(input: &[u8]) -> Vec<u8> {
    let Some((&which, mut changes)) = input.split_first() else { return Vec::new() };
    // Mostly small ones: they are tried faster.
    let which = usize::from(which) % (RECORDED.len() + 4);
    let mut body = RECORDED[if which < RECORDED.len() { which } else { which % 3 }].clone();
    while let Some((change, rest)) = changes.split_first_chunk::<5>() {
        changes = rest;
        let [what, high, low, length, byte] = *change;
        let at = usize::from(u16::from_be_bytes([high, low])) * 7 % body.len().max(1);
        let end = (at + usize::from(length)).min(body.len());
        match what % 6 {
            0 => body[at..end].iter_mut().take(1).for_each(|old| *old = byte),
            1 => body[at..end].iter_mut().take(1).for_each(|old| *old ^= 1 << (byte % 8)),
            2 => drop(body.drain(at..end)),
            3 => {
                let copied = body[at..end].to_vec();
                body.splice(at..at, copied);
            }
            4 => body.insert(at, byte),
            _ => body.truncate(end.max(1)),
        }
        if body.is_empty() {
            break;
        }
    }
    body
}
