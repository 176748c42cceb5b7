//! Tests of new attempts: reruns, returning heads, and the checks that a load lists.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Refusal, expand, rerun, revive};
use crate::attempt::{Attempt, AttemptKey, AttemptState, ListedCheck, MAX_CHECKS, Outcome};
use crate::commit::Commit;
use crate::fixture::arbitrary::{any_attempt, check_name, text, time};
use crate::fixture::{
    at, attempt, commit, expanding, finished, fork_lane, in_state, lease, lease_id, parsed, requested, run, running, superseded, task,
    trusted_lane,
};
use crate::name::Task;

fn of(label: &str) -> Attempt {
    attempt(&run(1, trusted_lane()), ".", label)
}

fn stopping(attempt: Attempt) -> Attempt {
    let state = AttemptState::Running { lease: lease('a', at(60)), started_at: at(0), cancel: Some(superseded()) };
    in_state(attempt, state)
}

fn failed(label: &str) -> Attempt {
    finished(of(label), Outcome::Failure { exit_code: 1 })
}

fn stopped(attempt: Attempt) -> Attempt {
    finished(attempt, Outcome::Cancelled(superseded()))
}

/// A load in expansion that came after the first one.
fn second_load(names: &[&str]) -> Attempt {
    expanding(finished(of("load"), Outcome::Success).next(2, Some("ann".to_owned()), true, at(9)), names)
}

fn labels(attempts: &[Attempt]) -> Vec<String> {
    attempts.iter().map(|attempt| format!("{} #{}", attempt.key.task.label(), attempt.key.number)).collect()
}

#[test]
fn a_rerun_is_the_next_attempt_in_the_same_company() {
    let fork = attempt(&run(1, fork_lane()), "web", "go:lint");
    let over = Attempt { description: Some("Lints.".to_owned()), ..finished(fork, Outcome::Success) };
    let again = rerun(&over, "bob", true, at(9)).expect("can be run again");
    assert_eq!((again.key.number, again.key.run.clone(), again.key.module.as_str()), (2, over.key.run.clone(), "web"));
    assert_eq!((again.requested_by.as_deref(), again.clean_slate, again.load_number), (Some("bob"), true, 1));
    assert_eq!((again.state, again.seq, again.description), (AttemptState::Queued { since: at(9) }, 1, over.description));
    assert!(again.id != over.id && again.trace != over.trace);
}

#[test]
fn what_cannot_be_run_again_says_why() {
    let refusal = |attempt: &Attempt| rerun(attempt, "bob", false, at(9)).map(|_| ()).map_err(|refusal| refusal.to_string());
    assert_eq!(refusal(&of("go:lint")), Err("`go:lint` is still queued or running: wait for it or cancel it first".to_owned()));
    for unfinished in [of("a"), in_state(of("a"), AttemptState::Offered { since: at(0) }), running(of("a")), expanding(of("load"), &["a"])]
    {
        assert!(matches!(rerun(&unfinished, "bob", false, at(9)), Err(Refusal::NotOver(_))));
    }
    assert_eq!(refusal(&stopping(of("load"))), Err("`load` is still queued or running: wait for it or cancel it first".to_owned()));
    assert_eq!(rerun(&finished(of("load"), Outcome::Success), "bob", false, at(9)), Err(Refusal::LoadSucceeded));
    assert_eq!(refusal(&failed("load")), Ok(()));
    assert_eq!(refusal(&finished(of("go:lint"), Outcome::Success)), Ok(()));
}

#[test]
fn a_load_that_is_run_again_counts_itself_and_a_check_keeps_its_load() {
    assert_eq!(rerun(&failed("load"), "bob", false, at(9)).map(|load| load.load_number), Ok(2));
    assert_eq!(rerun(&failed("go:lint"), "bob", false, at(9)).map(|check| check.load_number), Ok(1));
}

