//! Heads, chunks, parts and cards of traces, and what deleting a trace leaves.

use jiff::Timestamp;
use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::id::{AttemptId, OrgId, RepositoryId};
use quillon_core::trace::TraceId;
use quillon_core::trace::card::{Card, Claim};
use quillon_store::{ChunkKind, Page, PartKind, Reserve, Reserved, SealPointer, StoredChunk, TraceHead, Written};

use crate::golden::assert_stored;
use crate::sample::{at, org_id, other_org_id};
use crate::seals::pointer;
use quillon_test_tables::{Db, Fault};

pub(crate) fn trace(digit: u8) -> TraceId {
    TraceId::of_bytes(&[digit; 16]).expect("a trace id")
}

pub(crate) fn reserve(records: u64, now: Timestamp) -> Reserve {
    Reserve {
        chunks: 1,
        records,
        bytes: 100 * records,
        now,
        expires_at: at(2_592_000),
        due_at: at(60),
        limit_records: 1_000,
        limit_bytes: 1_000_000,
        limit_spans: None,
    }
}

/// Reserves one chunk of that many records and answers its number.
pub(crate) async fn reserved(db: &Db, org: OrgId, trace: TraceId, records: u64) -> (u64, TraceHead) {
    match db.traces.reserve(org, trace, &reserve(records, at(0))).await.expect("an answer") {
        Reserved::Seq { first, head } => (first, *head),
        other @ (Reserved::Deleted | Reserved::Full) => panic!("{other:?}"),
    }
}

pub(crate) fn chunk(seq: u64, bytes: &[u8]) -> StoredChunk {
    StoredChunk { seq, kind: ChunkKind::Spans, records: 3, digest: *b"0123456789abcdef", at_ms: 1_800_000_000_000, bytes: bytes.to_vec() }
}

fn card(org: OrgId, trace: TraceId, version: u64, now: Timestamp) -> Card {
    let claim = Claim { org, attempt: Some(AttemptId::from_parts(1, 1)), repository: Some(RepositoryId(4_200)) };
    let mut card = Card::new(&claim, trace, now);
    card.version = version;
    card
}

async fn seqs(db: &Db, org: OrgId, trace: TraceId, after: u64) -> Vec<u64> {
    let page = db.traces.chunks(org, trace, after).await.expect("an answer");
    assert!(page.is_end);
    page.chunks.iter().map(|chunk| chunk.seq).collect()
}

#[tokio::test]
async fn items_as_they_lie_in_the_table() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(0xab));
    let partition = format!("T#{org}#{trace}");
    let (seq, head) = reserved(&db, org, trace, 3).await;
    assert_stored(&db, "trace-head", "traces", &partition, "HEAD").await;
    assert_eq!(db.traces.head(org, trace).await.expect("an answer"), Some(head));

    let spans = chunk(seq, b"spans");
    db.traces.put_chunk(org, trace, &spans, at(2_592_000)).await.expect("put");
    assert_stored(&db, "trace-chunk", "traces", &partition, "C#0000000001").await;
    assert_eq!(db.traces.chunks(org, trace, 0).await.expect("an answer").chunks, [spans]);

    let first = card(org, trace, 1, at(0));
    assert_eq!(db.traces.save_card(&first, at(2_592_000)).await.expect("an answer"), Written::Done);
    assert_stored(&db, "trace-card", "traces", &partition, "CARD").await;
    assert_eq!(db.traces.card(org, trace).await.expect("an answer"), Some(first));

    let (generation, _) = db.traces.begin_seal(org, trace, at(600)).await.expect("an answer").expect("a trace");
    db.traces.put_part(org, trace, generation, PartKind::Outline, 0, b"outline", at(2_592_000)).await.expect("put");
    assert_stored(&db, "trace-part", "traces", &partition, "Z#000001#o000000").await;
    let sealed = db.traces.finish_seal(org, trace, None, &pointer(generation, seq), 3, None).await.expect("an answer");
    assert_eq!(sealed, Written::Done);
    assert_stored(&db, "trace-head-sealed", "traces", &partition, "HEAD").await;
    let head = db.traces.head(org, trace).await.expect("an answer").expect("a head");
    assert_eq!((head.seal, head.unsealed, head.due_at), (Some(pointer(generation, seq)), 0, None));

    db.traces.delete_trace(org, trace, at(100)).await.expect("deleted");
    assert_stored(&db, "trace-head-deleted", "traces", &partition, "HEAD").await;

    let entry = AuditEntry {
        org,
        at: at(100),
        who: "octocat".to_owned(),
        action: AuditAction::TraceDeleted,
        subject: trace.to_string(),
        detail: String::new(),
        from: Some("127.0.0.1".to_owned()),
    };
    db.store.append_audit(&entry).await.expect("recorded");
    let query = db.client.query().table_name("orgs").consistent_read(true).key_condition_expression("pk = :pk");
    let value = aws_sdk_dynamodb::types::AttributeValue::S(format!("AUD#{org}"));
    let found = query.expression_attribute_values(":pk", value).send().await.expect("an answer");
    let item = found.items().first().expect("the entry");
    assert!(item["sk"].as_s().is_ok_and(|sort| sort.starts_with("01800000100000#") && sort.len() == 14 + 1 + 36), "{item:?}");
    assert_eq!(db.store.audit(org, &Page::first(1)).await.expect("an answer").items, [entry]);
}

