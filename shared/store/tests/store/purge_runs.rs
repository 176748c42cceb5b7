//! What was run for an org that is gone.

use quillon_core::run::Run;
use quillon_store::{HeadChange, Page, RunChange};

use crate::sample::{REPOSITORY, at, branch, commit, load, org_id, other_org_id, run};
use quillon_test_tables::Db;

/// Stores a run with its load, as the look at a branch of its own does.
async fn store_run(db: &Db, number: usize, run: &Run) {
    let change = HeadChange {
        repository: REPOSITORY,
        reference: branch(&format!("branch-{number}")),
        sha: Some(run.key.commit.sha.clone()),
        seen: 0,
        run: RunChange::Create(Box::new(run.clone())),
        attempts: vec![load(run)],
        now: run.created_at,
    };
    assert!(db.store.write_head(&change).await.expect("an answer").is_done());
}

/// Three commits of one org, one of them in two lanes, and a fourth that another org has run as well.
async fn history(db: &Db) -> Vec<Run> {
    let mut made: Vec<Run> = ['a', 'b', 'c'].map(|digit| run(digit, "trusted:head", at(1))).into();
    made.push(run('a', "trusted:into:main", at(2)));
    made.push(run('f', "trusted:into:main", at(3)));
    made.push(Run { org: other_org_id(), ..run('f', "trusted:head", at(4)) });
    for (number, run) in made.iter().enumerate() {
        store_run(db, number, run).await;
    }
    made
}

async fn assert_gone(db: &Db, made: &[Run]) {
    assert_eq!(db.store.org_feed(org_id(), &Page::first(9)).await.expect("a list").items, []);
    for digit in ['a', 'b', 'c'] {
        let key = commit(digit);
        assert_eq!(db.sort_keys("checks", &format!("R#{}#{}", key.repository, key.sha)).await, [""; 0], "{digit}");
    }
    for run in made {
        let is_left = db.store.attempt(load(run).id).await.expect("an answer").is_some();
        assert_eq!(is_left, run.org == other_org_id(), "{}", run.key.lane);
    }
    let left = db.store.commit(&commit('f')).await.expect("a commit");
    assert_eq!((left.runs.len(), left.attempts.len(), left.runs[0].org), (1, 1, other_org_id()));
    // The ref that led to the run that went stays where another org has the commit too.
    for (number, expected) in [(4, 0), (5, 1)] {
        let shown = db.store.ref_feed(REPOSITORY, &branch(&format!("branch-{number}")), &Page::first(9)).await;
        assert_eq!(shown.expect("a list").items.len(), expected, "branch-{number}");
    }
}

#[tokio::test]
async fn what_was_run_for_an_org_goes_page_by_page_and_what_others_ran_stays() {
    let db = Db::new().await;
    let made = history(&db).await;
    let after = db.store.purge_runs(org_id(), &Page::first(2)).await.expect("an answer");
    assert!(after.is_some());
    assert_eq!(db.store.purge_runs(org_id(), &Page { after, limit: 100 }).await.expect("an answer"), None);
    assert_gone(&db, &made).await;
    assert_eq!(db.store.purge_runs(org_id(), &Page::first(2)).await.expect("nothing to do"), None);
}

#[tokio::test]
async fn a_deletion_of_runs_that_was_cut_off_is_carried_on() {
    let calm = Db::new().await;
    history(&calm).await;
    calm.sent_in_all();
    calm.store.purge_runs(org_id(), &Page::first(9)).await.expect("an answer");
    for sent in 0..calm.sent_in_all() {
        let db = Db::new().await;
        let made = history(&db).await;
        db.cut_after(sent);
        db.store.purge_runs(org_id(), &Page::first(9)).await.expect_err("cut off");
        db.mend();
        db.store.purge_runs(org_id(), &Page::first(9)).await.expect("carried on");
        assert_gone(&db, &made).await;
    }
}
