//! Sessions of browsers.

use jiff::Timestamp;
use quillon_core::id::SessionId;
use quillon_core::session::{Holder, Session};
use quillon_store::Written;

use crate::sample::{at, user_id};
use quillon_test_tables::{Db, Fault};

const DAY: i64 = 86_400;

fn session(number: u128, holder: Holder, now: Timestamp) -> Session {
    Session::begin(SessionId::from_parts(1_700_000_000_000, number), holder, "a browser", Some("192.0.2.7".to_owned()), now)
}

async fn begun(db: &Db, number: u128, person: u128) -> Session {
    let session = session(number, Holder::Person(user_id(person)), at(0));
    let written = db.store.create_session(&session, &format!("hash-{number}")).await.expect("an answer");
    assert_eq!(written, Written::Done);
    session
}

#[tokio::test]
async fn a_session_is_found_by_its_hash_until_it_is_over() {
    let db = Db::new().await;
    let ann = begun(&db, 1, 1).await;
    assert_eq!(db.store.create_session(&ann, "hash-1").await.expect("an answer"), Written::Lost);
    let found = async |hash: &str, seconds| db.store.session(hash, at(seconds)).await.expect("an answer");
    assert_eq!(found("hash-1", 30 * DAY - 1).await, Some(ann.clone()));
    // The table deletes it days later.
    assert_eq!(found("hash-1", 30 * DAY).await, None);
    assert_eq!(found("hash-2", 0).await, None);

    let renewed = ann.renewed(at(DAY)).expect("a day is news");
    assert_eq!(db.store.save_session(&renewed, "hash-1").await.expect("an answer"), Written::Done);
    assert_eq!(found("hash-1", 30 * DAY).await, Some(renewed));
    db.store.end_session("hash-1").await.expect("ended");
    db.store.end_session("hash-1").await.expect("ended already");
    assert_eq!(found("hash-1", 0).await, None);
}

#[tokio::test]
async fn a_session_that_was_ended_is_not_renewed() {
    let db = Db::new().await;
    let ann = begun(&db, 1, 1).await;
    db.store.end_session("hash-1").await.expect("ended");
    let renewed = ann.renewed(at(DAY)).expect("a day is news");
    assert_eq!(db.store.save_session(&renewed, "hash-1").await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.session("hash-1", at(0)).await.expect("an answer"), None);
    // Nor does the hash serve for another one.
    begun(&db, 1, 1).await;
    let other = session(2, Holder::Operator, at(0));
    assert_eq!(db.store.save_session(&other, "hash-1").await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.session("hash-1", at(0)).await.expect("an answer"), Some(ann));
}

#[tokio::test]
async fn a_person_sees_and_ends_their_own_sessions_alone() {
    let db = Db::new().await;
    let (first, second) = (begun(&db, 1, 1).await, begun(&db, 2, 1).await);
    let bob = begun(&db, 3, 2).await;
    let operator = session(4, Holder::Operator, at(0));
    assert!(db.store.create_session(&operator, "hash-4").await.expect("an answer").is_done());
    let listed = async |person, seconds| db.store.sessions_of(user_id(person), at(seconds)).await.expect("an answer");
    assert_eq!(listed(1, 0).await, [first, second.clone()]);
    assert_eq!(listed(2, 0).await, std::slice::from_ref(&bob));
    assert_eq!(listed(1, 30 * DAY).await, []);

    assert_eq!(db.store.end_session_of(user_id(1), bob.id).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.end_session_of(user_id(2), bob.id).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.end_session_of(user_id(2), bob.id).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.session("hash-3", at(0)).await.expect("an answer"), None);
    assert_eq!(listed(1, 0).await.len(), 2);

    // What shares the index with sessions stays.
    assert!(db.store.create_user(&crate::sample::user(1)).await.expect("an answer").is_done());
    db.fault("BatchWriteItem", Fault::LoseAnswer);
    db.store.end_sessions_of(user_id(1)).await.expect("ended");
    db.store.end_sessions_of(user_id(1)).await.expect("none is left");
    assert_eq!(listed(1, 0).await, []);
    assert!(db.store.user(user_id(1)).await.expect("an answer").is_some());
    assert_eq!(db.store.session("hash-4", at(0)).await.expect("an answer"), Some(operator));
}
