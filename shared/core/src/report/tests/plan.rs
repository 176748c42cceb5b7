//! Which posts are due: order, limits, and what has been said already.

use std::collections::BTreeMap;

use crate::attempt::{Attempt, Outcome};
use crate::commit::Commit;
use crate::fixture::{attempt, commit, finished, links, run, running, trusted_lane};
use crate::report::{AGGREGATE, LedgerEntry, MAX_POSTS, Plan, Post, Rank, Status, StatusState, desired, plan};
use crate::run::Run;

fn one() -> Run {
    run(1, trusted_lane())
}

/// A commit with a loaded module of so many checks, of which the first ones passed.
fn with_checks(total: usize, passed: usize) -> Commit {
    let check = |index| attempt(&one(), ".", &format!("go:check-{index:03}"));
    let checks = (0..total).map(|index| if index < passed { finished(check(index), Outcome::Success) } else { running(check(index)) });
    let load = finished(attempt(&one(), ".", "load"), Outcome::Success);
    commit(vec![one()], [load].into_iter().chain(checks).collect())
}

fn planned(commit: &Commit) -> Plan {
    plan(&desired(commit, &links()), &commit.ledger)
}

/// Remembers a post as the table does.
pub(super) fn record(ledger: &mut BTreeMap<String, LedgerEntry>, post: &Post) {
    let Status { context, state, description, rank, .. } = post.status.clone();
    let is_full = post.posted_context != context;
    let entry = LedgerEntry { context: context.clone(), rank, state, description, posts: post.posts_before + 1, is_full };
    ledger.insert(context, entry);
}

fn contexts(plan: &Plan) -> Vec<&str> {
    plan.posts.iter().map(|post| post.posted_context.as_str()).collect()
}

/// A status of one context, and what the ledger says of it.
fn alone(state: StatusState, told: Option<LedgerEntry>) -> Plan {
    let rank = Rank { generation: 1, number: 2, is_terminal: state.is_terminal() };
    let context = "quillon/api/lint".to_owned();
    let status = Status { context: context.clone(), state, description: "now".to_owned(), target_url: String::new(), rank };
    let ledger = told.into_iter().map(|entry| (entry.context.clone(), entry)).collect();
    plan(&BTreeMap::from([(context, status)]), &ledger)
}

fn told(number: u32, state: StatusState, posts: u32, is_full: bool) -> Option<LedgerEntry> {
    let rank = Rank { generation: 1, number, is_terminal: state.is_terminal() };
    Some(LedgerEntry { context: "quillon/api/lint".to_owned(), rank, state, description: "before".to_owned(), posts, is_full })
}

#[test]
fn the_aggregate_leads_while_pending_and_follows_once_it_is_terminal() {
    let running = planned(&with_checks(2, 1));
    assert_eq!(contexts(&running), [AGGREGATE, "quillon/api/check-000", "quillon/api/check-001", "quillon/api/load"]);
    let over = planned(&with_checks(2, 2));
    assert_eq!(contexts(&over), ["quillon/api/check-000", "quillon/api/check-001", "quillon/api/load", AGGREGATE]);
    assert!(!running.has_more && !over.has_more);
}

#[test]
fn what_was_posted_is_not_posted_again() {
    let mut commit = with_checks(2, 1);
    for post in planned(&commit).posts {
        record(&mut commit.ledger, &post);
    }
    assert_eq!(planned(&commit), Plan::default());
    // One more result costs its own status and the aggregate.
    commit.attempts = with_checks(2, 2).attempts;
    assert_eq!(contexts(&planned(&commit)), ["quillon/api/check-001", AGGREGATE]);
}

#[test]
fn nothing_older_than_what_was_posted_is_posted() {
    assert_eq!(alone(StatusState::Pending, told(3, StatusState::Pending, 1, false)), Plan::default());
    assert_eq!(alone(StatusState::Success, told(3, StatusState::Pending, 1, false)), Plan::default());
    assert_eq!(alone(StatusState::Pending, told(2, StatusState::Success, 1, false)), Plan::default());
    assert_eq!(alone(StatusState::Success, told(2, StatusState::Failure, 1, false)), Plan::default());
    assert_eq!(alone(StatusState::Success, told(2, StatusState::Pending, 1, false)).posts.len(), 1);
    assert_eq!(alone(StatusState::Pending, told(1, StatusState::Failure, 1, false)).posts.len(), 1);
}

