//! Several at once: sealers, readers, writers, and people who say who may read.

use quillon_core::trace::visibility::Override;
use quillon_traces::Sealed;

use crate::harness::Db;
use crate::model::Model;
use crate::sample::{at, claim, log, logs, ns, org, span, spans, trace};

/// A finished run of some hundred spans in many batches.
async fn written(db: &Db, number: u64) -> Model {
    let traces = db.traces();
    let mut model = Model::default();
    let id = trace(number);
    for first in (1..400_u64).step_by(40) {
        let live = (first..first + 40).map(|number| span(id, number, number / 2, "live", ns(0, number), None)).collect();
        let done = (first..first + 40).map(|number| span(id, number, number / 2, "done", ns(0, number), Some(ns(1, number)))).collect();
        let lines = (first..first + 40).map(|number| log(id, number, ns(0, number), &format!("line {number}\n"))).collect();
        for batch in [spans(live, at(1)), spans(done, at(1)), logs(lines, at(1))] {
            model.append(&batch, at(1));
            let _ = traces.append(&claim(org()), &batch, at(1)).await.expect("appended");
        }
    }
    model
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sealers_and_readers_do_not_get_into_each_others_way() {
    let db = Db::new().await;
    for number in 0..6 {
        let model = Box::pin(written(&db, number)).await;
        let (one, other, reader) = (db.traces(), db.traces(), db.traces());
        let early = reader.open(org(), trace(number), at(61)).await.expect("opened").expect("there");
        let (first, second, ()) = tokio::join!(
            one.seal(org(), trace(number), at(61)),
            other.seal(org(), trace(number), at(61)),
            Box::pin(async {
                for _ in 0..5 {
                    model.check(&reader, &early).await;
                    let traces = db.traces();
                    let snapshot = traces.open(org(), trace(number), at(61)).await.expect("opened").expect("there");
                    model.check(&traces, &snapshot).await;
                }
            }),
        );
        // One that began while the other deleted what it was about to read comes again.
        let outcomes = [first, second].map(|outcome| outcome.unwrap_or(Sealed::Nothing));
        assert!(outcomes.contains(&Sealed::Final), "{outcomes:?}");
        let traces = db.traces();
        let snapshot = traces.open(org(), trace(number), at(200)).await.expect("opened").expect("there");
        assert!(snapshot.is_sealed_final);
        model.check(&traces, &snapshot).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_share_a_trace_and_its_card() {
    let db = Db::new().await;
    let id = trace(0);
    let write = async |first: u64| {
        let traces = db.traces();
        for number in first..first + 10 {
            let batch = spans(vec![span(id, number, 0, &format!("dagger {number}"), ns(0, 1_000 - number), None)], at(1));
            let _ = traces.append(&claim(org()), &batch, at(1)).await.expect("appended");
        }
    };
    tokio::join!(Box::pin(write(1)), Box::pin(write(11)), Box::pin(write(21)), Box::pin(write(31)));
    let traces = db.traces();
    let snapshot = traces.open(org(), id, at(1)).await.expect("opened").expect("there");
    assert_eq!((snapshot.outline.len(), snapshot.cursor), (40, 40));
    assert_eq!(snapshot.card.name(), "dagger 40", "the earliest of all is the root, whoever wrote last");
}

#[tokio::test]
async fn what_people_say_about_a_trace_stays_when_more_telemetry_comes() {
    let db = Db::new().await;
    let (traces, other) = (db.traces(), db.traces());
    let batch = |end| spans(vec![span(trace(0), 1, 0, "dagger check", ns(0, 0), end)], at(1));
    let _ = traces.append(&claim(org()), &batch(None), at(1)).await.expect("appended");
    let card = traces.card(org(), trace(0)).await.expect("a card").expect("there");
    let said = Override::new(true, "ada", at(2), &card, None);
    let card = other.set_visibility(org(), trace(0), Some(&said), at(2)).await.expect("said").expect("there");
    assert_eq!(card.visibility.as_ref(), Some(&said));
    let epoch = other.revoke_shares(org(), trace(0), at(2)).await.expect("revoked").expect("there").share_epoch;
    // This one still has the card as it was.
    let _ = traces.append(&claim(org()), &batch(Some(ns(1, 0))), at(3)).await.expect("appended");
    traces.seal(org(), trace(0), at(63)).await.expect("sealed");
    let card = traces.open(org(), trace(0), at(63)).await.expect("opened").expect("there").card.clone();
    assert_eq!((card.visibility.as_ref(), card.share_epoch), (Some(&said), epoch));
    assert!(card.ended_ms().is_some());
    let card = other.set_visibility(org(), trace(0), None, at(64)).await.expect("said").expect("there");
    assert_eq!(card.visibility, None);
    assert!(other.set_visibility(org(), trace(9), None, at(64)).await.expect("said").is_none());
}
