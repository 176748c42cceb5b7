//! Telemetry in, kept, and read back: records per second of processor time, bytes per span, memory, and how long a reader waits.
//!
//! One process is everything: exporter, function, table engine with its files. The processor time of a figure is that of all of it, so
//! the function alone is better than this. Arguments are sizes of traces in spans; without any they are 100,000 and 1,000,000.

#[path = "../common/figure.rs"]
mod figure;
mod process;
#[path = "../common/sample.rs"]
mod sample;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use figure::Report;
use jiff::{SignedDuration, Timestamp};
use process::{cpu, forget_peak, peak};
use quillon::engine::Storage;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::Claim;
use quillon_otlp::{Encoding, Limits, Signal, decode};
use quillon_telemetry::{Body, Request};
use quillon_tests::{Export, Generated, Setup, World};
use quillon_traces::{Appended, LogPage, Sealed, Traces};
use sample::Sample;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Sizes of traces, in spans.
const SIZES: [u64; 2] = [100_000, 1_000_000];

/// Spans of the run that is sent through the front door.
const SENT: u64 = 50_000;

/// Bytes that a reader keeps in memory.
const CACHE: usize = 1 << 30;

/// Rows of a screen.
const SCREEN: usize = 200;

fn main() -> anyhow::Result<()> {
    let sizes: Vec<u64> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    let sizes = if sizes.is_empty() { SIZES.to_vec() } else { sizes };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        decoding(sizes[0].min(SENT))?;
        front_door(sizes[0].min(SENT)).await?;
        for spans in sizes {
            Box::pin(reading(spans)).await?;
        }
        Ok(())
    })
}

fn signal(request: &Request) -> Signal {
    match request.body {
        Body::Traces(_) => Signal::Traces,
        Body::Logs(_) => Signal::Logs,
        Body::Metrics(_) => Signal::Metrics,
    }
}

/// From the bytes of a request to chunks, and nothing else.
fn decoding(spans: u64) -> anyhow::Result<()> {
    let mut run = Generated::new(1, spans).in_full_batches();
    let requests: Vec<_> = run.by_ref().map(|request| (signal(&request), request.at, request.encode())).collect();
    let bytes: usize = requests.iter().map(|(_, _, body)| body.len()).sum();
    let limits = Limits::default();
    let mut records = 0;
    let before = cpu()?;
    for (signal, at, body) in &requests {
        for batch in decode(*signal, Encoding::Protobuf, body, &limits, *at)?.batches {
            records += batch.pack(3, 350_000).iter().map(|chunk| u64::from(chunk.records)).sum::<u64>();
        }
    }
    let took = cpu()? - before;
    let report = Report::new("traces", json!({ "spans": spans, "requests": requests.len(), "what": "decode, check and pack" }));
    report.print("decoded_per_cpu_second", per_second(records, took), "records/s");
    report.print("decoded_bytes_per_cpu_second", per_second(bytes as u64, took), "bytes/s");
    Ok(())
}

/// A run as an exporter sends it, one request after the other, into files.
async fn front_door(spans: u64) -> anyhow::Result<()> {
    let directory = TempDir::new()?;
    let setup = Setup { storage: Storage::Directory(directory.path().to_owned()), ingest_kb_per_s: u32::MAX / 2_048, ..Setup::default() };
    let world = World::with(setup).await;
    let token = world.telemetry_token("bench").await;
    let mut run = Generated::new(2, spans).starting_at(world.clock.now()).in_full_batches();
    let exports: Vec<Export> = run.by_ref().map(|request| Export { path: request.path(), body: request.encode().into() }).collect();
    let held: usize = exports.iter().map(|export| export.body.len()).sum();
    let counts = run.counts();
    // The first request reads the token.
    let (status, _) = world.export(&token, &exports[0]).await;
    ensure!(status == 200, "the first request was answered with {status}");
    forget_peak();
    let (before, began) = (cpu()?, Instant::now());
    let mut times = Sample::default();
    for export in &exports {
        let sent = Instant::now();
        let (status, body) = world.export(&token, export).await;
        ensure!(status == 200, "{} was answered with {status}: {}", export.path, String::from_utf8_lossy(&body));
        times.extend([sent.elapsed()]);
    }
    let (took, waited) = (cpu()? - before, began.elapsed());
    let conditions = json!({
        "spans": counts.spans, "span_records": counts.records, "log_records": counts.logs, "points": counts.points,
        "requests": exports.len(), "storage": "directory", "connections": 1, "bodies_held_mb": held >> 20,
        "what": "HTTP body to stored, exporter and table engine in the same process",
    });
    let report = Report::new("traces", conditions);
    let records = counts.records + counts.logs + counts.points;
    report.print("stored_span_records_per_cpu_second", per_second(counts.records, took), "records/s");
    report.print("stored_records_per_cpu_second", per_second(records, took), "records/s");
    report.print("stored_records_per_second", per_second(records, waited), "records/s");
    report.print("request_p50", times.percentile_ms(50), "ms");
    report.print("request_p99", times.percentile_ms(99), "ms");
    report.print("peak_memory", peak()?, "MB");
    Ok(())
}

