//! Where the errors of a trace began.

use super::first;
use crate::trace::hint::Flags;
use crate::trace::outline::{NO_ROW, Outline, Tree};

/// Most error origins of a trace.
const MAX_ORIGINS: usize = 100;

/// The spans where errors began, by start; at most 100.
///
/// They are the spans that links and markers of failed spans name. A failed check about which no link says anything, and a trace
/// without any such link, is answered with the deepest failures in it. A root that ended well has no failures worth naming, but its
/// failed checks have. What was cancelled or blocked is no origin.
#[must_use]
pub fn error_origins(outline: &Outline, tree: &Tree) -> Vec<u32> {
    let named: Vec<u32> = outline.blamed().filter_map(|span| outline.row(span)).filter(|&row| is_possible(outline, row)).collect();
    let is_failed_check = |row: &u32| outline.flags(*row).is_failed_check() && is_possible(outline, *row);
    let mut unexplained: Vec<u32> = outline.numbers().filter(is_failed_check).collect();
    if named.is_empty() {
        let ended_well = |root: u32| outline.rows[root as usize].end_ns.is_some() && !outline.flags(root).contains(Flags::ERROR);
        unexplained.extend(tree.roots().iter().filter(|&&root| is_possible(outline, root) && !ended_well(root)));
    } else {
        let mut covered = vec![false; outline.len()];
        for &row in &named {
            mark_upwards(tree, &mut covered, row);
        }
        let names_one = |row: u32| outline.origins_of(row).iter().any(|span| outline.row(*span).is_some());
        unexplained.retain(|&check| !covered[check as usize] && !names_one(check));
    }
    let mut origins = named;
    if !unexplained.is_empty() {
        origins.extend(deepest_failures(outline, tree, &unexplained));
    }
    origins.sort_unstable();
    origins.dedup();
    first(outline, origins, MAX_ORIGINS)
}

fn is_possible(outline: &Outline, row: u32) -> bool {
    !outline.flags(row).intersects(Flags::CANCELED.with(Flags::BLOCKED))
}

/// The failures within the subtrees of `tops` that have no failure below them.
fn deepest_failures(outline: &Outline, tree: &Tree, tops: &[u32]) -> Vec<u32> {
    let is_failed = |row: u32| outline.flags(row).is_failure() || outline.flags(row).is_failed_check() && is_possible(outline, row);
    let mut has_failed_below = vec![false; outline.len()];
    for row in outline.numbers().filter(|&row| is_failed(row)) {
        if let Some(parent) = tree.parent(row) {
            mark_upwards(tree, &mut has_failed_below, parent);
        }
    }
    let mut is_below = vec![false; outline.len()];
    let mut deepest = Vec::new();
    for &top in tops {
        let mut left = vec![top];
        while let Some(row) = left.pop() {
            if std::mem::replace(&mut is_below[row as usize], true) {
                continue;
            }
            if is_failed(row) && !has_failed_below[row as usize] {
                deepest.push(row);
            }
            left.extend(tree.children(row));
        }
    }
    deepest
}

/// Marks a row and its ancestors, up to the first that is marked.
fn mark_upwards(tree: &Tree, marked: &mut [bool], row: u32) {
    let mut row = row;
    while row != NO_ROW && !std::mem::replace(&mut marked[row as usize], true) {
        row = tree.parent(row).unwrap_or(NO_ROW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, outline};

    fn origins(spans: impl IntoIterator<Item = SpanBuilder>) -> Vec<u32> {
        let outline = outline(spans);
        error_origins(&outline, &outline.tree())
    }

    fn span(number: u64) -> SpanBuilder {
        SpanBuilder::new(number).under(number - 1)
    }

    #[test]
    fn links_name_the_origin_as_in_a_recorded_run() {
        // root > "checks" > group > check > call; the call's origin has a failed span below it that names nobody.
        let recorded = [
            SpanBuilder::new(1).failed(9, "stat nope").blames(5).of_cli(&[]),
            span(2).marked("dagger.io/ui.passthrough").ended(9),
            span(3).failed(9, "stat nope").blames(5).checked("hello:failing", Some(false)),
            span(4).failed(9, "stat nope").blames(5),
            span(5).failed(9, "stat nope"),
            span(6).failed(9, "stat nope").marked("dagger.io/ui.passthrough"),
        ];
        assert_eq!(origins(recorded.clone()), [4]);
        assert_eq!(origins(recorded.into_iter().rev()), [1]);
    }

    #[test]
    fn without_links_the_deepest_failures_are_the_origins() {
        let failing = [
            SpanBuilder::new(1).failed(9, "x"),
            span(2).ended(9),
            span(3).failed(9, "x"),
            SpanBuilder::new(4).under(2).started(5).failed(9, "x"),
            SpanBuilder::new(5).under(4).started(4).failed(9, "x"),
            SpanBuilder::new(6).under(5).failed(9, "context canceled"),
            SpanBuilder::new(7).under(5).failed(9, "x").marked("dagger.io/dag.blocked"),
            SpanBuilder::new(8).under(77).started(6).failed(9, "x"),
        ];
        assert_eq!(origins(failing), [2, 4, 7]);
        assert_eq!(origins([SpanBuilder::new(1).failed(9, "x")]), [0]);
        assert_eq!(origins([SpanBuilder::new(1), span(2).failed(9, "x")]), [1], "while the root runs");
        assert_eq!(origins([SpanBuilder::new(1).ended(9), span(2).failed(9, "caught")]), [0; 0]);
        assert_eq!(origins([SpanBuilder::new(1).failed(9, "context canceled"), span(2).failed(9, "x")]), [0; 0]);
    }

    #[test]
    fn every_failed_check_has_an_origin() {
        let spans = [
            SpanBuilder::new(1).ended(9),
            SpanBuilder::new(2).under(1).started(2).failed(9, "a").checked("a", Some(false)).blames(3),
            SpanBuilder::new(3).under(2).started(3).failed(9, "a"),
            SpanBuilder::new(4).under(1).started(4).failed(9, "b").checked("b", Some(false)),
            SpanBuilder::new(5).under(4).started(5).failed(9, "b"),
            SpanBuilder::new(6).under(1).started(6).ended(9).checked("c", Some(false)),
            SpanBuilder::new(7).under(1).started(7).failed(9, "context canceled").checked("d", Some(false)),
            SpanBuilder::new(8).under(1).started(8).failed(9, "noise"),
        ];
        assert_eq!(origins(spans), [2, 4, 5]);
    }

    #[test]
    fn origins_that_are_not_in_the_trace_do_not_count() {
        assert_eq!(origins([SpanBuilder::new(1).failed(9, "x").blames(77)]), [0]);
    }

    #[test]
    fn origins_are_bounded_and_the_first_are_kept() {
        let spans = (2..1_000).rev().map(|number| SpanBuilder::new(number).under(1).started(number).failed(9_999, "x"));
        let outline = outline(std::iter::once(SpanBuilder::new(1).failed(9_999, "x")).chain(spans));
        let origins = error_origins(&outline, &outline.tree());
        assert_eq!(origins.len(), MAX_ORIGINS);
        assert_eq!(outline.rows[origins[0] as usize].start_ns, 2);
    }
}
