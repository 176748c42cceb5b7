//! Lists of runs and their cursors.

use quillon_core::run::Run;
use quillon_store::{Error, HeadChange, Page, Paged, RunChange};

use crate::sample::{REPOSITORY, at, branch, org_id, other_org_id, run};
use quillon_test_tables::Db;

const DIGITS: [char; 5] = ['a', 'b', 'c', 'd', 'e'];

/// Five commits of `main`, one after the other.
async fn history(db: &Db) -> Vec<Run> {
    let mut runs = Vec::new();
    for (seen, digit) in (0_u64..).zip(DIGITS) {
        let run = run(digit, "trusted:head", at(i64::try_from(seen).expect("small") * 100));
        let change = HeadChange {
            repository: REPOSITORY,
            reference: branch("main"),
            sha: Some(run.key.commit.sha.clone()),
            seen,
            run: RunChange::Create(Box::new(run.clone())),
            attempts: vec![],
            now: run.created_at,
        };
        assert!(db.store.write_head(&change).await.expect("an answer").is_done());
        runs.push(run);
    }
    runs.reverse();
    runs
}

fn after(page: &Paged<Run>, limit: u32) -> Page {
    assert!(page.next.is_some());
    Page { after: page.next.clone(), limit }
}

#[tokio::test]
async fn every_feed_shows_the_newest_first_page_by_page() {
    let db = Db::new().await;
    let runs = history(&db).await;
    for feed in 0..3 {
        let read = async |page: &Page| {
            let answer = match feed {
                0 => db.store.org_feed(org_id(), page).await,
                1 => db.store.repository_feed(REPOSITORY, page).await,
                _ => db.store.ref_feed(REPOSITORY, &branch("main"), page).await,
            };
            answer.expect("an answer")
        };
        let first = read(&Page::first(2)).await;
        assert_eq!(first.items, runs[..2]);
        let second = read(&after(&first, 2)).await;
        assert_eq!(second.items, runs[2..4]);
        let last = read(&after(&second, 2)).await;
        assert_eq!((last.items.as_slice(), last.next), (&runs[4..], None));
        // A page that the list just fills is the last one.
        assert_eq!(read(&Page::first(5)).await.next, None);
        // A limit of nothing is a limit of one.
        assert_eq!(read(&Page::first(0)).await.items, runs[..1]);
    }
    let empty = Paged { items: vec![], next: None };
    assert_eq!(db.store.org_feed(other_org_id(), &Page::first(2)).await.expect("an answer"), empty);
    assert_eq!(db.store.ref_feed(REPOSITORY, &branch("mai"), &Page::first(2)).await.expect("an answer"), empty);
}

#[tokio::test]
async fn a_ref_that_returns_to_a_commit_shows_it_as_its_latest() {
    let db = Db::new().await;
    let runs = history(&db).await;
    let oldest = runs.last().expect("five runs");
    let back = HeadChange {
        repository: REPOSITORY,
        reference: branch("main"),
        sha: Some(oldest.key.commit.sha.clone()),
        seen: 5,
        run: RunChange::Save(Box::new(Run { version: 2, ..oldest.clone() })),
        attempts: vec![],
        now: at(9_000),
    };
    assert!(db.store.write_head(&back).await.expect("an answer").is_done());
    let shown = db.store.ref_feed(REPOSITORY, &branch("main"), &Page::first(10)).await.expect("an answer");
    assert_eq!(shown.items.len(), 5);
    assert_eq!(shown.items[0].key, oldest.key);
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let db = Db::new().await;
    history(&db).await;
    let page = db.store.org_feed(org_id(), &Page::first(2)).await.expect("an answer");
    let cursor = after(&page, 2);
    assert!(db.store.org_feed(org_id(), &cursor).await.is_ok());
    for answer in [
        db.store.org_feed(other_org_id(), &cursor).await,
        db.store.repository_feed(REPOSITORY, &cursor).await,
        db.store.ref_feed(REPOSITORY, &branch("main"), &cursor).await,
        db.store.org_feed(org_id(), &Page { after: Some("nonsense".to_owned()), limit: 2 }).await,
    ] {
        assert!(matches!(answer, Err(Error::InvalidCursor)), "{answer:?}");
    }
    let other_table = db.store.repositories_of(org_id(), &cursor).await;
    assert!(matches!(other_table, Err(Error::InvalidCursor)), "{other_table:?}");
}
