//! What the time of a span was spent on: the chain of spans of which each had to end for the next to go on.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};

use super::first;
use crate::trace::outline::{Outline, Tree};

/// Most spans of a critical path.
const MAX_PATH: usize = 10_000;

/// The spans on which the duration of `root` depends, by start; at most 10,000, and `root` is one of them.
///
/// From the end of a span back to its start, the time belongs to what it waited for, as wait links say, and where no link says
/// anything to the child that ended last; then to whatever came before that, and so on within each of those. A span that runs ends
/// just after the last moment of the trace.
#[must_use]
pub fn critical_path(outline: &Outline, tree: &Tree, root: u32) -> Vec<u32> {
    let Some(top) = outline.rows.get(root as usize) else { return Vec::new() };
    // One more than what was seen, so that a span that has only begun has lasted.
    let latest = outline.rows.iter().map(|row| row.end_ns.unwrap_or(row.start_ns)).max().unwrap_or(0).saturating_add(1);
    let end_of = |row: u32| tree.end_ns(outline, row).unwrap_or(latest);
    let mut seen = HashSet::from([root]);
    let mut left = VecDeque::from([Stretch { row: root, start_ns: top.start_ns, end_ns: end_of(root) }]);
    // Level by level: where the path is too long, its finest parts are left out.
    while let Some(stretch) = left.pop_front() {
        let waits = outline.waits_of(stretch.row).iter().filter_map(|wait| {
            let row = outline.row(wait.to).filter(|&row| row != stretch.row)?;
            Some(Candidate { stretch: Stretch { row, start_ns: wait.start_ns, end_ns: wait.end_ns }, is_wait: true })
        });
        let children = tree.children(stretch.row).iter().map(|&row| {
            let start_ns = outline.rows[row as usize].start_ns;
            Candidate { stretch: Stretch { row, start_ns, end_ns: end_of(row) }, is_wait: false }
        });
        for part in chain(outline, stretch, waits.chain(children).collect()) {
            if seen.len() < MAX_PATH && seen.insert(part.row) {
                left.push_back(part);
            }
        }
    }
    first(outline, seen.into_iter().collect(), MAX_PATH)
}

/// A part of the time of a span.
#[derive(Clone, Copy)]
struct Stretch {
    row: u32,
    start_ns: u64,
    end_ns: u64,
}

struct Candidate {
    stretch: Stretch,
    is_wait: bool,
}

/// Those candidates that follow each other from the end of a stretch back to its start: each ended before the next began. What lasts
/// longer than the stretch ends with it. Of two that end together a wait is taken before a child, then the longer.
fn chain(outline: &Outline, within: Stretch, candidates: Vec<Candidate>) -> Vec<Stretch> {
    let mut candidates: Vec<Candidate> = candidates
        .into_iter()
        .map(|Candidate { stretch, is_wait }| {
            let (start_ns, end_ns) = (stretch.start_ns.max(within.start_ns), stretch.end_ns.min(within.end_ns));
            Candidate { stretch: Stretch { start_ns, end_ns, ..stretch }, is_wait }
        })
        .filter(|candidate| candidate.stretch.start_ns < candidate.stretch.end_ns)
        .collect();
    // The last to end is at the end of the list.
    candidates.sort_unstable_by_key(|Candidate { stretch, is_wait }| {
        (stretch.end_ns, *is_wait, Reverse(stretch.start_ns), Reverse(outline.rows[stretch.row as usize].id))
    });
    let mut now = within.end_ns;
    let mut chain = Vec::new();
    while let Some(Candidate { stretch, .. }) = candidates.pop() {
        if stretch.end_ns <= now {
            now = stretch.start_ns;
            chain.push(stretch);
        }
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, outline};

    fn path(spans: impl IntoIterator<Item = SpanBuilder>) -> Vec<u32> {
        let outline = outline(spans);
        critical_path(&outline, &outline.tree(), 0)
    }

    fn child(number: u64, start_ns: u64, end_ns: u64) -> SpanBuilder {
        SpanBuilder::new(number).under(1).during(start_ns, end_ns)
    }

    #[test]
    fn the_last_to_end_is_on_the_path_and_what_came_before_it() {
        let root = SpanBuilder::new(1).during(0, 100);
        // 3 ends last; 2 ended before it began; 4 and 5 ran beside them.
        let spans = [root, child(2, 10, 50), child(3, 55, 95), child(4, 20, 45), child(5, 60, 90), child(6, 0, 8)];
        assert_eq!(path(spans), [0, 5, 1, 2]);
    }

    #[test]
    fn the_path_goes_down_to_the_leaves() {
        let spans = [
            SpanBuilder::new(1).during(0, 100),
            child(2, 0, 90),
            SpanBuilder::new(3).under(2).during(1, 40),
            SpanBuilder::new(4).under(2).during(50, 80),
            SpanBuilder::new(5).under(3).during(1, 39),
        ];
        assert_eq!(path(spans), [0, 1, 2, 4, 3]);
    }

    #[test]
    fn waits_come_before_children() {
        let spans = [
            SpanBuilder::new(1).during(0, 100).waits(3, 10, 90).waits(77, 10, 95).waits(1, 0, 100),
            child(2, 5, 90),
            SpanBuilder::new(3).under(9).during(0, 90),
            child(4, 92, 99),
            child(5, 1, 9),
            SpanBuilder::new(6).under(3).during(0, 7),
            SpanBuilder::new(7).under(3).during(20, 85),
        ];
        // 6 ran before the wait for 3 began, so nobody waited for it.
        assert_eq!(path(spans), [0, 2, 4, 6, 3]);
    }

    #[test]
    fn a_running_span_lasts_until_the_end_of_the_trace() {
        let spans = [SpanBuilder::new(1), SpanBuilder::new(2).under(1).started(5), child(3, 0, 4), child(4, 1, 3)];
        assert_eq!(path(spans), [0, 2, 1]);
        let spans = [SpanBuilder::new(1), SpanBuilder::new(2).under(1).started(5), child(3, 0, 4), child(4, 1, 9)];
        assert_eq!(path(spans), [0, 2, 1]);
    }

    #[test]
    fn a_call_that_put_its_work_off_lasts_as_long_as_that() {
        let call = |number, start_ns, end_ns| child(number, start_ns, end_ns).marked("dagger.io/dag.pending");
        let work = |number, call, start_ns, end_ns| SpanBuilder::new(number).under(call).during(start_ns, end_ns);
        // Both calls end at once, and 6 ends after them; but the work of 2 ends last, and it began when 6 had ended.
        let spans =
            [SpanBuilder::new(1).during(0, 100), call(2, 20, 21), work(3, 2, 50, 99), call(4, 2, 3), work(5, 4, 30, 60), child(6, 5, 19)];
        assert_eq!(path(spans), [0, 5, 1, 2]);
    }

    #[test]
    fn spans_that_wait_for_each_other_end_the_walk() {
        let spans = [SpanBuilder::new(1).during(0, 10).waits(2, 0, 10), SpanBuilder::new(2).during(0, 10).waits(1, 0, 10)];
        assert_eq!(path(spans), [0, 1]);
        assert_eq!(path([]), [0; 0]);
    }

    #[test]
    fn the_path_is_bounded() {
        let spans = (2..20_000).map(|number| child(number, number * 10, number * 10 + 9));
        assert_eq!(path(std::iter::once(SpanBuilder::new(1).during(0, 1_000_000)).chain(spans)).len(), MAX_PATH);
    }
}
