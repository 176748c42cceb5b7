//! Lists of traces: by day, by repository, filtered, with states as they are now.

use quillon_core::trace::state::TraceState;
use quillon_store::Page;
use quillon_traces::{Filter, Traces};

use crate::harness::Db;
use crate::sample::{at, claim, ns, org, other_org, span, spans, trace};

const DAY: i64 = 86_400;

async fn run(traces: &Traces, number: u64, now: i64, name: &str, has_ended: bool) {
    let end = has_ended.then(|| ns(now + 10, 0));
    let batch = spans(vec![span(trace(number), 1, 0, name, ns(now, 0), end)], at(now));
    let _ = traces.append(&claim(org()), &batch, at(now)).await.expect("appended");
}

async fn names(traces: &Traces, filter: &Filter, limit: u32, now: i64) -> Vec<String> {
    let mut page = Page::first(limit);
    let mut names = Vec::new();
    for _ in 0..100 {
        let found = traces.list(org(), filter, &page, at(now)).await.expect("a page");
        assert!(found.items.len() <= limit as usize);
        names.extend(found.items.iter().map(|view| view.card.name().to_owned()));
        page.after = found.next;
        if page.after.is_none() {
            return names;
        }
    }
    panic!("the list does not end");
}

#[tokio::test]
async fn lists_go_back_day_by_day_and_filter() {
    let db = Db::new().await;
    let traces = db.traces();
    for number in 0..7 {
        let name = format!("dagger {} {number}", if number % 2 == 0 { "check" } else { "call" });
        run(&traces, number, i64::try_from(number).expect("few") * DAY, &name, number < 6).await;
    }
    let foreign = spans(vec![span(trace(0), 1, 0, "foreign", ns(0, 0), None)], at(0));
    let _ = traces.append(&claim(other_org()), &foreign, at(0)).await.expect("appended");
    let now = 6 * DAY + 5;
    let all = ["dagger check 6", "dagger call 5", "dagger check 4", "dagger call 3", "dagger check 2", "dagger call 1", "dagger check 0"];
    for limit in [1, 2, 3, 100] {
        assert_eq!(names(&traces, &Filter::default(), limit, now).await, all);
        let repository = Filter { repository: Some("github.com/acme/api".to_owned()), ..Filter::default() };
        assert_eq!(names(&traces, &repository, limit, now).await, all);
        let checks = Filter { command: Some("CHECK".to_owned()), ..Filter::default() };
        assert_eq!(names(&traces, &checks, limit, now).await, [all[0], all[2], all[4], all[6]]);
    }
    let first = traces.list(org(), &Filter::default(), &Page::first(7), at(now)).await.expect("a page");
    assert_eq!(first.items.len(), 7);
    let nowhere = Filter { repository: Some("-".to_owned()), ..Filter::default() };
    assert!(names(&traces, &nowhere, 10, now).await.is_empty());
    let running = Filter { state: Some(TraceState::Running), ..Filter::default() };
    assert_eq!(names(&traces, &running, 10, now).await, ["dagger check 6"]);
    assert!(names(&traces, &running, 10, now + 600).await.is_empty(), "nobody has heard of it for long");
    let lost = Filter { state: Some(TraceState::Lost), ..Filter::default() };
    assert_eq!(names(&traces, &lost, 10, now + 600).await, ["dagger check 6"]);
    let words = Filter { text: Some("api CALL".to_owned()), ..Filter::default() };
    assert_eq!(names(&traces, &words, 10, now).await, [all[1], all[3], all[5]]);
    let bad = Page { after: Some("x".to_owned()), limit: 10 };
    assert!(traces.list(org(), &Filter::default(), &bad, at(now)).await.is_err());
}
