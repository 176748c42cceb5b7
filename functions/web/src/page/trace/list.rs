//! The list of an org's traces: day by day, from CI by commit, from people's machines, and those that belong nowhere.

use askama::Template;
use jiff::civil::Date;
use jiff::tz::Offset;
use quillon_core::trace::card::Card;
use quillon_core::trace::label::Vendor;
use quillon_core::trace::state::TraceState;

use super::filter::{STATES, Source, TraceFilter};
use super::origin::{Origin, advice};
use super::{at, state_of, took};
use crate::page::advice::{Advice, Step, step};
use crate::page::card::Scene;
use crate::page::checks::Choice;
use crate::page::state::State;
use crate::page::text::{counted, label};
use crate::page::time::Moment;

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "trace/list.html")]
pub struct TracesPage {
    /// The filter as a form.
    pub form: TraceForm,
    /// All, from CI, from people, without repository.
    pub tabs: Vec<SourceTab>,
    /// What of the URL was not understood.
    pub problems: Vec<Step>,
    /// The days, the newest first.
    pub days: Vec<Day>,
    /// What to do where a filter lets nothing through.
    pub advice: Option<Advice>,
    /// How far was looked, where a filter made that worth saying.
    pub looked: Option<String>,
    /// The newest page, from any other.
    pub newest_href: Option<String>,
    /// The next page.
    pub older_href: Option<String>,
    /// How to send traces.
    pub setup_href: String,
    /// For `aria-live`.
    pub announcement: String,
}

/// The filter as a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceForm {
    /// The page.
    pub action: String,
    /// The source, kept while the form is sent.
    pub source: Option<&'static str>,
    /// The repository.
    pub repository: String,
    /// Repositories to choose from.
    pub repositories: Vec<String>,
    /// The branch or pull request.
    pub branch: String,
    /// A part of the command.
    pub command: String,
    /// The states to choose from.
    pub states: Vec<Choice>,
    /// The shortest duration.
    pub longer: String,
    /// Words to look for.
    pub text: String,
    /// The newest day.
    pub day: String,
    /// Whether anything is filtered.
    pub is_set: bool,
}

/// A source to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTab {
    /// Its name.
    pub name: &'static str,
    /// The list of it.
    pub href: String,
    /// Whether this is it.
    pub is_current: bool,
}

/// The traces of one day, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// `2026-05-04`, also its id in the page.
    pub date: String,
    /// `Today`, `Yesterday`, or the date in words.
    pub name: String,
    /// Its parts, in a fixed order.
    pub parts: Vec<Part>,
}

/// The traces of one source on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Names the part in addresses and classes.
    pub key: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// How to get them out of here, where they should not be.
    pub steps: Vec<Step>,
    /// The traces, those of one commit together.
    pub groups: Vec<Group>,
}

/// The traces of one commit, or one trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The commit; none where each trace stands for itself.
    pub head: Option<GroupHead>,
    /// The traces, the newest first.
    pub rows: Vec<TraceRow>,
}

/// A commit above its traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupHead {
    /// The state of all of them.
    pub state: State,
    /// Where they come from.
    pub origin: Origin,
    /// `2 failed · 3 succeeded`.
    pub counts: String,
}

/// A trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRow {
    /// Its id, also in the page.
    pub id: String,
    /// State.
    pub state: State,
    /// The command line.
    pub name: String,
    /// Its page.
    pub href: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether the repository and the person are to be said of the row, because nothing above says it.
    pub is_alone: bool,
    /// How long it took, or takes so far.
    pub took: String,
    /// Start in milliseconds while it runs, for the script.
    pub since: Option<i64>,
    /// `1,234 spans`, once counted.
    pub spans: Option<String>,
    /// When it started.
    pub age: Moment,
}

/// What was read for a list.
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a> {
    /// The cards with their states, the newest first.
    pub cards: &'a [(Card, TraceState)],
    /// Where the next page begins.
    pub next: Option<&'a str>,
    /// Names of repositories to choose from.
    pub repositories: &'a [String],
}

