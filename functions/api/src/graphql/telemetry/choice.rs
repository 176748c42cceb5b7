//! Which spans of a trace an answer holds.

use std::collections::HashSet;

use async_graphql::ID;
use jiff::Timestamp;
use quillon_core::trace::SpanId;
use quillon_core::trace::insight;
use quillon_core::trace::outline::{Outline, Row, Tree};

use crate::credential::shorten;
use crate::error::ApiError;

/// Most spans that count as what matters most.
const MAX_PRIORITY: usize = 20_000;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// From the roots on.
    pub(super) is_from_roots: bool,
    /// Only what matters most from the roots on.
    pub(super) is_incremental: bool,
    /// Subtrees.
    pub(super) listen: Vec<SpanId>,
    /// Only what existed by then.
    pub(super) before: Option<Timestamp>,
    /// Only what changed later.
    pub(super) after: Option<Timestamp>,
}

/// The rows of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Row numbers, each once: by start, or what matters most first, for an answer may have to be cut.
    pub(super) rows: Vec<u32>,
    /// Whether the trace has spans that were not chosen.
    pub(super) is_partial: bool,
}

/// Chooses. Times narrow the choice but do not make it partial: what they leave out is known already, or not wanted.
pub(super) fn choose(outline: &Outline, tree: &Tree, wanted: &Wanted) -> Choice {
    let mut rows = if wanted.is_from_roots && !wanted.is_incremental { outline.order() } else { chosen(outline, tree, wanted) };
    let is_partial = rows.len() < outline.len();
    let newest_ms = outline.last_received_ms().unwrap_or_default();
    let is_wanted = |number: u32, row: &Row| is_in_time(row, updated_ms(outline, number, row, newest_ms), wanted);
    rows.retain(|number| row(outline, *number).is_some_and(|row| is_wanted(*number, row)));
    Choice { rows, is_partial }
}

/// What matters most from the roots on, and the subtrees that are asked for.
fn chosen(outline: &Outline, tree: &Tree, wanted: &Wanted) -> Vec<u32> {
    let mut rows = if wanted.is_from_roots { insight::priority(outline, tree, MAX_PRIORITY) } else { vec![] };
    let mut chosen: HashSet<u32> = rows.iter().copied().collect();
    // A subtree within another is walked once, however many of its spans are named.
    let mut walked = HashSet::new();
    for top in wanted.listen.iter().filter_map(|span| outline.row(*span)) {
        let mut left = vec![top];
        while let Some(number) = left.pop() {
            if !walked.insert(number) {
                continue;
            }
            if chosen.insert(number) {
                rows.push(number);
            }
            left.extend(tree.children(number).iter().rev());
        }
    }
    rows
}

/// A row by its number.
pub(super) fn row(outline: &Outline, number: u32) -> Option<&Row> {
    outline.rows.get(usize::try_from(number).ok()?)
}

/// When a span was last updated. A root is as new as its trace: a client that has seen the roots then holds a time which everything
/// below them is not later than, and asks for the subtrees `before` it.
pub(super) fn updated_ms(outline: &Outline, number: u32, row: &Row, newest_ms: i64) -> i64 {
    if outline.parent_row(number).is_some() { row.received_ms } else { newest_ms }
}

/// A span is kept in its newest state only: one that had started by `before` belongs to what existed then, though it was updated since.
fn is_in_time(row: &Row, updated_ms: i64, wanted: &Wanted) -> bool {
    let updated = Timestamp::from_millisecond(updated_ms).unwrap_or_default();
    let started = Timestamp::from_nanosecond(i128::from(row.start_ns)).unwrap_or_default();
    let is_early = wanted.before.is_none_or(|before| updated <= before || started <= before);
    is_early && wanted.after.is_none_or(|after| updated > after)
}

/// The spans that a client names.
///
/// # Errors
/// For the first that is no span id.
pub(super) fn span_ids(ids: &[ID]) -> Result<Vec<SpanId>, ApiError> {
    ids.iter().map(span_id).collect()
}

/// The span that a client names.
///
/// # Errors
/// When it is no span id.
pub(super) fn span_id(id: &ID) -> Result<SpanId, ApiError> {
    let bad = |_| ApiError::BadRequest(format!("`{}` is no span id: send 16 hex digits", shorten(id)));
    id.to_ascii_lowercase().parse().map_err(bad)
}
