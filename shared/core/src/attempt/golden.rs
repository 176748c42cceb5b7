//! The golden matrix: every state of an attempt × every event, written down in `transitions.txt` to be read and reviewed.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Attempt, AttemptState, Cancel, CancelReason, Command, Event, Outcome, Report, decide};
use crate::fixture::{at, attempt, lease, lease_id, listed, parsed, run, sha, trusted_lane};
use crate::id::LeaseId;

const WRITTEN: &str = include_str!("transitions.txt");

const PREFACE: &str = "\
# Every state of an attempt x every event: what comes of it. Written by the test `attempt::golden`, reviewed by people.
#
# Times are relative to `now`. Lease `a` is the one in force, `b` another. An attempt may take 3,600 s; a lease is lost 30 s
# after its end, a timeout noticed 120 s after it, an ignored cancellation 120 s after it was asked for.
# `same` means that nothing is stored; commands stand in brackets. `*` stands for every kind that is not listed by itself.
";

#[test]
fn transitions_are_as_written() {
    let found = matrix();
    if found == WRITTEN {
        return;
    }
    let binary = std::env::current_exe().expect("a test binary");
    let new = binary.with_file_name("transitions.txt.new");
    std::fs::write(&new, &found).expect("the build directory can be written");
    panic!(
        "the transitions changed:\n{}\nif that is meant: cp {} {}/src/attempt/transitions.txt",
        difference(WRITTEN, &found),
        new.display(),
        env!("CARGO_MANIFEST_DIR")
    );
}

#[test]
fn a_difference_shows_the_changed_lines_alone() {
    assert_eq!(difference("same\nold\n", "same\nnew\nmore\n"), "- old\n+ new\n+ more\n");
}

/// The lines that only one of two texts has, in order.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let (mut left, mut right) = (0, 0);
    let mut text = String::new();
    while left < old.len() || right < new.len() {
        if old.get(left) == new.get(right) {
            (left, right) = (left + 1, right + 1);
        } else if let Some(ahead) = old.get(left).and_then(|line| new[right..].iter().position(|other| other == line)) {
            new[right..right + ahead].iter().for_each(|line| text += &format!("+ {line}\n"));
            right += ahead;
        } else if let Some(line) = old.get(left) {
            text += &format!("- {line}\n");
            left += 1;
        } else {
            new[right..].iter().for_each(|line| text += &format!("+ {line}\n"));
            right = new.len();
        }
    }
    text
}

fn matrix() -> String {
    let mut text = PREFACE.to_owned();
    let loads = states("load");
    let checks = states("go:lint");
    for (load, check) in loads.iter().zip(&checks) {
        let (of_load, of_check) = (rows(&load.1), rows(&check.1));
        // A check cannot come to list checks, so that state is shown for the load alone.
        if of_load == of_check || matches!(load.1.state, AttemptState::Expanding { .. }) {
            block(&mut text, load.0, "", &load.1, &of_load);
        } else {
            block(&mut text, load.0, " (load)", &load.1, &of_load);
            block(&mut text, check.0, " (check)", &check.1, &of_check);
        }
    }
    text
}

fn block(text: &mut String, title: &str, of: &str, attempt: &Attempt, rows: &str) {
    write!(text, "\n## {title}{of}\n   {}\n\n{rows}", show(attempt)).expect("a string takes text");
}

