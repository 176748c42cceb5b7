//! A check's page: its attempts, how each went and why, and the end of what it printed.

use askama::Template;
use jiff::Timestamp;
use quillon_core::attempt::{Attempt, AttemptState, Outcome};
use quillon_core::commit::Commit;
use quillon_core::name::{ModulePath, RepositoryName, Task};
use quillon_core::report::module_label;
use quillon_core::run::{Phase, Run, RunEvent};
use quillon_core::text::duration;

use super::Forms;
use super::advice::{Advice, of_attempt};
use super::axis::{Axis, Bar};
use super::card::{Card, Head, Scene, Shown};
use super::log::Log;
use super::row::Control;
use super::state::State;
use super::text::label;
use super::time::{Moment, running_for};
use super::trace::detail::{Failure, Mount};

/// A check's page.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "check.html")]
pub struct CheckPage {
    /// The Checks page.
    pub checks_href: String,
    /// The commit.
    pub head: Head,
    /// Name of the module, and whether to show it.
    pub module: String,
    /// Name of the check, or `load`.
    pub name: String,
    /// Whether it is the load.
    pub is_load: bool,
    /// What its author says of it.
    pub description: Option<String>,
    /// State.
    pub state: State,
    /// State in a sentence.
    pub verdict: String,
    /// How long that has been so, while it runs.
    pub so_far: Option<SoFar>,
    /// All attempts.
    pub tabs: Vec<Tab>,
    /// The runs of this commit that have this check, where there is more than one.
    pub lanes: Vec<Tab>,
    /// Waiting and running, on one axis.
    pub phases: Vec<Stretch>,
    /// What is known.
    pub facts: Vec<Fact>,
    /// What to do.
    pub advice: Vec<Advice>,
    /// Its telemetry, once some has come.
    pub trace: Option<CheckTrace>,
    /// What it printed.
    pub log: Log,
    /// What can be done.
    pub control: Control,
    /// The forms.
    pub forms: Forms,
    /// For `aria-live`.
    pub announcement: String,
}

/// The trace of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTrace {
    /// Its own page.
    pub href: String,
    /// The tree.
    pub mount: Mount,
    /// What failed.
    pub failures: Vec<Failure>,
}

/// An attempt, or a run, to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab {
    /// `1`, `2`, or what the run was merged with.
    pub name: String,
    /// Its page.
    pub href: String,
    /// State.
    pub state: State,
    /// Whether this is it.
    pub is_current: bool,
}

/// A stretch of time in an attempt's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Names the CSS class.
    pub key: &'static str,
    /// `waited 2s`, or `waiting` where it is not over.
    pub text: String,
    /// How long so far, where it is not over.
    pub so_far: Option<SoFar>,
    /// Where it lies.
    pub bar: Bar,
}

/// A time that goes on while the page is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoFar {
    /// Since when, in milliseconds, for the script.
    pub since: i64,
    /// How long.
    pub text: String,
}

impl SoFar {
    fn new(since: Timestamp, now: Timestamp) -> Self {
        Self { since: since.as_millisecond(), text: running_for(since, now) }
    }
}

/// Something known about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What.
    pub term: &'static str,
    /// The value.
    pub value: Value,
}

/// A value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Plain words.
    Text(String),
    /// Something to copy.
    Code(String),
    /// A time.
    Time(Moment),
}

/// Which attempt of which run is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Number of the attempt; the newest if none.
    pub attempt: Option<u32>,
    /// Id of the run; the newest that has the check if none.
    pub run: Option<String>,
}

/// An attempt that was found, with its run.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The run.
    pub run: &'a Run,
    /// The attempt.
    pub attempt: &'a Attempt,
    /// All attempts of the check in this run, by number.
    pub attempts: Vec<&'a Attempt>,
    /// The other runs that have the check, with their newest attempt; this one among them.
    pub lanes: Vec<(&'a Run, &'a Attempt)>,
}