impl TracesPage {
    /// Makes the page.
    #[must_use]
    pub fn new(feed: &Feed<'_>, filter: &TraceFilter, problems: &[String], scene: Scene<'_>) -> Self {
        let days = days(feed.cards, filter.source, scene);
        let is_empty = days.is_empty();
        let running = feed.cards.iter().filter(|(_, state)| *state == TraceState::Running).count();
        Self {
            form: form(filter, feed.repositories, scene),
            tabs: tabs(filter, scene),
            problems: problems.iter().map(|problem| step(problem)).collect(),
            advice: is_empty.then(|| no_match(feed.next.is_some())),
            looked: (filter.is_set() && feed.next.is_some()).then(|| "Older traces may fit too.".to_owned()),
            days,
            newest_href: filter.after.is_some().then(|| scene.paths.filtered_traces(&filter.from(None))),
            older_href: feed.next.map(|next| scene.paths.filtered_traces(&filter.from(Some(next.to_owned())))),
            setup_href: scene.paths.trace_setup(),
            announcement: if running > 0 { format!("{} running", counted(running, "trace")) } else { String::new() },
        }
    }
}

fn no_match(may_be_older: bool) -> Advice {
    let steps: &[&str] = if may_be_older {
        &["None of the newest fits. Look at older ones, or take something out of the filter."]
    } else {
        &["Take something out of the filter: `Clear` shows all.", "Traces are kept for a limited time; older ones are gone."]
    };
    Advice { title: "No traces match this filter".to_owned(), steps: steps.iter().map(|text| step(text)).collect() }
}

fn day_of(card: &Card) -> Date {
    Offset::UTC.to_datetime(at(card.listed_ms())).date()
}

fn days(cards: &[(Card, TraceState)], source: Option<Source>, scene: Scene<'_>) -> Vec<Day> {
    let today = Offset::UTC.to_datetime(scene.now).date();
    let mut days = Vec::new();
    for of_day in cards.chunk_by(|(a, _), (b, _)| day_of(a) == day_of(b)) {
        let Some((first, _)) = of_day.first() else { continue };
        let rows: Vec<(&Card, TraceRow)> = of_day.iter().map(|(card, state)| (card, row(card, *state, scene))).collect();
        let parts: Vec<Part> = Source::ALL
            .into_iter()
            .filter(|part| source.is_none_or(|source| source == *part))
            .filter_map(|part| part_of(part, rows.iter().filter(|(_, row)| row.origin.source == part)))
            .collect();
        if parts.is_empty() {
            continue;
        }
        let date = day_of(first);
        let name = if date == today {
            "Today".to_owned()
        } else if date.tomorrow().is_ok_and(|next| next == today) {
            "Yesterday".to_owned()
        } else {
            date.strftime("%A, %-d %B %Y").to_string()
        };
        days.push(Day { date: date.to_string(), name, parts });
    }
    days
}

fn part_of<'a>(source: Source, rows: impl Iterator<Item = &'a (&'a Card, TraceRow)>) -> Option<Part> {
    let rows: Vec<&(&Card, TraceRow)> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    let steps = match source {
        Source::Ci | Source::People => vec![],
        Source::NoRepository => {
            let mut vendors: Vec<Option<Vendor>> = rows.iter().map(|(card, _)| card.labels().ci.as_ref().map(|ci| ci.vendor)).collect();
            vendors.sort_unstable();
            vendors.dedup();
            let all = step("These say nothing of a repository: each names the label that it lacks. What brings it in:");
            std::iter::once(all).chain(vendors.into_iter().map(advice)).collect()
        }
    };
    let groups = match source {
        Source::Ci => by_commit(&rows),
        Source::People | Source::NoRepository => vec![Group { head: None, rows: rows.iter().map(|(_, row)| row.clone()).collect() }],
    };
    Some(Part { key: source.word(), title: source.label(), steps, groups })
}

