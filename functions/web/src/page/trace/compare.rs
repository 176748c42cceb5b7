//! Two traces beside each other: what is new, gone, slower, faster, and what lost its cache.

use askama::Template;
use quillon_core::trace::card::Card;
use quillon_core::trace::compare::{Both, Comparison, Found, Only};
use quillon_core::trace::outline::{Outline, Tree};
use quillon_core::trace::state::TraceState;

use super::list::thousands;
use super::{UNTOLD, at, span_took, state_of, took};
use crate::link::{Paths, TraceView};
use crate::page::card::Scene;
use crate::page::state::State;
use crate::page::text::{label, visible};
use crate::page::time::Moment;

/// Spans that each list names.
pub const MAX_LISTED: usize = 100;

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "trace/compare.html")]
pub struct ComparePage {
    /// The list of traces.
    pub traces_href: String,
    /// The trace that is looked at.
    pub head: Side,
    /// The earlier one, where there is one.
    pub base: Option<Side>,
    /// Why it is this one, or why there is none.
    pub why: String,
    /// Where another partner is asked for.
    pub action: String,
    /// What was asked for and does not fit.
    pub problem: Option<String>,
    /// The lists that are not empty.
    pub lists: Vec<Difference>,
    /// How many spans are the same in both.
    pub same: String,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Its command.
    pub name: String,
    /// Its page.
    pub href: String,
    /// The first digits of its id.
    pub short: String,
    /// State.
    pub state: State,
    /// How long it took.
    pub took: String,
    /// When it started.
    pub age: Moment,
}

/// Spans that differ in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Id in the page.
    pub key: &'static str,
    /// `Slower`.
    pub title: &'static str,
    /// What that means.
    pub meaning: &'static str,
    /// The spans, what matters most first.
    pub rows: Vec<DifferenceRow>,
    /// How many more there are.
    pub more: usize,
}

/// A span that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferenceRow {
    /// Its name.
    pub name: String,
    /// Its address in the trace that has it.
    pub href: String,
    /// What it is in, the innermost last.
    pub path: String,
    /// How it differs: `12s → 3m14s, 3m02s more`.
    pub text: String,
}

/// A trace to compare.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// What lists show of it.
    pub card: &'a Card,
    /// Its spans.
    pub outline: &'a Outline,
    /// Who is whose child.
    pub tree: &'a Tree,
    /// Where it stands.
    pub state: TraceState,
}

impl ComparePage {
    /// The page without a partner.
    #[must_use]
    pub fn alone(head: Compared<'_>, why: &str, problem: Option<String>, scene: Scene<'_>) -> Self {
        Self {
            traces_href: scene.paths.traces(),
            head: side(head, scene),
            base: None,
            why: why.to_owned(),
            action: scene.paths.trace_view(head.card.trace, TraceView::Compare),
            problem,
            lists: vec![],
            same: String::new(),
        }
    }

    /// The page of two.
    #[must_use]
    pub fn new(base: Compared<'_>, head: Compared<'_>, comparison: &Comparison, why: &str, scene: Scene<'_>) -> Self {
        let names = Names { base, head, paths: scene.paths };
        let both = |key, title, meaning, found: &Found<Both>, text: &dyn Fn(&Both) -> String| Difference {
            key,
            title,
            meaning,
            rows: found.first.iter().map(|pair| names.row(head, pair.head, text(pair))).collect(),
            more: found.total.saturating_sub(found.first.len()),
        };
        let only = |key, title, meaning, of: Compared<'_>, found: &Found<Only>| Difference {
            key,
            title,
            meaning,
            rows: found.first.iter().map(|only| names.row(of, only.row, only_text(only))).collect(),
            more: found.total.saturating_sub(found.first.len()),
        };
        let lists = vec![
            both("lost-cache", "Lost their cache", "executed here, taken from the cache there", &comparison.lost_cache, &times),
            both(
                "slower",
                "Slower",
                "took more than a fifth and 100 ms longer; of a chain of spans the one that is the cause",
                &comparison.slower,
                &times,
            ),
            only("new", "New", "only in this trace", head, &comparison.new),
            only("gone", "Gone", "only in the earlier trace", base, &comparison.gone),
            both("faster", "Faster", "took that much less", &comparison.faster, &times),
        ];
        Self {
            base: Some(side(base, scene)),
            lists: lists.into_iter().filter(|list| !list.rows.is_empty()).collect(),
            same: thousands(u64::from(comparison.same)),
            ..Self::alone(head, why, None, scene)
        }
    }
}

struct Names<'a> {
    base: Compared<'a>,
    head: Compared<'a>,
    paths: &'a Paths,
}

impl Names<'_> {
    fn row(&self, of: Compared<'_>, row: u32, text: String) -> DifferenceRow {
        debug_assert!(of.card.trace == self.head.card.trace || of.card.trace == self.base.card.trace);
        let name = |row: u32| of.outline.rows.get(row as usize).map(|row| visible(of.outline.name(row.name))).unwrap_or_default();
        let is_told = |row: &u32| of.outline.rows.get(*row as usize).is_some_and(|row| !row.flags.intersects(UNTOLD));
        let mut path: Vec<String> = of.tree.ancestors(row).filter(is_told).take(3).map(name).collect();
        path.reverse();
        let href = match of.outline.rows.get(row as usize) {
            Some(row) => self.paths.span(of.card.trace, row.id),
            None => self.paths.trace(of.card.trace),
        };
        DifferenceRow { name: name(row), href, path: path.join(" › "), text }
    }
}

fn side(of: Compared<'_>, scene: Scene<'_>) -> Side {
    Side {
        name: label(of.card.name()),
        href: scene.paths.trace(of.card.trace),
        short: super::sharing::short(of.card),
        state: state_of(of.state),
        took: took(of.card.duration_ms(scene.now.as_millisecond())),
        age: Moment::new(at(of.card.started_ms()), scene.now),
    }
}

fn only_text(only: &Only) -> String {
    let took = only.duration_ns.map(span_took);
    let within = only.spans.saturating_sub(1);
    match (took, within) {
        (Some(took), 0) => took,
        (Some(took), within) => format!("{took}, with {} spans in it", thousands(u64::from(within))),
        (None, 0) => "did not end".to_owned(),
        (None, within) => format!("did not end, with {} spans in it", thousands(u64::from(within))),
    }
}

fn times(pair: &Both) -> String {
    let known = |ns: Option<u64>| ns.map_or_else(|| "did not end".to_owned(), span_took);
    let (before, after) = (pair.base_ns.unwrap_or(0), pair.head_ns.unwrap_or(0));
    let word = if after >= before { "more" } else { "less" };
    format!("{} → {}, {} {word}", known(pair.base_ns), known(pair.head_ns), span_took(pair.difference_ns()))
}