/// A trace of a size: sealed while it grows and when it is over, then read by somebody who knows nothing of it.
async fn reading(spans: u64) -> anyhow::Result<()> {
    let directory = TempDir::new()?;
    let world = World::with(Setup { storage: Storage::Directory(directory.path().to_owned()), ..Setup::default() }).await;
    let org = OrgId::derived(1, &["bench"]);
    let claim = Claim { org, attempt: None, repository: None };
    let mut run = Generated::new(3, spans).starting_at(world.clock.now()).in_full_batches();
    let trace = TraceId::of_bytes(&run.trace()).context("a trace id")?;
    let writer = Traces::new(world.trace_store(), CACHE / 16);
    let mut last = world.clock.now();
    let (mut sealing, mut compactions) = (Duration::ZERO, 0);
    forget_peak();
    for request in run.by_ref() {
        last = request.at;
        for batch in decode(signal(&request), Encoding::Protobuf, &request.encode(), &Limits::default(), last)?.batches {
            if (Appended::Stored { wants_seal: true }) == writer.append(&claim, &batch, last).await? {
                let before = cpu()?;
                compactions += usize::from(writer.seal(org, trace, last).await? == Sealed::Compacted);
                sealing += cpu()? - before;
            }
        }
    }
    let counts = run.counts();
    let report = |what: Value| Report::new("traces", json!({ "spans": counts.spans, "storage": "directory", "what": what }));
    let before = tail(&world, &report(json!("a running trace, its newest part not sealed")), org, trace, last).await?;
    let quiet = last + SignedDuration::from_secs(120);
    let began = cpu()?;
    ensure!(writer.seal(org, trace, quiet).await? == Sealed::Final, "the run is not over");
    sealing += cpu()? - began;
    let sealed = report(json!("sealed"));
    sealed.print("peak_memory_writing_and_sealing", peak()?, "MB");
    sealed.print("sealing_cpu_per_span", sealing.as_secs_f64() * 1e6 / counts.spans as f64, "us");
    sealed.print("compactions", f64::from(u32::try_from(compactions)?), "compactions");
    sealed.print("chunk_bytes_per_span_record", before as f64 / counts.records as f64, "bytes");
    drop(writer);
    read(&world, &sealed, org, trace, quiet).await
}

/// Opens a trace that still runs; the bytes of its chunks.
async fn tail(world: &World, report: &Report, org: OrgId, trace: TraceId, now: Timestamp) -> anyhow::Result<u64> {
    let traces = Traces::new(world.trace_store(), CACHE);
    let began = Instant::now();
    let snapshot = traces.open(org, trace, now).await?.context("no trace")?;
    report.print("open", began.elapsed().as_secs_f64() * 1_000.0, "ms");
    let began = Instant::now();
    traces.open(org, trace, now).await?.context("no trace")?;
    report.print("open_again", began.elapsed().as_secs_f64() * 1_000.0, "ms");
    Ok(snapshot.head.bytes)
}

async fn read(world: &World, report: &Report, org: OrgId, trace: TraceId, now: Timestamp) -> anyhow::Result<()> {
    forget_peak();
    let traces = Traces::new(world.trace_store(), CACHE);
    let began = Instant::now();
    let snapshot = traces.open(org, trace, now).await?.context("no trace")?;
    report.print("all_rows", began.elapsed().as_secs_f64() * 1_000.0, "ms");
    let pointer = snapshot.head.seal.as_ref().context("not sealed")?;
    report.print("stored_bytes_per_span", pointer.bytes as f64 / pointer.spans as f64, "bytes");
    let first: Vec<u32> = snapshot.tree.walk_all().take(SCREEN).collect();
    let began = Instant::now();
    traces.spans(&snapshot, &first).await?;
    report.print("spans_of_a_screen", began.elapsed().as_secs_f64() * 1_000.0, "ms");
    let began = Instant::now();
    traces.logs(&snapshot, None, true, &LogPage::first(1_000)).await?;
    report.print("first_1000_log_records", began.elapsed().as_secs_f64() * 1_000.0, "ms");
    report.print("peak_memory_reading", peak()?, "MB");
    let rows: Vec<u32> = (0..u32::try_from(snapshot.outline.len())?).collect();
    let began = Instant::now();
    for rows in rows.chunks(4_096) {
        traces.spans(&snapshot, rows).await?;
    }
    report.print("all_spans_with_everything", began.elapsed().as_secs_f64() * 1_000.0, "ms");
    Ok(())
}

fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}