/// Finds an attempt among those of a commit.
#[must_use]
pub fn find<'a>(commit: &'a Commit, module: &ModulePath, task: &str, wanted: &Wanted) -> Option<Found<'a>> {
    let of_run = |run: &'a Run| {
        let fits = |attempt: &&Attempt| {
            attempt.key.run == run.key
                && attempt.key.module == *module
                && attempt.key.task.label() == task
                && is_named(&attempt.key.task, task)
        };
        let mut attempts: Vec<&'a Attempt> = commit.attempts.iter().filter(fits).collect();
        attempts.sort_by_key(|attempt| attempt.key.number);
        attempts
    };
    let lanes: Vec<(&Run, Vec<&Attempt>)> =
        commit.runs.iter().rev().map(|run| (run, of_run(run))).filter(|(_, attempts)| !attempts.is_empty()).collect();
    let (run, attempts) = match &wanted.run {
        Some(id) => lanes.iter().find(|(run, _)| run.id.to_string() == *id)?,
        None => lanes.first()?,
    };
    let attempt = match wanted.attempt {
        Some(number) => attempts.iter().find(|attempt| attempt.key.number == number)?,
        None => attempts.last()?,
    };
    let newest = |(run, attempts): &(&'a Run, Vec<&'a Attempt>)| attempts.last().map(|attempt| (*run, *attempt));
    Some(Found { run, attempt, attempts: attempts.clone(), lanes: lanes.iter().filter_map(newest).collect() })
}

/// `load` in an address is the load: a check of that name has no page of its own, as it has no status of that name.
fn is_named(task: &Task, name: &str) -> bool {
    match task {
        Task::Load => name == "load",
        Task::Check(_) => name != "load",
    }
}

impl CheckPage {
    /// Makes the page of an attempt; `log` is what is kept of its output.
    #[must_use]
    pub fn new(found: &Found<'_>, repository: &RepositoryName, log: Log, forms: Forms, scene: Scene<'_>) -> Option<Self> {
        let Found { run, attempt, .. } = found;
        let card = Card::new(&[Shown { run, lines: &[] }], repository, scene)?;
        let task = &attempt.key.task;
        let phase = Phase::of(&attempt.state);
        let state = State::of(phase, task);
        let newest = found.attempts.last()?;
        let verdict = verdict(attempt);
        let page = scene.paths.check(repository, &attempt.key.module, &run.key.commit.sha, task);
        let since = match &attempt.state {
            AttemptState::Running { started_at, cancel: None, .. } => Some(*started_at),
            AttemptState::Queued { .. }
            | AttemptState::Offered { .. }
            | AttemptState::Running { cancel: Some(_), .. }
            | AttemptState::Expanding { .. }
            | AttemptState::Finished { .. } => None,
        };
        Some(Self {
            checks_href: scene.paths.checks(),
            head: card.head,
            module: label(&module_label(repository, &attempt.key.module)),
            name: label(task.label()),
            is_load: *task == Task::Load,
            description: attempt.description.as_deref().map(label).filter(|text| !text.is_empty()),
            state,
            announcement: format!("{}: {verdict}", label(task.label())),
            verdict,
            so_far: since.map(|since| SoFar::new(since, scene.now)),
            tabs: tabs(found, &page),
            lanes: lanes(found, &page),
            phases: stretches(attempt, scene.now),
            facts: facts(run, attempt, scene),
            advice: of_attempt(run, attempt, scene.now),
            trace: None,
            log,
            control: if newest.id == attempt.id { Control::of(task, phase, attempt.id) } else { Control::Nothing },
            forms,
        })
    }
}

fn tabs(found: &Found<'_>, page: &str) -> Vec<Tab> {
    let run = if found.lanes.len() > 1 { format!("&run={}", found.run.id) } else { String::new() };
    let tab = |attempt: &&Attempt| Tab {
        name: attempt.key.number.to_string(),
        href: format!("{page}&attempt={}{run}", attempt.key.number),
        state: State::of(Phase::of(&attempt.state), &attempt.key.task),
        is_current: attempt.id == found.attempt.id,
    };
    found.attempts.iter().map(tab).collect()
}

fn lanes(found: &Found<'_>, page: &str) -> Vec<Tab> {
    if found.lanes.len() < 2 {
        return vec![];
    }
    let tab = |(run, newest): &(&Run, &Attempt)| Tab {
        name: lane_name(run),
        href: format!("{page}&run={}", run.id),
        state: State::of(Phase::of(&newest.state), &newest.key.task),
        is_current: run.id == found.run.id,
    };
    found.lanes.iter().map(tab).collect()
}

fn lane_name(run: &Run) -> String {
    use quillon_core::lane::Base;
    let base = match &run.key.lane.base {
        Base::AsIs => "the commit itself".to_owned(),
        Base::Branch(branch) => format!("merged with {}", label(branch.as_str())),
        Base::MergeQueue(branch) => format!("merge queue of {}", label(branch.as_str())),
    };
    match run.key.lane.trust {
        quillon_core::trust::Trust::Trusted => base,
        quillon_core::trust::Trust::Fork => format!("{base}, from a fork"),
    }
}

