//! From stored runs to the lists of the API: one entry per module of a commit, the newest lane speaking for each check.
//!
//! The stock CLI keeps one check per name within an entry and picks entries by module, so two modules of one commit that
//! both have a `lint` must not share an entry.

use std::collections::{BTreeMap, BTreeSet};

use quillon_core::attempt::MAX_CHECKS;
use quillon_core::commit::Commit;
use quillon_core::name::{ModulePath, Task};
use quillon_core::run::{CheckLine, CommitKey, MAX_SUMMARY_LINES, Run, RunState};

/// The runs of one commit, the newest generation first; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitRuns {
    /// The commit.
    pub(crate) key: CommitKey,
    /// Its newest run, which lends its labels.
    pub(crate) newest: Run,
    /// The others.
    pub(crate) older: Vec<Run>,
}

impl CommitRuns {
    /// All runs, the newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Run> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    /// The modules of the commit, the root first; none when there is nothing to check.
    pub(crate) fn modules(&self) -> Vec<Option<ModulePath>> {
        let mut modules: Vec<ModulePath> = self.all().flat_map(|run| run.modules.iter().map(|module| module.path.clone())).collect();
        modules.extend(self.all().flat_map(|run| run.summary.lines.iter().map(|line| line.module.clone())));
        modules.sort();
        modules.dedup();
        if modules.is_empty() { vec![None] } else { modules.into_iter().map(Some).collect() }
    }

    /// Whether some summary has left lines out, so that the attempts themselves have to be read.
    pub(crate) fn is_cut(&self) -> bool {
        self.all().any(|run| run.summary.lines.len() >= MAX_SUMMARY_LINES)
    }

    /// The lines that the summaries embed, by the newest lane that has the check.
    pub(crate) fn embedded_lines(&self) -> Vec<CheckLine> {
        newest_lines(self.all().map(|run| run.summary.lines.clone()))
    }
}

/// Groups a feed, newest run first, into commits in the order in which the feed first names them.
///
/// Runs without any module are nobody's checks: pushes to a repository without Dagger would fill the list.
pub(crate) fn by_commit(runs: impl IntoIterator<Item = Run>) -> Vec<CommitRuns> {
    let mut order: Vec<CommitKey> = Vec::new();
    let mut groups: BTreeMap<CommitKey, Vec<Run>> = BTreeMap::new();
    for run in runs.into_iter().filter(|run| run.state != RunState::NoModule) {
        let group = groups.entry(run.key.commit.clone()).or_default();
        if group.is_empty() {
            order.push(run.key.commit.clone());
        }
        if !group.iter().any(|known| known.key == run.key) {
            group.push(run);
        }
    }
    let commit = |key: CommitKey| {
        let mut runs = groups.remove(&key)?;
        runs.sort_by_key(|run| std::cmp::Reverse(run.generation));
        let mut runs = runs.into_iter();
        Some(CommitRuns { key, newest: runs.next()?, older: runs.collect() })
    };
    order.into_iter().filter_map(commit).collect()
}

/// How many commits [`by_commit`] would make of these runs.
pub(crate) fn commits_in(runs: &[Run]) -> usize {
    let shown = runs.iter().filter(|run| run.state != RunState::NoModule);
    shown.map(|run| &run.key.commit).collect::<BTreeSet<_>>().len()
}

/// The newest attempt of every check of a commit as lines, by the newest lane that has the check.
pub(crate) fn lines_of(commit: &Commit) -> Vec<CheckLine> {
    let mut runs: Vec<&Run> = commit.runs.iter().collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.generation));
    newest_lines(runs.into_iter().map(|run| commit.latest(&run.key).into_iter().map(CheckLine::of).collect()))
}

/// One line per check out of several lanes, those of earlier lanes winning; loads first, then by name.
fn newest_lines(lanes: impl Iterator<Item = Vec<CheckLine>>) -> Vec<CheckLine> {
    let mut lines: BTreeMap<(ModulePath, Task), CheckLine> = BTreeMap::new();
    for line in lanes.flatten() {
        lines.entry((line.module.clone(), line.task.clone())).or_insert(line);
    }
    lines.into_values().collect()
}

/// The lines of one module, at most as many as a module may have.
pub(crate) fn of_module(lines: &[CheckLine], module: &ModulePath) -> Vec<CheckLine> {
    lines.iter().filter(|line| line.module == *module).take(MAX_CHECKS + 1).cloned().collect()
}

/// Whole seconds from start to end, for what is over.
pub(crate) fn seconds(line: &CheckLine) -> Option<i32> {
    let (start, end) = (line.started_at?, line.ended_at?);
    Some(i32::try_from(end.as_second().saturating_sub(start.as_second()).max(0)).unwrap_or(i32::MAX))
}
