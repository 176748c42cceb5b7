//! How one attempt reads as a commit status.

use proptest::prelude::*;

use crate::attempt::{Attempt, AttemptState, Cancel, CancelReason, Outcome};
use crate::fixture::arbitrary::any_attempt;
use crate::fixture::{at, attempt, commit, finished, in_state, lease, links, parsed, requested, run, running, superseded, trusted_lane};
use crate::id::PullNumber;
use crate::report::{AGGREGATE, MAX_DESCRIPTION, Rank, Status, StatusState, desired};

fn status(attempt: Attempt) -> Status {
    let desired = desired(&commit(vec![run(1, trusted_lane())], vec![attempt]), &links());
    desired.into_iter().find(|(context, _)| context != AGGREGATE).map(|(_, status)| status).expect("a status")
}

fn reads(attempt: Attempt) -> (StatusState, String) {
    let status = status(attempt);
    (status.state, status.description)
}

fn of(label: &str) -> Attempt {
    attempt(&run(1, trusted_lane()), ".", label)
}

#[test]
fn every_outcome_of_a_check_reads_as_people_expect() {
    let error = |message: &str| Outcome::Error { message: message.to_owned() };
    let closed = Cancel { reason: CancelReason::PullClosed { number: PullNumber(7) }, at: at(2) };
    for (outcome, state, text) in [
        (Outcome::Success, StatusState::Success, "passed in 3s"),
        (Outcome::Failure { exit_code: 1 }, StatusState::Failure, "failed in 3s (exit code 1)"),
        (error("no `dagger` on PATH"), StatusState::Error, "no `dagger` on PATH"),
        (Outcome::Conflict { base: parsed("main") }, StatusState::Error, "merge conflict with main"),
        (Outcome::TimedOut, StatusState::Error, "took longer than 60 minutes"),
        (Outcome::Cancelled(superseded()), StatusState::Error, "superseded by ccccccc"),
        (Outcome::Cancelled(requested()), StatusState::Error, "cancelled by bob"),
        (Outcome::Cancelled(closed), StatusState::Error, "cancelled: pull request #7 was closed"),
    ] {
        assert_eq!(reads(finished(of("go:lint"), outcome)), (state, text.to_owned()));
    }
    let lost = Attempt { losses: 3, ..finished(of("go:lint"), Outcome::Lost) };
    assert_eq!(reads(lost), (StatusState::Error, "its agent was lost 3 times".to_owned()));
}

#[test]
fn a_load_speaks_of_the_module() {
    for (outcome, state, text) in [
        (Outcome::Success, StatusState::Success, "loaded in 3s"),
        (Outcome::Failure { exit_code: 2 }, StatusState::Failure, "the module does not load (exit code 2)"),
        (Outcome::Conflict { base: parsed("main") }, StatusState::Error, "merge conflict with main"),
    ] {
        assert_eq!(reads(finished(of("load"), outcome)), (state, text.to_owned()));
    }
}

#[test]
fn everything_unfinished_is_one_pending_so_that_it_costs_one_post() {
    let stopping = AttemptState::Running { lease: lease('a', at(60)), started_at: at(0), cancel: Some(superseded()) };
    let offered = in_state(of("go:lint"), AttemptState::Offered { since: at(0) });
    for attempt in [of("go:lint"), offered, running(of("go:lint")), in_state(of("go:lint"), stopping)] {
        assert_eq!(reads(attempt), (StatusState::Pending, "waiting for the result".to_owned()));
    }
    assert_eq!(reads(of("load")), (StatusState::Pending, "loading the module".to_owned()));
}

#[test]
fn a_rank_is_the_run_then_the_attempt_then_pending_before_terminal() {
    let rerun = of("go:lint").next(1, None, false, at(9));
    assert_eq!(status(rerun.clone()).rank, Rank { generation: 1, number: 2, is_terminal: false });
    assert_eq!(status(finished(rerun, Outcome::Lost)).rank, Rank { generation: 1, number: 2, is_terminal: true });
}

#[test]
fn emoji_are_replaced_because_github_refuses_them() {
    let attempt = finished(of("go:lint"), Outcome::Error { message: "🐛 in the engine".to_owned() });
    assert_eq!(reads(attempt).1, "\u{fffd} in the engine");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_description_is_always_one_that_github_takes(attempt in any_attempt()) {
        let attempts = vec![attempt];
        for status in desired(&commit(vec![run(1, trusted_lane())], attempts), &links()).into_values() {
            prop_assert!(status.description.chars().count() <= MAX_DESCRIPTION, "{}", status.description);
            prop_assert!(status.description.chars().all(|c| c <= '\u{ffff}' && !c.is_control()), "{:?}", status.description);
            prop_assert!(status.target_url.is_ascii() && !status.target_url.contains(char::is_whitespace), "{}", status.target_url);
            prop_assert_eq!(status.rank.is_terminal, status.state.is_terminal());
        }
    }

    #[test]
    fn ranks_compare_as_text_as_they_do_as_numbers(one in ranks(), other in ranks()) {
        prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
        prop_assert_eq!(one.to_string().parse(), Ok(one));
    }
}

fn ranks() -> impl Strategy<Value = Rank> {
    let number = prop_oneof![0..12_u32, any::<u32>()];
    (number.clone(), number, any::<bool>()).prop_map(|(generation, number, is_terminal)| Rank { generation, number, is_terminal })
}
