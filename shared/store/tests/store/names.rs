//! Names of orgs: who gets one, who keeps one, and that changes at once do not undo each other.

use quillon_core::id::OrgId;
use quillon_core::org::{Deletion, Org, OrgName};
use quillon_store::{Error, Page, Store, Written};

use crate::sample::{at, org, org_id, other_org_id};
use quillon_test_tables::{Db, Fault};

const DAY: i64 = 86_400;

fn name(text: &str) -> OrgName {
    text.parse().expect("a name")
}

async fn created(db: &Db, id: OrgId, text: &str) -> Written {
    db.store.create_org(&org(id, text)).await.expect("an answer")
}

async fn renamed(store: &Store, id: OrgId, text: &str, seconds: i64) -> Written {
    store.rename_org(id, &name(text), at(seconds)).await.expect("an answer")
}

async fn holder(db: &Db, text: &str) -> Option<OrgId> {
    db.store.org_by_name(&name(text)).await.expect("an answer").map(|org| org.id)
}

#[tokio::test]
async fn a_renamed_org_is_found_by_its_new_name_alone_and_cannot_take_a_foreign_one() {
    let db = Db::new().await;
    for (id, text) in [(org_id(), "acme"), (other_org_id(), "other")] {
        assert_eq!(created(&db, id, text).await, Written::Done);
    }
    assert_eq!(renamed(&db.store, org_id(), "Other", 0).await, Written::Lost);
    assert_eq!(holder(&db, "acme").await, Some(org_id()));
    assert_eq!(renamed(&db.store, org_id(), "Fresh", 0).await, Written::Done);
    assert_eq!((holder(&db, "acme").await, holder(&db, "fresh").await), (None, Some(org_id())));
    assert_eq!(renamed(&db.store, org_id(), "fRESH", 0).await, Written::Done);
    let stored = db.store.org(org_id()).await.expect("an answer").expect("an org");
    assert_eq!(stored.name.as_str(), "fRESH");
    assert_eq!(renamed(&db.store, OrgId::from_parts(1, 1), "third", 0).await, Written::Lost);
    assert_eq!(holder(&db, "third").await, None);
    let listed = db.store.orgs(&Page::first(10)).await.expect("an answer").items;
    assert_eq!(listed, [stored, org(other_org_id(), "other")]);
}

#[tokio::test]
async fn a_name_that_an_org_had_is_kept_from_others_for_a_while() {
    let db = Db::new().await;
    assert_eq!(created(&db, org_id(), "acme").await, Written::Done);
    assert_eq!(created(&db, other_org_id(), "other").await, Written::Done);
    assert_eq!(renamed(&db.store, org_id(), "fresh", 0).await, Written::Done);

    let third = OrgId::from_parts(1, 3);
    assert_eq!(created(&db, third, "ACME").await, Written::Lost);
    assert_eq!(renamed(&db.store, other_org_id(), "Acme", 90 * DAY - 1).await, Written::Lost);
    // It may come back to its own name.
    assert_eq!(renamed(&db.store, org_id(), "acme", 1).await, Written::Done);
    assert_eq!((holder(&db, "acme").await, holder(&db, "fresh").await), (Some(org_id()), None));
    assert_eq!(renamed(&db.store, org_id(), "fresh", 2).await, Written::Done);

    // The time is over, and the table has not deleted it yet.
    assert_eq!(renamed(&db.store, other_org_id(), "Acme", 2 + 90 * DAY).await, Written::Done);
    assert_eq!(holder(&db, "acme").await, Some(other_org_id()));
    assert_eq!(renamed(&db.store, org_id(), "acme", 2 + 91 * DAY).await, Written::Lost);
    let late = Org { created_at: at(2 + 181 * DAY), ..org(third, "other") };
    assert_eq!(db.store.create_org(&late).await.expect("an answer"), Written::Done);
}

