//! A commit's page: all its runs with all their checks, of all modules.

use askama::Template;
use quillon_core::commit::Commit;
use quillon_core::name::RepositoryName;
use quillon_core::run::{CheckLine, Run};

use super::Forms;
use super::advice::{Advice, of_run};
use super::card::{Card, Scene, Shown};
use super::row::Control;

/// A commit's page.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "commit.html")]
pub struct CommitPage {
    /// The Checks page.
    pub checks_href: String,
    /// The commit.
    pub card: Card,
    /// What to do.
    pub advice: Vec<Advice>,
    /// The forms.
    pub forms: Forms,
    /// For `aria-live`.
    pub announcement: String,
}

impl CommitPage {
    /// Makes the page; none of a commit without runs.
    #[must_use]
    pub fn new(commit: &Commit, repository: &RepositoryName, forms: Forms, scene: Scene<'_>) -> Option<Self> {
        let whole: Vec<(Run, Vec<CheckLine>)> = commit.runs.iter().rev().map(|run| whole(commit, run)).collect();
        let shown: Vec<Shown<'_>> = whole.iter().map(|(run, lines)| Shown { run, lines }).collect();
        let card = Card::new(&shown, repository, scene)?;
        let mut advice: Vec<Advice> = commit.runs.iter().rev().flat_map(|run| of_run(run, &commit.latest(&run.key))).collect();
        advice.dedup();
        let announcement = format!("{}: {}", card.head.short, card.sentence);
        Some(Self { checks_href: scene.paths.checks(), card, advice, forms, announcement })
    }

    /// Whether something is under way.
    #[must_use]
    pub fn is_live(commit: &Commit) -> bool {
        commit.runs.iter().any(|run| !commit.is_over(run))
    }
}

/// A run with a summary made from its attempts, which is fresher than the stored one, and with all of its lines.
fn whole(commit: &Commit, run: &Run) -> (Run, Vec<CheckLine>) {
    let latest = commit.latest(&run.key);
    let summary = run.summarize(&latest);
    let mut lines: Vec<CheckLine> = latest.iter().map(|attempt| CheckLine::of(attempt)).collect();
    // The order of the summary, which a reader of the Checks page knows, without its limit.
    lines.sort_by_key(|line| (line.phase.is_terminal() && !is_bad(line), line.module.clone(), line.task.clone()));
    (Run { summary, ..run.clone() }, lines)
}

fn is_bad(line: &CheckLine) -> bool {
    use quillon_core::run::Phase;
    match line.phase {
        Phase::Failure | Phase::Error => true,
        Phase::Queued | Phase::Running | Phase::Success | Phase::Cancelled => false,
    }
}
