//! What is new, gone, slower or lost its cache against another trace.
//!
//! Spans are the same when they are the same call and the only ones of it in their traces; else when their parents are the same
//! and they have the same name, the first with the first, the second with the second. It takes time and memory in proportion to
//! the spans of both, and what comes out is bounded.

mod same;

use super::hint::Flags;
use super::outline::{NO_ROW, Outline, Row, Tree};
use same::Same;

/// By how many nanoseconds a duration must differ to be told.
const MIN_DIFFERENCE_NS: u64 = 100_000_000;

/// What one trace has and another has not. Rows are those of the outlines that were compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What only the later trace has, the longest first: the topmost span of each part.
    pub new: Found<Only>,
    /// What only the earlier trace has, the longest first: the topmost span of each part.
    pub gone: Found<Only>,
    /// What took longer by more than a fifth and by more than 100 ms, most first. A span is left out where one span
    /// right below it explains most of it.
    pub slower: Found<Both>,
    /// What took less time, in the same way.
    pub faster: Found<Both>,
    /// What came from the cache in the earlier trace and does not in the later one, in the order of the later one: the first
    /// is the most likely cause of the others.
    pub lost_cache: Found<Both>,
    /// How many spans both have.
    pub same: u32,
}

impl Comparison {
    /// Whether nothing is worth telling.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { new, gone, slower, faster, lost_cache, same: _ } = self;
        new.total == 0 && gone.total == 0 && slower.total == 0 && faster.total == 0 && lost_cache.total == 0
    }
}

/// The first findings of a kind, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The first ones.
    pub first: Vec<T>,
    /// How many there are in all.
    pub total: usize,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self { first: vec![], total: 0 }
    }
}

/// A part of a trace that the other one does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Only {
    /// Its topmost span.
    pub row: u32,
    /// How many spans it has, that one included.
    pub spans: u32,
    /// How long its topmost span took; none while it runs.
    pub duration_ns: Option<u64>,
}

/// A span that both traces have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Both {
    /// In the earlier trace.
    pub base: u32,
    /// In the later trace.
    pub head: u32,
    /// How long it took in the earlier trace; none while it runs.
    pub base_ns: Option<u64>,
    /// How long it took in the later trace; none while it runs.
    pub head_ns: Option<u64>,
}

impl Both {
    /// By how much the durations differ.
    #[must_use]
    pub fn difference_ns(&self) -> u64 {
        self.base_ns.zip(self.head_ns).map_or(0, |(base, head)| base.abs_diff(head))
    }
}

/// A trace to compare.
#[derive(Clone, Copy)]
struct Side<'a> {
    outline: &'a Outline,
    tree: &'a Tree,
}

impl Side<'_> {
    fn row(&self, row: u32) -> &Row {
        &self.outline.rows[row as usize]
    }

    fn duration_ns(&self, row: u32) -> Option<u64> {
        let end_ns = self.tree.end_ns(self.outline, row)?;
        Some(end_ns.saturating_sub(self.row(row).start_ns))
    }

    /// Whether a row is shown at all unless asked for: it stands for itself and not for its children.
    fn is_shown(&self, row: u32) -> bool {
        !self.row(row).flags.intersects(Flags::INTERNAL.with(Flags::PASSTHROUGH))
    }
}

/// Compares an earlier trace with a later one; at most `limit` findings of a kind.
#[must_use]
pub fn compare(base: &Outline, base_tree: &Tree, head: &Outline, head_tree: &Tree, limit: usize) -> Comparison {
    let (base, head) = (Side { outline: base, tree: base_tree }, Side { outline: head, tree: head_tree });
    let same = Same::find(base, head);
    let (slower, faster) = durations(base, head, &same, limit);
    Comparison {
        new: only(head, &same.in_base, limit),
        gone: only(base, &same.in_head, limit),
        slower,
        faster,
        lost_cache: lost_cache(base, head, &same, limit),
        same: same.count(),
    }
}

/// Whose part a row is, of those that only one trace has.
#[derive(Clone, Copy)]
enum Part {
    /// Of none: the other trace has it, or it stands for its children.
    None,
    /// Of one that is not shown.
    Hidden,
    /// Of the one with this number.
    Of(usize),
}

