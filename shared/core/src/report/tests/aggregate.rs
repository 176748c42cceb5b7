//! The aggregate `quillon`: what branch protection looks at.

use proptest::prelude::*;
use proptest::sample::select;

use crate::attempt::{Attempt, Cancel, CancelReason, Outcome};
use crate::commit::Commit;
use crate::fixture::{
    at, attempt, commit, expanding, finished, fork_lane, links, parsed, requested, run, run_in, running, superseded, superseded_in_lane,
    trusted_lane,
};
use crate::id::PullNumber;
use crate::lane::Lane;
use crate::report::{AGGREGATE, Status, StatusState, desired};
use crate::run::{Run, RunState};

fn aggregate(commit: &Commit) -> Option<Status> {
    desired(commit, &links()).remove(AGGREGATE)
}

fn reads(runs: Vec<Run>, attempts: Vec<Attempt>) -> Option<(StatusState, String)> {
    aggregate(&commit(runs, attempts)).map(|status| (status.state, status.description))
}

fn says(state: StatusState, text: &str) -> Option<(StatusState, String)> {
    Some((state, text.to_owned()))
}

/// A run whose load succeeded and whose checks ended like this.
fn ended(run: &Run, outcomes: &[Outcome]) -> Vec<Attempt> {
    let checks = outcomes.iter().enumerate().map(|(index, outcome)| {
        let check = attempt(run, ".", &format!("go:check-{index}"));
        finished(check, outcome.clone())
    });
    [finished(attempt(run, ".", "load"), Outcome::Success)].into_iter().chain(checks).collect()
}

fn one() -> Run {
    run(1, trusted_lane())
}

const PENDING: &str = "checks are running";

#[test]
fn it_is_pending_while_anything_is_open() {
    let run = one();
    let load = attempt(&run, ".", "load");
    let success = finished(load.clone(), Outcome::Success);
    let failed = finished(attempt(&run, ".", "go:test"), Outcome::Failure { exit_code: 1 });
    for attempts in [
        vec![load.clone()],
        vec![running(load.clone())],
        vec![expanding(load, &["go:lint"])],
        vec![success.clone(), attempt(&run, ".", "go:lint")],
        vec![success.clone(), failed, running(attempt(&run, ".", "go:lint"))],
        vec![success, attempt(&run, "web", "load")],
    ] {
        assert_eq!(reads(vec![run.clone()], attempts), says(StatusState::Pending, PENDING));
    }
    let waiting = run_in(1, trusted_lane(), RunState::Waiting { tries: 2 });
    assert_eq!(reads(vec![waiting], vec![]), says(StatusState::Pending, PENDING));
}

#[test]
fn it_counts_what_came_of_the_checks() {
    let of = |outcomes: &[Outcome]| reads(vec![one()], ended(&one(), outcomes));
    let failure = Outcome::Failure { exit_code: 1 };
    assert_eq!(of(&[Outcome::Success, Outcome::Success]), says(StatusState::Success, "2 succeeded"));
    assert_eq!(of(&[Outcome::Success, failure.clone()]), says(StatusState::Failure, "1 failed, 1 succeeded"));
    assert_eq!(of(&[Outcome::Success, Outcome::TimedOut]), says(StatusState::Error, "1 could not run, 1 succeeded"));
    assert_eq!(of(&[Outcome::Cancelled(requested())]), says(StatusState::Error, "1 cancelled"));
    let all = [Outcome::Cancelled(requested()), Outcome::Lost, failure, Outcome::Success];
    assert_eq!(of(&all), says(StatusState::Failure, "1 failed, 1 could not run, 1 cancelled, 1 succeeded"));
}

#[test]
fn a_module_without_checks_is_not_in_the_way_and_says_why() {
    assert_eq!(reads(vec![one()], ended(&one(), &[])), says(StatusState::Success, "no check functions in the module"));
}

