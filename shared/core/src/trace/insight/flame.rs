//! The flame view: boxes by depth and time, merged where they are too narrow to see.

use std::collections::BTreeMap;

use crate::trace::outline::{Outline, Tree};

/// A box of the flame view: one span, or several that begin too close to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlameBox {
    /// The longest of its spans.
    pub row: u32,
    /// How far below the top; the top is 0.
    pub depth: u8,
    /// When the first of its spans starts, nanoseconds since the epoch.
    pub start: u64,
    /// When the last of its spans ends.
    pub end: u64,
    /// How many spans it stands for.
    pub count: u32,
}

/// The boxes of `root` and of what is below it, `levels` deep, level by level and by start within each.
///
/// Spans of one level that begin in the same of `width` equal parts of the duration of `root` are one box, so a level has at most
/// `width` boxes. Running spans end with the last moment below `root`; what lies outside the duration of `root` belongs to its
/// first or last part.
#[must_use]
pub fn flame(outline: &Outline, tree: &Tree, root: u32, levels: u8, width: u32) -> Vec<FlameBox> {
    let Some(top) = outline.rows.get(root as usize) else { return Vec::new() };
    let width = width.max(1);
    let last_moment = |row: u32| outline.rows[row as usize].end_ns.unwrap_or(outline.rows[row as usize].start_ns);
    let latest = match tree.end_ns(outline, root) {
        Some(end) => end,
        None => tree.walk(root).map(last_moment).max().unwrap_or(top.start_ns),
    };
    let duration = u128::from(latest.saturating_sub(top.start_ns).max(1));
    let part = |start: u64| {
        let part = u128::from(start.saturating_sub(top.start_ns)) * u128::from(width) / duration;
        u32::try_from(part).unwrap_or(u32::MAX).min(width - 1)
    };

    let mut boxes = Vec::new();
    let mut level = vec![root];
    for depth in 0..levels {
        let mut parts: BTreeMap<u32, FlameBox> = BTreeMap::new();
        for &row in &level {
            let span = &outline.rows[row as usize];
            let own = FlameBox {
                row,
                depth,
                start: span.start_ns,
                end: tree.end_ns(outline, row).unwrap_or(latest).max(span.start_ns),
                count: 1,
            };
            parts.entry(part(own.start)).and_modify(|merged| merge(outline, tree, merged, &own)).or_insert(own);
        }
        boxes.extend(parts.into_values());
        level = level.iter().flat_map(|&row| tree.children(row)).copied().collect();
        if level.is_empty() {
            break;
        }
    }
    boxes
}

fn merge(outline: &Outline, tree: &Tree, merged: &mut FlameBox, other: &FlameBox) {
    let length = |row: u32, end: u64| end - outline.rows[row as usize].start_ns;
    let end_of = |row: u32, latest: u64| tree.end_ns(outline, row).unwrap_or(latest).max(outline.rows[row as usize].start_ns);
    let known = length(merged.row, end_of(merged.row, merged.end));
    let new = length(other.row, other.end);
    let is_longer = new > known || new == known && outline.moment(other.row) < outline.moment(merged.row);
    merged.row = if is_longer { other.row } else { merged.row };
    merged.start = merged.start.min(other.start);
    merged.end = merged.end.max(other.end);
    merged.count += other.count;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, outline};

    fn sample() -> Outline {
        let child = |number, start_ns, end_ns| SpanBuilder::new(number).under(1).during(start_ns, end_ns);
        outline([
            SpanBuilder::new(1).during(100, 200),
            child(2, 100, 103),
            child(3, 104, 130),
            child(4, 108, 109),
            child(5, 150, 260),
            SpanBuilder::new(6).under(5).started(199),
            SpanBuilder::new(7).under(5).during(90, 95),
            SpanBuilder::new(8).under(7).during(150, 150),
        ])
    }

    #[test]
    fn boxes_are_merged_where_they_begin_together() {
        let outline = sample();
        let tree = outline.tree();
        let boxes = |levels, width| {
            let shown = flame(&outline, &tree, 0, levels, width);
            shown.iter().map(|shown| (shown.depth, shown.row, shown.start, shown.end, shown.count)).collect::<Vec<_>>()
        };
        assert_eq!(boxes(2, 10), [(0, 0, 100, 200, 1), (1, 2, 100, 130, 3), (1, 4, 150, 260, 1)]);
        assert_eq!(boxes(2, 1_000).len(), 5);
        assert_eq!(boxes(9, 1), [(0, 0, 100, 200, 1), (1, 4, 100, 260, 4), (2, 6, 90, 200, 2), (3, 7, 150, 150, 1)]);
        assert_eq!(boxes(0, 10), []);
        assert_eq!(boxes(1, 0).len(), 1);
        assert_eq!(flame(&outline, &tree, 99, 9, 10), []);
    }

    #[test]
    fn a_running_root_lasts_until_the_last_moment_below_it() {
        let outline =
            outline([SpanBuilder::new(1).started(5), SpanBuilder::new(2).under(1).during(6, 9), SpanBuilder::new(3).during(0, 99)]);
        let boxes = flame(&outline, &outline.tree(), 0, 9, 100);
        assert_eq!(boxes.iter().map(|shown| (shown.start, shown.end)).collect::<Vec<_>>(), [(5, 9), (6, 9)]);
    }

    #[test]
    fn a_level_never_has_more_boxes_than_asked_for() {
        let children = (2..5_000).map(|number| SpanBuilder::new(number).under(1).during(number % 997, 3_000));
        let outline = outline(std::iter::once(SpanBuilder::new(1).during(0, 1_000)).chain(children));
        let boxes = flame(&outline, &outline.tree(), 0, 2, 50);
        assert!(boxes.len() <= 51, "{}", boxes.len());
        assert_eq!(boxes.iter().map(|shown| shown.count).sum::<u32>(), 4_999);
    }
}
