//! The indexes of what waits: due, queued, active, offered.

use quillon_core::attempt::Attempt;
use quillon_core::id::AttemptId;
use quillon_core::run::Run;
use quillon_core::trust::Trust;
use quillon_store::{Due, HeadChange, RunChange};

use crate::sample::{REPOSITORY, at, branch, check, expanding, finished, offered, org_id, other_org_id, run, running};
use quillon_test_tables::Db;

/// What the three waiting indexes say: queued, active, offered.
async fn waiting(db: &Db) -> (Vec<AttemptId>, usize, Vec<AttemptId>) {
    let queued = db.store.queued(org_id(), 10).await.expect("an answer");
    let active = db.store.active(org_id()).await.expect("an answer");
    let offers = db.store.offers(Trust::Trusted, 10).await.expect("an answer");
    (queued, active, offers.iter().map(|attempt| attempt.id).collect())
}

#[tokio::test]
async fn the_waiting_indexes_follow_the_state() {
    let db = Db::new().await;
    let attempt = check(&run('a', "trusted:into:main", at(0)), "lint", at(0));
    let id = attempt.id;
    db.store.create_attempts(std::slice::from_ref(&attempt)).await.expect("created");
    assert_eq!(waiting(&db).await, (vec![id], 0, vec![]));

    let mut next = offered(&attempt, at(1));
    assert!(db.store.save_attempt(&next).await.expect("an answer").is_done());
    assert_eq!(waiting(&db).await, (vec![], 1, vec![id]));
    assert_eq!(db.store.offers(Trust::Trusted, 10).await.expect("an answer"), [next.clone()]);

    next = running(&next, at(2));
    assert!(db.store.save_attempt(&next).await.expect("an answer").is_done());
    assert_eq!(waiting(&db).await, (vec![], 1, vec![]));

    next = expanding(&next, vec![], at(3));
    assert!(db.store.save_attempt(&next).await.expect("an answer").is_done());
    assert_eq!(waiting(&db).await, (vec![], 0, vec![]));

    next = finished(&next, at(4));
    assert!(db.store.save_attempt(&next).await.expect("an answer").is_done());
    assert_eq!(waiting(&db).await, (vec![], 0, vec![]));
    assert_eq!(db.store.due(at(1_000_000), 10).await.expect("an answer"), vec![]);
}

#[tokio::test]
async fn the_oldest_comes_first_and_orgs_and_trusts_are_apart() {
    let db = Db::new().await;
    let trusted = run('a', "trusted:into:main", at(0));
    let fork = run('a', "fork:into:main", at(0));
    let foreign = Run { org: other_org_id(), ..run('b', "trusted:head", at(0)) };
    let third = check(&trusted, "a", at(30));
    let first = check(&trusted, "b", at(10));
    let second = check(&fork, "c", at(20));
    let other = check(&foreign, "d", at(5));
    let all = [third.clone(), first.clone(), second.clone(), other.clone()];
    db.store.create_attempts(&all).await.expect("created");
    assert_eq!(db.store.queued(org_id(), 10).await.expect("an answer"), [first.id, second.id, third.id]);
    assert_eq!(db.store.queued(org_id(), 2).await.expect("an answer"), [first.id, second.id]);
    assert_eq!(db.store.queued(org_id(), 0).await.expect("an answer"), vec![]);

    for (attempt, since) in [(&first, 60), (&second, 50), (&third, 40), (&other, 70)] {
        assert!(db.store.save_attempt(&offered(attempt, at(since))).await.expect("an answer").is_done());
    }
    let offers = async |trust, limit| -> Vec<AttemptId> {
        db.store.offers(trust, limit).await.expect("an answer").iter().map(|attempt| attempt.id).collect()
    };
    assert_eq!(offers(Trust::Trusted, 10).await, [third.id, first.id, other.id]);
    assert_eq!(offers(Trust::Trusted, 1).await, [third.id]);
    assert_eq!(offers(Trust::Fork, 10).await, [second.id]);
    assert_eq!(db.store.active(org_id()).await.expect("an answer"), 3);
    assert_eq!(db.store.active(other_org_id()).await.expect("an answer"), 1);
}

#[tokio::test]
async fn what_is_due_comes_in_order_and_what_is_not_stays_away() {
    let db = Db::new().await;
    let run = Run { due_at: Some(at(20)), ..run('a', "trusted:into:release/1", at(0)) };
    let change = HeadChange {
        repository: REPOSITORY,
        reference: branch("main"),
        sha: Some(run.key.commit.sha.clone()),
        seen: 0,
        run: RunChange::Create(Box::new(run.clone())),
        attempts: vec![],
        now: at(0),
    };
    assert!(db.store.write_head(&change).await.expect("an answer").is_done());
    let due = |name: &str, seconds| Attempt { due_at: Some(at(seconds)), ..check(&run, name, at(0)) };
    let (late, early, future) = (due("late", 30), due("early", 10), due("future", 100));
    db.store.create_attempts(&[late.clone(), early.clone(), future]).await.expect("created");

    let expected = [Due::Attempt(early.key.clone()), Due::Run(run.key.clone()), Due::Attempt(late.key)];
    assert_eq!(db.store.due(at(30), 10).await.expect("an answer"), expected);
    assert_eq!(db.store.due(at(30), 2).await.expect("an answer"), expected[..2]);

    assert!(db.store.save_attempt(&finished(&early, at(40))).await.expect("an answer").is_done());
    assert!(db.store.save_run(&Run { due_at: None, version: 2, ..run }).await.expect("an answer").is_done());
    assert_eq!(db.store.due(at(30), 10).await.expect("an answer"), expected[2..]);
}
