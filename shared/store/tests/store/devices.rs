//! Devices that wish to be signed in, and guesses of their codes.

use quillon_core::device::{DeviceGrant, DeviceState, UserCode};
use quillon_store::{Store, Written};

use crate::sample::{at, user_id};
use quillon_test_tables::{Db, Fault};

fn grant(entropy: u128) -> DeviceGrant {
    DeviceGrant::new(UserCode::of_entropy(entropy), "quillon on laptop", Some("192.0.2.7".to_owned()), true, at(0))
}

fn approved(person: u128) -> DeviceGrant {
    DeviceGrant { state: DeviceState::Approved { user: user_id(person) }, ..grant(7) }
}

async fn save(store: &Store, read: &DeviceGrant, next: &DeviceGrant) -> Written {
    store.save_device("hash", read, next).await.expect("an answer")
}

#[tokio::test]
async fn a_wish_is_found_by_its_device_code_and_its_user_code() {
    let db = Db::new().await;
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(db.store.create_device(&grant(7), "hash").await.expect("an answer"), Written::Done);
    assert_eq!(db.store.device("hash").await.expect("an answer"), Some(grant(7)));
    assert_eq!(db.store.device("other").await.expect("an answer"), None);
    let by_code = async |code: &UserCode| db.store.device_by_code(code).await.expect("an answer");
    assert_eq!(by_code(&grant(7).user_code).await, Some(("hash".to_owned(), grant(7))));
    assert_eq!(by_code(&grant(8).user_code).await, None);
}

#[tokio::test]
async fn a_user_code_is_of_one_device() {
    let db = Db::new().await;
    assert!(db.store.create_device(&grant(7), "hash").await.expect("an answer").is_done());
    assert_eq!(db.store.create_device(&grant(7), "other").await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.create_device(&grant(8), "hash").await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.device("other").await.expect("an answer"), None);
    assert_eq!(db.store.device_by_code(&grant(8).user_code).await.expect("an answer"), None);
}

#[tokio::test]
async fn of_two_answers_at_once_one_counts() {
    let db = Db::new().await;
    assert!(db.store.create_device(&grant(7), "hash").await.expect("an answer").is_done());
    let answer = |next: DeviceGrant| {
        let store = db.store.clone();
        async move { save(&store, &grant(7), &next).await }
    };
    let (one, two) = tokio::join!(answer(approved(1)), answer(approved(2)));
    assert_ne!(one, two);
    let winner = if one.is_done() { 1 } else { 2 };
    assert_eq!(db.store.device("hash").await.expect("an answer"), Some(approved(winner)));
    let denied = DeviceGrant { state: DeviceState::Denied, ..grant(7) };
    assert_eq!(save(&db.store, &grant(7), &denied).await, Written::Lost);
}

#[tokio::test]
async fn of_many_polls_one_fetches_the_tokens() {
    let db = Db::new().await;
    assert!(db.store.create_device(&approved(1), "hash").await.expect("an answer").is_done());
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = db.store.clone();
        racers.spawn(async move {
            let (redeemed, _) = approved(1).poll(at(5));
            save(&store, &approved(1), &redeemed).await.is_done()
        });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|is_done| *is_done).count(), 1);
    assert_eq!(db.store.device("hash").await.expect("an answer").map(|grant| grant.state), Some(DeviceState::Redeemed));
}

#[tokio::test]
async fn an_answer_survives_its_own_repetition_and_needs_a_wish() {
    let db = Db::new().await;
    assert_eq!(save(&db.store, &grant(7), &approved(1)).await, Written::Lost);
    assert!(db.store.create_device(&grant(7), "hash").await.expect("an answer").is_done());
    db.fault("PutItem", Fault::LoseAnswer);
    assert_eq!(save(&db.store, &grant(7), &approved(1)).await, Written::Done);
}

#[tokio::test]
async fn guesses_are_counted_for_an_hour_from_the_first() {
    let db = Db::new().await;
    let who = "usr_1 #192.0.2.7";
    assert_eq!(db.store.guesses(who, at(0)).await.expect("an answer"), 0);
    for expected in 1..=3 {
        assert_eq!(db.store.guess(who, at(i64::from(expected) * 1_000)).await.expect("an answer"), expected);
    }
    assert_eq!(db.store.guesses(who, at(4_599)).await.expect("an answer"), 3);
    assert_eq!(db.store.guesses("somebody else", at(0)).await.expect("an answer"), 0);
    // The hour is over, and the table has not deleted it yet.
    assert_eq!(db.store.guesses(who, at(4_600)).await.expect("an answer"), 0);
    assert_eq!(db.store.guess(who, at(4_600)).await.expect("an answer"), 1);
}

#[tokio::test]
async fn guesses_at_once_are_all_counted_or_refused() {
    let db = Db::new().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = db.store.clone();
        racers.spawn(async move { store.guess("ann", at(0)).await });
    }
    let counts: Vec<u32> = racers.join_all().await.into_iter().flatten().collect();
    let unique: std::collections::BTreeSet<u32> = counts.iter().copied().collect();
    assert_eq!(unique.len(), counts.len(), "{counts:?}");
    let total = db.store.guesses("ann", at(1)).await.expect("an answer");
    assert_eq!(usize::try_from(total).expect("a number"), counts.len());
}
