//! Tests of the summary that the Checks page reads.

use super::{CheckLine, Counts, MAX_SUMMARY_LINES, Phase, Run, RunState, Summary, overall};
use crate::attempt::{Attempt, Cancel, CancelReason, Outcome};
use crate::fixture::{at, attempt, expanding, finished, parsed, requested, run, run_in, running, superseded, trusted_lane};

fn one() -> Run {
    run(1, trusted_lane())
}

fn check(name: &str) -> Attempt {
    attempt(&one(), ".", name)
}

fn failure() -> Outcome {
    Outcome::Failure { exit_code: 1 }
}

fn summary(attempts: &[Attempt]) -> Summary {
    one().summarize(&attempts.iter().collect::<Vec<_>>())
}

fn names(lines: &[CheckLine]) -> Vec<String> {
    lines.iter().map(|line| format!("{} {}", line.module, line.task.label())).collect()
}

#[test]
fn loads_come_first_then_what_needs_eyes_then_the_quiet_ones_by_name() {
    let attempts = [
        finished(check("a"), Outcome::Success),
        finished(check("b"), Outcome::Cancelled(requested())),
        finished(check("c"), failure()),
        running(check("d")),
        check("e"),
        finished(check("f"), Outcome::Lost),
        finished(attempt(&one(), "web", "load"), Outcome::Success),
        finished(attempt(&one(), ".", "load"), Outcome::Success),
        finished(attempt(&one(), "web", "a"), Outcome::Success),
    ];
    let expected = [". load", "web load", ". c", ". d", ". e", ". f", ". a", ". b", "web a"];
    assert_eq!(names(&summary(&attempts).lines), expected);
    let reversed: Vec<Attempt> = attempts.into_iter().rev().collect();
    assert_eq!(names(&summary(&reversed).lines), expected);
}

#[test]
fn lines_are_cut_and_counts_are_whole() {
    let quiet = (0..100).map(|index| finished(check(&format!("a-{index:03}")), Outcome::Success));
    let loud = (0..3).map(|index| finished(check(&format!("z-{index}")), failure()));
    let load = finished(check("load"), Outcome::Success);
    let summary = summary(&quiet.chain(loud).chain([load]).collect::<Vec<_>>());
    assert_eq!(summary.lines.len(), MAX_SUMMARY_LINES);
    assert_eq!(names(&summary.lines)[..5], [". load", ". z-0", ". z-1", ". z-2", ". a-000"]);
    assert_eq!(summary.counts, Counts { success: 100, failure: 3, ..Counts::default() });
    assert_eq!(summary.counts.total(), 103);
}

#[test]
fn every_phase_is_counted_and_loads_are_not() {
    let attempts = [
        check("load"),
        check("a"),
        running(check("b")),
        finished(check("c"), Outcome::Success),
        finished(check("d"), failure()),
        finished(check("e"), Outcome::TimedOut),
        finished(check("f"), Outcome::Cancelled(superseded())),
    ];
    assert_eq!(summary(&attempts).counts, Counts { queued: 1, running: 1, success: 1, failure: 1, error: 1, cancelled: 1 });
}

#[test]
fn a_line_says_what_its_phase_does_not() {
    let line = |attempt: Attempt| summary(&[attempt]).lines.remove(0);
    let failed = line(finished(check("a"), failure()));
    assert_eq!((failed.phase, failed.note.as_deref()), (Phase::Failure, Some("exit code 1")));
    assert_eq!((failed.started_at, failed.ended_at), (Some(at(0)), Some(at(3))));
    assert_eq!(line(finished(check("a"), Outcome::Cancelled(superseded()))).note.as_deref(), Some("superseded by ccccccc"));
    assert_eq!(line(finished(check("a"), Outcome::Success)).note, None);
    let lost_once = Attempt { losses: 1, ..check("a") };
    assert_eq!(line(lost_once).note.as_deref(), Some("its agent was lost, it is started again"));
}

#[test]
fn a_run_is_as_its_attempts_are() {
    let of = |attempts: &[Attempt]| summary(attempts).phase;
    let loaded = finished(check("load"), Outcome::Success);
    let passed = finished(check("a"), Outcome::Success);
    let failed = finished(check("b"), failure());
    let stopped = finished(check("c"), Outcome::Cancelled(requested()));
    let broken = finished(check("d"), Outcome::Lost);
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[check("load")]), Some(Phase::Queued));
    assert_eq!(of(&[expanding(check("load"), &["a"])]), Some(Phase::Running));
    assert_eq!(of(&[loaded.clone(), check("a")]), Some(Phase::Running));
    assert_eq!(of(&[loaded.clone(), failed.clone(), running(check("a"))]), Some(Phase::Running));
    assert_eq!(of(&[loaded.clone(), passed.clone()]), Some(Phase::Success));
    assert_eq!(of(&[loaded.clone(), passed.clone(), stopped.clone()]), Some(Phase::Cancelled));
    assert_eq!(of(&[loaded.clone(), passed.clone(), stopped.clone(), broken.clone()]), Some(Phase::Error));
    assert_eq!(of(&[loaded, passed, stopped, broken, failed]), Some(Phase::Failure));
}

#[test]
fn a_run_without_attempts_is_as_the_scheduler_says() {
    let of = |state| run_in(1, trusted_lane(), state).summarize(&[]);
    let closed = Cancel { reason: CancelReason::InstallationGone, at: at(1) };
    for (state, phase) in [
        (RunState::Waiting { tries: 1 }, Some(Phase::Queued)),
        (RunState::Open, None),
        (RunState::Conflict { base: parsed("main") }, Some(Phase::Error)),
        (RunState::NoModule, None),
        (RunState::TooManyModules { found: 40 }, Some(Phase::Error)),
        (RunState::ForkRefused, Some(Phase::Error)),
        (RunState::Stopped { cancel: closed }, Some(Phase::Cancelled)),
    ] {
        let summary = of(state.clone());
        assert_eq!(summary.phase, phase, "{state:?}");
        // What never began ended when it was made.
        let ended_at = phase.filter(|phase| phase.is_terminal()).map(|_| one().created_at);
        assert_eq!(summary.ended_at, ended_at, "{state:?}");
        assert_eq!((summary.counts.total(), summary.lines.len()), (0, 0));
    }
}

#[test]
fn a_run_ended_with_the_last_of_its_attempts() {
    let over = [finished(check("load"), Outcome::Success), finished(check("a"), failure())];
    assert_eq!(summary(&over).ended_at, Some(at(3)));
    assert_eq!(summary(&[over[0].clone(), check("a")]).ended_at, None);
}

#[test]
fn the_phase_of_a_whole_does_not_depend_on_order() {
    let all = [Phase::Queued, Phase::Running, Phase::Success, Phase::Failure, Phase::Error, Phase::Cancelled];
    for one in all {
        for other in all {
            let (there, back) = (overall([one, other].into_iter()), overall([other, one].into_iter()));
            assert_eq!(there, back);
            let is_over = one.is_terminal() && other.is_terminal();
            assert_eq!(there.is_some_and(Phase::is_terminal), is_over, "{one:?} {other:?}");
        }
    }
}
