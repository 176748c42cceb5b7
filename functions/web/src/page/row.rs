//! A check as a row: state, name, bar, duration, attempt, and what can be done about it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use quillon_core::id::{AttemptId, CommitSha, RunId};
use quillon_core::name::{ModulePath, RepositoryName, Task, key_segment};
use quillon_core::report::module_label;
use quillon_core::run::{CheckLine, Phase};

use super::axis::{Axis, Bar};
use super::state::State;
use super::text::label;
use super::time::running_for;
use crate::link::Paths;

/// What a row needs to know of the place it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The org's paths.
    pub paths: &'a Paths,
    /// The repository's name today.
    pub repository: &'a RepositoryName,
    /// The commit.
    pub sha: &'a CommitSha,
    /// The run.
    pub run: RunId,
    /// The time that the page is for.
    pub now: Timestamp,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Id in the page, the same for all attempts of the check.
    pub id: String,
    /// State.
    pub state: State,
    /// Name of the check, or `load`.
    pub name: String,
    /// Its page.
    pub href: String,
    /// Whether it is the load.
    pub is_load: bool,
    /// Why it is as it is.
    pub note: Option<String>,
    /// Its bar; none before it started.
    pub bar: Option<Bar>,
    /// How long it took, or takes so far.
    pub took: Option<String>,
    /// Start in milliseconds while it runs, for the script.
    pub since: Option<i64>,
    /// Number of the attempt; none for the first.
    pub attempt: Option<u32>,
    /// What can be done.
    pub control: Control,
}

/// The button of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// None: there is nothing to gain.
    Nothing,
    /// Run it again.
    Rerun(AttemptId),
    /// Load the module again.
    RerunLoad(AttemptId),
    /// Stop it.
    Cancel(AttemptId),
}

impl Control {
    /// What can be done about an attempt in a phase.
    #[must_use]
    pub fn of(task: &Task, phase: Phase, attempt: AttemptId) -> Self {
        match (phase, task) {
            (Phase::Queued | Phase::Running, _) => Self::Cancel(attempt),
            (Phase::Success, Task::Load) => Self::Nothing,
            (Phase::Failure | Phase::Error | Phase::Cancelled, Task::Load) => Self::RerunLoad(attempt),
            (Phase::Success | Phase::Failure | Phase::Error | Phase::Cancelled, Task::Check(_)) => Self::Rerun(attempt),
        }
    }
}

/// The rows of one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The module's name; none where the run has one module at the root.
    pub module: Option<String>,
    /// The load first.
    pub rows: Vec<Row>,
}

/// Makes the rows of a run, by module, each with its load first and then in the order given.
#[must_use]
pub fn groups(lines: &[CheckLine], place: Place<'_>) -> Vec<Group> {
    let axis = Axis::over(lines.iter().filter_map(|line| line.started_at.map(|start| (start, line.ended_at))), place.now);
    let mut by_module: BTreeMap<&ModulePath, Vec<&CheckLine>> = BTreeMap::new();
    for line in lines {
        by_module.entry(&line.module).or_default().push(line);
    }
    let is_plain = by_module.len() == 1 && by_module.keys().all(|module| module.is_root());
    let group = |(module, mut lines): (&ModulePath, Vec<&CheckLine>)| {
        lines.sort_by_key(|line| !is_load(&line.task));
        let module = if is_plain { None } else { Some(label(&module_label(place.repository, module))) };
        Group { module, rows: lines.into_iter().map(|line| row(line, axis, place)).collect() }
    };
    by_module.into_iter().map(group).collect()
}

fn is_load(task: &Task) -> bool {
    match task {
        Task::Load => true,
        Task::Check(_) => false,
    }
}

fn row(line: &CheckLine, axis: Option<Axis>, place: Place<'_>) -> Row {
    let (took, since) = match (line.started_at, line.ended_at) {
        (Some(start), Some(end)) => (Some(quillon_core::text::duration(start, end)), None),
        (Some(start), None) => (Some(running_for(start, place.now)), Some(start.as_millisecond())),
        (None, _) => (None, None),
    };
    Row {
        id: format!("row-{}-{}-{}", place.run, key_segment(line.module.as_str()), key_segment(&line.task.to_string())),
        state: State::of(line.phase, &line.task),
        name: label(line.task.label()),
        href: place.paths.check(place.repository, &line.module, place.sha, &line.task),
        is_load: is_load(&line.task),
        note: line.note.as_deref().map(label),
        bar: axis.zip(line.started_at).map(|(axis, start)| axis.bar(start, line.ended_at, place.now)),
        took,
        since,
        attempt: (line.number > 1).then_some(line.number),
        control: Control::of(&line.task, line.phase, line.attempt),
    }
}
