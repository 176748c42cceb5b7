//! A trace's page: what it is, what failed and why, checks and tests, and its first spans for readers without JavaScript.

use askama::Template;
use quillon_core::trace::card::Card;
use quillon_core::trace::hint::Flags;
use quillon_core::trace::insight;
use quillon_core::trace::outline::{Outline, Tree};
use quillon_core::trace::state::{TraceState, shown_state};

use super::list::thousands;
use super::origin::Origin;
use super::reason::{has_failed, reason};
use super::sharing::{Audience, LIVES, Sharing};
use super::{UNTOLD, at, span_took, state_of, took};
use crate::link::{Paths, TraceView};
use crate::page::card::Scene;
use crate::page::check::{Fact, Value};
use crate::page::log::Log;
use crate::page::state::State;
use crate::page::text::{counted, label, visible};
use crate::page::time::Moment;

/// Failures that are told at the top.
const MAX_FAILURES: usize = 5;

/// Lines of the log below a failure.
pub const TAIL_LINES: usize = 20;

/// Checks, and tests, that are listed by the server.
const MAX_LEAVES: usize = 200;

/// Spans that are listed by the server.
const MAX_ROWS: usize = 60;

/// Longest message of a failure, in lines.
const MAX_MESSAGE_LINES: usize = 40;

/// A trace's page.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "trace/detail.html")]
pub struct TracePage {
    /// The list of traces; none for those who may not see it.
    pub traces_href: Option<String>,
    /// The command line.
    pub command: String,
    /// The first digits of its id.
    pub short: String,
    /// State.
    pub state: State,
    /// State in a sentence.
    pub verdict: String,
    /// Start in milliseconds while it runs, and how long so far.
    pub so_far: Option<(i64, String)>,
    /// Where it comes from.
    pub origin: Origin,
    /// The check that it is the trace of.
    pub check: Option<(String, String)>,
    /// `1,234 spans · 3 checks, 1 failed`.
    pub counts: String,
    /// What is known.
    pub facts: Vec<Fact>,
    /// Who may read it, and why.
    pub audience: Audience,
    /// The forms; none for those who may not use them.
    pub sharing: Option<Sharing>,
    /// Lives of share links, in seconds, with their words.
    pub lives: [(i64, &'static str); 4],
    /// What failed.
    pub failures: Vec<Failure>,
    /// How many more failed.
    pub more_failures: usize,
    /// The checks in it.
    pub checks: Vec<Leaf>,
    /// The tests in it.
    pub tests: Vec<Leaf>,
    /// The tree.
    pub mount: Mount,
    /// It beside another trace.
    pub compare_href: Option<String>,
    /// All of it as OTLP JSON lines.
    pub download_href: String,
    /// For `aria-live`.
    pub announcement: String,
}

/// The place of the tree, with its first spans for readers without JavaScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Path of the trace.
    pub base: String,
    /// Its id.
    pub trace: String,
    /// Token of the share link that opened the page.
    pub share: String,
    /// Whether it runs.
    pub is_running: bool,
    /// The span to open.
    pub span: String,
    /// The first spans.
    pub rows: Vec<PlainRow>,
    /// `The first 60 of 1,234 spans.`
    pub note: Option<String>,
}

/// A span in a plain list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainRow {
    /// How deep, at most 8.
    pub depth: usize,
    /// State.
    pub state: State,
    /// Its name.
    pub name: String,
    /// Its address.
    pub href: String,
    /// How long it took.
    pub took: String,
    /// Whether its result was there already.
    pub is_cached: bool,
}

/// A span that failed by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub name: String,
    /// Its address.
    pub href: String,
    /// What it is in, the outermost first.
    pub path: Vec<String>,
    /// What it said.
    pub message: Vec<String>,
    /// The end of its log.
    pub log: Option<Log>,
}

/// A check or a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its name.
    pub name: String,
    /// Its address.
    pub href: String,
    /// State.
    pub state: State,
    /// How long it took.
    pub took: String,
}

