//! Devices that are signed in, and their tokens.

use quillon_core::device::{DeviceGrant, LOGIN_IDLE, Login, Refresh, UserCode};
use quillon_core::id::LoginId;
use quillon_store::{AccessRecord, RefreshRecord, Written};

use crate::sample::{at, user_id};
use quillon_test_tables::{Db, Fault};

const DAY: i64 = 86_400;

fn login(number: u128, person: u128, wants_refresh: bool) -> Login {
    let grant = DeviceGrant::new(UserCode::of_entropy(7), "quillon on laptop", None, wants_refresh, at(0));
    Login::begin(LoginId::from_parts(1_700_000_000_000, number), user_id(person), &grant, at(0))
}

fn access(login: &Login, expires_in: Option<i64>) -> AccessRecord {
    AccessRecord { login: login.id, user: login.user, expires_at: expires_in.map(at) }
}

fn refresh(login: &Login) -> RefreshRecord {
    RefreshRecord { login: login.id, generation: login.generation }
}

/// A login that refreshes, with the tokens `access` and `refresh`.
async fn signed_in(db: &Db) -> Login {
    let login = login(1, 1, true);
    let (first, second) = (access(&login, Some(DAY)), refresh(&login));
    let written = db.store.create_login(&login, &first, "access", Some((&second, "refresh"))).await.expect("an answer");
    assert_eq!(written, Written::Done);
    login
}

