//! New attempts: reruns that people ask for, heads that return, and the checks that a load has listed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::attempt::{Attempt, AttemptState, ListedCheck, MAX_CHECKS, Outcome};
use crate::name::{CheckName, Task};
use crate::report::Contexts;
use crate::run::Run;

/// Why an attempt cannot be run again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has not ended.
    #[error("`{0}` is still queued or running: wait for it or cancel it first")]
    NotOver(String),
    /// There is a newer attempt.
    #[error("`{0}` was run again already: use its newest attempt")]
    NotNewest(String),
    /// A load that succeeded has nothing to gain.
    #[error("the module loaded: rerun its checks instead")]
    LoadSucceeded,
    /// It is a check, and only a load was asked for.
    #[error("`{0}` is a check, not a load: use `rerunChecks`")]
    NotALoad(String),
}

/// The next attempt of a check or of a load that did not succeed.
///
/// Trust, lane and base are those of the run: nothing about a rerun can raise them.
///
/// # Errors
/// Says why there is nothing to rerun.
pub fn rerun(latest: &Attempt, requested_by: &str, clean_slate: bool, now: Timestamp) -> Result<Attempt, Refusal> {
    let load_number = match (&latest.key.task, latest.outcome()) {
        (_, None) => return Err(Refusal::NotOver(latest.key.task.label().to_owned())),
        (Task::Load, Some(Outcome::Success)) => return Err(Refusal::LoadSucceeded),
        (Task::Load, Some(_)) => latest.key.number.saturating_add(1),
        (Task::Check(_), Some(_)) => latest.load_number,
    };
    Ok(latest.next(load_number, Some(requested_by.to_owned()), clean_slate, now))
}

/// The load attempts of a run whose head has returned to it: one for every module with work that was stopped.
///
/// Loading again brings every check that was stopped back, by [`expand`]. A load that is still being stopped will bring
/// nothing, so it does not stand in the way of a new one.
#[must_use]
pub fn revive(latest: &[&Attempt], now: Timestamp) -> Vec<Attempt> {
    let was_stopped = |attempt: &&&Attempt| attempt.cancel().is_some();
    let modules: std::collections::BTreeSet<_> = latest.iter().filter(was_stopped).map(|attempt| &attempt.key.module).collect();
    let loads = latest.iter().filter(|attempt| attempt.key.task == Task::Load && modules.contains(&attempt.key.module));
    loads.filter(|load| is_given_up(load)).map(|load| load.next(load.key.number.saturating_add(1), None, false, now)).collect()
}

/// The attempts that a load's list of checks asks for and that do not exist yet.
///
/// A check is due for an attempt when its newest one belongs to an older load and is over or being stopped; asking twice gives
/// nothing twice.
#[must_use]
pub fn expand(run: &Run, load: &Attempt, latest: &[&Attempt], now: Timestamp) -> Vec<Attempt> {
    let checks: &[ListedCheck] = match &load.state {
        AttemptState::Expanding { checks, .. } => checks,
        AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Running { .. } | AttemptState::Finished { .. } => {
            return vec![];
        }
    };
    let known: BTreeMap<&CheckName, &Attempt> = latest
        .iter()
        .filter(|attempt| attempt.key.module == load.key.module)
        .filter_map(|attempt| match &attempt.key.task {
            Task::Load => None,
            Task::Check(name) => Some((name, *attempt)),
        })
        .collect();
    let checks = &checks[..checks.len().min(MAX_CHECKS)];
    let names = checks.iter().map(|check| &check.name).chain(known.keys().copied());
    let contexts = Contexts::new(&run.repository_name, &load.key.module, names);
    let mut seen = std::collections::BTreeSet::new();
    let mut wanted = Vec::new();
    for check in checks.iter().filter(|check| seen.insert(&check.name)) {
        let mut attempt = match known.get(&check.name) {
            None => {
                let task = Task::Check(check.name.clone());
                Attempt::first(run, load.key.module.clone(), task, load.key.number, load.timeout_s, now)
            }
            Some(latest) if latest.load_number < load.key.number && is_given_up(latest) => {
                latest.next(load.key.number, load.requested_by.clone(), load.clean_slate, now)
            }
            Some(_) => continue,
        };
        attempt.description.clone_from(&check.description);
        attempt.context.get_or_insert_with(|| contexts.of(&attempt.key.task));
        wanted.push(attempt);
    }
    wanted
}

/// Whether an attempt will not bring a result that anybody waits for: it is over, or about to be stopped.
fn is_given_up(attempt: &Attempt) -> bool {
    attempt.is_terminal() || attempt.cancel().is_some()
}

#[cfg(test)]
mod tests;
