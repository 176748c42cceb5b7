//! Everything stored about one commit, read in one query: its runs, their attempts, and what GitHub was told.

use std::collections::BTreeMap;

use crate::attempt::Attempt;
use crate::name::{ModulePath, Task};
use crate::report::LedgerEntry;
use crate::run::{CommitKey, Run, RunKey};

/// One commit with all that hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its key.
    pub key: CommitKey,
    /// Its runs, oldest generation first.
    pub runs: Vec<Run>,
    /// All attempts of all runs.
    pub attempts: Vec<Attempt>,
    /// What GitHub was told, by context.
    pub ledger: BTreeMap<String, LedgerEntry>,
}

impl Commit {
    /// The run of a lane.
    #[must_use]
    pub fn run(&self, key: &RunKey) -> Option<&Run> {
        self.runs.iter().find(|run| run.key == *key)
    }

    /// The newest attempt of every task of a run, by module and task.
    #[must_use]
    pub fn latest(&self, run: &RunKey) -> Vec<&Attempt> {
        let mut latest: BTreeMap<(&ModulePath, &Task), &Attempt> = BTreeMap::new();
        for attempt in self.attempts.iter().filter(|attempt| attempt.key.run == *run) {
            let slot = latest.entry((&attempt.key.module, &attempt.key.task)).or_insert(attempt);
            if slot.key.number < attempt.key.number {
                *slot = attempt;
            }
        }
        latest.into_values().collect()
    }

    /// Whether a run has nothing left to do: the scheduler is done with it and all its attempts are over.
    #[must_use]
    pub fn is_over(&self, run: &Run) -> bool {
        use crate::run::RunState;
        match run.state {
            RunState::Waiting { .. } => false,
            RunState::Open => {
                let latest = self.latest(&run.key);
                !latest.is_empty() && latest.iter().all(|attempt| attempt.is_terminal())
            }
            RunState::Conflict { .. }
            | RunState::NoModule
            | RunState::TooManyModules { .. }
            | RunState::ForkRefused
            | RunState::Stopped { .. } => true,
        }
    }

    /// The generation of the next run of this commit.
    #[must_use]
    pub fn next_generation(&self) -> u32 {
        self.runs.iter().map(|run| run.generation).max().unwrap_or(0).saturating_add(1)
    }
}