#[tokio::test]
async fn everyone_who_reserves_gets_places_of_their_own() {
    let db = Db::new().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..10_u32 {
        let traces = db.traces.clone();
        let wish = Reserve { chunks: writer % 3 + 1, ..reserve(1, at(i64::from(writer))) };
        writers.spawn(async move {
            match traces.reserve(org_id(), trace(1), &wish).await.expect("an answer") {
                Reserved::Seq { first, .. } => first..first + u64::from(wish.chunks),
                other @ (Reserved::Deleted | Reserved::Full) => panic!("{other:?}"),
            }
        });
    }
    let mut places: Vec<u64> = writers.join_all().await.into_iter().flatten().collect();
    places.sort_unstable();
    let all = u64::try_from(places.len()).expect("a number");
    assert_eq!(places, (1..=all).collect::<Vec<_>>());
    let head = db.traces.head(org_id(), trace(1)).await.expect("an answer").expect("a head");
    assert_eq!((head.seq, head.records, head.unsealed, head.bytes, head.due_at), (all, 10, 10, 1_000, Some(at(60))));
    assert!(head.first_ms >= at(0).as_millisecond() && head.last_ms <= at(9).as_millisecond());
}

#[tokio::test]
async fn a_reservation_whose_answer_is_lost_leaves_a_gap_and_nothing_else() {
    let db = Db::new().await;
    db.fault("UpdateItem", Fault::LoseAnswer);
    let (seq, _) = reserved(&db, org_id(), trace(1), 1).await;
    assert_eq!(seq, 2);
    db.traces.put_chunk(org_id(), trace(1), &chunk(seq, b"x"), at(600)).await.expect("put");
    assert_eq!(seqs(&db, org_id(), trace(1), 0).await, [2]);
}

#[tokio::test]
async fn a_full_trace_takes_nothing_more() {
    let db = Db::new().await;
    reserved(&db, org_id(), trace(1), 999).await;
    reserved(&db, org_id(), trace(1), 5).await;
    let full = db.traces.reserve(org_id(), trace(1), &reserve(1, at(0))).await.expect("an answer");
    assert_eq!(full, Reserved::Full);
    let heavy = Reserve { bytes: 1_000_000, ..reserve(1, at(0)) };
    assert!(matches!(db.traces.reserve(org_id(), trace(2), &heavy).await.expect("an answer"), Reserved::Seq { .. }));
    assert_eq!(db.traces.reserve(org_id(), trace(2), &reserve(1, at(0))).await.expect("an answer"), Reserved::Full);
    assert_eq!(db.traces.head(org_id(), trace(1)).await.expect("an answer").map(|head| head.seq), Some(2));
}

#[tokio::test]
async fn a_trace_is_kept_as_long_as_its_longest_sender_wants() {
    let db = Db::new().await;
    let kept = async |days: i64| {
        let wish = Reserve { expires_at: at(days * 86_400), ..reserve(1, at(0)) };
        let answer = db.traces.reserve(org_id(), trace(1), &wish).await.expect("an answer");
        let Reserved::Seq { head, .. } = answer else { panic!("{answer:?}") };
        (head.records, head.expires_at)
    };
    db.sent_in_all();
    assert_eq!(kept(90).await, (1, Some(at(90 * 86_400))));
    assert_eq!((kept(400).await, kept(400).await), ((2, Some(at(400 * 86_400))), (3, Some(at(400 * 86_400)))));
    assert_eq!(db.sent_in_all(), 3);
    assert_eq!(kept(90).await, (4, Some(at(400 * 86_400))));
    assert_eq!(kept(401).await, (5, Some(at(401 * 86_400))));
    db.traces.delete_trace(org_id(), trace(1), at(1)).await.expect("deleted");
    assert_eq!(db.traces.reserve(org_id(), trace(1), &reserve(1, at(2))).await.expect("an answer"), Reserved::Deleted);
}