#[test]
fn the_first_load_brings_every_check_once() {
    let load = expanding(of("load"), &["go:lint", "go:test", "go:lint"]);
    let made = expand(&run(1, trusted_lane()), &load, &[&load], at(9));
    assert_eq!(labels(&made), ["go:lint #1", "go:test #1"]);
    assert!(made.iter().all(|check| check.load_number == 1 && check.timeout_s == load.timeout_s && !check.is_terminal()));
}

#[test]
fn a_load_that_is_not_expanding_brings_nothing() {
    for load in [of("load"), running(of("load")), finished(of("load"), Outcome::Success)] {
        assert_eq!(expand(&run(1, trusted_lane()), &load, &[&load], at(9)), vec![]);
    }
}

#[test]
fn a_later_load_brings_back_what_is_over_or_being_stopped_and_leaves_the_rest() {
    let load = second_load(&["ended", "stopped", "stopping", "under-way", "queued", "new"]);
    let known = [
        finished(of("ended"), Outcome::Success),
        stopped(of("stopped")),
        stopping(of("stopping")),
        running(of("under-way")),
        of("queued"),
        finished(attempt(&run(1, trusted_lane()), "web", "new"), Outcome::Success),
    ];
    let latest: Vec<&Attempt> = known.iter().chain([&load]).collect();
    let made = expand(&run(1, trusted_lane()), &load, &latest, at(9));
    assert_eq!(labels(&made), ["ended #2", "stopped #2", "stopping #2", "new #1"]);
    assert!(made.iter().all(|check| check.load_number == 2));
    assert_eq!((made[0].requested_by.as_deref(), made[0].clean_slate), (Some("ann"), true));
}

