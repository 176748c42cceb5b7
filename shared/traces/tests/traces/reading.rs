//! Search, export, tails of logs, missing chunks, and what a request costs.

use opentelemetry_proto::tonic::trace::v1::Status;
use quillon_store::{ChunkKind, StoredChunk};
use quillon_traces::{Error, LogPage, Query, Where};

use crate::harness::Db;
use crate::sample::{at, claim, log, logs, metrics, ns, org, span, span_id, spans, text, trace};

#[tokio::test]
async fn a_text_is_found_in_names_attributes_and_logs_before_and_after_a_seal() {
    let db = Db::new().await;
    let traces = db.traces();
    let id = trace(0);
    let mut exec = span(id, 2, 1, "exec go test", ns(0, 2), Some(ns(0, 9)));
    exec.attributes.push(text("process.command", "run the NEEDLE now"));
    let records = vec![span(id, 1, 0, "dagger check needle", ns(0, 1), Some(ns(1, 0))), exec];
    let lines = vec![log(id, 2, ns(0, 3), "nothing\n"), log(id, 2, ns(0, 4), "a Needle in the logs\n")];
    let _ = traces.append(&claim(org()), &spans(records, at(1)), at(1)).await.expect("appended");
    let _ = traces.append(&claim(org()), &logs(lines, at(1)), at(1)).await.expect("appended");
    for seal in [false, true] {
        if seal {
            traces.seal(org(), id, at(61)).await.expect("sealed");
        }
        let snapshot = traces.open(org(), id, at(61)).await.expect("opened").expect("there");
        let found = traces.search(&snapshot, &Query::everywhere("needle")).await.expect("found");
        let places: Vec<_> = found.hits.iter().map(|hit| (hit.row, hit.place)).collect();
        assert_eq!(places, [(0, Where::Name), (1, Where::Attribute), (1, Where::Log)]);
        assert_eq!(found.hits[1].excerpt, "process.command: run the NEEDLE now");
        assert_eq!((found.searched, found.of, found.next), (6, 6, None));
        // With next to no budget it takes several requests and finds the same.
        let mut query = Query { budget: 1, ..Query::everywhere("needle") };
        let mut hits = Vec::new();
        for _ in 0..10 {
            let found = traces.search(&snapshot, &query).await.expect("found");
            hits.extend(found.hits.iter().map(|hit| (hit.row, hit.place)));
            query.after = found.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(hits, places);
        let bad = Query { after: Some("s9.1".to_owned()), ..Query::everywhere("needle") };
        let found = traces.search(&snapshot, &bad).await.expect("nothing");
        assert!(found.hits.is_empty() && found.next.is_none());
        let bad = Query { after: Some("x1".to_owned()), ..Query::everywhere("needle") };
        assert!(matches!(traces.search(&snapshot, &bad).await, Err(Error::InvalidCursor)));
    }
}

#[tokio::test]
async fn a_search_stops_where_its_budget_is_used_up_by_names_and_by_messages() {
    let db = Db::new().await;
    let traces = db.traces();
    let id = trace(0);
    let failed = |number: u64| {
        let mut failed = span(id, number, 0, &format!("{number:01000}"), ns(0, number), Some(ns(1, number)));
        failed.status = Some(Status { code: 2, message: "x".repeat(60_000) });
        failed
    };
    let _ = traces.append(&claim(org()), &spans((1..=400).map(failed).collect(), at(1)), at(1)).await.expect("appended");
    let snapshot = traces.open(org(), id, at(2)).await.expect("opened").expect("there");
    let mut query = Query { budget: 1_000_000, ..Query::everywhere("nowhere") };
    let mut searched = Vec::new();
    loop {
        let found = traces.search(&snapshot, &query).await.expect("found");
        searched.push(found.searched);
        query.after = found.next;
        if query.after.is_none() {
            break;
        }
    }
    // All names are less than a budget, and with them come the first messages; each further request reads one block of those.
    assert_eq!(searched, [528, 656, 784, 800]);
}

#[tokio::test]
async fn an_export_has_every_record_once() {
    let db = Db::new().await;
    let traces = db.traces();
    let id = trace(0);
    let all = (1..=700).map(|number| span(id, number, number / 2, "step", ns(0, number), Some(ns(1, number)))).collect();
    let lines = (1..=300).map(|number| log(id, number, ns(0, number), &format!("line {number}\n"))).collect();
    let _ = traces.append(&claim(org()), &spans(all, at(1)), at(1)).await.expect("appended");
    let _ = traces.append(&claim(org()), &logs(lines, at(1)), at(1)).await.expect("appended");
    let _ = traces.append(&claim(org()), &metrics(id, &[(1, ns(0, 0), 5), (2, ns(0, 0), 6)], at(1)), at(1)).await.expect("appended");
    traces.seal(org(), id, at(61)).await.expect("sealed");
    let snapshot = traces.open(org(), id, at(61)).await.expect("opened").expect("there");
    let (mut text, mut after) = (String::new(), None);
    loop {
        let page = traces.export(&snapshot, after.as_deref()).await.expect("a page");
        text.push_str(&page.lines);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let count = |list: &str, inner: &str, records: &str| {
        let groups = lines.iter().filter_map(|line| line[list].as_array()).flatten();
        groups.map(|group| group[inner][0][records].as_array().map_or(0, Vec::len)).sum::<usize>()
    };
    assert_eq!(count("resourceSpans", "scopeSpans", "spans"), 700);
    assert_eq!(count("resourceLogs", "scopeLogs", "logRecords"), 300);
    assert_eq!(count("resourceMetrics", "scopeMetrics", "metrics"), 2);
    assert!(matches!(traces.export(&snapshot, Some("x0")).await, Err(Error::InvalidCursor)));
}

#[tokio::test]
async fn the_tail_of_logs_is_what_came_since() {
    let db = Db::new().await;
    let traces = db.traces();
    let id = trace(0);
    let records = vec![span(id, 1, 0, "dagger check", ns(0, 1), None), span(id, 2, 1, "exec", ns(0, 1), None)];
    let _ = traces.append(&claim(org()), &spans(records, at(0)), at(0)).await.expect("appended");
    let _ = traces.append(&claim(org()), &logs(vec![log(id, 2, ns(0, 5), "first\n")], at(0)), at(0)).await.expect("appended");
    let before = traces.open(org(), id, at(0)).await.expect("opened").expect("there");
    let found = traces.logs(&before, Some(span_id(1)), true, &LogPage::first(10)).await.expect("logs");
    assert_eq!((found.items.len(), found.total, found.next), (1, 1, None));
    let more = vec![log(id, 2, ns(0, 9), "third\n"), log(id, 1, ns(0, 7), "second\n")];
    let _ = traces.append(&claim(org()), &logs(more, at(1)), at(1)).await.expect("appended");
    let now = traces.open(org(), id, at(1)).await.expect("opened").expect("there");
    let bodies = |records: Vec<quillon_core::trace::span::LogRecord>| {
        records.iter().filter_map(|record| record.body.as_text().map(str::to_owned)).collect::<Vec<_>>()
    };
    let since = traces.logs_since(&now, &before, Some(span_id(1)), true).await.expect("logs").expect("told apart");
    assert_eq!(bodies(since), ["second\n", "third\n"]);
    let own = traces.logs_since(&now, &before, Some(span_id(1)), false).await.expect("logs").expect("told apart");
    assert_eq!(bodies(own), ["second\n"]);
    let page = LogPage { after: found.end, limit: 10 };
    assert_eq!(bodies(traces.logs(&now, Some(span_id(1)), true, &page).await.expect("logs").items), ["second\n", "third\n"]);
    traces.seal(org(), id, at(1_000)).await.expect("sealed");
    let sealed = traces.open(org(), id, at(1_000)).await.expect("opened").expect("there");
    // A seal in between changes nothing of that, and neither does a line that is older than those which were read.
    let since = traces.logs_since(&sealed, &before, Some(span_id(1)), true).await.expect("logs").expect("told apart");
    assert_eq!(bodies(since), ["second\n", "third\n"]);
    let old = logs(vec![log(id, 2, ns(0, 2), "late\n")], at(1_001));
    let _ = traces.append(&claim(org()), &old, at(1_001)).await.expect("appended");
    let last = traces.open(org(), id, at(1_001)).await.expect("opened").expect("there");
    let since = traces.logs_since(&last, &now, Some(span_id(1)), true).await.expect("logs").expect("told apart");
    assert_eq!(bodies(since), ["late\n"]);
    assert_eq!(bodies(traces.logs_since(&last, &last, None, true).await.expect("logs").expect("told apart")), [""; 0]);
    assert_eq!(bodies(traces.logs(&sealed, Some(span_id(1)), true, &page).await.expect("logs").items), ["second\n", "third\n"]);
}

#[tokio::test]
async fn a_log_that_came_before_its_span_comes_with_it() {
    let db = Db::new().await;
    let traces = db.traces();
    let id = trace(0);
    let root = spans(vec![span(id, 1, 0, "dagger check", ns(0, 1), None)], at(0));
    let _ = traces.append(&claim(org()), &root, at(0)).await.expect("appended");
    let _ = traces.append(&claim(org()), &logs(vec![log(id, 2, ns(0, 5), "early\n")], at(0)), at(0)).await.expect("appended");
    let before = traces.open(org(), id, at(0)).await.expect("opened").expect("there");
    assert_eq!(traces.logs(&before, Some(span_id(1)), true, &LogPage::first(10)).await.expect("logs").items.len(), 0);
    let child = spans(vec![span(id, 2, 1, "exec", ns(0, 4), None)], at(1));
    let _ = traces.append(&claim(org()), &child, at(1)).await.expect("appended");
    let now = traces.open(org(), id, at(1)).await.expect("opened").expect("there");
    let since = traces.logs_since(&now, &before, Some(span_id(1)), true).await.expect("logs").expect("told apart");
    assert_eq!(since.iter().filter_map(|record| record.body.as_text()).collect::<Vec<_>>(), ["early\n"]);
}

#[tokio::test]
async fn no_more_spans_are_read_than_fit() {
    let db = Db::new().await;
    let traces = db.traces();
    let id = trace(0);
    let records = (1..=9).map(|number| span(id, number, 0, &"x".repeat(1_000), ns(0, number), None)).collect();
    let _ = traces.append(&claim(org()), &spans(records, at(0)), at(0)).await.expect("appended");
    let snapshot = traces.open(org(), id, at(0)).await.expect("opened").expect("there");
    let rows = [8, 3, 5, 1, 0];
    let first = async |most| {
        let spans = traces.first_spans(&snapshot, &rows, most).await.expect("spans");
        spans.iter().map(|span| snapshot.outline.row(span.id).expect("a row")).collect::<Vec<_>>()
    };
    assert_eq!((first(1).await, first(1 << 20).await), (vec![8], rows.to_vec()));
    let some = first(8_000).await;
    assert!(some.len() > 1 && some.len() < rows.len() && rows.starts_with(&some), "{some:?}");
}

#[tokio::test]
async fn a_missing_chunk_is_waited_for_then_passed_and_still_read_when_it_comes() {
    let db = Db::new().await;
    let traces = db.traces();
    let id = trace(0);
    let batch = |number| spans(vec![span(id, number, 0, "one", ns(0, number), None)], at(0));
    let _ = traces.append(&claim(org()), &batch(1), at(0)).await.expect("appended");
    // A writer takes the number 2 and is slow.
    let slow = batch(2).pack(1, 350_000).remove(0);
    db.cut_after(1);
    assert!(traces.append(&claim(org()), &batch(2), at(0)).await.is_err());
    db.mend();
    let _ = traces.append(&claim(org()), &batch(3), at(0)).await.expect("appended");
    let open = async |seconds| traces.open(org(), id, at(seconds)).await.expect("opened").expect("there");
    assert_eq!((open(2).await.outline.len(), open(2).await.cursor), (1, 1));
    let passed = open(3).await;
    assert_eq!((passed.outline.len(), passed.cursor), (2, 3));
    let chunk = StoredChunk {
        seq: 2,
        kind: ChunkKind::Spans,
        records: slow.records,
        digest: slow.digest,
        at_ms: at(0).as_millisecond(),
        bytes: slow.bytes,
    };
    db.traces.put_chunk(org(), id, &chunk, at(1_000_000)).await.expect("put");
    let late = open(10).await;
    assert_eq!(late.outline.len(), 3);
    assert!(!late.has_same_records(&passed) && late.cursor == passed.cursor);
    assert_eq!(traces.changed(&late, passed.cursor), Some(vec![2]));
    assert_eq!(traces.spans(&late, &[2]).await.expect("spans")[0].id, span_id(2));
    assert_eq!(db.traces().open(org(), id, at(10)).await.expect("opened").expect("there").outline.len(), 3);
}

#[tokio::test]
async fn a_request_costs_what_has_changed() {
    let db = Db::new().await;
    let traces = db.traces();
    let id = trace(0);
    for number in 0..40 {
        let batch = (1..=50).map(|more| span(id, number * 50 + more, 0, "one", ns(0, number), Some(ns(1, 0)))).collect();
        let _ = traces.append(&claim(org()), &spans(batch, at(1)), at(1)).await.expect("appended");
    }
    traces.open(org(), id, at(1)).await.expect("opened").expect("there");
    db.sent_in_all();
    let same = traces.open(org(), id, at(1)).await.expect("opened").expect("there");
    assert_eq!(db.sent_in_all(), 2, "the head and the card");
    drop(same);
    let _ = traces.append(&claim(org()), &spans(vec![span(id, 9_999, 0, "one", ns(0, 0), None)], at(2)), at(2)).await.expect("appended");
    db.sent_in_all();
    let next = traces.open(org(), id, at(2)).await.expect("opened").expect("there");
    assert_eq!(db.sent_in_all(), 3, "and one range of chunks");
    assert_eq!(traces.spans(&next, &[2_000]).await.expect("spans").len(), 1);
    assert_eq!(db.sent_in_all(), 0, "what was just read is still known");
    assert!(matches!(traces.spans(&next, &[2_001]).await, Err(Error::NoRow(2_001))));
}