/// Every state, each variant of it that is decided differently.
fn states(label: &str) -> Vec<(&'static str, Attempt)> {
    let fresh = attempt(&run(1, trusted_lane()), ".", label);
    let with = |state, due: i64| Attempt { state, due_at: Some(at(due)), ..fresh.clone() };
    let held = |until, since, cancel, due| {
        let state = AttemptState::Running { lease: lease('a', at(until)), started_at: at(since), cancel };
        with(state, due)
    };
    let over = |outcome, lease: Option<LeaseId>| {
        let state = AttemptState::Finished { outcome, lease, started_at: lease.map(|_| at(-20)), ended_at: at(-1) };
        Attempt { due_at: None, ..with(state, 0) }
    };
    let reported = |outcome| over(outcome, Some(lease_id('a')));
    let expanding =
        AttemptState::Expanding { lease: lease_id('a'), started_at: at(-20), ended_at: at(-1), checks: listed(&["go:lint", "go:test"]) };
    let third_time = |losses, attempt| Attempt { losses, execution: 3, ..attempt };
    vec![
        ("queued", with(AttemptState::Queued { since: at(-10) }, 50)),
        ("queued after a loss", Attempt { losses: 1, execution: 2, ..with(AttemptState::Queued { since: at(-10) }, 50) }),
        ("offered", with(AttemptState::Offered { since: at(-10) }, 50)),
        ("running", held(40, -20, None, 70)),
        ("running, renewed since it was last looked at", held(55, -80, None, 10)),
        ("running, with a long lease", held(300, -20, None, 330)),
        ("running, shall stop", held(40, -20, Some(superseded(-5)), 70)),
        ("running, does not stop", held(40, -200, Some(superseded(-121)), -1)),
        ("running, lease lost", held(-31, -91, None, -1)),
        ("running, lease lost a third time", third_time(2, held(-31, -91, None, -1))),
        ("running, shall stop, lease lost", held(-31, -91, Some(superseded(-60)), -1)),
        ("running, out of time", held(40, -3_721, None, -1)),
        ("running, shall stop, out of time", held(40, -3_721, Some(superseded(-60)), -1)),
        ("running, lease lost long ago, out of time since", held(-7_000, -7_200, None, -6_970)),
        ("expanding", with(expanding, 59)),
        ("finished, success", reported(Outcome::Success)),
        ("finished, failure", reported(Outcome::Failure { exit_code: 1 })),
        ("finished, error", reported(Outcome::Error { message: "no `dagger` on PATH".to_owned() })),
        ("finished, conflict", reported(Outcome::Conflict { base: parsed("main") })),
        ("finished, timed out as the agent says", reported(Outcome::TimedOut)),
        ("finished, timed out as the sweep found", over(Outcome::TimedOut, None)),
        ("finished, lost", third_time(3, over(Outcome::Lost, None))),
        ("finished, cancelled", over(Outcome::Cancelled(superseded(-5)), None)),
        ("finished, cancelled as the agent says", reported(Outcome::Cancelled(superseded(-5)))),
    ]
}

fn superseded(since: i64) -> Cancel {
    Cancel { reason: CancelReason::Superseded { by: sha('c') }, at: at(since) }
}

fn reports() -> [(&'static str, Report); 7] {
    [
        ("listed", Report::Listed { checks: listed(&["go:lint", "go:test"]) }),
        ("passed", Report::Passed),
        ("failed", Report::Failed { exit_code: 1 }),
        ("errored", Report::Errored { message: "no `dagger` on PATH".to_owned() }),
        ("conflict", Report::Conflict { base: parsed("main") }),
        ("timed out", Report::TimedOut),
        ("stopped", Report::Stopped),
    ]
}

/// One row per event.
fn rows(attempt: &Attempt) -> String {
    let due = attempt.due_at.unwrap_or(at(0));
    let second = jiff::SignedDuration::from_secs(1);
    let day = jiff::SignedDuration::from_hours(24);
    let mut rows = vec![
        row(attempt, "admitted", &Event::Admitted, at(0)),
        row(attempt, "leased b", &Event::Leased(lease('b', at(60))), at(0)),
        row(attempt, "renewed a", &Event::Renewed { lease: lease_id('a'), until: at(60) }, at(0)),
    ];
    if let AttemptState::Running { lease: held, .. } = &attempt.state {
        rows.push(row(attempt, "renewed a, no longer than it is", &Event::Renewed { lease: held.id, until: held.until }, at(0)));
    }
    rows.push(row(attempt, "renewed b", &Event::Renewed { lease: lease_id('b'), until: at(60) }, at(0)));
    for letter in ['a', 'b'] {
        let of = |name: &str| format!("reported {name} under {letter}");
        let event = |report| Event::Reported { lease: lease_id(letter), report, integration: Some(sha('d')) };
        let each: Vec<(&str, String)> = reports().map(|(name, report)| (name, result(attempt, &event(report), at(0)))).into();
        if each.iter().all(|(_, result)| *result == each[0].1) {
            rows.push((of("*"), each[0].1.clone()));
        } else {
            rows.extend(each.into_iter().map(|(name, result)| (of(name), result)));
        }
    }
    rows.extend([
        row(attempt, "released a", &Event::Released { lease: lease_id('a') }, at(0)),
        row(attempt, "released b", &Event::Released { lease: lease_id('b') }, at(0)),
        row(attempt, "cancel requested", &Event::CancelRequested(by_bob()), at(0)),
        row(attempt, "expanded", &Event::Expanded, at(0)),
    ]);
    if attempt.is_terminal() {
        rows.push(row(attempt, "tick", &Event::Tick, at(0)));
    } else {
        let early = due.saturating_sub(second).expect("a duration");
        rows.push(row(attempt, "tick, a second before it is due", &Event::Tick, early));
        rows.push(row(attempt, "tick, due", &Event::Tick, due));
        rows.push(row(attempt, "tick, a day late", &Event::Tick, super::later(due, day)));
    }
    rows.iter().map(|(event, result)| format!("{event:<34}{result}\n")).collect()
}

fn by_bob() -> Cancel {
    Cancel { reason: CancelReason::Requested { by: "bob".to_owned() }, at: at(0) }
}

fn row(attempt: &Attempt, name: &str, event: &Event, now: Timestamp) -> (String, String) {
    (name.to_owned(), result(attempt, event, now))
}

fn result(attempt: &Attempt, event: &Event, now: Timestamp) -> String {
    let decision = decide(attempt, event, now);
    let next = if decision.next == *attempt { "same".to_owned() } else { show(&decision.next) };
    let commands: Vec<&str> = decision.commands.iter().map(|command| word(*command)).collect();
    if commands.is_empty() { next } else { format!("{next} [{}]", commands.join(", ")) }
}

fn word(command: Command) -> &'static str {
    match command {
        Command::Admit => "admit",
        Command::Offer => "offer",
        Command::Report => "report",
        Command::Expand => "expand",
    }
}