/// What a page is made of.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// What lists show of it.
    pub card: &'a Card,
    /// Its spans.
    pub outline: &'a Outline,
    /// Who is whose child.
    pub tree: &'a Tree,
    /// Where it stands.
    pub state: TraceState,
    /// Whether it holds all that it may.
    pub is_full: bool,
    /// What is told of each row that failed.
    pub tails: &'a [Tail],
}

/// What is told at the top of a row that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The row.
    pub row: u32,
    /// Its call with the arguments, where it is one.
    pub call: Option<String>,
    /// The end of its log.
    pub log: Log,
}

/// How the reader came here, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Whether they see the traces of the org.
    pub is_member: bool,
    /// The token of the share link that opened the page.
    pub share: Option<String>,
    /// The span to open.
    pub span: Option<String>,
    /// Who may read the trace.
    pub audience: Audience,
    /// The forms.
    pub sharing: Option<Sharing>,
    /// The check that it is the trace of.
    pub check: Option<(String, String)>,
}

impl TracePage {
    /// Makes the page.
    #[must_use]
    pub fn new(content: Content<'_>, reader: Reader, scene: Scene<'_>) -> Self {
        let Content { card, outline, tree, state, .. } = content;
        let now_ms = scene.now.as_millisecond();
        let page = Page { content, paths: scene.paths, share: reader.share.as_deref(), at: None, now_ms };
        let command = label(card.name());
        let command = if command.is_empty() { "a command that has not said its name yet".to_owned() } else { command };
        let is_running = state == TraceState::Running;
        let (checks, tests) = (insight::checks(outline, tree), insight::tests(outline, tree));
        let (failures, more_failures) = page.failures();
        let verdict = verdict(card, state, now_ms);
        let is_member = reader.is_member;
        let origin = Origin::of(card, scene.site, scene.paths);
        Self {
            traces_href: is_member.then(|| scene.paths.traces()),
            short: super::sharing::short(card),
            announcement: format!("{command}: {verdict}"),
            facts: facts(card, &origin, scene),
            so_far: is_running.then(|| (card.started_ms(), took(card.duration_ms(now_ms)))),
            counts: counts(&content, checks.len(), tests.len()),
            checks: page.leaves(&checks),
            tests: page.leaves(&tests),
            mount: page.mount(reader.span.as_deref()),
            compare_href: is_member.then(|| scene.paths.trace_view(card.trace, TraceView::Compare)),
            download_href: scene.paths.trace_view(card.trace, TraceView::Download),
            state: state_of(state),
            command,
            verdict,
            origin,
            check: reader.check,
            audience: reader.audience,
            sharing: reader.sharing,
            lives: LIVES,
            failures,
            more_failures,
        }
    }
}

/// The trace on the page of its check, whose address with its query is `here`: spans are opened there.
#[must_use]
pub fn on_check_page(content: Content<'_>, scene: Scene<'_>, here: &str, span: Option<&str>) -> (Mount, Vec<Failure>) {
    let page = Page { content, paths: scene.paths, share: None, at: Some(here), now_ms: scene.now.as_millisecond() };
    (page.mount(span), page.failures().0)
}

/// The rows whose logs are to be read for a page.
#[must_use]
pub fn failed_rows(outline: &Outline, tree: &Tree) -> Vec<u32> {
    let mut rows = insight::error_origins(outline, tree);
    rows.truncate(MAX_FAILURES);
    rows
}

struct Page<'a> {
    content: Content<'a>,
    paths: &'a Paths,
    /// Goes along with every address, so that who came by a link stays in.
    share: Option<&'a str>,
    /// The page that spans are opened on; none for the trace's own.
    at: Option<&'a str>,
    now_ms: i64,
}