#[tokio::test]
async fn a_trace_with_all_its_spans_sealed_takes_what_may_be_its_end() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    let limited = |most| Reserve { limit_spans: most, ..reserve(1, at(0)) };
    let answer = async |most| db.traces.reserve(org, trace, &limited(most)).await.expect("an answer");
    assert!(matches!(answer(Some(1)).await, Reserved::Seq { first: 1, .. }), "nothing is sealed yet");
    let (generation, _) = db.traces.begin_seal(org, trace, at(600)).await.expect("an answer").expect("a trace");
    let sealed = SealPointer { spans: 7, ..pointer(generation, 1) };
    assert_eq!(db.traces.finish_seal(org, trace, None, &sealed, 1, None).await.expect("an answer"), Written::Done);
    assert!(matches!(answer(Some(8)).await, Reserved::Seq { first: 2, .. }));
    assert_eq!((answer(Some(7)).await, answer(Some(1)).await), (Reserved::Full, Reserved::Full));
    assert!(matches!(answer(None).await, Reserved::Seq { first: 3, .. }));
}

#[tokio::test]
async fn the_same_trace_id_in_two_orgs_never_meets() {
    let db = Db::new().await;
    for org in [org_id(), other_org_id()] {
        let (seq, _) = reserved(&db, org, trace(1), 1).await;
        db.traces.put_chunk(org, trace(1), &chunk(seq, org.to_string().as_bytes()), at(600)).await.expect("put");
        assert_eq!(db.traces.save_card(&card(org, trace(1), 1, at(0)), at(600)).await.expect("an answer"), Written::Done);
    }
    db.traces.delete_trace(org_id(), trace(1), at(1)).await.expect("deleted");
    let theirs = db.traces.chunks(other_org_id(), trace(1), 0).await.expect("an answer").chunks;
    assert_eq!(theirs, [chunk(1, other_org_id().to_string().as_bytes())]);
    assert_eq!(seqs(&db, org_id(), trace(1), 0).await, [0; 0]);
    let heads = db.traces.heads(&[(other_org_id(), trace(1)), (org_id(), trace(1)), (org_id(), trace(9))]).await.expect("an answer");
    let deleted: Vec<Option<bool>> = heads.iter().map(|head| head.as_ref().map(|head| head.deleted_at.is_some())).collect();
    assert_eq!(deleted, [Some(false), Some(true), None]);
    let cards = db.traces.cards(&[(org_id(), trace(1)), (other_org_id(), trace(1))]).await.expect("an answer");
    assert_eq!(cards.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn chunks_are_read_in_their_order_behind_a_cursor_page_by_page() {
    let db = Db::new().await;
    let large = vec![0xff; 350_000];
    for _ in 0..7 {
        reserved(&db, org_id(), trace(1), 1).await;
    }
    for seq in [7, 2, 1, 5, 3] {
        db.traces.put_chunk(org_id(), trace(1), &chunk(seq, &large), at(600)).await.expect("put");
    }
    let mut found = vec![];
    let mut requests = 0;
    loop {
        let page = db.traces.chunks(org_id(), trace(1), found.last().copied().unwrap_or(1)).await.expect("an answer");
        found.extend(page.chunks.iter().map(|chunk| chunk.seq));
        requests += 1;
        if page.is_end {
            break;
        }
    }
    assert_eq!(found, [2, 3, 5, 7]);
    assert!(requests > 1);
    db.traces.delete_chunks(org_id(), trace(1), 5).await.expect("deleted");
    assert_eq!(seqs(&db, org_id(), trace(1), 0).await, [7]);
}

#[tokio::test]
async fn a_deleted_trace_takes_nothing_and_what_came_late_is_purged() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    reserved(&db, org, trace, 1).await;
    assert_eq!(db.traces.save_card(&card(org, trace, 1, at(0)), at(600)).await.expect("an answer"), Written::Done);
    db.traces.delete_trace(org, trace, at(10)).await.expect("deleted");
    // A writer that had its place before, and one that comes now.
    db.traces.put_chunk(org, trace, &chunk(1, b"late"), at(600)).await.expect("put");
    assert_eq!(db.traces.reserve(org, trace, &reserve(1, at(11))).await.expect("an answer"), Reserved::Deleted);
    for version in [1, 2] {
        let written = db.traces.save_card(&card(org, trace, version, at(11)), at(600)).await.expect("an answer");
        assert_eq!(written, Written::Lost, "{version}");
    }
    assert_eq!(db.traces.begin_seal(org, trace, at(600)).await.expect("an answer"), None);
    assert_eq!(db.traces.due_traces(at(69), 10).await.expect("an answer"), []);
    assert_eq!(db.traces.due_traces(at(70), 10).await.expect("an answer"), [(org, trace)]);
    db.traces.purge_trace(org, trace).await.expect("purged");
    assert_eq!(seqs(&db, org, trace, 0).await, [0; 0]);
    assert_eq!(db.traces.rearm(org, trace, 1, None).await.expect("an answer"), Written::Done);
    assert_eq!(db.traces.due_traces(at(9_999), 10).await.expect("an answer"), []);
    // To delete it again changes nothing but the end of the tombstone.
    db.traces.delete_trace(org, trace, at(20)).await.expect("deleted");
    let head = db.traces.head(org, trace).await.expect("an answer").expect("a head");
    assert_eq!(head.deleted_at, Some(at(10)));
}

#[tokio::test]
async fn a_deletion_that_breaks_off_anywhere_is_finished_by_the_next() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    let down = || Fault::Answer(400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"no"}"#.to_owned());
    for operation in ["DeleteItem", "Query", "BatchWriteItem"] {
        reserved_or_deleted(&db, org, trace).await;
        db.traces.put_chunk(org, trace, &chunk(1, b"x"), at(600)).await.expect("put");
        db.fault(operation, down());
        assert!(db.traces.delete_trace(org, trace, at(10)).await.is_err(), "{operation}");
        let head = db.traces.head(org, trace).await.expect("an answer").expect("a head");
        assert_eq!((head.deleted_at, head.due_at), (Some(at(10)), Some(at(70))), "{operation}");
        db.traces.delete_trace(org, trace, at(10)).await.expect("deleted");
        assert_eq!(seqs(&db, org, trace, 0).await, [0; 0], "{operation}");
    }
}