#[test]
fn a_module_that_does_not_load_fails_the_commit() {
    let broken = |module| finished(attempt(&one(), module, "load"), Outcome::Failure { exit_code: 1 });
    assert_eq!(reads(vec![one()], vec![broken(".")]), says(StatusState::Failure, "a module did not load"));
    let two = [vec![broken("web"), broken("cli")], ended(&one(), &[Outcome::Success])].concat();
    assert_eq!(reads(vec![one()], two), says(StatusState::Failure, "2 modules did not load, 1 succeeded"));
}

#[test]
fn a_conflict_is_an_error_whoever_finds_it() {
    let expected = says(StatusState::Error, "merge conflict with main");
    let conflict = RunState::Conflict { base: parsed("main") };
    assert_eq!(reads(vec![run_in(1, trusted_lane(), conflict)], vec![]), expected);
    let found_by_agent = finished(attempt(&one(), ".", "load"), Outcome::Conflict { base: parsed("main") });
    assert_eq!(reads(vec![one()], vec![found_by_agent]), expected);
}

#[test]
fn runs_without_checks_say_why_and_a_commit_without_modules_says_nothing() {
    let of = |state| reads(vec![run_in(1, fork_lane(), state)], vec![]);
    assert_eq!(of(RunState::NoModule), None);
    let many = of(RunState::TooManyModules { found: 33 });
    assert_eq!(many, says(StatusState::Error, "33 modules in this commit, at most 32 are run"));
    let refused = of(RunState::ForkRefused);
    assert_eq!(refused, says(StatusState::Error, "pull requests from forks are not run here (start with `--run-forks`)"));
    let closed = Cancel { reason: CancelReason::PullClosed { number: PullNumber(7) }, at: at(1) };
    assert_eq!(of(RunState::Stopped { cancel: closed }), says(StatusState::Error, "cancelled: pull request #7 was closed"));
    assert_eq!(of(RunState::Stopped { cancel: superseded() }), says(StatusState::Error, "superseded by ccccccc"));
}

#[test]
fn a_commit_that_was_superseded_says_by_which() {
    let attempts = ended(&one(), &[Outcome::Success, Outcome::Cancelled(superseded())]);
    assert_eq!(reads(vec![one()], attempts), says(StatusState::Error, "superseded by ccccccc"));
}

#[test]
fn a_run_that_was_replaced_within_its_commit_does_not_speak() {
    let (push, pull) = (run(1, Lane::of_pull(parsed("main"), crate::trust::Trust::Trusted)), run(2, fork_lane()));
    let replaced = ended(&push, &[Outcome::Failure { exit_code: 1 }, Outcome::Cancelled(superseded_in_lane())]);
    let attempts = [replaced, ended(&pull, &[Outcome::Success])].concat();
    assert_eq!(reads(vec![push, pull], attempts), says(StatusState::Success, "1 succeeded"));
    let stopped = run_in(3, Lane::of_tag(), RunState::Stopped { cancel: superseded_in_lane() });
    assert_eq!(reads(vec![one(), stopped], ended(&one(), &[Outcome::Success])), says(StatusState::Success, "1 succeeded"));
}

#[test]
fn a_replaced_run_speaks_again_as_soon_as_something_of_it_is_started_again() {
    let (first, second) = (one(), run(2, fork_lane()));
    let replaced = ended(&first, &[Outcome::Cancelled(superseded())]);
    let again = replaced[0].next(2, None, false, at(9));
    let attempts = [replaced, vec![again], ended(&second, &[Outcome::Success])].concat();
    assert_eq!(reads(vec![first, second], attempts), says(StatusState::Pending, PENDING));
}

