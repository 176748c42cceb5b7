//! What is made up is what a server is sent: it fits the limits, nothing of it is refused, and it tells one story.

#![expect(clippy::expect_used, reason = "a test has nobody to answer to: it fails where it stands")]

use std::collections::HashSet;

use jiff::Timestamp;
use quillon_core::trace::hint::Flags;
use quillon_core::trace::insight;
use quillon_core::trace::outline::{Outline, Place};
use quillon_core::trace::state::{TraceState, primary_root, trace_state};
use quillon_core::trace::{SpanId, TraceId};
use quillon_otlp::{Encoding, Limits, Signal, call, decode, unpack_logs, unpack_metrics, unpack_spans};
use quillon_telemetry::{Body, Counts, Generated, MIN_SPANS};

/// What a server knows after a run.
#[derive(Default)]
struct Seen {
    outline: Outline,
    counts: Counts,
    /// Base64 of the calls, as long as they are.
    calls: Vec<usize>,
    origins_named: u64,
    colours: u64,
    last: Option<Timestamp>,
}

fn see(run: &mut Generated) -> Seen {
    let trace = TraceId::of_bytes(&run.trace()).expect("a trace id");
    let mut seen = Seen { outline: Outline::new(), ..Seen::default() };
    let mut places = 0..;
    let mut touched = Vec::new();
    for request in run.by_ref() {
        assert!(seen.last <= Some(request.at), "time goes on");
        seen.last = Some(request.at);
        let (signal, most) = match &request.body {
            Body::Traces(_) => (Signal::Traces, 2_048),
            Body::Logs(_) => (Signal::Logs, 512),
            Body::Metrics(_) => (Signal::Metrics, u64::MAX),
        };
        let decoded = decode(signal, Encoding::Protobuf, &request.encode(), &Limits::default(), request.at).expect("accepted");
        assert_eq!(decoded.rejected.count, 0, "{}", decoded.rejected.reason);
        for batch in decoded.batches {
            assert_eq!(batch.trace, trace);
            assert!(batch.records <= most, "{} records", batch.records);
            for chunk in batch.pack(1, 350_000) {
                match signal {
                    Signal::Traces => unpack_spans(&chunk.bytes, request.at.as_millisecond(), |span| {
                        seen.counts.records += 1;
                        if let Some(text) = span.attributes.text("dagger.io/dag.call") {
                            assert!(call::decode(text).is_some(), "{text}");
                            seen.calls.push(text.len());
                        }
                        seen.outline.upsert(&span, Place::Tail(places.next().expect("without end")));
                    })
                    .expect("spans"),
                    Signal::Logs => {
                        for record in unpack_logs(&chunk.bytes).expect("logs") {
                            seen.counts.logs += 1;
                            seen.colours += u64::from(record.body.as_text().is_some_and(|body| body.contains('\u{1b}')));
                            touched.extend(record.span);
                        }
                    }
                    Signal::Metrics => {
                        for point in unpack_metrics(&chunk.bytes).expect("metrics") {
                            seen.counts.points += 1;
                            touched.extend(point.span);
                        }
                    }
                }
            }
        }
    }
    assert!(touched.into_iter().all(|span: SpanId| seen.outline.row(span).is_some()), "logs and metrics are of known spans");
    seen.counts.spans = seen.outline.len() as u64;
    seen.counts.checks = insight::checks(&seen.outline, &seen.outline.tree()).len() as u64;
    seen.counts.failed_checks = seen.outline.failed_checks().into();
    seen.origins_named = (0..).zip(&seen.outline.rows).map(|(row, _)| seen.outline.origins_of(row).len() as u64).sum();
    seen
}

#[test]
fn a_run_has_exactly_the_spans_that_were_asked_for() {
    for spans in [0, MIN_SPANS, 65, 99, 500, 4_321] {
        let mut run = Generated::new(spans, spans);
        let seen = see(&mut run);
        assert_eq!(seen.counts.spans, spans.max(MIN_SPANS));
        assert_eq!(run.counts(), seen.counts);
    }
}