async fn reserved_or_deleted(db: &Db, org: OrgId, trace: TraceId) {
    // The first reservation makes the trace; later ones meet its tombstone.
    db.traces.reserve(org, trace, &reserve(1, at(0))).await.map(drop).expect("an answer");
}

#[tokio::test]
async fn cards_are_listed_by_day_and_by_repository_the_newest_first() {
    let db = Db::new().await;
    for digit in 1..=3_u8 {
        let card = card(org_id(), trace(digit), 1, at(i64::from(digit)));
        assert_eq!(db.traces.save_card(&card, at(600)).await.expect("an answer"), Written::Done);
    }
    let day = card(org_id(), trace(1), 1, at(1)).day();
    let first = db.traces.trace_day(org_id(), day, &Page::first(2)).await.expect("an answer");
    assert_eq!(first.items.iter().map(|card| card.trace).collect::<Vec<_>>(), [trace(3), trace(2)]);
    let rest = db.traces.trace_day(org_id(), day, &Page { after: first.next, limit: 2 }).await.expect("an answer");
    assert_eq!((rest.items.len(), rest.next), (1, None));
    assert_eq!(db.traces.trace_day(org_id(), day + 1, &Page::first(2)).await.expect("an answer").items, []);
    assert_eq!(db.traces.trace_day(other_org_id(), day, &Page::first(2)).await.expect("an answer").items, []);
    let none = db.traces.trace_repository(org_id(), "-", &Page::first(9)).await.expect("an answer");
    assert_eq!(none.items.len(), 3);
}

#[tokio::test]
async fn of_two_saves_of_a_card_one_is_lost_and_its_own_repetition_is_not() {
    let db = Db::new().await;
    let (org, trace) = (org_id(), trace(1));
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(db.traces.save_card(&card(org, trace, 1, at(0)), at(600)).await.expect("an answer"), Written::Done);
    assert_eq!(db.traces.save_card(&card(org, trace, 1, at(0)), at(600)).await.expect("an answer"), Written::Lost);
    db.fault("PutItem", Fault::LoseAnswer);
    assert_eq!(db.traces.save_card(&card(org, trace, 2, at(0)), at(600)).await.expect("an answer"), Written::Done);
    assert_eq!(db.traces.save_card(&card(org, trace, 2, at(0)), at(600)).await.expect("an answer"), Written::Lost);
    assert_eq!(db.traces.card(org, trace).await.expect("an answer").map(|card| card.version), Some(2));
}
