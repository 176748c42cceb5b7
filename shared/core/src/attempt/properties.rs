//! What holds for every history of an attempt: any events in any order at any times, clocks that disagree included.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{
    Attempt, AttemptState, Cancel, CancelReason, Command, Decision, Event, Lease, MAX_LOSSES, Outcome, REMINDER, Report, decide, later,
};
use crate::fixture::arbitrary::{a_lease_id, any_attempt, event, time};
use crate::fixture::{at, attempt, expanding, finished, lease, lease_id, listed, parsed, run, sha, trusted_lane};
use crate::run::Phase;

/// When an event of a history happens.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So many seconds after the one before; a few before it, because clocks disagree.
    After(i64),
    /// Exactly when the attempt is due.
    Due,
}

/// One event of a history, seen from where it met the attempt.
#[derive(Debug, Clone)]
struct Step {
    before: Attempt,
    event: Event,
    now: Timestamp,
    decision: Decision,
}

fn reports() -> impl Strategy<Value = Report> {
    prop_oneof![
        3 => Just(Report::Listed { checks: listed(&["go:lint", "go:test"]) }),
        3 => Just(Report::Passed),
        1 => Just(Report::Failed { exit_code: 1 }),
        1 => Just(Report::Errored { message: " \n".to_owned() }),
        1 => Just(Report::Conflict { base: parsed("main") }),
        1 => Just(Report::TimedOut),
        1 => Just(Report::Stopped),
    ]
}

fn moments() -> impl Strategy<Value = Moment> {
    prop_oneof![6 => (0..40_i64).prop_map(Moment::After), 1 => (-90..0_i64).prop_map(Moment::After), 4 => Just(Moment::Due)]
}

/// Events that meet each other often: few leases, and an end of the lease that lies around the present.
fn events() -> impl Strategy<Value = Event> {
    let reason = select(vec![CancelReason::Superseded { by: sha('c') }, CancelReason::Requested { by: "bob".to_owned() }]);
    prop_oneof![
        4 => Just(Event::Admitted),
        4 => select(['a', 'b'].as_slice()).prop_map(|letter| Event::Leased(lease(letter, at(60)))),
        2 => (a_lease_id(), 60..600_i64).prop_map(|(lease, until)| Event::Renewed { lease, until: at(until) }),
        1 => (a_lease_id(), reports(), any::<bool>()).prop_map(|(lease, report, is_tested)| Event::Reported {
            lease,
            report,
            integration: is_tested.then(|| sha('d'))
        }),
        1 => a_lease_id().prop_map(|lease| Event::Released { lease }),
        1 => (reason, 0..600_i64).prop_map(|(reason, since)| Event::CancelRequested(Cancel { reason, at: at(since) })),
        1 => Just(Event::Expanded),
        4 => Just(Event::Tick),
    ]
}

/// A history of a load or of a check, and what each event made of it.
fn histories() -> impl Strategy<Value = Vec<Step>> {
    let planned = proptest::collection::vec((events(), moments()), 1..40);
    (select(["load", "go:lint"].as_slice()), planned).prop_map(|(label, planned)| {
        let mut current = attempt(&run(1, trusted_lane()), ".", label);
        let mut now = at(0);
        let mut steps = Vec::new();
        for (event, moment) in planned {
            now = match moment {
                Moment::After(seconds) => later(now, SignedDuration::from_secs(seconds)),
                Moment::Due => current.due_at.unwrap_or(now),
            };
            let decision = decide(&current, &event, now);
            let next = decision.next.clone();
            steps.push(Step { before: current, event, now, decision });
            current = next;
        }
        steps
    })
}

/// The lease that an event speaks under.
fn spoken_under(event: &Event) -> Option<crate::id::LeaseId> {
    match event {
        Event::Renewed { lease, .. } | Event::Reported { lease, .. } | Event::Released { lease } => Some(*lease),
        Event::Admitted | Event::Leased(_) | Event::CancelRequested(_) | Event::Expanded | Event::Tick => None,
    }
}