/// The state in a sentence without its end.
fn verdict(attempt: &Attempt) -> String {
    match &attempt.state {
        AttemptState::Queued { .. } | AttemptState::Offered { .. } => match attempt.note() {
            Some(note) => format!("queued: {note}"),
            None => "queued: waits until the org has room for it".to_owned(),
        },
        AttemptState::Running { cancel: None, .. } => State::of(Phase::Running, &attempt.key.task).word.to_owned(),
        AttemptState::Running { cancel: Some(cancel), .. } => format!("stopping: {}", label(&cancel.reason.to_string())),
        AttemptState::Expanding { checks, .. } => format!("loaded, starting {}", super::text::counted(checks.len(), "check")),
        AttemptState::Finished { outcome, started_at, ended_at, .. } => {
            let took = started_at.map(|start| duration(start, *ended_at));
            match outcome {
                Outcome::Success => {
                    let word = State::of(Phase::Success, &attempt.key.task).word;
                    took.map_or_else(|| word.to_owned(), |took| format!("{word} in {took}"))
                }
                Outcome::Failure { exit_code } => match took {
                    Some(took) => format!("failed after {took} with exit code {exit_code}"),
                    None => format!("failed with exit code {exit_code}"),
                },
                Outcome::Error { message } => format!("could not run: {}", label(message)),
                Outcome::Conflict { base } => format!("could not run: merge conflict with {}", label(base.as_str())),
                Outcome::TimedOut | Outcome::Lost => {
                    format!("could not run: {}", attempt.note().as_deref().map(label).unwrap_or_default())
                }
                Outcome::Cancelled(cancel) => label(&cancel.reason.to_string()),
            }
        }
    }
}

/// Waiting and running on one axis.
fn stretches(attempt: &Attempt, now: Timestamp) -> Vec<Stretch> {
    let (created, started, ended) = (attempt.created_at, attempt.started_at(), attempt.ended_at());
    let Some(axis) = Axis::over(std::iter::once((created, ended)), now) else { return vec![] };
    let stretch = |key, past: &str, present: &str, from: Timestamp, to: Option<Timestamp>| Stretch {
        key,
        text: to.map_or_else(|| present.to_owned(), |to| format!("{past} {}", duration(from, to))),
        so_far: to.is_none().then(|| SoFar::new(from, now)),
        bar: axis.bar(from, to, now),
    };
    let waited_until = started.or(ended);
    let mut stretches = vec![stretch("queued", "waited", "waiting", created, waited_until)];
    if let Some(started) = started {
        stretches.push(stretch(Phase::of(&attempt.state).word(), "ran", "running", started, ended));
    }
    stretches
}

/// `push by mona`.
fn event(event: &RunEvent) -> String {
    let kind = label(&event.kind.replace('_', " "));
    event.actor.as_deref().map_or_else(|| kind.clone(), |actor| format!("{kind} by {}", label(actor)))
}

fn facts(run: &Run, attempt: &Attempt, scene: Scene<'_>) -> Vec<Fact> {
    let text = |term, value: Option<String>| value.map(|value| Fact { term, value: Value::Text(value) });
    let time = |term, at: Option<Timestamp>| at.map(|at| Fact { term, value: Value::Time(Moment::new(at, scene.now)) });
    let code = |term, value: Option<String>| value.map(|value| Fact { term, value: Value::Code(value) });
    let number = attempt.key.number;
    [
        text(
            "Attempt",
            Some(if attempt.execution > 1 { format!("{number}, started {} times", attempt.execution) } else { number.to_string() }),
        ),
        text("Asked for by", run.events.last().map(event)),
        text("Rerun by", attempt.requested_by.as_deref().map(label)),
        text("Engine state", attempt.clean_slate.then(|| "none of earlier runs reused".to_owned())),
        text("Why", attempt.cancel().map(|cancel| label(&cancel.reason.to_string()))),
        time("Stop asked for", attempt.cancel().map(|cancel| cancel.at)),
        time("Queued", Some(attempt.created_at)),
        time("Started", attempt.started_at()),
        time("Ended", attempt.ended_at()),
        text("Tested as", Some(lane_name(run))),
        code("Merge commit", attempt.integration.as_ref().filter(|sha| **sha != run.key.commit.sha).map(ToString::to_string)),
        code("Trace", Some(attempt.trace.trace_id.clone())),
    ]
    .into_iter()
    .flatten()
    .collect()
}
