//! Commits, heads and the ledger.

use quillon_core::attempt::{Attempt, ListedCheck};
use quillon_core::report::{LedgerEntry, Rank, StatusState};
use quillon_core::run::Run;
use quillon_store::{Error, Head, HeadChange, RunChange, Written};

use crate::sample::{REPOSITORY, at, branch, check, commit, expanding, load, run, sha};
use quillon_test_tables::Db;

fn change(seen: u64, run: &Run, change: RunChange, attempts: Vec<Attempt>) -> HeadChange {
    HeadChange {
        repository: REPOSITORY,
        reference: branch("main"),
        sha: Some(run.key.commit.sha.clone()),
        seen,
        run: change,
        attempts,
        now: run.created_at,
    }
}

fn create(seen: u64, run: &Run, attempts: Vec<Attempt>) -> HeadChange {
    change(seen, run, RunChange::Create(Box::new(run.clone())), attempts)
}

#[tokio::test]
async fn an_unknown_commit_is_empty() {
    let db = Db::new().await;
    let commit = db.store.commit(&commit('a')).await.expect("an answer");
    assert!(commit.runs.is_empty() && commit.attempts.is_empty() && commit.ledger.is_empty());
}

#[tokio::test]
async fn a_commit_of_many_pages_is_read_whole() {
    let db = Db::new().await;
    let run = run('a', "trusted:head", at(0));
    let second = Run { generation: 2, ..crate::sample::run('a', "fork:into:main", at(9)) };
    for (seen, run) in [(0, &second), (1, &run)] {
        assert_eq!(db.store.write_head(&create(seen, run, vec![])).await.expect("an answer"), Written::Done);
    }
    let checks: Vec<Attempt> = (0..256).map(|number| check(&run, &format!("check-{number:03}"), at(0))).collect();
    db.store.create_attempts(&checks).await.expect("created");
    // A page is 1 MB: ten loads with the longest list are more.
    let description = Some("d".repeat(5_000));
    let listed: Vec<ListedCheck> = (0..512)
        .map(|number| ListedCheck { name: format!("c{number}").parse().expect("a name"), description: description.clone() })
        .collect();
    for number in 0..10 {
        let module = format!("m{number}").parse().expect("a path");
        let load = Attempt::first(&run, module, quillon_core::name::Task::Load, 1, 60, at(0));
        db.store.create_attempts(std::slice::from_ref(&load)).await.expect("created");
        let load = expanding(&load, listed.clone(), at(1));
        assert_eq!(db.store.save_attempt(&load).await.expect("an answer"), Written::Done);
    }
    db.sent("Query");
    let commit = db.store.commit(&commit('a')).await.expect("an answer");
    assert!(db.sent("Query") > 1);
    assert_eq!(commit.attempts.len(), 266);
    assert!(checks.iter().all(|check| commit.attempts.contains(check)));
    assert_eq!(commit.runs, [run, second]);
}

#[tokio::test]
async fn a_head_moves_with_its_run_and_attempts_or_not_at_all() {
    let db = Db::new().await;
    let main = branch("main");
    assert_eq!(db.store.head(REPOSITORY, &main).await.expect("an answer"), Head::default());

    let first = run('a', "trusted:head", at(0));
    assert_eq!(db.store.write_head(&create(0, &first, vec![load(&first)])).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.head(REPOSITORY, &main).await.expect("an answer"), Head { sha: Some(sha('a')), version: 1 });
    assert_eq!(db.store.attempt(load(&first).id).await.expect("an answer"), Some(load(&first)));

    // Read before somebody else moved the head.
    let second = run('b', "trusted:head", at(1));
    assert_eq!(db.store.write_head(&create(0, &second, vec![load(&second)])).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.run(&second.key).await.expect("an answer"), None);
    assert_eq!(db.store.attempt(load(&second).id).await.expect("an answer"), None);

    // One attempt exists already: nothing of the move happens.
    db.store.create_attempts(&[load(&second)]).await.expect("created");
    assert_eq!(db.store.write_head(&create(1, &second, vec![load(&second)])).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.run(&second.key).await.expect("an answer"), None);
    assert_eq!(db.store.head(REPOSITORY, &main).await.expect("an answer").version, 1);

    assert_eq!(db.store.write_head(&create(1, &second, vec![])).await.expect("an answer"), Written::Done);
    let saved = Run { version: 2, generation: 7, ..second.clone() };
    let save = |version| RunChange::Save(Box::new(Run { version, ..saved.clone() }));
    assert_eq!(db.store.write_head(&change(2, &second, save(3), vec![])).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.write_head(&change(2, &second, save(2), vec![])).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.run(&second.key).await.expect("an answer"), Some(saved));
}

