//! The transitions of an attempt: total, pure, one arm per case.

use jiff::{SignedDuration, Timestamp};

use super::{Attempt, AttemptState, CANCEL_PATIENCE, Cancel, Event, LEASE_GRACE, Lease, MAX_LOSSES, Outcome, REMINDER, Report, later};
use crate::id::LeaseId;
use crate::name::Task;
use crate::text::shorten;

/// How much longer than its own limit an agent may take to say that the time was up.
const TIMEOUT_PATIENCE: SignedDuration = SignedDuration::from_secs(120);

/// What the core asks the outside to do after a transition. All of it can be derived again from the stored state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Tell the dispatcher that something of this org waits or made room.
    Admit,
    /// Wake an agent: this attempt can be leased.
    Offer,
    /// Make GitHub and the run's summary agree with the attempt.
    Report,
    /// Write the attempts of the listed checks.
    Expand,
}

/// The next attempt and what has to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Equal to the input where the event does not fit; else with `seq` one higher.
    pub next: Attempt,
    /// Orders, to be carried out after `next` is stored.
    pub commands: Vec<Command>,
}

/// Decides what an event makes of an attempt.
///
/// Total: an event that does not fit (a duplicate, a late one, one under an old lease) leaves the attempt as it is, and
/// repeats the commands that its state still wants where the event is a repetition of the one that led there.
#[must_use]
pub fn decide(attempt: &Attempt, event: &Event, now: Timestamp) -> Decision {
    match (&attempt.state, event) {
        (AttemptState::Queued { .. }, Event::Admitted) => {
            change(attempt, AttemptState::Offered { since: now }, Some(later(now, REMINDER)), vec![Command::Offer])
        }
        (AttemptState::Queued { .. }, Event::CancelRequested(cancel)) => finish(attempt, stopped(cancel), now, vec![Command::Report]),
        (AttemptState::Queued { .. }, Event::Tick) => remind(attempt, now, Command::Admit),
        (
            AttemptState::Queued { .. },
            Event::Leased(_) | Event::Renewed { .. } | Event::Reported { .. } | Event::Released { .. } | Event::Expanded,
        ) => keep(attempt),

        (AttemptState::Offered { .. }, Event::Admitted) => repeat(attempt, vec![Command::Offer]),
        (AttemptState::Offered { .. }, Event::Leased(lease)) => start(attempt, lease, now),
        (AttemptState::Offered { .. }, Event::CancelRequested(cancel)) => {
            finish(attempt, stopped(cancel), now, vec![Command::Report, Command::Admit])
        }
        (AttemptState::Offered { .. }, Event::Tick) => remind(attempt, now, Command::Offer),
        (AttemptState::Offered { .. }, Event::Renewed { .. } | Event::Reported { .. } | Event::Released { .. } | Event::Expanded) => {
            keep(attempt)
        }

        (AttemptState::Running { lease, started_at, cancel }, Event::Renewed { lease: holder, until }) => {
            if lease.id != *holder || *until <= lease.until {
                return keep(attempt);
            }
            let lease = Lease { until: *until, ..lease.clone() };
            let state = AttemptState::Running { lease, started_at: *started_at, cancel: cancel.clone() };
            // `due_at` stays: it is an index key, and the tick that comes at it looks at the lease again.
            change(attempt, state, attempt.due_at, vec![])
        }
        (AttemptState::Running { lease, started_at, cancel }, Event::Reported { lease: holder, report, integration }) => {
            if lease.id != *holder {
                return keep(attempt);
            }
            let tested = Attempt { integration: integration.clone(), ..attempt.clone() };
            accept(&tested, *holder, *started_at, cancel.as_ref(), report, now)
        }
        (AttemptState::Running { lease, cancel, .. }, Event::Released { lease: holder }) => {
            if lease.id != *holder {
                return keep(attempt);
            }
            match cancel {
                Some(cancel) => finish(attempt, stopped(cancel), now, vec![Command::Report, Command::Admit]),
                None => requeue(attempt, attempt.losses, now),
            }
        }
        (AttemptState::Running { cancel: Some(_), .. }, Event::CancelRequested(_)) => keep(attempt),
        (AttemptState::Running { lease, started_at, cancel: None }, Event::CancelRequested(cancel)) => {
            let state = AttemptState::Running { lease: lease.clone(), started_at: *started_at, cancel: Some(cancel.clone()) };
            let due_at = wake_up(attempt.timeout_s, lease, *started_at, Some(cancel));
            change(attempt, state, Some(due_at), vec![Command::Report])
        }
        (AttemptState::Running { lease, started_at, cancel }, Event::Tick) => tick(attempt, lease, *started_at, cancel.as_ref(), now),
        (AttemptState::Running { .. }, Event::Admitted | Event::Leased(_) | Event::Expanded) => keep(attempt),

        (AttemptState::Expanding { lease, .. }, Event::Reported { lease: holder, .. }) => {
            repeat(attempt, if lease == holder { vec![Command::Expand] } else { vec![] })
        }
        (AttemptState::Expanding { lease, started_at, ended_at, .. }, Event::Expanded) => {
            // It took as long as the agent was at it, however late its attempts could be written.
            end(attempt, Outcome::Success, Some(*lease), Some(*started_at), *ended_at, vec![Command::Report, Command::Admit])
        }
        (AttemptState::Expanding { lease, started_at, .. }, Event::CancelRequested(cancel)) => {
            end(attempt, stopped(cancel), Some(*lease), Some(*started_at), now, vec![Command::Report, Command::Admit])
        }
        (AttemptState::Expanding { .. }, Event::Tick) => remind(attempt, now, Command::Expand),
        (AttemptState::Expanding { .. }, Event::Admitted | Event::Leased(_) | Event::Renewed { .. } | Event::Released { .. }) => {
            keep(attempt)
        }

        (AttemptState::Finished { lease, .. }, Event::Reported { lease: holder, .. }) => {
            let is_repetition = lease.as_ref() == Some(holder);
            repeat(attempt, if is_repetition { vec![Command::Report, Command::Admit] } else { vec![] })
        }
        (AttemptState::Finished { .. }, Event::Expanded | Event::CancelRequested(_)) => repeat(attempt, vec![Command::Report]),
        (
            AttemptState::Finished { .. },
            Event::Admitted | Event::Leased(_) | Event::Renewed { .. } | Event::Released { .. } | Event::Tick,
        ) => keep(attempt),
    }
}

