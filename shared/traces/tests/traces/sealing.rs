//! Sealing: when, how much smaller, and what stays the same.

use quillon_core::trace::TraceId;
use quillon_core::trace::state::TraceState;
use quillon_otlp::{Batch, Encoding, Limits, Signal, decode};
use quillon_telemetry::{Body, Generated};
use quillon_traces::{Appended, Sealed};

use crate::harness::Db;
use crate::model::Model;
use crate::sample::{at, claim, log, logs, metrics, ns, org, span, spans, trace};

/// A run of so many spans with logs and metrics, in batches of 500 with a second between them.
fn run(count: u64) -> Vec<(i64, Batch)> {
    let id = trace(0);
    let mut batches = Vec::new();
    let mut now = 0;
    let root = |end| span(id, 1, 0, "dagger check", ns(0, 0), end);
    batches.push((now, spans(vec![root(None)], at(now))));
    for first in (2..count).step_by(500) {
        now += 1;
        let numbers = first..count.min(first + 500);
        let live = |number| span(id, number, 1 + number / 10, &format!("step {}", number % 50), ns(0, number), None);
        let done = |number| span(id, number, 1 + number / 10, &format!("step {}", number % 50), ns(0, number), Some(ns(0, number * 2)));
        batches.push((now, spans(numbers.clone().map(live).collect(), at(now))));
        batches.push((now, spans(numbers.clone().map(done).collect(), at(now))));
        let line = |number: u64| log(id, number, ns(now, number), &format!("line of {number}\n"));
        batches.push((now, logs(numbers.clone().step_by(5).map(line).collect(), at(now))));
        let points: Vec<_> = numbers.step_by(100).map(|number| (number, ns(now, number), 7)).collect();
        batches.push((now, metrics(id, &points, at(now))));
    }
    batches.push((now, spans(vec![root(Some(ns(now, 0)))], at(now))));
    batches
}

#[tokio::test]
async fn a_large_trace_is_compacted_while_it_runs_and_sealed_when_it_is_over() {
    let db = Db::new().await;
    let traces = db.traces();
    let mut model = Model::default();
    let (mut hints, mut compacted, mut last) = (0, 0, 0);
    for (now, batch) in run(9_000) {
        model.append(&batch, at(now));
        last = now;
        match traces.append(&claim(org()), &batch, at(now)).await.expect("appended") {
            Appended::Stored { wants_seal: true } => {
                hints += 1;
                let sealed = traces.seal(org(), trace(0), at(now)).await.expect("sealed");
                compacted += usize::from(sealed == Sealed::Compacted);
                let snapshot = traces.open(org(), trace(0), at(now)).await.expect("opened").expect("there");
                model.check(&traces, &snapshot).await;
            }
            other => assert_eq!(other, Appended::Stored { wants_seal: false }),
        }
    }
    assert!(compacted >= 1 && hints >= compacted, "{hints} hints, {compacted} compactions");
    assert_eq!(traces.seal(org(), trace(0), at(last + 59)).await.expect("sealed"), Sealed::Nothing);
    assert_eq!(traces.seal(org(), trace(0), at(last + 60)).await.expect("sealed"), Sealed::Final);
    assert_eq!(traces.seal(org(), trace(0), at(last + 61)).await.expect("sealed"), Sealed::Nothing);
    assert_eq!(traces.due(at(1_000_000), 10).await.expect("due"), []);

    let keys = db.keys(org(), trace(0)).await;
    assert!(keys.iter().all(|key| !key.starts_with("C#")), "no chunk is left: {keys:?}");
    let generations: std::collections::BTreeSet<_> = keys.iter().filter_map(|key| key.strip_prefix("Z#")).map(|key| &key[..6]).collect();
    assert_eq!(generations.len(), 1, "{keys:?}");

    let traces = db.traces();
    let snapshot = traces.open(org(), trace(0), at(last + 61)).await.expect("opened").expect("there");
    assert!(snapshot.is_sealed_final);
    assert_eq!(snapshot.state(at(last + 1_000).as_millisecond()), TraceState::Succeeded);
    assert_eq!(snapshot.card.spans, Some(8_999));
    model.check(&traces, &snapshot).await;
}