#[test]
fn a_module_cannot_list_more_checks_than_is_sensible() {
    let names: Vec<String> = (0..MAX_CHECKS + 9).map(|index| format!("check-{index}")).collect();
    let load = expanding(of("load"), &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(expand(&run(1, trusted_lane()), &load, &[&load], at(9)).len(), MAX_CHECKS);
}

#[test]
fn a_returning_head_loads_the_modules_that_were_stopped() {
    let run = run(1, trusted_lane());
    let web = finished(attempt(&run, "web", "load"), Outcome::Success);
    let fine = finished(attempt(&run, "web", "lint"), Outcome::Success);
    let loaded = finished(of("load"), Outcome::Success);
    let again = |attempts: &[&Attempt]| labels(&revive(attempts, at(9)));
    assert_eq!(again(&[&loaded, &stopped(of("a")), &web, &fine]), ["load #2"]);
    assert_eq!(again(&[&loaded, &finished(of("a"), Outcome::Cancelled(requested()))]), ["load #2"]);
    assert_eq!(again(&[&stopped(of("load"))]), ["load #2"]);
    assert_eq!(again(&[&loaded, &failed("a"), &web, &fine]), Vec::<String>::new());
}

#[test]
fn a_head_that_returns_before_its_work_has_stopped_is_loaded_all_the_same() {
    let loaded = finished(of("load"), Outcome::Success);
    assert_eq!(labels(&revive(&[&loaded, &stopping(of("a"))], at(9))), ["load #2"]);
    assert_eq!(labels(&revive(&[&stopping(of("load"))], at(9))), ["load #2"]);
    // A load that is under way brings back what was stopped.
    assert_eq!(revive(&[&second_load(&["a"]), &stopping(of("a"))], at(9)), vec![]);
}

/// A commit of one run with any newest attempts of a few checks, and a load in expansion.
fn expansions() -> impl Strategy<Value = (Commit, Attempt)> {
    let known = proptest::collection::btree_map(check_name(), any_attempt(), 0..6);
    let listed = proptest::collection::vec(check_name(), 0..8);
    (known, listed, 1..4_u32).prop_map(|(known, listed, number)| {
        let run = run(1, trusted_lane());
        let checks: Vec<ListedCheck> = known.keys().cloned().chain(listed).map(|name| ListedCheck { name, description: None }).collect();
        let attempts = known.into_iter().map(|(name, any)| {
            let key = AttemptKey { module: parsed("."), task: Task::Check(name), number: any.key.number.clamp(1, 9), ..any.key };
            Attempt { key, load_number: any.load_number % 4, ..any }
        });
        let state = AttemptState::Expanding { lease: lease_id('a'), started_at: at(0), ended_at: at(3), checks };
        let mut load = in_state(attempt(&run, ".", "load"), state);
        load.key.number = number;
        let attempts = attempts.chain([load.clone()]).collect();
        (commit(vec![run], attempts), load)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_expansion_can_be_repeated_from_any_point((mut commit, load) in expansions(), first in 0..9_usize) {
        let run = commit.runs[0].clone();
        let whole = expand(&run, &load, &commit.latest(&run.key), at(9));
        let keys: BTreeSet<_> = whole.iter().map(|attempt| attempt.key.clone()).collect();
        prop_assert_eq!(keys.len(), whole.len());
        // A crash after the first few, and once more: together they are what one go would have made.
        commit.attempts.extend(whole.iter().take(first).cloned());
        let rest = expand(&run, &load, &commit.latest(&run.key), at(9));
        prop_assert_eq!(&whole[first.min(whole.len())..], &rest[..]);
        commit.attempts.extend(rest);
        prop_assert_eq!(expand(&run, &load, &commit.latest(&run.key), at(99)), vec![]);
        // Nor does it start again what has ended meanwhile.
        let ended = commit.attempts.iter().map(|attempt| match attempt.key.task {
            Task::Load => attempt.clone(),
            Task::Check(_) => finished(attempt.clone(), Outcome::Success),
        });
        let ended = Commit { attempts: ended.collect(), ..commit.clone() };
        let is_older = |attempt: &&Attempt| attempt.load_number < load.key.number;
        let latest = ended.latest(&run.key);
        let expected = latest.iter().copied().filter(is_older).filter(|attempt| attempt.key.task != Task::Load).count();
        prop_assert_eq!(expand(&run, &load, &latest, at(99)).len(), expected);
        // Nothing that was given up is left behind.
        for attempt in commit.latest(&run.key).iter().filter(|attempt| attempt.key.task != Task::Load) {
            let is_given_up = attempt.is_terminal() || attempt.cancel().is_some();
            prop_assert!(!is_given_up || attempt.load_number >= load.key.number);
        }
    }

    #[test]
    fn a_head_that_returns_twice_is_revived_once(attempts in proptest::collection::vec(any_attempt(), 0..6), labels in check_labels()) {
        let attempts = attempts.into_iter().zip(labels).map(|(any, label)| {
            let key = AttemptKey { module: parsed("."), task: task(label), number: 1, ..any.key };
            Attempt { key, ..any }
        });
        let mut commit = commit(vec![run(1, trusted_lane())], attempts.collect());
        let key = commit.runs[0].key.clone();
        let was_stopped = commit.latest(&key).iter().any(|attempt| attempt.cancel().is_some());
        let again = revive(&commit.latest(&key), at(9));
        prop_assert!(again.len() <= usize::from(was_stopped));
        commit.attempts.extend(again);
        prop_assert_eq!(revive(&commit.latest(&key), at(10)), vec![]);
    }

    #[test]
    fn a_rerun_never_changes_whose_and_what_it_is(attempt in any_attempt(), actor in text(), now in time()) {
        let Ok(again) = rerun(&attempt, &actor, false, now) else { return Ok(()) };
        prop_assert!(attempt.is_terminal());
        prop_assert_eq!((&again.key.run, &again.key.module, &again.key.task), (&attempt.key.run, &attempt.key.module, &attempt.key.task));
        prop_assert_eq!(again.key.number, attempt.key.number.saturating_add(1));
        prop_assert_eq!((again.run, again.org, again.timeout_s), (attempt.run, attempt.org, attempt.timeout_s));
        prop_assert!(!again.is_terminal() && again.losses == 0 && again.integration.is_none());
        prop_assert!(again.requested_by.is_some_and(|by| by.chars().count() <= 100));
    }
}

fn check_labels() -> impl Strategy<Value = Vec<&'static str>> {
    Just(vec!["load", "a", "b", "c", "d", "e"]).prop_shuffle()
}
