//! What scenarios expect of the world.

use quillon_core::id::CommitSha;
use quillon_core::name::Task;
use quillon_core::run::{Phase, RunState};

use crate::world::World;

impl World {
    /// The latest status of every context of a commit, `context: state`, in order of context.
    pub fn statuses(&self, sha: &CommitSha) -> Vec<String> {
        let statuses = self.forge.latest_statuses(self.repository.id, sha.as_str()).expect("statuses");
        let mut lines: Vec<String> = statuses.iter().map(|status| format!("{}: {}", status.context, status.state)).collect();
        lines.sort();
        lines
    }

    /// Expects the latest state of one context.
    pub fn expect_status(&self, sha: &CommitSha, context: &str, state: &str) {
        let line = format!("{context}: {state}");
        let statuses = self.statuses(sha);
        assert!(statuses.contains(&line), "expected `{line}` among {statuses:#?}");
    }

    /// Expects exactly these statuses.
    pub fn expect_statuses(&self, sha: &CommitSha, expected: &[&str]) {
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.sort();
        assert_eq!(self.statuses(sha), expected, "statuses of {sha}");
    }

    /// The description of the latest status of a context.
    pub fn description(&self, sha: &CommitSha, context: &str) -> String {
        let statuses = self.forge.latest_statuses(self.repository.id, sha.as_str()).expect("statuses");
        let status = statuses.into_iter().find(|status| status.context == context);
        status.and_then(|status| status.description).unwrap_or_else(|| panic!("no status `{context}` on {sha}"))
    }

    /// Expects that no context of a commit went from a final state back to pending more often than it has attempts to show for it.
    pub async fn expect_monotonous(&self, sha: &CommitSha) {
        let stored = self.stored(sha).await;
        for (context, entry) in &stored.ledger {
            let history = self.forge.statuses(self.repository.id, sha.as_str()).expect("statuses");
            let states: Vec<&str> =
                history.iter().filter(|status| status.context == *context).map(|status| status.state.as_str()).collect();
            let falls = states.windows(2).filter(|pair| pair[0] != "pending" && pair[1] == "pending").count();
            let reruns = usize::try_from(entry.rank.number).expect("small").saturating_sub(1) + stored.runs.len().saturating_sub(1);
            assert!(falls <= reruns, "`{context}` went back to pending {falls} times: {states:?}");
        }
    }

    /// The phase of the newest attempt of a task in the newest run, and the attempt's number.
    pub async fn check_phase(&self, sha: &CommitSha, label: &str) -> (Phase, u32) {
        let stored = self.stored(sha).await;
        let run = stored.runs.last().unwrap_or_else(|| panic!("{sha} has no run"));
        let latest = stored.latest(&run.key);
        let matches = |task: &Task| match task {
            Task::Load => label == "load",
            Task::Check(name) => name.as_str() == label || name.without_module() == label,
        };
        let attempt = latest.iter().find(|attempt| matches(&attempt.key.task)).unwrap_or_else(|| panic!("no `{label}` in {sha}"));
        (Phase::of(&attempt.state), attempt.key.number)
    }

    /// Expects the phase of the newest attempt of a task.
    pub async fn expect_check(&self, sha: &CommitSha, label: &str, phase: Phase) {
        let (found, number) = self.check_phase(sha, label).await;
        assert_eq!(found, phase, "`{label}` attempt {number} of {sha}");
    }

    /// Expects the state of the newest run of a commit.
    pub async fn expect_run(&self, sha: &CommitSha, expected: impl Fn(&RunState) -> bool) {
        let stored = self.stored(sha).await;
        let run = stored.runs.last().unwrap_or_else(|| panic!("{sha} has no run"));
        assert!(expected(&run.state), "unexpected state {:?}", run.state);
    }
}