#[tokio::test]
async fn of_many_who_claim_a_name_at_once_one_gets_it() {
    let db = Db::new().await;
    assert_eq!(created(&db, other_org_id(), "other").await, Written::Done);
    let mut racers = tokio::task::JoinSet::new();
    for number in 1..=5 {
        let store = db.store.clone();
        let id = OrgId::from_parts(9, number);
        racers.spawn(async move { (id, store.create_org(&org(id, "acme")).await.expect("an answer")) });
    }
    let store = db.store.clone();
    racers.spawn(async move { (other_org_id(), renamed(&store, other_org_id(), "Acme", 0).await) });
    let won: Vec<OrgId> = racers.join_all().await.into_iter().filter(|(_, written)| written.is_done()).map(|(id, _)| id).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(holder(&db, "acme").await, Some(won[0]));
    let expected = if won[0] == other_org_id() { 1 } else { 2 };
    assert_eq!(db.store.orgs(&Page::first(10)).await.expect("an answer").items.len(), expected, "the others left nothing");
}

#[tokio::test]
async fn of_many_who_claim_a_name_that_has_come_free_one_gets_it() {
    let db = Db::new().await;
    assert_eq!(created(&db, org_id(), "acme").await, Written::Done);
    assert_eq!(renamed(&db.store, org_id(), "fresh", 0).await, Written::Done);
    let mut racers = tokio::task::JoinSet::new();
    for number in 1..=5 {
        let store = db.store.clone();
        let late = Org { created_at: at(91 * DAY), ..org(OrgId::from_parts(9, number), "acme") };
        racers.spawn(async move { store.create_org(&late).await.expect("an answer").is_done() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|is_done| *is_done).count(), 1);
}

#[tokio::test]
async fn a_rename_and_a_change_at_once_both_count() {
    let db = Db::new().await;
    assert_eq!(created(&db, org_id(), "acme").await, Written::Done);
    let change = db.store.change_org(org_id(), |stored| Some(Org { concurrency: 3, ..stored }));
    let (changed, renamed) = tokio::join!(change, renamed(&db.store, org_id(), "fresh", 0));
    assert!(changed.expect("an answer").is_some() && renamed.is_done());
    let expected = Org { concurrency: 3, ..org(org_id(), "fresh") };
    assert_eq!(db.store.org(org_id()).await.expect("an answer"), Some(expected));
}

#[tokio::test]
async fn changes_at_once_all_count_and_none_renames() {
    let db = Db::new().await;
    assert_eq!(created(&db, org_id(), "acme").await, Written::Done);
    let more = |stored: Org| Some(Org { concurrency: stored.concurrency + 1, ..stored });
    let (one, two) = tokio::join!(db.store.change_org(org_id(), more), db.store.change_org(org_id(), more));
    let counts = [one, two].map(|changed| changed.expect("an answer").expect("changed").concurrency);
    let before = org(org_id(), "acme").concurrency;
    assert_eq!(counts.iter().max(), Some(&(before + 2)));
    assert_eq!(db.store.org(org_id()).await.expect("an answer").map(|org| org.concurrency), Some(before + 2));

    let other = |stored: Org| Some(Org { name: name("fresh"), ..stored });
    assert!(matches!(db.store.change_org(org_id(), other).await, Err(Error::Unstorable { .. })));
    assert_eq!(db.store.change_org(org_id(), |_| None).await.expect("an answer"), None);
    assert_eq!(db.store.change_org(other_org_id(), more).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_rename_and_a_change_survive_lost_answers() {
    let db = Db::new().await;
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(created(&db, org_id(), "acme").await, Written::Done);
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(renamed(&db.store, org_id(), "fresh", 0).await, Written::Done);
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    let deletion = Some(Deletion { by: "ann".to_owned(), at: at(0), due_at: at(DAY) });
    let mut calls = 0;
    let deleted = |stored: Org| {
        calls += 1;
        Some(Org { deletion: deletion.clone(), ..stored })
    };
    assert!(db.store.change_org(org_id(), deleted).await.expect("an answer").is_some());
    assert_eq!(calls, 1);
}
