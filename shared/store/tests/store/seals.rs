//! Sealing: one generation per sealer, one winner, nothing that came meanwhile forgotten.

use quillon_store::{PartKind, SealPointer, Written};

use crate::sample::{at, org_id};
use crate::traces::{reserved, trace};
use quillon_test_tables::{Db, Fault};

pub(crate) fn pointer(generation: u32, through_seq: u64) -> SealPointer {
    SealPointer {
        generation,
        through_seq,
        sealed_at: at(100),
        is_final: true,
        spans: 1,
        logs: 2,
        metrics: 3,
        bytes: 4,
        outline_parts: 5,
        span_parts: 6,
        log_parts: 7,
        metric_parts: 8,
        digest_parts: 10,
    }
}

#[tokio::test]
async fn a_trace_is_due_once_telemetry_came_and_until_it_is_sealed() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    let due = async |seconds| db.traces.due_traces(at(seconds), 10).await.expect("an answer").len();
    let (seq, _) = reserved(&db, org, trace, 5).await;
    assert_eq!((due(59).await, due(60).await), (0, 1));
    let (generation, head) = db.traces.begin_seal(org, trace, at(600)).await.expect("an answer").expect("a trace");
    assert_eq!((generation, head.seq, head.seal, due(599).await), (1, seq, None, 0));
    let finished = db.traces.finish_seal(org, trace, None, &pointer(1, seq), 5, None).await.expect("an answer");
    assert_eq!((finished, due(99_999).await), (Written::Done, 0));
    // Late telemetry arms it again.
    reserved(&db, org, trace, 1).await;
    assert_eq!(due(60).await, 1);
    let head = db.traces.head(org, trace).await.expect("an answer").expect("a head");
    assert_eq!((head.unsealed, head.records), (1, 6));
}

#[tokio::test]
async fn telemetry_that_comes_while_a_trace_is_sealed_is_sealed_next() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    let (seq, _) = reserved(&db, org, trace, 5).await;
    let (generation, _) = db.traces.begin_seal(org, trace, at(600)).await.expect("an answer").expect("a trace");
    reserved(&db, org, trace, 2).await;
    let finished = db.traces.finish_seal(org, trace, None, &pointer(generation, seq), 5, None).await.expect("an answer");
    assert_eq!(finished, Written::Done);
    let head = db.traces.head(org, trace).await.expect("an answer").expect("a head");
    assert_eq!((head.due_at, head.unsealed), (Some(at(160)), 2));
    assert_eq!(db.traces.rearm(org, trace, seq, None).await.expect("an answer"), Written::Lost);
    assert_eq!(db.traces.rearm(org, trace, seq + 1, None).await.expect("an answer"), Written::Done);
    assert_eq!(db.traces.due_traces(at(9_999), 10).await.expect("an answer"), []);
}

#[tokio::test]
async fn of_two_sealers_one_wins_and_neither_touches_the_other() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    let (seq, _) = reserved(&db, org, trace, 1).await;
    let mut begun = vec![];
    for _ in 0..2 {
        begun.push(db.traces.begin_seal(org, trace, at(600)).await.expect("an answer").expect("a trace").0);
    }
    for generation in &begun {
        let text = generation.to_string();
        db.traces.put_part(org, trace, *generation, PartKind::Spans, 0, text.as_bytes(), at(900)).await.expect("put");
    }
    let finish = async |generation| db.traces.finish_seal(org, trace, None, &pointer(generation, seq), 1, None).await.expect("an answer");
    assert_eq!(finish(begun[1]).await, Written::Done);
    assert_eq!(finish(begun[0]).await, Written::Lost);
    db.traces.delete_parts_before(org, trace, begun[1]).await.expect("deleted");
    let part = async |generation| db.traces.part(org, trace, generation, PartKind::Spans, 0).await.expect("an answer");
    assert_eq!((part(begun[0]).await, part(begun[1]).await), (None, Some(b"2".to_vec())));
    let (third, head) = db.traces.begin_seal(org, trace, at(600)).await.expect("an answer").expect("a trace");
    let base = head.seal.map(|seal| seal.generation);
    assert_eq!((third, base), (3, Some(2)));
    for (base, expected) in [(Some(1), Written::Lost), (None, Written::Lost), (Some(2), Written::Done)] {
        let written = db.traces.finish_seal(org, trace, base, &pointer(third, seq), 0, Some(at(1_000))).await.expect("an answer");
        assert_eq!(written, expected, "{base:?}");
    }
}

#[tokio::test]
async fn a_seal_that_meets_its_own_success_is_done() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    let (seq, _) = reserved(&db, org, trace, 4).await;
    for (generation, base, due_at) in [(1, None, None), (2, Some(1), Some(at(900)))] {
        assert!(db.traces.begin_seal(org, trace, at(600)).await.expect("an answer").is_some());
        db.fault("UpdateItem", Fault::LoseAnswer);
        let sealed = db.traces.finish_seal(org, trace, base, &pointer(generation, seq), 2, due_at).await.expect("an answer");
        assert_eq!(sealed, Written::Done);
        let head = db.traces.head(org, trace).await.expect("an answer").expect("a head");
        assert_eq!((head.unsealed, head.due_at), (4 - 2 * u64::from(generation), due_at));
    }
}

#[tokio::test]
async fn parts_are_read_whole_or_not_at_all() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    for (kind, number) in [(PartKind::Logs, 0), (PartKind::Logs, 1), (PartKind::Logs, 10), (PartKind::Metrics, 0), (PartKind::Digests, 0)] {
        let text = format!("{kind:?} {number}");
        db.traces.put_part(org, trace, 7, kind, number, text.as_bytes(), at(600)).await.expect("put");
    }
    let parts = async |kind, numbers| {
        let parts = db.traces.parts(org, trace, 7, kind, numbers).await.expect("an answer");
        parts.map(|parts| parts.into_iter().map(|part| String::from_utf8(part).expect("text")).collect::<Vec<_>>())
    };
    assert_eq!(parts(PartKind::Logs, 0..2).await, Some(vec!["Logs 0".to_owned(), "Logs 1".to_owned()]));
    assert_eq!(parts(PartKind::Logs, 1..3).await, None);
    assert_eq!(parts(PartKind::Spans, 0..0).await, Some(vec![]));
    assert_eq!(parts(PartKind::Metrics, 0..1).await.map(|parts| parts.len()), Some(1));
    db.traces.delete_parts(org, trace, 6).await.expect("deleted");
    assert!(parts(PartKind::Digests, 0..1).await.is_some());
    db.traces.delete_parts(org, trace, 7).await.expect("deleted");
    assert_eq!(parts(PartKind::Digests, 0..1).await, None);
}

#[tokio::test]
async fn what_does_not_exist_is_neither_sealed_nor_armed() {
    let db = Db::new().await;
    assert_eq!(db.traces.begin_seal(org_id(), trace(1), at(600)).await.expect("an answer"), None);
    assert_eq!(db.traces.rearm(org_id(), trace(1), 0, Some(at(1))).await.expect("an answer"), Written::Lost);
    assert_eq!(db.traces.rearm(org_id(), trace(1), 0, None).await.expect("an answer"), Written::Lost);
    let finished = db.traces.finish_seal(org_id(), trace(1), None, &pointer(1, 1), 1, None).await.expect("an answer");
    assert_eq!(finished, Written::Lost);
    assert_eq!(db.traces.head(org_id(), trace(1)).await.expect("an answer"), None);
}