impl Page<'_> {
    fn name(&self, row: u32) -> String {
        self.content.outline.rows.get(row as usize).map(|row| visible(self.content.outline.name(row.name))).unwrap_or_default()
    }

    fn href(&self, row: u32) -> String {
        let trace = self.content.card.trace;
        if let (Some(row), Some(here)) = (self.content.outline.rows.get(row as usize), self.at) {
            return format!("{here}{}span={}", if here.contains('?') { '&' } else { '?' }, row.id);
        }
        match (self.content.outline.rows.get(row as usize), self.share) {
            (Some(row), None) => self.paths.span(trace, row.id),
            (Some(row), Some(share)) => format!("{}&share={share}", self.paths.span(trace, row.id)),
            (None, _) => self.paths.trace(trace),
        }
    }

    fn state(&self, row: u32) -> State {
        let Some(row) = self.content.outline.rows.get(row as usize) else { return state_of(TraceState::Lost) };
        state_of(shown_state(row, self.content.state, self.now_ms))
    }

    fn took(&self, row: u32) -> String {
        let Some(row) = self.content.outline.rows.get(row as usize) else { return String::new() };
        match row.end_ns {
            Some(end) => span_took(end.saturating_sub(row.start_ns)),
            None => String::new(),
        }
    }

    fn leaves(&self, rows: &[u32]) -> Vec<Leaf> {
        let mut leaves: Vec<Leaf> = rows
            .iter()
            .take(MAX_LEAVES)
            .map(|row| Leaf { name: self.name(*row), href: self.href(*row), state: self.leaf_state(*row), took: self.took(*row) })
            .collect();
        // Failures first, else by start.
        leaves.sort_by_key(|leaf| leaf.state.key != "failure");
        leaves
    }

    /// A check that says that it did not pass has failed, however its span ended, and so has a call in which an error began.
    fn leaf_state(&self, row: u32) -> State {
        let is_failed = self.content.outline.rows.get(row as usize).is_some_and(|row| has_failed(row.flags));
        if is_failed { state_of(TraceState::Failed) } else { self.state(row) }
    }

    fn failures(&self) -> (Vec<Failure>, usize) {
        let Content { outline, tree, tails, .. } = self.content;
        let origins = insight::error_origins(outline, tree);
        let failure = |row: &u32| {
            let is_told = |row: &u32| outline.rows.get(*row as usize).is_some_and(|row| !row.flags.intersects(UNTOLD));
            let mut path: Vec<String> = tree.ancestors(*row).filter(is_told).take(64).map(|row| self.name(row)).collect();
            path.reverse();
            let message = reason(outline, tree, *row).unwrap_or_default();
            let tail = tails.iter().find(|tail| tail.row == *row);
            Failure {
                name: tail.and_then(|tail| tail.call.clone()).unwrap_or_else(|| self.name(*row)),
                href: self.href(*row),
                path,
                message: message.lines().take(MAX_MESSAGE_LINES).map(visible).collect(),
                log: tail.map(|tail| tail.log.clone()).filter(|log| log.absence.is_none()),
            }
        };
        (origins.iter().take(MAX_FAILURES).map(failure).collect(), origins.len().saturating_sub(MAX_FAILURES))
    }

    fn mount(&self, span: Option<&str>) -> Mount {
        let outline = self.content.outline;
        let rows = self.plain_rows();
        let total = outline.len();
        let note = (rows.len() < total).then(|| {
            let all = thousands(u64::try_from(total).unwrap_or(u64::MAX));
            format!("{} of {all} spans, the outermost first. The whole tree needs JavaScript; the download has all of it.", rows.len())
        });
        Mount {
            base: self.paths.trace(self.content.card.trace),
            trace: self.content.card.trace.to_string(),
            share: self.share.unwrap_or_default().to_owned(),
            is_running: self.content.state == TraceState::Running,
            span: span.unwrap_or_default().to_owned(),
            rows,
            note,
        }
    }

    /// The first spans as Dagger wants them shown: without internal ones, with the children of pass-through ones in their place, and
    /// what is encapsulated only where it failed.
    fn plain_rows(&self) -> Vec<PlainRow> {
        let Content { outline, tree, .. } = self.content;
        let mut waiting: Vec<(u32, usize, bool)> = tree.roots().iter().rev().map(|row| (*row, 0, false)).collect();
        let mut rows = Vec::new();
        let mut looked = 0_usize;
        while let Some((number, depth, is_inside)) = waiting.pop() {
            looked += 1;
            // A trace of nothing but internal spans is not walked to its end.
            if rows.len() >= MAX_ROWS || looked > 20_000 {
                break;
            }
            let Some(row) = outline.rows.get(number as usize) else { continue };
            let has_failed = has_failed(row.flags);
            let is_capsule = is_inside || row.flags.contains(Flags::ENCAPSULATED);
            if (row.flags.contains(Flags::INTERNAL) || is_capsule) && !has_failed {
                continue;
            }
            let is_passed = row.flags.contains(Flags::PASSTHROUGH);
            if !is_passed {
                rows.push(PlainRow {
                    depth: depth.min(8),
                    state: self.leaf_state(number),
                    name: self.name(number),
                    href: self.href(number),
                    took: self.took(number),
                    is_cached: row.flags.contains(Flags::CACHED),
                });
            }
            let inside = row.flags.contains(Flags::ENCAPSULATE);
            let deeper = if is_passed { depth } else { depth + 1 };
            waiting.extend(tree.children(number).iter().rev().map(|child| (*child, deeper, inside)));
        }
        rows
    }
}

