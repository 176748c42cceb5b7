//! A sealer that dies at any of its requests harms nothing, and the next one finishes its work.

use quillon_traces::Sealed;

use crate::harness::Db;
use crate::model::Model;
use crate::sample::{at, claim, log, logs, metrics, ns, org, span, spans, trace};

/// Appends some telemetry to a trace, a part of which is sealed already.
async fn prepared(db: &Db, number: u64) -> Model {
    let traces = db.traces();
    let mut model = Model::default();
    let id = trace(number);
    let first = [
        spans(vec![span(id, 1, 0, "dagger check", ns(0, 0), Some(ns(5, 0))), span(id, 2, 1, "live", ns(1, 0), None)], at(5)),
        logs(vec![log(id, 2, ns(2, 0), "one\n"), log(id, 1, ns(1, 0), "two\n")], at(5)),
        metrics(id, &[(2, ns(2, 0), 1)], at(5)),
    ];
    for batch in first {
        model.append(&batch, at(5));
        let _ = traces.append(&claim(org()), &batch, at(5)).await.expect("appended");
    }
    assert_eq!(traces.seal(org(), id, at(65)).await.expect("sealed"), Sealed::Final);
    let second = [
        spans(vec![span(id, 2, 1, "done", ns(1, 0), Some(ns(4, 0))), span(id, 3, 2, "new", ns(2, 0), Some(ns(3, 0)))], at(70)),
        logs(vec![log(id, 3, ns(3, 0), "three\n")], at(70)),
        metrics(id, &[(3, ns(3, 0), 2)], at(70)),
    ];
    for batch in second {
        model.append(&batch, at(70));
        let _ = traces.append(&claim(org()), &batch, at(70)).await.expect("appended");
    }
    model
}

#[tokio::test]
async fn a_sealer_may_die_at_any_request() {
    let db = Db::new().await;
    let clean = Box::pin(prepared(&db, 1_000)).await;
    assert_eq!(db.traces().seal(org(), trace(1_000), at(130)).await.expect("sealed"), Sealed::Final);
    let expected = shape(&db, 1_000).await;
    drop(clean);
    let mut deaths = 0;
    for requests in 0.. {
        let number = u64::try_from(requests).expect("few");
        let model = Box::pin(prepared(&db, number)).await;
        db.cut_after(requests);
        let died = db.traces().seal(org(), trace(number), at(130)).await.is_err();
        db.mend();
        let traces = db.traces();
        let snapshot = traces.open(org(), trace(number), at(130)).await.expect("opened").expect("there");
        model.check(&traces, &snapshot).await;
        // Whoever comes after the lease of the dead one ends with the same.
        let due = traces.due(at(130 + 15 * 60), 10).await.expect("due");
        if died {
            assert_eq!(due, [(org(), trace(number))], "somebody has to look again after {requests} requests");
        }
        let _ = traces.seal(org(), trace(number), at(130 + 15 * 60)).await.expect("sealed");
        assert_eq!(shape(&db, number).await, expected, "after {requests} requests");
        let traces = db.traces();
        let snapshot = traces.open(org(), trace(number), at(130 + 15 * 60)).await.expect("opened").expect("there");
        assert!(snapshot.is_sealed_final);
        assert_eq!(snapshot.card.spans, Some(3), "the card is put right after {requests} requests");
        model.check(&traces, &snapshot).await;
        assert_eq!(traces.due(at(1_000_000), 10).await.expect("due"), []);
        if !died {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 15, "{deaths} requests");
}

/// What there is of a trace, without the numbers of generations.
async fn shape(db: &Db, number: u64) -> Vec<String> {
    let keys = db.keys(org(), trace(number)).await;
    keys.into_iter()
        .map(|key| key.split_once('#').map_or(key.clone(), |(kind, rest)| format!("{kind}{}", &rest[6.min(rest.len())..])))
        .collect()
}

#[tokio::test]
async fn a_batch_whose_sender_saw_an_error_can_be_sent_again() {
    let db = Db::new().await;
    for requests in 0..4 {
        let number = 100 + u64::try_from(requests).expect("few");
        let batch = logs(vec![log(trace(number), 1, ns(0, 0), "once\n")], at(0));
        db.cut_after(requests);
        let _ = db.traces().append(&claim(org()), &batch, at(0)).await;
        db.mend();
        let traces = db.traces();
        let _ = traces.append(&claim(org()), &batch, at(4)).await.expect("appended");
        // A number may be missing for ever; after three seconds nobody waits for it.
        let snapshot = traces.open(org(), trace(number), at(8)).await.expect("opened").expect("there");
        let mut model = Model::default();
        model.append(&batch, at(0));
        model.check(&traces, &snapshot).await;
    }
}
