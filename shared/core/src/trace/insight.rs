//! What is worth seeing first in a trace: error origins, checks, tests, the critical path and the flame view.
//!
//! Every answer is bounded, ordered, and depends only on what the spans say, never on the order in which they came.

mod critical;
mod flame;
mod origin;
mod priority;

pub use critical::critical_path;
pub use flame::{FlameBox, flame};
pub use origin::error_origins;
pub use priority::priority;

use super::hint::Flags;
use super::outline::{Outline, Tree};

/// Most checks, and most tests, that are listed of a trace.
pub const MAX_LISTED: usize = 10_000;

/// The checks, by start. Of a check and the span of its group that bears the same name, only the check is listed.
#[must_use]
pub fn checks(outline: &Outline, _tree: &Tree) -> Vec<u32> {
    flagged(outline, Flags::CHECK)
}

/// The test cases and suites, by start.
#[must_use]
pub fn tests(outline: &Outline, _tree: &Tree) -> Vec<u32> {
    flagged(outline, Flags::TEST)
}

fn flagged(outline: &Outline, flag: Flags) -> Vec<u32> {
    first(outline, outline.numbers().filter(|&row| outline.flags(row).contains(flag)).collect(), MAX_LISTED)
}

/// The first rows by start, then by id.
fn first(outline: &Outline, mut rows: Vec<u32>, most: usize) -> Vec<u32> {
    rows.sort_unstable_by_key(|&row| outline.moment(row));
    rows.truncate(most);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, outline, text};

    #[test]
    fn checks_and_tests_are_listed_by_start() {
        let outline = outline([
            SpanBuilder::new(1).named("go:lint"),
            SpanBuilder::new(2).under(1).started(9).checked("go:lint", Some(true)),
            SpanBuilder::new(3).under(1).started(8).checked("go:test", None),
            SpanBuilder::new(4).under(3).started(8).attributes(vec![("test.case.name", text("TestX"))]),
            SpanBuilder::new(5).under(3).started(7).attributes(vec![("test.suite.name", text("pkg"))]),
        ]);
        let tree = outline.tree();
        assert_eq!(checks(&outline, &tree), [2, 1]);
        assert_eq!(super::tests(&outline, &tree), [4, 3]);
    }
}
