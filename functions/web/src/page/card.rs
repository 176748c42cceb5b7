//! A commit as a card: what it is, who wrote it, how its checks stand.

use std::collections::BTreeSet;

use jiff::Timestamp;
use quillon_core::lane::Base;
use quillon_core::name::{Ref, RepositoryName, Task};
use quillon_core::run::{CheckLine, Counts, Phase, Run, RunRef, RunState, overall};
use quillon_core::trust::Trust;

use super::filter::Filter;
use super::row::{Group, Place, groups};
use super::state::{Count, Segment, State, count_words, sentence, strip};
use super::text::{initials, label, tint};
use super::time::Moment;
use crate::link::{Paths, Site};

/// A commit and its runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Id in the page.
    pub id: String,
    /// State of the whole.
    pub state: State,
    /// The commit.
    pub head: Head,
    /// Why it is so, in words, where the state alone does not say it.
    pub why: Option<String>,
    /// Its counts.
    pub counts: Vec<Count>,
    /// The counts as a strip.
    pub strip: Vec<Segment>,
    /// The counts as a sentence.
    pub sentence: String,
    /// How long all of it took, once over.
    pub took: Option<String>,
    /// Its runs, the newest first.
    pub lanes: Vec<Lane>,
    /// Whether its rows are shown at first: something runs or failed.
    pub is_open: bool,
}

/// What people see of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `owner/name`.
    pub repository: String,
    /// The Checks page of the repository.
    pub repository_href: String,
    /// The forge's page of the repository, where it has pages.
    pub forge_href: Option<String>,
    /// Branches, tags and pull requests.
    pub refs: Vec<RefChip>,
    /// First line of the message.
    pub message: String,
    /// The commit's page here.
    pub href: String,
    /// The first digits of its SHA.
    pub short: String,
    /// All of them.
    pub sha: String,
    /// The forge's page of the commit, or ours where it has none.
    pub sha_href: String,
    /// Author.
    pub author: String,
    /// The author's login, where GitHub knows one.
    pub login: Option<String>,
    /// The author's letters.
    pub initials: String,
    /// The author's tint.
    pub tint: u8,
    /// When we saw the commit.
    pub age: Moment,
}

/// A branch, a tag or a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefChip {
    /// `branch`, `tag` or `pull`: names the sign, and is read out.
    pub kind: &'static str,
    /// `main`, `v1.0`, `#7`.
    pub name: String,
    /// Title of a pull request.
    pub title: Option<String>,
    /// The forge's page, or where it has none our list of its commits.
    pub href: String,
}

/// One run of the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Id of the run.
    pub run: String,
    /// The keys that a form sends back.
    pub key: FormKey,
    /// What the head was merged with, in words.
    pub merged: Option<String>,
    /// Whether it comes from a fork.
    pub is_fork: bool,
    /// Why there are no checks, or why they ended.
    pub explanation: Option<String>,
    /// Why GitHub is not told about it.
    pub unreportable: Option<String>,
    /// The rows by module.
    pub groups: Vec<Group>,
    /// How many checks have no row here.
    pub hidden: usize,
    /// Whether some failed, so that they can be rerun together.
    pub has_failed: bool,
    /// Whether some are unfinished, so that they can be cancelled together.
    pub has_unfinished: bool,
}

/// The key of a run as a form sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormKey {
    /// Number of the repository.
    pub repository: String,
    /// SHA of the commit.
    pub sha: String,
    /// Text of the lane.
    pub lane: String,
}

/// What a card needs to know of the page.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Where this site and its forge are.
    pub site: &'a Site,
    /// The org's paths.
    pub paths: &'a Paths,
    /// The time that the page is for.
    pub now: Timestamp,
}

/// A run with the lines to show of it, which are its summary's or all of them.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its lines.
    pub lines: &'a [CheckLine],
}

