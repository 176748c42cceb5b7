//! The Checks page: commits, the newest first, by repository.

use std::collections::BTreeMap;

use askama::Template;
use quillon_core::id::RepositoryId;
use quillon_core::name::RepositoryName;
use quillon_core::run::Run;

use super::Forms;
use super::advice::{self, Advice, Step, step};
use super::card::{Card, Scene, Shown};
use super::filter::{Filter, Wanted};
use super::row::Control;
use super::text::counted;

/// The Checks page.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "checks.html")]
pub struct ChecksPage {
    /// The filter as a form.
    pub form: FilterForm,
    /// What of the URL was not understood.
    pub problems: Vec<Step>,
    /// Neighbouring commits of one repository.
    pub sections: Vec<Section>,
    /// What to do where there is nothing to show.
    pub advice: Option<Advice>,
    /// How far was looked, where a filter made that worth saying.
    pub looked: Option<String>,
    /// The newest page, from any other.
    pub newest_href: Option<String>,
    /// The next page.
    pub older_href: Option<String>,
    /// The forms.
    pub forms: Forms,
    /// For `aria-live`.
    pub announcement: String,
}

/// Neighbouring commits of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its commits.
    pub cards: Vec<Card>,
    /// `owner/name`.
    pub repository: String,
    /// The Checks page of the repository.
    pub href: String,
    /// The forge's page of the repository, where it has pages.
    pub forge_href: Option<String>,
}

/// The filter as a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterForm {
    /// The page.
    pub action: String,
    /// The repository, as text.
    pub repository: String,
    /// Repositories to choose from.
    pub repositories: Vec<String>,
    /// The branch, as text.
    pub branch: String,
    /// The states to choose from.
    pub states: Vec<Choice>,
    /// Whether anything is filtered.
    pub is_set: bool,
}

/// An option of a select box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its value.
    pub value: &'static str,
    /// Its label.
    pub label: &'static str,
    /// Whether it is chosen.
    pub is_chosen: bool,
}

/// What was read for a Checks page.
#[derive(Debug, Clone)]
pub struct Feed<'a> {
    /// The runs, the newest first.
    pub runs: &'a [Run],
    /// Where the next page begins.
    pub next: Option<String>,
    /// How many runs were looked at to find these.
    pub looked_at: usize,
    /// Names of repositories today.
    pub names: &'a BTreeMap<RepositoryId, RepositoryName>,
}

impl ChecksPage {
    /// Makes the page.
    #[must_use]
    pub fn new(feed: &Feed<'_>, filter: &Filter, problems: Vec<String>, forms: Forms, scene: Scene<'_>) -> Self {
        let sections = sections(feed, scene);
        let is_empty = sections.is_empty();
        let advice = match (is_empty, filter.is_set() || filter.after.is_some()) {
            (false, _) => None,
            (true, true) => Some(advice::no_match()),
            (true, false) => Some(advice::fresh(scene.site.public.as_str().trim_end_matches('/'))),
        };
        let looked = filter.state.map(|_| match &feed.next {
            Some(_) => format!("Looked through {}; older ones may fit too.", counted(feed.looked_at, "run")),
            None => format!("Looked through {}, to the oldest.", counted(feed.looked_at, "run")),
        });
        let announcement = sections.iter().flat_map(|section| &section.cards).take(5).map(announce).collect::<Vec<_>>().join("; ");
        Self {
            form: form(filter, feed.names, scene),
            problems: problems.iter().map(|problem| step(problem)).collect(),
            sections,
            advice,
            looked,
            newest_href: filter.after.is_some().then(|| scene.paths.filtered(&filter.from(None))),
            older_href: feed.next.clone().map(|next| scene.paths.filtered(&filter.from(Some(next)))),
            forms,
            announcement,
        }
    }
}

fn announce(card: &Card) -> String {
    format!("{} {}: {}", card.head.repository, card.head.short, card.sentence)
}

/// Runs of one commit that stand next to each other share a card, cards of one repository a section.
fn sections(feed: &Feed<'_>, scene: Scene<'_>) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for runs in feed.runs.chunk_by(|a, b| a.key.commit == b.key.commit) {
        let Some(newest) = runs.first() else { continue };
        let repository = feed.names.get(&newest.key.commit.repository).unwrap_or(&newest.repository_name);
        let shown: Vec<Shown<'_>> = runs.iter().map(|run| Shown { run, lines: &run.summary.lines }).collect();
        let Some(card) = Card::new(&shown, repository, scene) else { continue };
        match sections.last_mut() {
            Some(section) if section.repository == card.head.repository => section.cards.push(card),
            Some(_) | None => sections.push(Section {
                repository: card.head.repository.clone(),
                href: card.head.repository_href.clone(),
                forge_href: card.head.forge_href.clone(),
                cards: vec![card],
            }),
        }
    }
    sections
}

fn form(filter: &Filter, names: &BTreeMap<RepositoryId, RepositoryName>, scene: Scene<'_>) -> FilterForm {
    let mut repositories: Vec<String> = names.values().map(ToString::to_string).collect();
    repositories.sort_unstable();
    repositories.dedup();
    FilterForm {
        action: scene.paths.checks(),
        repository: filter.repository.as_ref().map(ToString::to_string).unwrap_or_default(),
        repositories,
        branch: filter.branch_text().unwrap_or_default(),
        states: Wanted::ALL
            .into_iter()
            .map(|wanted| Choice { value: wanted.word(), label: wanted.label(), is_chosen: filter.state == Some(wanted) })
            .collect(),
        is_set: filter.is_set(),
    }
}