fn is_running(attempt: &Attempt) -> bool {
    matches!(attempt.state, AttemptState::Running { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn deciding_an_event_twice_equals_once(steps in histories()) {
        for step in steps {
            let once = step.decision.next;
            let twice = decide(&once, &step.event, step.now);
            prop_assert_eq!(&twice.next, &once, "{:?}", step.event);
        }
    }

    #[test]
    fn a_finished_attempt_absorbs_everything(steps in histories()) {
        for step in steps.iter().filter(|step| step.before.is_terminal()) {
            prop_assert_eq!(&step.decision.next, &step.before);
        }
    }

    #[test]
    fn seq_counts_the_changes(steps in histories()) {
        for Step { before, decision, .. } in steps {
            let grown = if decision.next == before { before.seq } else { before.seq + 1 };
            prop_assert_eq!(decision.next.seq, grown);
            // What is not the machine's business never changes.
            let back = Attempt {
                state: before.state.clone(),
                due_at: before.due_at,
                seq: before.seq,
                execution: before.execution,
                losses: before.losses,
                integration: before.integration.clone(),
                ..decision.next
            };
            prop_assert_eq!(back, before);
        }
    }

    #[test]
    fn only_the_holder_of_the_lease_is_heard(steps in histories()) {
        for step in steps {
            let Some(lease) = spoken_under(&step.event) else { continue };
            if step.before.lease() != Some(lease) {
                prop_assert_eq!(&step.decision.next, &step.before);
                prop_assert_eq!(&step.decision.commands, &vec![]);
            }
        }
    }

    #[test]
    fn what_is_not_over_is_due_some_time(steps in histories()) {
        for step in steps {
            prop_assert_eq!(step.decision.next.due_at.is_none(), step.decision.next.is_terminal());
        }
    }

    #[test]
    fn a_tick_when_it_is_due_brings_an_attempt_forward(steps in histories()) {
        for Step { before, .. } in steps {
            let Some(due_at) = before.due_at else { continue };
            let ticked = decide(&before, &Event::Tick, due_at);
            let has_moved = ticked.next.due_at.is_none_or(|next| next > due_at);
            prop_assert!(ticked.next != before && has_moved, "{:?}", before);
            // Whatever is waited for is asked for again.
            let is_asked_for = match before.state {
                AttemptState::Queued { .. } => ticked.commands == [Command::Admit],
                AttemptState::Offered { .. } => ticked.commands == [Command::Offer],
                AttemptState::Expanding { .. } => ticked.commands == [Command::Expand],
                AttemptState::Running { .. } | AttemptState::Finished { .. } => true,
            };
            prop_assert!(is_asked_for, "{:?}", ticked);
        }
    }

    #[test]
    fn an_attempt_whose_agent_falls_silent_is_over_or_queued_after_two_looks(steps in histories()) {
        for Step { before, .. } in steps {
            let mut current = before;
            for _ in 0..2 {
                if let (true, Some(due_at)) = (is_running(&current), current.due_at) {
                    current = decide(&current, &Event::Tick, due_at).next;
                }
            }
            prop_assert!(!is_running(&current), "{:?}", current);
        }
    }

    #[test]
    fn an_attempt_is_lost_at_most_once_more_than_it_is_retried(steps in histories()) {
        for Step { before, decision: Decision { next, .. }, .. } in steps {
            prop_assert!(next.losses >= before.losses && next.losses <= MAX_LOSSES + 1);
            prop_assert_eq!(next.losses == MAX_LOSSES + 1, next.outcome() == Some(&Outcome::Lost));
            // Each loss but the last made another execution; so did each time that an agent gave it back.
            prop_assert!(next.execution > next.losses.min(MAX_LOSSES));
        }
    }

    #[test]
    fn success_is_the_word_of_the_agent_that_holds_the_lease(steps in histories()) {
        for Step { before, event, decision: Decision { next, .. }, .. } in steps {
            if before.is_terminal() || next.outcome() != Some(&Outcome::Success) {
                continue;
            }
            prop_assert!(next.lease().is_some() && next.lease() == before.lease());
            let is_earned = match (&before.state, &event) {
                (AttemptState::Running { .. }, Event::Reported { report: Report::Passed, .. }) => before.key.task.label() == "go:lint",
                (AttemptState::Expanding { .. }, Event::Expanded) => before.key.task.label() == "load",
                _ => false,
            };
            prop_assert!(is_earned, "{:?} {:?}", before, event);
        }
    }

    /// Once a cancellation was decided, an attempt is over or being stopped. From there it only ends: with what the holder of the
    /// lease reports (a check may have passed all the same, a load never succeeds), else as cancelled for the first reason.
    #[test]
    fn who_was_told_to_stop_never_starts_again(steps in histories()) {
        let mut told: Option<Cancel> = None;
        for Step { before, event, decision: Decision { next, .. }, .. } in steps {
            if let (Event::CancelRequested(cancel), false) = (&event, before.is_terminal()) {
                told.get_or_insert(cancel.clone());
            }
            let Some(cancel) = &told else { continue };
            let is_result = matches!(&event, Event::Reported { lease, .. } if before.lease() == Some(*lease)) && is_running(&before);
            match &next.state {
                AttemptState::Running { cancel: stopping, .. } => prop_assert_eq!(stopping.as_ref(), Some(cancel)),
                AttemptState::Finished { outcome: Outcome::Cancelled(stopped), .. } => prop_assert_eq!(stopped, cancel),
                AttemptState::Finished { outcome, .. } => {
                    prop_assert!(is_result || before.is_terminal(), "{:?} {:?}", before, event);
                    prop_assert!(*outcome != Outcome::Success || next.key.task.label() != "load");
                    prop_assert!(*outcome != Outcome::Lost);
                }
                AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Expanding { .. } => {
                    prop_assert!(false, "told to stop, and now {:?}", next);
                }
            }
        }
    }

    #[test]
    fn what_others_have_to_know_is_among_the_commands(steps in histories()) {
        for Step { before, decision: Decision { next, commands }, .. } in steps {
            if next == before {
                continue;
            }
            let has = |command| commands.contains(&command);
            if Phase::of(&next.state) != Phase::of(&before.state) || next.cancel() != before.cancel() {
                prop_assert!(has(Command::Report), "{:?}", next);
            }
            if before.is_active() && !next.is_active() {
                // The end of an expansion makes room: until then the load is as good as active.
                prop_assert!(has(Command::Admit) || has(Command::Expand), "{:?}", next);
            }
            if matches!(next.state, AttemptState::Offered { .. }) {
                prop_assert!(has(Command::Offer));
            }
            if matches!(next.state, AttemptState::Queued { .. }) {
                prop_assert!(has(Command::Admit));
            }
        }
    }

    #[test]
    fn every_attempt_survives_the_table(steps in histories(), odd in any_attempt()) {
        for attempt in steps.into_iter().map(|step| step.decision.next).chain([odd]) {
            let text = serde_json::to_string(&attempt).expect("serializes");
            prop_assert_eq!(serde_json::from_str::<Attempt>(&text).expect(&text), attempt);
        }
    }

    #[test]
    fn anything_at_any_time_is_decided(attempt in any_attempt(), first in event(), second in event(), now in time(), later in time()) {
        let once = decide(&attempt, &first, now).next;
        let twice = decide(&once, &second, later).next;
        prop_assert!(attempt.seq <= once.seq && once.seq <= twice.seq);
        prop_assert!(!attempt.is_terminal() || once == attempt);
        for attempt in [attempt, once, twice] {
            prop_assert_eq!(attempt.ended_at().is_some(), attempt.is_terminal());
            prop_assert!(attempt.note().is_none_or(|note| note.chars().count() <= 1_000));
        }
    }
}

/// The properties say nothing about what histories do not reach.
#[test]
fn histories_reach_every_state_and_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        let steps = histories().new_tree(&mut runner).expect("a history").current();
        seen.extend(steps.iter().map(|step| word(&step.decision.next)));
    }
    let all = [
        "cancelled",
        "conflict",
        "error",
        "expanding",
        "failure",
        "lost",
        "offered",
        "queued",
        "queued again",
        "running",
        "stopping",
        "success",
        "timed out",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

fn word(attempt: &Attempt) -> &'static str {
    match &attempt.state {
        AttemptState::Queued { .. } if attempt.execution > 1 => "queued again",
        AttemptState::Queued { .. } => "queued",
        AttemptState::Offered { .. } => "offered",
        AttemptState::Running { cancel: None, .. } => "running",
        AttemptState::Running { cancel: Some(_), .. } => "stopping",
        AttemptState::Expanding { .. } => "expanding",
        AttemptState::Finished { outcome, .. } => match outcome {
            Outcome::Success => "success",
            Outcome::Failure { .. } => "failure",
            Outcome::Error { .. } => "error",
            Outcome::Conflict { .. } => "conflict",
            Outcome::TimedOut => "timed out",
            Outcome::Lost => "lost",
            Outcome::Cancelled(_) => "cancelled",
        },
    }
}

#[test]
fn agents_that_always_die_end_an_attempt_after_three_executions() {
    let mut current = attempt(&run(1, trusted_lane()), ".", "go:lint");
    for execution in 1..=MAX_LOSSES + 1 {
        assert_eq!(current.execution, execution);
        let now = current.due_at.expect("is queued");
        current = decide(&current, &Event::Admitted, now).next;
        current = decide(&current, &Event::Leased(Lease { until: later(now, REMINDER), ..lease('a', now) }), now).next;
        current = decide(&current, &Event::Tick, current.due_at.expect("is running")).next;
    }
    assert_eq!(current.outcome(), Some(&Outcome::Lost));
    assert_eq!(current.note().as_deref(), Some("its agent was lost 3 times"));
}

#[test]
fn a_result_of_a_lost_agent_changes_nothing_for_the_next_one() {
    let passed = |letter| Event::Reported { lease: lease_id(letter), report: Report::Passed, integration: None };
    let mut current = attempt(&run(1, trusted_lane()), ".", "go:lint");
    for event in [Event::Admitted, Event::Leased(lease('a', at(60)))] {
        current = decide(&current, &event, at(0)).next;
    }
    current = decide(&current, &Event::Tick, at(90)).next;
    assert_eq!(decide(&current, &passed('a'), at(91)).next, current);
    for event in [Event::Admitted, Event::Leased(lease('b', at(160)))] {
        current = decide(&current, &event, at(100)).next;
    }
    assert_eq!(decide(&current, &passed('a'), at(101)).next, current);
    assert_eq!(decide(&current, &passed('b'), at(101)).next.outcome(), Some(&Outcome::Success));
}

#[test]
fn a_standstill_of_the_whole_system_is_no_timeout_of_a_check() {
    let offered = decide(&attempt(&run(1, trusted_lane()), ".", "go:lint"), &Event::Admitted, at(0)).next;
    let taken = decide(&offered, &Event::Leased(lease('a', at(60))), at(0)).next;
    let woken = decide(&taken, &Event::Tick, at(86_400)).next;
    assert_eq!((word(&woken), woken.losses), ("queued again", 1));
}

#[test]
fn a_load_took_as_long_as_its_agent_needed() {
    let load = expanding(attempt(&run(1, trusted_lane()), ".", "load"), &["go:lint"]);
    let loaded = decide(&load, &Event::Expanded, at(90)).next;
    assert_eq!((loaded.started_at(), loaded.ended_at()), (Some(at(0)), Some(at(3))));
}

#[test]
fn a_time_limit_is_named_in_the_unit_that_fits() {
    let note = |timeout_s| {
        let attempt = finished(attempt(&run(1, trusted_lane()), ".", "go:lint"), Outcome::TimedOut);
        Attempt { timeout_s, ..attempt }.note().unwrap_or_default()
    };
    assert_eq!(note(30), "took longer than 30 seconds");
    assert_eq!(note(3_600), "took longer than 60 minutes");
}