impl Card {
    /// Makes a card of the runs of one commit, the newest first. None of no runs.
    #[must_use]
    pub fn new(shown: &[Shown<'_>], repository: &RepositoryName, scene: Scene<'_>) -> Option<Self> {
        let newest = shown.first()?.run;
        let runs: Vec<&Run> = shown.iter().map(|shown| shown.run).collect();
        let phase = overall(runs.iter().filter_map(|run| phase_of(run)));
        let counts = runs.iter().fold(Counts::default(), |sum, run| added(sum, &run.summary.counts));
        let start = shown.iter().flat_map(|shown| shown.lines).filter_map(|line| line.started_at).min();
        let end = runs.iter().filter_map(|run| run.summary.ended_at).max();
        let is_over = phase.is_none_or(Phase::is_terminal);
        let mut lanes: Vec<Lane> =
            shown.iter().map(|shown| lane(*shown, repository, scene, shown.run.generation == newest.generation)).collect();
        // One run: what there is to say of it is said of the commit.
        let why = match lanes.as_mut_slice() {
            [only] => only.explanation.take(),
            [] | [_, ..] => None,
        };
        Some(Self {
            id: format!("commit-{}-{}", newest.key.commit.repository, newest.id),
            state: State::overall(phase),
            head: head(newest, &runs, repository, scene),
            why,
            counts: broken_loads(shown).into_iter().chain(count_words(&counts)).collect(),
            strip: strip(&counts),
            sentence: sentence(&counts),
            took: start.zip(end).filter(|_| is_over).map(|(start, end)| quillon_core::text::duration(start, end)),
            lanes,
            is_open: !is_quiet(phase),
        })
    }

    /// Whether there is nothing to show below its head.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        let is_bare = |lane: &Lane| {
            lane.groups.is_empty() && lane.explanation.is_none() && lane.unreportable.is_none() && !lane.has_unfinished && !lane.has_failed
        };
        self.counts.is_empty() && self.lanes.iter().all(is_bare)
    }
}

/// The phase of a run as people see it. Before its summary is written for the first time, it is queued.
#[must_use]
pub fn phase_of(run: &Run) -> Option<Phase> {
    match run.state {
        RunState::Waiting { .. } | RunState::Open => run.summary.phase.or(Some(Phase::Queued)),
        RunState::Conflict { .. }
        | RunState::NoModule
        | RunState::TooManyModules { .. }
        | RunState::ForkRefused
        | RunState::Stopped { .. } => run.summary.phase,
    }
}

fn is_quiet(phase: Option<Phase>) -> bool {
    match phase {
        None | Some(Phase::Success | Phase::Cancelled) => true,
        Some(Phase::Queued | Phase::Running | Phase::Failure | Phase::Error) => false,
    }
}