#[test]
fn a_failed_run_says_what_failed_and_why() {
    let mut run = Generated::new(7, 20_000);
    let Seen { outline, counts, calls, origins_named, colours, last } = see(&mut run);
    let tree = outline.tree();
    let now = last.expect("requests").as_millisecond();
    assert_eq!(tree.roots().len(), 1);
    assert_eq!(trace_state(&outline, &tree, now), TraceState::Failed);
    assert!(outline.rows.iter().all(|row| row.end_ns.is_some()));
    assert_eq!((counts.checks, counts.failed_checks), (13, 2));
    assert!(counts.records >= 2 * counts.spans && counts.logs > 500 && counts.points > 100 && colours > 200);

    let origins = insight::error_origins(&outline, &tree);
    assert_eq!(origins.len(), 2);
    for origin in origins {
        assert_eq!(outline.name(outline.rows[origin as usize].name), "Container.withExec");
        let message = &outline.note_of(origin).expect("a message").message;
        assert!(message.ends_with("exit code: 1"), "{message}");
        assert!(tree.ancestors(origin).any(|row| outline.rows[row as usize].flags.is_failed_check()));
    }
    // The check, the span of its group by a marker, and for the first failure all above.
    assert!(origins_named >= 2 * 2 + 3, "{origins_named}");

    let flagged = |flag: Flags| outline.rows.iter().filter(|row| row.flags.contains(flag)).count();
    let share = flagged(Flags::CACHED) as f64 / flagged(Flags::CALL) as f64;
    assert!((0.5..0.7).contains(&share), "{share} of the calls are cached");
    assert!(flagged(Flags::TEST) > 5 && flagged(Flags::WAITS) > 1_000 && flagged(Flags::REVEAL) > 0);
    let pairs: HashSet<u64> = outline.rows.iter().map(|row| row.pair).filter(|pair| *pair != 0).collect();
    assert!(pairs.len() < flagged(Flags::CALL), "calls repeat");
    assert!(calls.iter().all(|length| (300..=1_600).contains(length)), "{:?}", calls.iter().max());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let sent = |seed| Generated::new(seed, 1_000).map(|request| request.encode()).collect::<Vec<_>>();
    assert_eq!(sent(1), sent(1));
    assert_ne!(sent(1), sent(2));
}

#[test]
fn a_run_can_pass_and_can_be_cut_off() {
    let state = |mut run: Generated| {
        let seen = see(&mut run);
        let now = seen.last.expect("requests").as_millisecond();
        trace_state(&seen.outline, &seen.outline.tree(), now)
    };
    assert_eq!(state(Generated::new(3, 2_000).passing()), TraceState::Succeeded);
    assert_eq!(state(Generated::new(3, 2_000).left_running()), TraceState::Running);
}

#[test]
fn a_run_can_be_a_part_of_another_trace_at_another_time() {
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c".parse().expect("a trace id"), "b7ad6b7169203331".parse().expect("a span id"));
    let start: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
    let mut run = Generated::new(3, 200).starting_at(start).under(trace, parent).with_label("dagger.io/git.branch", "topic");
    let outline = see(&mut run).outline;
    let root = primary_root(&outline, &outline.tree()).expect("a root");
    let row = outline.rows[root as usize];
    assert_eq!(row.parent, Some(parent));
    assert!(row.flags.contains(Flags::REMOTE_PARENT.with(Flags::CLI).with(Flags::LABELLED)));
    assert_eq!(i128::from(row.start_ns), start.as_nanosecond());
}

#[test]
fn a_patient_run_fills_its_requests() {
    let requests = |run: Generated| run.filter(|request| matches!(request.body, Body::Traces(_))).count();
    let run = || Generated::new(5, 8_000);
    assert!(requests(run().in_full_batches()) < 16);
    assert!(requests(run()) > 16);
}
