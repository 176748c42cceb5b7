//! Who is whose child, without cycles.

use super::Outline;
use crate::trace::hint::Flags;

/// The number that stands for no row.
pub const NO_ROW: u32 = u32::MAX;

/// The spans of an outline as a forest. Siblings and roots are ordered by start, then by id.
///
/// A span whose parent is not in the trace is a root. Where spans are each other's parents, the first of them (by start, then by
/// id) is a root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The parent of each row, or [`NO_ROW`].
    parents: Vec<u32>,
    /// The root above each row.
    tops: Vec<u32>,
    /// Where the children of each row begin in `children`; one more entry than there are rows.
    offsets: Vec<u32>,
    children: Vec<u32>,
    roots: Vec<u32>,
}

impl Tree {
    pub(super) fn new(outline: &Outline) -> Self {
        let mut parents = outline.parents.clone();
        break_cycles(outline, &mut parents);
        let (offsets, mut children) = group(&parents);
        for row in outline.numbers() {
            children[range(&offsets, row)].sort_unstable_by_key(|&child| outline.moment(child));
        }
        let mut roots: Vec<u32> = outline.numbers().filter(|&row| parents[row as usize] == NO_ROW).collect();
        roots.sort_unstable_by_key(|&root| outline.moment(root));
        let mut tree = Self { tops: vec![NO_ROW; parents.len()], parents, offsets, children, roots };
        tree.find_tops();
        tree
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// The rows without a parent.
    #[must_use]
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// The children of a row.
    #[must_use]
    pub fn children(&self, row: u32) -> &[u32] {
        if (row as usize) < self.len() { &self.children[range(&self.offsets, row)] } else { &[] }
    }

    /// The parent of a row; none for a root.
    #[must_use]
    pub fn parent(&self, row: u32) -> Option<u32> {
        self.parents.get(row as usize).copied().filter(|&parent| parent != NO_ROW)
    }

    /// The root above a row, or the row itself.
    #[must_use]
    pub fn root(&self, row: u32) -> u32 {
        self.tops.get(row as usize).copied().unwrap_or(row)
    }

    /// The row and everything below it: parents before their children, siblings in their order.
    #[must_use]
    pub fn subtree(&self, row: u32) -> Vec<u32> {
        self.walk(row).collect()
    }

    /// When what a row stands for ended: its span, and what its call put off and did later, below it. None while any of that runs.
    ///
    /// Dagger works results out when they are asked for: the span of such a call ends at once, and the time goes by in its children.
    #[must_use]
    pub fn end_ns(&self, outline: &Outline, row: u32) -> Option<u64> {
        let span = outline.rows.get(row as usize)?;
        let own_ns = span.end_ns?;
        if !span.flags.contains(Flags::PENDING) {
            return Some(own_ns);
        }
        let below = self.children(row).iter().map(|&child| &outline.rows[child as usize]);
        below.filter(|child| child.start_ns >= own_ns).try_fold(own_ns, |latest, child| Some(latest.max(child.end_ns?)))
    }

    /// Like [`Tree::subtree`], row by row.
    pub fn walk(&self, row: u32) -> impl Iterator<Item = u32> {
        let mut left = if (row as usize) < self.len() { vec![row] } else { Vec::new() };
        std::iter::from_fn(move || {
            let row = left.pop()?;
            left.extend(self.children(row).iter().rev());
            Some(row)
        })
    }

    /// All rows, root by root: parents before their children, siblings in their order.
    pub fn walk_all(&self) -> impl Iterator<Item = u32> {
        self.roots.iter().flat_map(|&root| self.walk(root))
    }

    /// The parents above a row, the nearest first.
    pub fn ancestors(&self, row: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(self.parent(row), |&row| self.parent(row))
    }

    fn find_tops(&mut self) {
        let mut left: Vec<u32> = Vec::new();
        for at in 0..self.roots.len() {
            let top = self.roots[at];
            left.push(top);
            while let Some(row) = left.pop() {
                self.tops[row as usize] = top;
                left.extend_from_slice(&self.children[range(&self.offsets, row)]);
            }
        }
    }
}

/// The children of all rows, those of one row together, and where those of each row begin.
fn group(parents: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0_u32; parents.len() + 1];
    for &parent in parents {
        if parent != NO_ROW {
            offsets[parent as usize + 1] += 1;
        }
    }
    for at in 1..offsets.len() {
        offsets[at] += offsets[at - 1];
    }
    let mut free = offsets.clone();
    let mut children = vec![0; offsets[parents.len()] as usize];
    for (row, &parent) in (0_u32..).zip(parents) {
        if parent != NO_ROW {
            let at = &mut free[parent as usize];
            children[*at as usize] = row;
            *at += 1;
        }
    }
    (offsets, children)
}

fn range(offsets: &[u32], row: u32) -> std::ops::Range<usize> {
    offsets[row as usize] as usize..offsets[row as usize + 1] as usize
}

/// Takes the parent from one row of every cycle.
fn break_cycles(outline: &Outline, parents: &mut [u32]) {
    // The walk upwards in which a row was first seen; a walk that meets itself has found a cycle.
    let mut seen = vec![NO_ROW; parents.len()];
    for start in outline.numbers() {
        let mut row = start;
        while row != NO_ROW && seen[row as usize] == NO_ROW {
            seen[row as usize] = start;
            row = parents[row as usize];
        }
        if row != NO_ROW && seen[row as usize] == start {
            let cycle = std::iter::successors(Some(row), |&member| Some(parents[member as usize]).filter(|&parent| parent != row));
            if let Some(first) = cycle.min_by_key(|&member| outline.moment(member)) {
                parents[first as usize] = NO_ROW;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::fixture::{SpanBuilder, outline};

    #[test]
    fn children_are_in_the_order_of_their_start() {
        let outline = outline([
            SpanBuilder::new(3).under(1).started(5),
            SpanBuilder::new(2).under(1).started(5),
            SpanBuilder::new(4).under(1).started(4),
            SpanBuilder::new(1),
            SpanBuilder::new(5).under(4),
            SpanBuilder::new(6).under(77),
        ]);
        let tree = outline.tree();
        assert_eq!(tree.roots(), [3, 5]);
        assert_eq!(tree.children(3), [2, 1, 0]);
        assert_eq!(tree.subtree(3), [3, 2, 4, 1, 0]);
        assert_eq!(tree.ancestors(4).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(tree.walk_all().count(), 6);
        assert_eq!((tree.root(4), tree.root(5)), (3, 5));
        assert_eq!((tree.children(6), tree.subtree(6).len(), tree.parent(6), tree.root(6)), (&[][..], 0, None, 6));
    }

    #[test]
    fn spans_that_are_each_others_parents_have_a_root() {
        let outline = outline([
            SpanBuilder::new(1).under(2).started(9),
            SpanBuilder::new(2).under(3).started(7),
            SpanBuilder::new(3).under(1).started(8),
            SpanBuilder::new(4).under(1),
            SpanBuilder::new(5).under(5),
        ]);
        let tree = outline.tree();
        assert_eq!(tree.roots(), [4, 1]);
        assert_eq!(tree.subtree(1), [1, 0, 3, 2]);
    }

    #[test]
    fn a_very_deep_trace_is_no_danger() {
        let depth = 200_000;
        let outline =
            outline((1..=depth).map(|number| if number == 1 { SpanBuilder::new(1) } else { SpanBuilder::new(number).under(number - 1) }));
        let tree = outline.tree();
        assert_eq!(tree.subtree(0).len() as u64, depth);
        assert_eq!(tree.ancestors(outline.numbers().end - 1).count() as u64, depth - 1);
    }
}
