//! Any batches, in any order, with any repetitions, sealed at any moment: every record comes back exactly once, in its newest version.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quillon_core::trace::TraceId;
use quillon_core::trace::outline::Row;
use quillon_otlp::Batch;
use quillon_traces::{Appended, Snapshot, Traces};

use crate::harness::Db;
use crate::model::Model;
use crate::sample::{at, claim, log, logs, metrics, ns, org, other_org, span, spans, trace};

/// One thing that happens to a trace.
#[derive(Debug, Clone)]
enum Step {
    /// Records of spans: which, under which, and whether it has ended.
    Spans(Vec<(u64, u64, bool)>),
    /// Log records: of which span, and when.
    Logs(Vec<(u64, u64)>),
    /// Metric points: of which span, and when.
    Metrics(Vec<(u64, u64)>),
    /// An earlier batch once more.
    Again(prop::sample::Index),
    /// The root ends, and after a while the sealer comes.
    Seal,
    /// Nothing for a quarter of an hour, then the sealer comes.
    Silence,
    /// A process that knows nothing looks at the trace.
    Fresh,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 1..12_u64;
    prop_oneof![
        4 => prop::collection::vec((number.clone(), 0..12_u64, any::<bool>()), 1..8).prop_map(Step::Spans),
        2 => prop::collection::vec((0..12_u64, 0..9_u64), 1..5).prop_map(Step::Logs),
        1 => prop::collection::vec((number, 0..9_u64), 1..4).prop_map(Step::Metrics),
        2 => any::<prop::sample::Index>().prop_map(Step::Again),
        1 => Just(Step::Seal),
        1 => Just(Step::Silence),
        1 => Just(Step::Fresh),
    ]
}

/// One trace, what is expected of it, and a reader that was there all the time.
struct Case {
    trace: TraceId,
    traces: Traces,
    model: Model,
    sent: Vec<Batch>,
    now: i64,
    number: u64,
    mirror: Vec<Row>,
    seen: Option<Arc<Snapshot>>,
}

impl Case {
    async fn send(&mut self, batch: Batch) {
        let appended = self.traces.append(&claim(org()), &batch, at(self.now)).await.expect("appended");
        assert_eq!(appended, Appended::Stored { wants_seal: false });
        self.model.append(&batch, at(self.now));
        self.sent.push(batch);
    }

    async fn take(&mut self, db: &Db, step: Step) {
        self.now += 1;
        self.number += 1;
        let (now, number) = (self.now, self.number);
        match step {
            Step::Spans(records) => {
                let record = |(id, parent, has_ended): (u64, u64, bool)| {
                    let end = has_ended.then(|| ns(0, id * 1_000 + number));
                    span(self.trace, id, if parent == id { 0 } else { parent }, &format!("span {}", id + number % 2), ns(0, id), end)
                };
                self.send(spans(records.into_iter().map(record).collect(), at(now))).await;
            }
            Step::Logs(records) => {
                let record = |(id, time): (u64, u64)| log(self.trace, id, ns(0, time), &format!("line {number} of {id}\n"));
                self.send(logs(records.into_iter().map(record).collect(), at(now))).await;
            }
            Step::Metrics(points) => {
                let point = |(id, time): (u64, u64)| (id, ns(0, time), i64::try_from(number).expect("few"));
                self.send(metrics(self.trace, &points.into_iter().map(point).collect::<Vec<_>>(), at(now))).await;
            }
            Step::Again(index) => {
                if !self.sent.is_empty() {
                    let batch = self.sent.remove(index.index(self.sent.len()));
                    self.send(batch).await;
                }
            }
            Step::Seal => {
                let root = span(self.trace, 999, 0, "dagger check", ns(-1, 0), Some(ns(0, number)));
                self.send(spans(vec![root], at(now))).await;
                self.now += 61;
                self.traces.seal(org(), self.trace, at(self.now)).await.expect("sealed");
            }
            Step::Silence => {
                self.now += 901;
                self.traces.seal(org(), self.trace, at(self.now)).await.expect("sealed");
            }
            Step::Fresh => {
                let traces = db.traces();
                if let Some(snapshot) = traces.open(org(), self.trace, at(now)).await.expect("opened") {
                    self.model.check(&traces, &snapshot).await;
                }
            }
        }
        self.look().await;
    }

    /// Brings the reader up to date by what is said to have changed, and compares it with everything.
    async fn look(&mut self) {
        let Some(snapshot) = self.traces.open(org(), self.trace, at(self.now)).await.expect("opened") else { return };
        let rows = &snapshot.outline.rows;
        let earlier = self.seen.as_ref().filter(|seen| seen.numbering == snapshot.numbering);
        match earlier.and_then(|seen| self.traces.changed(&snapshot, seen.cursor)) {
            Some(changed) => {
                for row in changed {
                    let row = row as usize;
                    if row < self.mirror.len() {
                        self.mirror[row] = rows[row];
                    } else {
                        assert_eq!(row, self.mirror.len(), "new rows come one after the other");
                        self.mirror.push(rows[row]);
                    }
                }
            }
            None => self.mirror.clone_from(rows),
        }
        assert_eq!(self.mirror.len(), rows.len());
        for (known, row) in self.mirror.iter().zip(rows) {
            // Where the record is, and in which segments its logs are, is nobody's business.
            let unplaced = |row: &Row| Row { place: rows[0].place, log_first: 0, log_last: 0, ..*row };
            assert_eq!(unplaced(known), unplaced(row));
        }
        self.seen = Some(snapshot);
    }
}

#[test]
fn every_record_comes_back_exactly_once_in_its_newest_version() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let db = runtime.block_on(Db::new());
    let cases = AtomicU64::new(0);
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(step(), 1..25), |steps| {
        runtime.block_on(async {
            let mut case = Case {
                trace: trace(cases.fetch_add(1, Ordering::SeqCst)),
                traces: db.traces(),
                model: Model::default(),
                sent: vec![],
                now: 0,
                number: 0,
                mirror: vec![],
                seen: None,
            };
            // The same trace id of another org: must not be seen here.
            let foreign = spans(vec![span(case.trace, 77, 0, "foreign", ns(0, 0), None)], at(0));
            let _ = case.traces.append(&claim(other_org()), &foreign, at(0)).await.expect("appended");
            for step in steps {
                Box::pin(case.take(&db, step)).await;
            }
            if let Some(snapshot) = case.traces.open(org(), case.trace, at(case.now)).await.expect("opened") {
                case.model.check(&case.traces, &snapshot).await;
            }
            let foreign = case.traces.open(other_org(), case.trace, at(case.now)).await.expect("opened").expect("there");
            assert_eq!(foreign.outline.len(), 1);
        });
        Ok(())
    });
    outcome.expect("every case");
}