fn start(attempt: &Attempt, lease: &Lease, now: Timestamp) -> Decision {
    let due_at = wake_up(attempt.timeout_s, lease, now, None);
    let state = AttemptState::Running { lease: lease.clone(), started_at: now, cancel: None };
    change(attempt, state, Some(due_at), vec![Command::Report])
}

fn accept(attempt: &Attempt, lease: LeaseId, started_at: Timestamp, cancel: Option<&Cancel>, report: &Report, now: Timestamp) -> Decision {
    let commands = vec![Command::Report, Command::Admit];
    let over = |outcome| end(attempt, outcome, Some(lease), Some(started_at), now, commands.clone());
    match (report, &attempt.key.task) {
        (Report::Listed { checks }, Task::Load) => {
            // The list is worth nothing to somebody who wanted it stopped.
            if let Some(cancel) = cancel {
                return over(stopped(cancel));
            }
            let state = AttemptState::Expanding { lease, started_at, ended_at: now, checks: checks.clone() };
            change(attempt, state, Some(later(now, REMINDER)), vec![Command::Expand])
        }
        (Report::Listed { .. }, Task::Check(_)) => {
            over(Outcome::Error { message: "the agent answered a check with a list of checks".to_owned() })
        }
        (Report::Passed, Task::Load) => {
            over(Outcome::Error { message: "the agent loaded the module without listing its checks".to_owned() })
        }
        (Report::Passed, Task::Check(_)) => over(Outcome::Success),
        (Report::Failed { exit_code }, Task::Load | Task::Check(_)) => over(Outcome::Failure { exit_code: *exit_code }),
        (Report::Errored { message }, Task::Load | Task::Check(_)) => over(Outcome::Error { message: reason(message) }),
        (Report::Conflict { base }, Task::Load | Task::Check(_)) => over(Outcome::Conflict { base: base.clone() }),
        (Report::TimedOut, Task::Load | Task::Check(_)) => over(Outcome::TimedOut),
        (Report::Stopped, Task::Load | Task::Check(_)) => over(match cancel {
            Some(cancel) => stopped(cancel),
            None => Outcome::Error { message: "the agent stopped without being asked to".to_owned() },
        }),
    }
}