#[tokio::test]
async fn a_head_takes_all_loads_of_the_largest_commit() {
    let db = Db::new().await;
    let run = run('a', "trusted:head", at(0));
    let loads = |count: usize| -> Vec<Attempt> {
        let module = |number: usize| format!("m{number}").parse().expect("a path");
        (0..count).map(|number| Attempt::first(&run, module(number), quillon_core::name::Task::Load, 1, 60, at(0))).collect()
    };
    let too_many = db.store.write_head(&create(0, &run, loads(49))).await;
    assert!(matches!(too_many, Err(Error::Unstorable { .. })), "{too_many:?}");
    assert_eq!(db.store.write_head(&create(0, &run, loads(48))).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.commit(&commit('a')).await.expect("an answer").attempts.len(), 48);
}

#[tokio::test]
async fn a_commit_lives_as_long_as_a_ref_points_at_it() {
    let db = Db::new().await;
    let first = run('a', "trusted:head", at(0));
    let tag = "refs/tags/v1".parse().expect("a ref");
    let tagged =
        HeadChange { reference: tag, run: RunChange::Save(Box::new(Run { version: 2, ..first.clone() })), ..create(0, &first, vec![]) };
    assert!(db.store.write_head(&create(0, &first, vec![])).await.expect("an answer").is_done());
    assert!(db.store.write_head(&tagged).await.expect("an answer").is_done());
    assert_eq!(db.store.live_refs(&commit('a')).await.expect("an answer"), [branch("main"), tagged.reference.clone()]);

    let second = run('b', "trusted:head", at(1));
    assert!(db.store.write_head(&create(1, &second, vec![])).await.expect("an answer").is_done());
    assert_eq!(db.store.live_refs(&commit('a')).await.expect("an answer"), vec![tagged.reference.clone()]);

    let deleted = HeadChange { sha: None, seen: 1, run: RunChange::None, attempts: vec![], ..tagged.clone() };
    assert!(db.store.write_head(&deleted).await.expect("an answer").is_done());
    assert_eq!(db.store.live_refs(&commit('a')).await.expect("an answer"), vec![]);
    assert_eq!(db.store.live_refs(&commit('b')).await.expect("an answer"), [branch("main")]);
    let heads = db.store.heads(REPOSITORY).await.expect("an answer");
    let expected = [(branch("main"), Head { sha: Some(sha('b')), version: 2 }), (tagged.reference, Head { sha: None, version: 2 })];
    assert_eq!(heads, expected);
}

#[tokio::test]
async fn what_github_was_told_only_grows() {
    let db = Db::new().await;
    let rank = |generation, number, is_terminal| Rank { generation, number, is_terminal };
    let told = |rank, posts| LedgerEntry {
        context: "quillon/api/lint #1".to_owned(),
        rank,
        state: StatusState::Pending,
        description: String::new(),
        posts,
        is_full: false,
    };
    let record = async |entry: &LedgerEntry| db.store.record_status(&commit('a'), entry).await.expect("an answer");
    assert_eq!(record(&told(rank(1, 9, true), 1)).await, Written::Done);
    assert_eq!(record(&told(rank(1, 10, false), 2)).await, Written::Done);
    assert_eq!(record(&told(rank(1, 9, true), 9)).await, Written::Lost);
    assert_eq!(record(&told(rank(1, 10, false), 3)).await, Written::Done);
    assert_eq!(record(&told(rank(2, 1, false), 4)).await, Written::Done);
    let stored = db.store.commit(&commit('a')).await.expect("an answer").ledger;
    assert_eq!(stored.into_values().collect::<Vec<_>>(), [told(rank(2, 1, false), 4)]);
}

#[tokio::test]
async fn a_delivery_stays_marked_for_seven_days() {
    let db = Db::new().await;
    let delivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958".parse().expect("a guid");
    let day = 24 * 3_600;
    let marked = async |seconds| db.store.is_delivery_marked(&delivery, at(seconds)).await.expect("an answer");
    assert!(!marked(0).await);
    db.store.mark_delivery(&delivery, at(0)).await.expect("marked");
    db.store.mark_delivery(&delivery, at(0)).await.expect("marked again");
    assert!(marked(0).await);
    assert!(marked(7 * day - 1).await);
    assert!(!marked(7 * day).await);
}