fn only(side: Side<'_>, other: &[u32], limit: usize) -> Found<Only> {
    let mut parts: Vec<Only> = vec![];
    let mut of = vec![Part::None; other.len()];
    for row in side.tree.walk_all() {
        if other[row as usize] != NO_ROW {
            continue;
        }
        let above = side.tree.parent(row).map_or(Part::None, |parent| of[parent as usize]);
        of[row as usize] = match above {
            Part::Of(part) => {
                parts[part].spans += 1;
                above
            }
            Part::Hidden => above,
            Part::None if side.row(row).flags.contains(Flags::INTERNAL) => Part::Hidden,
            Part::None if side.row(row).flags.contains(Flags::PASSTHROUGH) => Part::None,
            Part::None => {
                parts.push(Only { row, spans: 1, duration_ns: side.duration_ns(row) });
                Part::Of(parts.len() - 1)
            }
        };
    }
    first(parts, limit, |part| (std::cmp::Reverse(part.duration_ns), side.outline.moment(part.row)))
}

/// What is slower, and what is faster.
fn durations(base: Side<'_>, head: Side<'_>, same: &Same, limit: usize) -> (Found<Both>, Found<Both>) {
    let order: Vec<u32> = head.tree.walk_all().collect();
    // How much of a row's slowdown (or gain) is told by the row itself or below it; the children come before their parents.
    let mut told: Vec<(u64, u64)> = vec![(0, 0); order.len()];
    let (mut slower, mut faster) = (vec![], vec![]);
    for &row in order.iter().rev() {
        let base_row = same.in_base[row as usize];
        if base_row == NO_ROW {
            continue;
        }
        let both = Both { base: base_row, head: row, base_ns: base.duration_ns(base_row), head_ns: head.duration_ns(row) };
        let (loss, gain) = both.base_ns.zip(both.head_ns).map_or((0, 0), |(base, head)| (excess(base, head), excess(head, base)));
        let below = head.tree.children(row).iter().filter(|child| {
            let base_child = same.in_base[**child as usize];
            // In both traces its child, so that the same counts whichever trace is the earlier one.
            base_child != NO_ROW && base.tree.parent(base_child) == Some(base_row)
        });
        let below =
            below.map(|child| told[*child as usize]).fold((0, 0), |most: (u64, u64), child| (most.0.max(child.0), most.1.max(child.1)));
        let is_shown = base.is_shown(base_row) && head.is_shown(row);
        told[row as usize] = (tell(&mut slower, both, loss, below.0, is_shown), tell(&mut faster, both, gain, below.1, is_shown));
    }
    let key = |both: &Both| (std::cmp::Reverse(both.difference_ns()), head.outline.moment(both.head), both.base);
    (first(slower, limit, key), first(faster, limit, key))
}

/// By how much the longer of two durations is worth telling; 0 if it is not.
fn excess(shorter: u64, longer: u64) -> u64 {
    let difference = longer.saturating_sub(shorter);
    if difference > MIN_DIFFERENCE_NS && difference > shorter / 5 { difference } else { 0 }
}

/// Tells of a row unless one below it says most of it; how much of it is told then.
fn tell(found: &mut Vec<Both>, both: Both, difference: u64, below: u64, is_shown: bool) -> u64 {
    // Four fifths of it.
    if difference == 0 || !is_shown || below >= difference - difference / 5 {
        return below;
    }
    found.push(both);
    difference
}

fn lost_cache(base: Side<'_>, head: Side<'_>, same: &Same, limit: usize) -> Found<Both> {
    const EXCUSED: Flags = Flags::CACHED.with(Flags::JOINED).with(Flags::PENDING).with(Flags::CANCELED).with(Flags::BLOCKED);
    let lost = same.pairs().filter(|&(base_row, row)| {
        let flags = head.row(row).flags;
        let is_lost = flags.contains(Flags::ENDED) && !flags.intersects(EXCUSED);
        base.row(base_row).flags.contains(Flags::CACHED) && is_lost && head.is_shown(row)
    });
    let lost =
        lost.map(|(base_row, row)| Both { base: base_row, head: row, base_ns: base.duration_ns(base_row), head_ns: head.duration_ns(row) });
    first(lost.collect(), limit, |both| head.outline.moment(both.head))
}

/// The first of some findings by an order, and how many there are.
fn first<T, K: Ord>(mut all: Vec<T>, limit: usize, key: impl Fn(&T) -> K) -> Found<T> {
    let total = all.len();
    if total > limit && limit > 0 {
        all.select_nth_unstable_by_key(limit - 1, &key);
    }
    all.truncate(limit);
    all.sort_unstable_by_key(&key);
    Found { first: all, total }
}

#[cfg(test)]
mod tests;