/// The state in a sentence without its end.
fn verdict(card: &Card, state: TraceState, now_ms: i64) -> String {
    let took = took(card.duration_ms(now_ms));
    match state {
        TraceState::Running => "running".to_owned(),
        TraceState::Succeeded => format!("succeeded in {took}"),
        TraceState::Failed => format!("failed after {took}"),
        TraceState::Lost => format!("lost after {took}: its process stopped sending without saying that it ended"),
        TraceState::Canceled => format!("cancelled after {took}"),
    }
}

fn counts(content: &Content<'_>, checks: usize, tests: usize) -> String {
    let spans = u64::try_from(content.outline.len()).unwrap_or(u64::MAX);
    let mut parts = vec![format!("{} span{}", thousands(spans), if spans == 1 { "" } else { "s" })];
    if content.is_full {
        parts[0].push_str(", all that a trace may have: later ones were refused");
    }
    let failed = content.outline.failed_checks() as usize;
    if checks > 0 {
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        parts.push(format!("{}{failed}", counted(checks, "check")));
    }
    if tests > 0 {
        parts.push(counted(tests, "test"));
    }
    parts.join(" · ")
}

fn facts(card: &Card, origin: &Origin, scene: Scene<'_>) -> Vec<Fact> {
    let labels = card.labels();
    let text = |term, value: Option<String>| value.filter(|value| !value.is_empty()).map(|value| Fact { term, value: Value::Text(value) });
    let time = |term, ms: Option<i64>| ms.map(|ms| Fact { term, value: Value::Time(Moment::new(at(ms), scene.now)) });
    let platform = [labels.os.as_deref(), labels.arch.as_deref()].into_iter().flatten().map(label).collect::<Vec<_>>().join("/");
    let client = [labels.version.as_deref().map(label), Some(platform)].into_iter().flatten().filter(|part| !part.is_empty());
    [
        text("Started by", origin.who.clone()),
        text("Ran in", Some(origin.place.clone())),
        text("Event", labels.ci.as_ref().and_then(|ci| ci.event.as_deref()).map(|event| label(&event.replace('_', " ")))),
        text("Author", labels.author.as_deref().map(label)),
        time("Started", Some(card.started_ms())),
        time("Ended", card.ended_ms()),
        text("Dagger", Some(client.collect::<Vec<_>>().join(", "))),
        Some(Fact { term: "Trace", value: Value::Code(card.trace.to_string()) }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