#[tokio::test]
async fn a_sealed_run_takes_at_most_150_bytes_a_span() {
    let db = Db::new().await;
    let traces = db.traces();
    let mut model = Model::default();
    let mut run = Generated::new(7, 6_000).starting_at(at(0)).in_full_batches();
    let id = TraceId::of_bytes(&run.trace()).expect("a trace id");
    let (mut logs, mut last) = (0, at(0));
    for request in run.by_ref() {
        let signal = match request.body {
            Body::Traces(_) => Signal::Traces,
            Body::Logs(_) => Signal::Logs,
            Body::Metrics(_) => Signal::Metrics,
        };
        last = request.at;
        for batch in decode(signal, Encoding::Protobuf, &request.encode(), &Limits::default(), last).expect("accepted").batches {
            let _ = traces.append(&claim(org()), &batch, last).await.expect("appended");
            logs += u64::from(signal == Signal::Logs) * batch.records;
            model.append(&batch, last);
        }
    }
    let chunks = traces.open(org(), id, last).await.expect("opened").expect("there").head.bytes;
    let sealed = traces.seal(org(), id, last + jiff::SignedDuration::from_secs(60)).await.expect("sealed");
    assert_eq!(sealed, Sealed::Final);
    let snapshot = traces.open(org(), id, last).await.expect("opened").expect("there");
    let pointer = snapshot.head.seal.clone().expect("sealed");
    assert_eq!((pointer.spans, pointer.logs), (run.counts().spans, logs));
    assert!(pointer.bytes < 150 * pointer.spans, "{} bytes for {} spans, {chunks} before", pointer.bytes, pointer.spans);
    model.check(&db.traces(), &snapshot).await;
}

#[tokio::test]
async fn late_telemetry_of_a_sealed_trace_is_read_with_it_and_sealed_in_turn() {
    let db = Db::new().await;
    let traces = db.traces();
    let mut model = Model::default();
    let mut last = 0;
    for (now, batch) in run(100) {
        let _ = traces.append(&claim(org()), &batch, at(now)).await.expect("appended");
        model.append(&batch, at(now));
        last = now;
    }
    assert_eq!(traces.seal(org(), trace(0), at(last + 60)).await.expect("sealed"), Sealed::Final);
    let late = [
        spans(
            vec![span(trace(0), 5, 1, "renamed", ns(0, 5), Some(ns(0, 99))), span(trace(0), 500, 5, "late", ns(0, 7), None)],
            at(last + 70),
        ),
        logs(vec![log(trace(0), 500, ns(0, 1), "before all others\n"), log(trace(0), 12_345, ns(0, 2), "of nobody\n")], at(last + 70)),
    ];
    for batch in &late {
        let _ = traces.append(&claim(org()), batch, at(last + 70)).await.expect("appended");
        model.append(batch, at(last + 70));
    }
    let snapshot = traces.open(org(), trace(0), at(last + 70)).await.expect("opened").expect("there");
    assert!(!snapshot.is_sealed_final);
    model.check(&traces, &snapshot).await;
    assert_eq!(traces.due(at(last + 1_000), 10).await.expect("due"), [(org(), trace(0))]);
    assert_eq!(traces.seal(org(), trace(0), at(last + 130)).await.expect("sealed"), Sealed::Final);
    // A reader that still holds what was before the seal gets what it asks for.
    model.check(&traces, &snapshot).await;
    let snapshot = db.traces().open(org(), trace(0), at(last + 130)).await.expect("opened").expect("there");
    model.check(&traces, &snapshot).await;
}

#[tokio::test]
async fn a_deleted_trace_stays_deleted_whatever_comes() {
    let db = Db::new().await;
    let traces = db.traces();
    let batch = spans(vec![span(trace(0), 1, 0, "dagger check", ns(0, 0), None)], at(0));
    let _ = traces.append(&claim(org()), &batch, at(0)).await.expect("appended");
    traces.delete(org(), trace(0), at(1)).await.expect("deleted");
    assert!(traces.open(org(), trace(0), at(1)).await.expect("opened").is_none());
    assert_eq!(traces.append(&claim(org()), &batch, at(2)).await.expect("appended"), Appended::Deleted);
    assert_eq!(traces.seal(org(), trace(0), at(1_000)).await.expect("sealed"), Sealed::Gone);
    assert!(traces.open(org(), trace(0), at(1_000)).await.expect("opened").is_none());
    assert_eq!(db.keys(org(), trace(0)).await, ["HEAD"]);
    assert_eq!(traces.due(at(1_000_000), 10).await.expect("due"), []);
    assert_eq!(traces.seal(org(), trace(9), at(0)).await.expect("sealed"), Sealed::Gone);
}

#[tokio::test]
async fn one_sealer_at_a_time_and_another_when_it_died() {
    let db = Db::new().await;
    let traces = db.traces();
    let batch = spans(vec![span(trace(0), 1, 0, "dagger check", ns(0, 0), Some(ns(1, 0)))], at(0));
    let _ = traces.append(&claim(org()), &batch, at(0)).await.expect("appended");
    // Somebody begins and is never heard of again.
    let (generation, _) = db.traces.begin_seal(org(), trace(0), at(960)).await.expect("begun").expect("there");
    assert_eq!(generation, 1);
    assert_eq!(traces.seal(org(), trace(0), at(100)).await.expect("sealed"), Sealed::Nothing);
    assert_eq!(traces.due(at(959), 10).await.expect("due"), []);
    assert_eq!(traces.due(at(960), 10).await.expect("due"), [(org(), trace(0))]);
    assert_eq!(traces.seal(org(), trace(0), at(960)).await.expect("sealed"), Sealed::Final);
}