fn rotated(login: &Login, seconds: i64) -> Login {
    match login.refresh(login.generation, at(seconds)) {
        Refresh::Rotated(next) => next,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_access_token_works_as_long_as_it_and_its_login() {
    let db = Db::new().await;
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    let login = signed_in(&db).await;
    let found = async |hash: &str, seconds| db.store.access(hash, at(seconds)).await.expect("an answer");
    assert_eq!(found("access", DAY - 1).await, Some((access(&login, Some(DAY)), login.clone())));
    assert_eq!(found("access", DAY).await, None);
    assert_eq!(found("refresh", 0).await, None, "one kind of token is not the other");
    assert_eq!(db.store.refresh_record("access").await.expect("an answer"), None);
    assert_eq!(db.store.refresh_record("refresh").await.expect("an answer"), Some(refresh(&login)));
    assert_eq!(db.store.login(login.id).await.expect("an answer"), Some(login.clone()));

    assert_eq!(db.store.end_login(user_id(2), login.id).await.expect("an answer"), Written::Lost, "it is not theirs");
    assert_eq!(db.store.end_login(user_id(1), login.id).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.end_login(user_id(1), login.id).await.expect("an answer"), Written::Lost);
    assert_eq!(found("access", 0).await, None);
    assert_eq!(db.store.login(login.id).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_token_without_an_end_lasts_as_long_as_its_login_is_used() {
    let db = Db::new().await;
    let first = login(1, 1, false);
    assert!(db.store.create_login(&first, &access(&first, None), "access", None).await.expect("an answer").is_done());
    let ttl = async || {
        let item = db.raw("orgs", "AT#access", "AT").await.expect("the token");
        item["ttl"].as_n().expect("a number").parse::<i64>().expect("seconds")
    };
    assert_eq!(ttl().await, first.expires_at.as_second());
    let idle = LOGIN_IDLE.as_secs();
    let found = async |seconds| db.store.access("access", at(seconds)).await.expect("an answer").map(|(_, login)| login);
    assert_eq!(found(idle - 1).await, Some(first.clone()));
    assert_eq!(found(idle).await, None);
    let used = first.used(at(DAY)).expect("a day is news");
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(db.store.save_login_use(&used).await.expect("an answer"), Written::Done);
    assert_eq!(found(idle).await, Some(used.clone()));
    assert_eq!(ttl().await, used.expires_at.as_second());
    // With its login it goes altogether.
    assert_eq!(db.store.end_login(user_id(1), first.id).await.expect("an answer"), Written::Done);
    assert_eq!(db.raw("orgs", "AT#access", "AT").await, None);
}

#[tokio::test]
async fn a_login_is_made_whole_or_not_at_all() {
    let db = Db::new().await;
    signed_in(&db).await;
    let other = login(2, 1, true);
    for (access_hash, refresh_hash) in [("access", "refresh-2"), ("access-2", "refresh")] {
        let record = refresh(&other);
        let tokens = Some((&record, refresh_hash));
        let written = db.store.create_login(&other, &access(&other, Some(DAY)), access_hash, tokens).await.expect("an answer");
        assert_eq!(written, Written::Lost);
    }
    assert_eq!(db.store.login(other.id).await.expect("an answer"), None);
    assert_eq!(db.store.access("access-2", at(0)).await.expect("an answer"), None);
    assert_eq!(db.store.refresh_record("refresh-2").await.expect("an answer"), None);
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_gets_tokens() {
    let db = Db::new().await;
    let login = signed_in(&db).await;
    let next = rotated(&login, 100);
    let rotate = |word: &'static str| {
        let (store, login, next) = (db.store.clone(), login.clone(), next.clone());
        async move {
            let (new_access, new_refresh) = (format!("access-{word}"), format!("refresh-{word}"));
            let (first, second) = (access(&next, Some(100 + DAY)), refresh(&next));
            store.rotate_login(&login, &next, (&first, &new_access), (&second, &new_refresh)).await.expect("an answer")
        }
    };
    let (one, two) = tokio::join!(rotate("a"), rotate("b"));
    assert_ne!(one, two);
    let (winner, loser) = if one.is_done() { ("a", "b") } else { ("b", "a") };
    assert_eq!(db.store.login(login.id).await.expect("an answer"), Some(next.clone()));
    let found = async |word: &str| db.store.refresh_record(&format!("refresh-{word}")).await.expect("an answer");
    assert_eq!((found(winner).await, found(loser).await), (Some(refresh(&next)), None));
    assert!(db.store.access(&format!("access-{winner}"), at(DAY)).await.expect("an answer").is_some());
    assert!(db.store.access(&format!("access-{loser}"), at(DAY)).await.expect("an answer").is_none());
    // The one that was used is still known, by which its reuse is.
    assert_eq!(db.store.refresh_record("refresh").await.expect("an answer"), Some(refresh(&login)));
}

#[tokio::test]
async fn a_refresh_survives_a_lost_answer_and_not_the_end_of_its_login() {
    let db = Db::new().await;
    let login = signed_in(&db).await;
    let second = rotated(&login, 100);
    let rotate = async |old: &Login, next: &Login, word: &str| {
        let (first, other) = (access(next, None), refresh(next));
        db.store.rotate_login(old, next, (&first, &format!("a-{word}")), (&other, &format!("r-{word}"))).await.expect("an answer")
    };
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(rotate(&login, &second, "2").await, Written::Done);
    assert!(db.store.end_login(user_id(1), login.id).await.expect("an answer").is_done());
    assert_eq!(rotate(&second, &rotated(&second, 200), "3").await, Written::Lost);
    assert_eq!(db.store.refresh_record("r-3").await.expect("an answer"), None);
    assert_eq!(db.store.login(login.id).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_use_neither_undoes_a_refresh_nor_brings_a_login_back() {
    let db = Db::new().await;
    let login = signed_in(&db).await;
    let used = login.used(at(DAY)).expect("a day is news");
    let next = rotated(&login, 100);
    let (first, second) = (access(&next, Some(DAY)), refresh(&next));
    let written = db.store.rotate_login(&login, &next, (&first, "a-2"), (&second, "r-2")).await.expect("an answer");
    assert!(written.is_done());
    assert_eq!(db.store.save_login_use(&used).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.login(login.id).await.expect("an answer"), Some(next.clone()));
    assert!(db.store.end_login(user_id(1), login.id).await.expect("an answer").is_done());
    assert_eq!(db.store.save_login_use(&next).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.login(login.id).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_person_sees_their_own_logins_until_they_are_over() {
    let db = Db::new().await;
    let first = signed_in(&db).await;
    for (number, person) in [(2, 1), (3, 2)] {
        let login = login(number, person, false);
        let written = db.store.create_login(&login, &access(&login, None), &format!("access-{number}"), None).await;
        assert!(written.expect("an answer").is_done());
    }
    let listed = async |person, seconds| db.store.logins_of(user_id(person), at(seconds)).await.expect("an answer");
    assert_eq!(listed(1, 0).await, [first, login(2, 1, false)]);
    assert_eq!(listed(2, 0).await, [login(3, 2, false)]);
    assert_eq!(listed(1, LOGIN_IDLE.as_secs()).await, []);
}