fn tick(attempt: &Attempt, lease: &Lease, started_at: Timestamp, cancel: Option<&Cancel>, now: Timestamp) -> Decision {
    let commands = vec![Command::Report, Command::Admit];
    let lost_at = later(lease.until, LEASE_GRACE);
    let overdue_at = overdue_at(attempt.timeout_s, started_at);
    let is_lost = now >= lost_at;
    let is_overdue = now >= overdue_at;
    let losses = attempt.losses.saturating_add(1);
    match cancel {
        Some(cancel) if is_lost || is_overdue || now >= later(cancel.at, CANCEL_PATIENCE) => {
            finish(attempt, stopped(cancel), now, commands)
        }
        // What happened first counts: after a long standstill of our own, a dead agent's work has not taken that long.
        None if is_overdue && overdue_at <= lost_at => finish(attempt, Outcome::TimedOut, now, commands),
        None if is_lost && attempt.losses < MAX_LOSSES => requeue(attempt, losses, now),
        None if is_lost => finish(&Attempt { losses, ..attempt.clone() }, Outcome::Lost, now, commands),
        Some(_) | None => {
            let due_at = wake_up(attempt.timeout_s, lease, started_at, cancel);
            if attempt.due_at == Some(due_at) { keep(attempt) } else { change(attempt, attempt.state.clone(), Some(due_at), vec![]) }
        }
    }
}

/// When a running attempt needs eyes next: lease lost, time up, or cancellation ignored.
fn wake_up(timeout_s: u32, lease: &Lease, started_at: Timestamp, cancel: Option<&Cancel>) -> Timestamp {
    let lost = later(lease.until, LEASE_GRACE);
    let overdue = overdue_at(timeout_s, started_at);
    let ignored = cancel.map_or(Timestamp::MAX, |cancel| later(cancel.at, CANCEL_PATIENCE));
    lost.min(overdue).min(ignored)
}

fn overdue_at(timeout_s: u32, started_at: Timestamp) -> Timestamp {
    later(started_at, SignedDuration::from_secs(i64::from(timeout_s)) + TIMEOUT_PATIENCE)
}

fn requeue(attempt: &Attempt, losses: u32, now: Timestamp) -> Decision {
    let again = Attempt { execution: attempt.execution.saturating_add(1), losses, ..attempt.clone() };
    change(&again, AttemptState::Queued { since: now }, Some(later(now, REMINDER)), vec![Command::Admit, Command::Report])
}

fn remind(attempt: &Attempt, now: Timestamp, command: Command) -> Decision {
    match attempt.due_at {
        Some(due_at) if due_at <= now => change(attempt, attempt.state.clone(), Some(later(now, REMINDER)), vec![command]),
        Some(_) | None => keep(attempt),
    }
}

fn stopped(cancel: &Cancel) -> Outcome {
    Outcome::Cancelled(cancel.clone())
}

fn reason(message: &str) -> String {
    let message = shorten(message.trim(), 1_000);
    if message.trim().is_empty() { "the agent did not say why".to_owned() } else { message }
}

fn finish(attempt: &Attempt, outcome: Outcome, now: Timestamp, commands: Vec<Command>) -> Decision {
    end(attempt, outcome, None, attempt.started_at(), now, commands)
}

fn end(
    attempt: &Attempt,
    outcome: Outcome,
    lease: Option<LeaseId>,
    started_at: Option<Timestamp>,
    ended_at: Timestamp,
    commands: Vec<Command>,
) -> Decision {
    change(attempt, AttemptState::Finished { outcome, lease, started_at, ended_at }, None, commands)
}

fn change(attempt: &Attempt, state: AttemptState, due_at: Option<Timestamp>, commands: Vec<Command>) -> Decision {
    Decision { next: Attempt { state, due_at, seq: attempt.seq.saturating_add(1), ..attempt.clone() }, commands }
}

fn repeat(attempt: &Attempt, commands: Vec<Command>) -> Decision {
    Decision { next: attempt.clone(), commands }
}

fn keep(attempt: &Attempt) -> Decision {
    repeat(attempt, vec![])
}
