//! Conditional writes: who wins, and that a repetition of one's own is not somebody else's.

use quillon_core::attempt::Attempt;
use quillon_store::{Error, HeadChange, RunChange, Written};

use crate::sample::{REPOSITORY, at, branch, check, load, offered, run, running};
use quillon_test_tables::{Db, Fault};

async fn stored_attempt(db: &Db) -> Attempt {
    let attempt = load(&run('a', "trusted:head", at(0)));
    db.store.create_attempts(std::slice::from_ref(&attempt)).await.expect("created");
    attempt
}

#[tokio::test]
async fn of_two_saves_of_one_state_one_is_lost_and_changes_nothing() {
    let db = Db::new().await;
    let attempt = stored_attempt(&db).await;
    let first = offered(&attempt, at(1));
    let second = running(&attempt, at(2));
    assert_eq!(db.store.save_attempt(&first).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.save_attempt(&second).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.attempt(attempt.id).await.expect("an answer"), Some(first));
}

#[tokio::test]
async fn a_save_of_something_that_does_not_exist_is_lost() {
    let db = Db::new().await;
    let run = run('a', "trusted:head", at(0));
    let next = quillon_core::run::Run { version: 2, ..run.clone() };
    assert_eq!(db.store.save_run(&next).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.save_attempt(&offered(&load(&run), at(1))).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.run(&run.key).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_save_that_meets_its_own_success_is_done() {
    let db = Db::new().await;
    let attempt = stored_attempt(&db).await;
    let next = offered(&attempt, at(1));
    db.sent("PutItem");
    db.fault("PutItem", Fault::LoseAnswer);
    assert_eq!(db.store.save_attempt(&next).await.expect("an answer"), Written::Done);
    assert_eq!(db.sent("PutItem"), 2);
    assert_eq!(db.store.attempt(attempt.id).await.expect("an answer"), Some(next));
}

#[tokio::test]
async fn a_transaction_that_meets_its_own_success_is_done() {
    let db = Db::new().await;
    let run = run('a', "trusted:head", at(0));
    let change = HeadChange {
        repository: REPOSITORY,
        reference: branch("main"),
        sha: Some(run.key.commit.sha.clone()),
        seen: 0,
        run: RunChange::Create(Box::new(run.clone())),
        attempts: vec![load(&run)],
        now: at(0),
    };
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(db.store.write_head(&change).await.expect("an answer"), Written::Done);
    assert_eq!(db.sent("TransactWriteItems"), 2);
    assert_eq!(db.store.write_head(&change).await.expect("an answer"), Written::Lost);
}

#[tokio::test]
async fn a_write_in_conflict_with_a_transaction_is_tried_again() {
    let db = Db::new().await;
    let attempt = stored_attempt(&db).await;
    let conflict = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"in conflict"}"#;
    db.fault("PutItem", Fault::Answer(400, conflict.to_owned()));
    assert_eq!(db.store.save_attempt(&offered(&attempt, at(1))).await.expect("an answer"), Written::Done);

    let cancelled = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled",
        "CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"in conflict"}]}"#;
    db.fault("TransactWriteItems", Fault::Answer(400, cancelled.to_owned()));
    let other = check(&run('a', "trusted:head", at(0)), "lint", at(0));
    db.store.create_attempts(std::slice::from_ref(&other)).await.expect("created");
    assert_eq!(db.store.attempt(other.id).await.expect("an answer"), Some(other));
}

#[tokio::test]
async fn an_endless_conflict_is_transient() {
    let db = Db::new().await;
    let attempt = stored_attempt(&db).await;
    let conflict = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"in conflict"}"#;
    for _ in 0..6 {
        db.fault("PutItem", Fault::Answer(400, conflict.to_owned()));
    }
    let error = db.store.save_attempt(&offered(&attempt, at(1))).await.expect_err("no way through");
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(db.store.attempt(attempt.id).await.expect("an answer"), Some(attempt));
}

#[tokio::test]
async fn a_missing_table_is_refused_and_not_worth_another_try() {
    let db = Db::new().await;
    db.client.delete_table().table_name("checks").send().await.expect("deleted");
    let error = db.store.attempt(load(&run('a', "trusted:head", at(0))).id).await.expect_err("no table");
    assert!(matches!(error, Error::Refused { .. }) && !error.is_retryable(), "{error:?}");
}