#[test]
fn a_commit_with_many_contexts_has_one_pending_the_aggregate() {
    // 59 checks, the load and the aggregate are 61 contexts.
    let many = planned(&with_checks(59, 3));
    assert_eq!(contexts(&many), [AGGREGATE, "quillon/api/check-000", "quillon/api/check-001", "quillon/api/check-002", "quillon/api/load"]);
    assert_eq!(many.posts.iter().filter(|post| post.status.state == StatusState::Pending).count(), 1);
    // One check less, and all of them show that they are under way.
    let few = planned(&with_checks(58, 3));
    assert!(few.has_more && few.posts.iter().any(|post| post.status.context == "quillon/api/check-003"));
}

#[test]
fn a_plan_is_cut_and_the_verdict_waits_for_the_last_page() {
    let mut commit = with_checks(100, 100);
    let mut pages = Vec::new();
    loop {
        let page = planned(&commit);
        for post in &page.posts {
            record(&mut commit.ledger, post);
        }
        pages.push((page.posts.len(), page.posts.iter().any(|post| post.status.context == AGGREGATE), page.has_more));
        if !page.has_more {
            break;
        }
    }
    assert_eq!(pages, [(MAX_POSTS, false, true), (MAX_POSTS, false, true), (22, true, false)]);
    assert_eq!(planned(&commit), Plan::default());
}

#[test]
fn a_page_that_is_just_full_leaves_the_verdict_to_the_next() {
    let mut commit = with_checks(MAX_POSTS - 1, MAX_POSTS - 1);
    let first = planned(&commit);
    assert_eq!((first.posts.len(), first.has_more), (MAX_POSTS, true));
    for post in &first.posts {
        record(&mut commit.ledger, post);
    }
    let second = planned(&commit);
    assert_eq!((contexts(&second), second.has_more), (vec![AGGREGATE], false));
    // The same with the aggregate in front: never more posts than one page holds.
    let open = planned(&with_checks(50, 49));
    assert_eq!((open.posts.len(), open.has_more, contexts(&open)[0]), (MAX_POSTS, true, AGGREGATE));
}

#[test]
fn the_last_fifty_posts_of_a_context_are_kept_for_results() {
    let before = |posts| told(1, StatusState::Failure, posts, false);
    assert_eq!(alone(StatusState::Pending, before(949)).posts.len(), 1);
    assert_eq!(alone(StatusState::Pending, before(950)), Plan::default());
    for posts in [950, 999, 1_000] {
        let plan = alone(StatusState::Success, before(posts));
        assert_eq!(contexts(&plan), ["quillon/api/lint"]);
        assert_eq!(plan.posts[0].posts_before, posts);
    }
}

#[test]
fn a_full_context_goes_on_under_another_name() {
    for state in [StatusState::Pending, StatusState::Success] {
        let plan = alone(state, told(1, StatusState::Failure, 1_001, true));
        assert_eq!(contexts(&plan), ["quillon/api/lint#2"]);
        assert_eq!(plan.posts[0].status.context, "quillon/api/lint");
    }
}

#[test]
fn a_rerun_shows_as_pending_and_then_its_own_result() {
    let mut commit = with_checks(1, 1);
    for post in planned(&commit).posts {
        record(&mut commit.ledger, &post);
    }
    let again: Attempt = commit.attempts[1].next(1, Some("ann".to_owned()), false, crate::fixture::at(9));
    commit.attempts.push(again.clone());
    let states = |plan: &Plan| plan.posts.iter().map(|post| post.status.state).collect::<Vec<_>>();
    let pending = planned(&commit);
    assert_eq!((contexts(&pending), states(&pending)), (vec![AGGREGATE, "quillon/api/check-000"], vec![StatusState::Pending; 2]));
    for post in &pending.posts {
        record(&mut commit.ledger, post);
    }
    commit.attempts[2] = finished(again, Outcome::Failure { exit_code: 1 });
    let failed = planned(&commit);
    assert_eq!((contexts(&failed), states(&failed)), (vec!["quillon/api/check-000", AGGREGATE], vec![StatusState::Failure; 2]));
}