/// Everything about an attempt that a transition can change.
fn show(attempt: &Attempt) -> String {
    let mut words = vec![match &attempt.state {
        AttemptState::Queued { since } => format!("queued since {}", seconds(*since)),
        AttemptState::Offered { since } => format!("offered since {}", seconds(*since)),
        AttemptState::Running { lease, started_at, cancel } => {
            let stop =
                cancel.as_ref().map_or_else(String::new, |cancel| format!(", shall stop since {}: {}", seconds(cancel.at), cancel.reason));
            format!("running since {} under {} until {}{stop}", seconds(*started_at), letter(lease.id), seconds(lease.until))
        }
        AttemptState::Expanding { lease, started_at, ended_at, checks } => {
            format!("expanding {} checks, ran {} to {} under {}", checks.len(), seconds(*started_at), seconds(*ended_at), letter(*lease))
        }
        AttemptState::Finished { outcome, lease, started_at, ended_at } => {
            let ran = started_at.map_or_else(String::new, |start| format!(", ran since {}", seconds(start)));
            let under = lease.map_or_else(String::new, |lease| format!(", result of {}", letter(lease)));
            format!("finished at {}: {}{ran}{under}", seconds(*ended_at), end(outcome))
        }
    }];
    if attempt.execution > 1 {
        words.push(format!("execution {}", attempt.execution));
    }
    if attempt.losses > 0 {
        words.push(format!("{} lost", attempt.losses));
    }
    if let Some(tested) = &attempt.integration {
        words.push(format!("tested {}", tested.short()));
    }
    if let Some(due_at) = attempt.due_at {
        words.push(format!("due {}", seconds(due_at)));
    }
    words.join(", ")
}

fn end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Success => "success".to_owned(),
        Outcome::Failure { exit_code } => format!("failure ({exit_code})"),
        Outcome::Error { message } => format!("error ({message})"),
        Outcome::Conflict { base } => format!("conflict (with {base})"),
        Outcome::TimedOut => "timed out".to_owned(),
        Outcome::Lost => "lost".to_owned(),
        Outcome::Cancelled(cancel) => format!("cancelled ({})", cancel.reason),
    }
}

fn letter(lease: LeaseId) -> char {
    ['a', 'b'].into_iter().find(|letter| lease_id(*letter) == lease).unwrap_or('?')
}

fn seconds(time: Timestamp) -> String {
    format!("{:+}s", time.as_second() - at(0).as_second())
}
