//! Opening a run: its modules, its first attempts, or the reason why it has none.

use std::time::Duration;

use jiff::Timestamp;
use quillon_core::attempt::{Attempt, REMINDER, later};
use quillon_core::id::RunId;
use quillon_core::module::{Discovery, Module, discover};
use quillon_core::name::{BranchName, Ref, Task};
use quillon_core::run::{CommitKey, Run, RunKey, RunState, Summary};
use quillon_core::trust::Trust;

use crate::Error;
use crate::look::Look;
use crate::observe::{Head, Mergeability};

/// How often GitHub is asked for a pull request's mergeability before the agent finds out by merging.
const MAX_TRIES: u32 = 5;

/// A new run with its first attempts.
pub(crate) struct Opening {
    pub(crate) run: Run,
    pub(crate) attempts: Vec<Attempt>,
}

/// Makes the run of a head.
pub(crate) async fn open(look: &Look<'_>, head: &Head, generation: u32) -> Result<Opening, Error> {
    let repository = look.view.id;
    let (label, tree) = futures::try_join!(look.client.commit(repository, &head.sha), look.client.tree(repository, &head.sha))?;
    if tree.is_truncated {
        tracing::warn!(vcs.repository.id = %repository, "GitHub lists only {} files of {}: modules among the others are not found", tree.paths.len(), head.sha);
    }
    let discovery = discover(tree.paths.iter().map(String::as_str), &look.settings.ignored_directories);
    let (modules, state) = match discovery {
        Discovery::Modules(modules) if modules.is_empty() => (vec![], RunState::NoModule),
        Discovery::Modules(modules) => (modules, RunState::Waiting { tries: 0 }),
        Discovery::TooMany { found } => (vec![], RunState::TooManyModules { found: u32::try_from(found).unwrap_or(u32::MAX) }),
    };
    let key = RunKey { commit: CommitKey { repository, sha: head.sha.clone() }, lane: head.lane.clone() };
    let created_ms = u64::try_from(look.now.as_millisecond()).unwrap_or(0);
    let words = [repository.to_string(), head.sha.to_string(), head.lane.to_string()];
    let mut run = Run {
        id: RunId::derived(created_ms, &words.each_ref().map(String::as_str)),
        key,
        org: look.org,
        installation: look.installation,
        repository_name: look.view.name.clone(),
        generation,
        base_sha: None,
        commit: label,
        refs: vec![],
        events: vec![],
        modules,
        state,
        unreportable: None,
        summary: Summary::default(),
        created_at: look.now,
        due_at: Some(soon(look.now)),
        version: 1,
    };
    look.remember(&mut run, head);
    let attempts = decide(look, head, &mut run).await?;
    Ok(Opening { run, attempts })
}

/// Moves a waiting run on: to its first attempts, to the reason why it has none, or to another wait.
pub(crate) async fn decide(look: &Look<'_>, head: &Head, run: &mut Run) -> Result<Vec<Attempt>, Error> {
    let tries = match run.state {
        RunState::Waiting { tries } => tries,
        RunState::Open
        | RunState::Conflict { .. }
        | RunState::NoModule
        | RunState::TooManyModules { .. }
        | RunState::ForkRefused
        | RunState::Stopped { .. } => return Ok(vec![]),
    };
    run.state = next_state(head, look.deps.run_forks, tries);
    match run.state {
        RunState::Open => {
            run.base_sha = base_sha(look, head.lane.merge_base()).await?;
            Ok(loads(run, &run.modules, look.settings.timeout_s, look.now))
        }
        RunState::Waiting { .. }
        | RunState::Conflict { .. }
        | RunState::NoModule
        | RunState::TooManyModules { .. }
        | RunState::ForkRefused
        | RunState::Stopped { .. } => Ok(vec![]),
    }
}

/// What becomes of a run with modules, from trust and mergeability alone.
fn next_state(head: &Head, run_forks: bool, tries: u32) -> RunState {
    match (head.lane.trust, head.mergeability) {
        (Trust::Fork, _) if !run_forks => RunState::ForkRefused,
        (Trust::Trusted | Trust::Fork, Mergeability::Conflict) => match head.lane.merge_base() {
            Some(base) => RunState::Conflict { base: base.clone() },
            None => RunState::Open,
        },
        (Trust::Trusted | Trust::Fork, Mergeability::Unknown) if tries < MAX_TRIES => RunState::Waiting { tries: tries + 1 },
        (Trust::Trusted | Trust::Fork, Mergeability::Unknown | Mergeability::Clean | Mergeability::Unasked) => RunState::Open,
    }
}

fn loads(run: &Run, modules: &[Module], timeout_s: u32, now: Timestamp) -> Vec<Attempt> {
    modules.iter().map(|module| Attempt::first(run, module.path.clone(), Task::Load, 1, timeout_s, now)).collect()
}

/// The head of the base branch as it is now, which a pull request's own `base.sha` is not.
async fn base_sha(look: &Look<'_>, base: Option<&BranchName>) -> Result<Option<quillon_core::id::CommitSha>, Error> {
    match base {
        Some(base) => Ok(look.client.head(look.view.id, &Ref::Branch(base.clone())).await?),
        None => Ok(None),
    }
}

/// When the sweep looks at a run that was just written.
pub(crate) fn soon(now: Timestamp) -> Timestamp {
    later(now, REMINDER)
}

/// How long a waiting run waits until it is looked at again.
pub(crate) fn patience(tries: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(tries.clamp(1, 5)).min(30))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_core::lane::Lane;

    fn head(trust: Trust, mergeability: Mergeability) -> Head {
        let base: BranchName = "main".parse().expect("a branch");
        let sha = "0".repeat(40).parse().expect("a sha");
        Head { sha, lane: Lane::of_pull(base, trust), title: None, mergeability }
    }

    #[test]
    fn forks_are_refused_before_anything_else_unless_they_are_run() {
        for mergeability in [Mergeability::Unknown, Mergeability::Clean, Mergeability::Conflict] {
            assert_eq!(next_state(&head(Trust::Fork, mergeability), false, 0), RunState::ForkRefused);
        }
        assert_eq!(next_state(&head(Trust::Fork, Mergeability::Clean), true, 0), RunState::Open);
    }

    #[test]
    fn mergeability_decides_and_is_not_waited_for_for_ever() {
        let state = |mergeability, tries| next_state(&head(Trust::Trusted, mergeability), false, tries);
        assert_eq!(state(Mergeability::Unknown, 0), RunState::Waiting { tries: 1 });
        assert_eq!(state(Mergeability::Unknown, MAX_TRIES), RunState::Open);
        assert_eq!(state(Mergeability::Clean, 0), RunState::Open);
        assert_eq!(state(Mergeability::Conflict, 0), RunState::Conflict { base: "main".parse().expect("a branch") });
    }

    #[test]
    fn patience_doubles_up_to_half_a_minute() {
        let seconds: Vec<u64> = (1..=6).map(|tries| patience(tries).as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30]);
    }
}