/// Those of one commit together, in the order of the newest of each.
fn by_commit(rows: &[&(&Card, TraceRow)]) -> Vec<Group> {
    type Commit = (String, String);
    let mut groups: Vec<(Option<Commit>, Vec<TraceRow>)> = Vec::new();
    for (card, row) in rows {
        let key = card.commit().map(|commit| (card.remote_key(), commit));
        match groups.iter_mut().find(|(known, _)| known.is_some() && *known == key) {
            Some((_, group)) => group.push(row.clone()),
            None => groups.push((key, vec![row.clone()])),
        }
    }
    groups
        .into_iter()
        .map(|(_, mut rows)| {
            let head = rows.first().map(|newest| {
                let mut origin = newest.origin.clone();
                // Somebody of the group may know the title or the pull request.
                origin.title = rows.iter().find_map(|row| row.origin.title.clone());
                if let Some(with_pull) = rows.iter().find(|row| row.origin.refs.iter().any(|chip| chip.kind == "pull")) {
                    origin.refs = with_pull.origin.refs.clone();
                }
                GroupHead { state: worst(&rows), origin, counts: counts(&rows) }
            });
            for row in &mut rows {
                row.is_alone = false;
            }
            Group { head, rows }
        })
        .collect()
}

/// What needs eyes first.
const RANK: [TraceState; 5] = [TraceState::Failed, TraceState::Running, TraceState::Lost, TraceState::Canceled, TraceState::Succeeded];

fn worst(rows: &[TraceRow]) -> State {
    let is_there = |state: &State| rows.iter().any(|row| row.state == *state);
    RANK.into_iter().map(state_of).find(is_there).unwrap_or_else(|| state_of(TraceState::Succeeded))
}

fn counts(rows: &[TraceRow]) -> String {
    let count = |state: TraceState| (rows.iter().filter(|row| row.state == state_of(state)).count(), state_of(state).word);
    let words: Vec<String> =
        RANK.into_iter().map(count).filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    words.join(" · ")
}

fn row(card: &Card, state: TraceState, scene: Scene<'_>) -> TraceRow {
    let name = label(card.name());
    TraceRow {
        id: card.trace.to_string(),
        state: state_of(state),
        name: if name.is_empty() { "a command that has not said its name yet".to_owned() } else { name },
        href: scene.paths.trace(card.trace),
        origin: Origin::of(card, scene.site, scene.paths),
        is_alone: true,
        took: took(card.duration_ms(scene.now.as_millisecond())),
        since: (state == TraceState::Running).then(|| card.started_ms()),
        spans: card.spans.map(|spans| format!("{} span{}", thousands(spans), if spans == 1 { "" } else { "s" })),
        age: Moment::new(at(card.started_ms()), scene.now),
    }
}

/// A number with its thousands set off.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn tabs(filter: &TraceFilter, scene: Scene<'_>) -> Vec<SourceTab> {
    let tab = |source: Option<Source>| SourceTab {
        name: source.map_or("All", Source::label),
        href: scene.paths.filtered_traces(&filter.of_source(source)),
        is_current: filter.source == source,
    };
    std::iter::once(None).chain(Source::ALL.into_iter().map(Some)).map(tab).collect()
}

fn form(filter: &TraceFilter, repositories: &[String], scene: Scene<'_>) -> TraceForm {
    let states = STATES.into_iter().map(|(state, value, label)| Choice { value, label, is_chosen: filter.state == Some(state) });
    TraceForm {
        action: scene.paths.traces(),
        source: filter.source.map(Source::word),
        repository: filter.repository.clone().unwrap_or_default(),
        repositories: repositories.to_vec(),
        branch: filter.branch_text().unwrap_or_default(),
        command: filter.command.clone().unwrap_or_default(),
        states: states.collect(),
        longer: filter.duration_text().unwrap_or_default(),
        text: filter.text.clone().unwrap_or_default(),
        day: filter.day.map(|day| day.to_string()).unwrap_or_default(),
        is_set: filter.is_set(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_their_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