/// A module that did not load has no checks to count: it counts itself.
fn broken_loads(shown: &[Shown<'_>]) -> Option<Count> {
    let broken = shown.iter().flat_map(|shown| shown.lines).filter(|line| line.task == Task::Load && is_bad(line)).count();
    (broken > 0).then(|| Count { key: Phase::Failure.word(), text: format!("{} did not load", super::text::counted(broken, "module")) })
}

fn added(sum: Counts, more: &Counts) -> Counts {
    Counts {
        queued: sum.queued.saturating_add(more.queued),
        running: sum.running.saturating_add(more.running),
        success: sum.success.saturating_add(more.success),
        failure: sum.failure.saturating_add(more.failure),
        error: sum.error.saturating_add(more.error),
        cancelled: sum.cancelled.saturating_add(more.cancelled),
    }
}

fn head(newest: &Run, runs: &[&Run], repository: &RepositoryName, scene: Scene<'_>) -> Head {
    let commit = &newest.commit;
    let sha = &newest.key.commit.sha;
    let author = label(&commit.author_name);
    let author = if author.is_empty() { commit.author_login.clone().unwrap_or_else(|| "unknown author".to_owned()) } else { author };
    let message = label(&commit.message);
    let of_repository = Filter { repository: Some(repository.clone()), ..Filter::default() };
    Head {
        repository: repository.to_string(),
        repository_href: scene.paths.filtered(&of_repository),
        forge_href: scene.site.forge_repository(repository),
        refs: refs(runs, repository, scene),
        message: if message.is_empty() { "no commit message".to_owned() } else { message },
        href: scene.paths.commit(repository, sha),
        short: sha.short().to_owned(),
        sha: sha.to_string(),
        sha_href: scene.site.forge_commit(repository, sha).unwrap_or_else(|| scene.paths.commit(repository, sha)),
        initials: initials(&author),
        tint: tint(&author),
        author,
        login: commit.author_login.as_deref().map(label),
        age: Moment::new(newest.created_at, scene.now),
    }
}

/// The refs of some runs, each once, the newest last asked for first.
fn refs(runs: &[&Run], repository: &RepositoryName, scene: Scene<'_>) -> Vec<RefChip> {
    let mut seen = BTreeSet::new();
    let mut asked: Vec<&RunRef> = runs.iter().flat_map(|run| run.refs.iter().rev()).filter(|asked| seen.insert(&asked.reference)).collect();
    // A pull request says more than the branch it comes from.
    asked.sort_by_key(|asked| asked.pull().is_none());
    asked.into_iter().map(|asked| chip(asked, repository, scene)).collect()
}

fn chip(asked: &RunRef, repository: &RepositoryName, scene: Scene<'_>) -> RefChip {
    let (kind, name) = match &asked.reference {
        Ref::Branch(name) => ("branch", name.to_string()),
        Ref::Tag(name) => ("tag", name.to_string()),
        Ref::Pull(number) => ("pull", format!("#{number}")),
    };
    let title = asked.title.as_deref().map(label).filter(|title| !title.is_empty());
    let ours = || {
        let reference = Some(asked.reference.clone());
        scene.paths.filtered(&Filter { repository: Some(repository.clone()), reference, ..Filter::default() })
    };
    let href = scene.site.forge_ref(repository, &asked.reference).unwrap_or_else(ours);
    RefChip { kind, name: label(&name), title, href }
}

fn lane(shown: Shown<'_>, repository: &RepositoryName, scene: Scene<'_>, is_newest: bool) -> Lane {
    let run = shown.run;
    let counts = &run.summary.counts;
    let place = Place { paths: scene.paths, repository, sha: &run.key.commit.sha, run: run.id, now: scene.now };
    let rows = shown.lines.iter().filter(|line| line.task != Task::Load).count();
    let has_broken_load = shown.lines.iter().any(|line| line.task == Task::Load && is_bad(line));
    Lane {
        run: run.id.to_string(),
        key: FormKey {
            repository: run.key.commit.repository.to_string(),
            sha: run.key.commit.sha.to_string(),
            lane: run.key.lane.to_string(),
        },
        merged: merged(run),
        is_fork: match run.key.lane.trust {
            Trust::Trusted => false,
            Trust::Fork => true,
        },
        explanation: explanation(run, shown.lines, is_newest),
        unreportable: run.unreportable.as_deref().map(label),
        groups: groups(shown.lines, place),
        hidden: (counts.total() as usize).saturating_sub(rows),
        has_failed: counts.failure > 0 || counts.error > 0 || has_broken_load,
        has_unfinished: phase_of(run).is_some_and(|phase| !phase.is_terminal()),
    }
}

fn is_bad(line: &CheckLine) -> bool {
    match line.phase {
        Phase::Failure | Phase::Error => true,
        Phase::Queued | Phase::Running | Phase::Success | Phase::Cancelled => false,
    }
}

fn merged(run: &Run) -> Option<String> {
    match run.state {
        RunState::Waiting { .. } | RunState::Open => {}
        RunState::Conflict { .. }
        | RunState::NoModule
        | RunState::TooManyModules { .. }
        | RunState::ForkRefused
        | RunState::Stopped { .. } => {
            return None;
        }
    }
    match &run.key.lane.base {
        Base::AsIs => None,
        Base::Branch(branch) => Some(match &run.base_sha {
            Some(sha) => format!("merged with {} at {}", label(branch.as_str()), sha.short()),
            None => format!("to be merged with {}", label(branch.as_str())),
        }),
        Base::MergeQueue(branch) => Some(format!("merge queue of {}", label(branch.as_str()))),
    }
}

/// Why a run has no checks, or why they were stopped.
fn explanation(run: &Run, lines: &[CheckLine], is_newest: bool) -> Option<String> {
    if let Some(explanation) = run.explanation() {
        return Some(label(&explanation));
    }
    let is_waiting = match run.state {
        RunState::Waiting { .. } => true,
        RunState::Open
        | RunState::Conflict { .. }
        | RunState::NoModule
        | RunState::TooManyModules { .. }
        | RunState::ForkRefused
        | RunState::Stopped { .. } => false,
    };
    if is_waiting {
        return Some("waiting for the forge to say whether the pull request can be merged".to_owned());
    }
    let notes = || lines.iter().filter_map(|line| line.note.as_deref());
    let whole = notes().find(|note| note.starts_with("superseded by ") || note.starts_with("merge conflict with "));
    whole.map(label).or_else(|| (!is_newest && lines.is_empty()).then(|| "replaced before it began".to_owned()))
}