#[test]
fn a_fork_and_a_maintainer_with_one_commit_both_speak() {
    let (trusted, fork) = (one(), run(2, fork_lane()));
    let with_fork = |outcome| [ended(&trusted, &[Outcome::Success]), ended(&fork, &[outcome])].concat();
    let of = |outcome| reads(vec![trusted.clone(), fork.clone()], with_fork(outcome));
    assert_eq!(of(Outcome::Success), says(StatusState::Success, "2 succeeded"));
    assert_eq!(of(Outcome::Failure { exit_code: 1 }), says(StatusState::Failure, "1 failed, 1 succeeded"));
    // The newest run owns the contexts of single checks.
    let both = desired(&commit(vec![trusted.clone(), fork.clone()], with_fork(Outcome::Lost)), &links());
    assert_eq!((both["quillon/api/check-0"].state, both["quillon/api/check-0"].rank.generation), (StatusState::Error, 2));
}

#[test]
fn its_rank_does_not_shrink_when_the_newest_run_falls_silent() {
    let (first, second) = (one(), run(2, fork_lane()));
    let over = ended(&first, &[Outcome::Success]);
    let rank = |of_second: Vec<Attempt>| {
        let commit = commit(vec![first.clone(), second.clone()], [over.clone(), of_second].concat());
        aggregate(&commit).map(|status| (status.rank, status.state))
    };
    let load = finished(attempt(&second, ".", "load"), Outcome::Success);
    let open = rank(vec![load.clone(), attempt(&second, ".", "go:check-0")]).expect("pending");
    let replaced = finished(attempt(&second, ".", "go:check-0"), Outcome::Cancelled(superseded()));
    let silent = rank(vec![load, replaced]).expect("success");
    assert_eq!((open.1, silent.1), (StatusState::Pending, StatusState::Success));
    assert!(open.0 < silent.0);
}

fn outcomes() -> impl Strategy<Value = Option<Outcome>> {
    select(vec![
        None,
        Some(Outcome::Success),
        Some(Outcome::Success),
        Some(Outcome::Success),
        Some(Outcome::Failure { exit_code: 1 }),
        Some(Outcome::Error { message: "broken".to_owned() }),
        Some(Outcome::TimedOut),
        Some(Outcome::Lost),
        Some(Outcome::Cancelled(requested())),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Over commits of which nothing was superseded: open → pending; else green exactly when everything succeeded.
    #[test]
    fn it_is_green_only_when_everything_that_speaks_succeeded(
        of_runs in proptest::collection::vec(proptest::collection::vec((outcomes(), outcomes()), 1..5), 1..4),
    ) {
        let lanes = [trusted_lane(), fork_lane(), Lane::of_tag()];
        let runs: Vec<Run> = (1..).zip(lanes).take(of_runs.len()).map(|(generation, lane)| run(generation, lane)).collect();
        let mut attempts = Vec::new();
        for (run, tasks) in runs.iter().zip(&of_runs) {
            for (index, (earlier, outcome)) in tasks.iter().enumerate() {
                let label = if index == 0 { "load".to_owned() } else { format!("go:check-{index}") };
                let mut newest = attempt(run, ".", &label);
                // An attempt that was run again does not count any more, however it ended.
                if let Some(earlier) = earlier {
                    attempts.push(finished(newest.clone(), earlier.clone()));
                    newest = newest.next(1, None, false, at(9));
                }
                attempts.push(match outcome {
                    Some(outcome) => finished(newest, outcome.clone()),
                    None => running(newest),
                });
            }
        }
        let last: Vec<&Option<Outcome>> = of_runs.iter().flatten().map(|(_, outcome)| outcome).collect();
        let status = aggregate(&commit(runs, attempts)).expect("there are runs");
        let is_failed = |outcome: &&&Option<Outcome>| matches!(outcome, Some(Outcome::Failure { .. }));
        let expected = if last.iter().any(|outcome| outcome.is_none()) {
            StatusState::Pending
        } else if last.iter().all(|outcome| **outcome == Some(Outcome::Success)) {
            StatusState::Success
        } else if last.iter().any(|outcome| is_failed(&outcome)) {
            StatusState::Failure
        } else {
            StatusState::Error
        };
        prop_assert_eq!(status.state, expected);
    }
}
