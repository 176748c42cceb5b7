//! Which spans of two traces are the same.

use std::collections::HashMap;

use super::Side;
use crate::trace::outline::{NO_ROW, NameId, Outline};
use crate::trace::state::primary_root;

/// For each row of one trace the row of the other one that is the same, or [`NO_ROW`].
pub(super) struct Same {
    /// Of the later trace in the earlier one.
    pub(super) in_base: Vec<u32>,
    /// Of the earlier trace in the later one.
    pub(super) in_head: Vec<u32>,
}

impl Same {
    pub(super) fn find(base: Side<'_>, head: Side<'_>) -> Self {
        let mut same = Self { in_base: vec![NO_ROW; head.outline.len()], in_head: vec![NO_ROW; base.outline.len()] };
        let head_calls = unique_calls(head.outline);
        for (pair, row) in unique_calls(base.outline) {
            if let (Some(base_row), Some(head_row)) = (row, head_calls.get(&pair).copied().flatten()) {
                same.put(base_row, head_row);
            }
        }
        // The command line of the run may differ; it is the run all the same.
        if let (Some(base_root), Some(head_root)) = (primary_root(base.outline, base.tree), primary_root(head.outline, head.tree))
            && same.in_head[base_root as usize] == NO_ROW
            && same.in_base[head_root as usize] == NO_ROW
        {
            same.put(base_root, head_root);
        }
        let names = Names::new(base.outline, head.outline);
        same.put_siblings(&names, base, base.tree.roots(), head, head.tree.roots());
        // Each row has one parent, so each is looked at once, however the queue is ordered.
        let mut queue: Vec<(u32, u32)> = same.pairs().collect();
        while let Some((base_row, head_row)) = queue.pop() {
            queue.extend(same.put_siblings(&names, base, base.tree.children(base_row), head, head.tree.children(head_row)));
        }
        same
    }

    /// The rows that are the same, in the order of the earlier trace's rows.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        (0..).zip(&self.in_head).filter(|(_, head)| **head != NO_ROW).map(|(base, head)| (base, *head))
    }

    /// How many are the same.
    pub(super) fn count(&self) -> u32 {
        // At most `MAX_SPANS`.
        u32::try_from(self.pairs().count()).unwrap_or(u32::MAX)
    }

    fn put(&mut self, base: u32, head: u32) {
        self.in_head[base as usize] = head;
        self.in_base[head as usize] = base;
    }

    /// Of siblings that have no partner yet, makes the first of a name the first of that name, and so on; says which.
    fn put_siblings(&mut self, names: &Names, base: Side<'_>, in_base: &[u32], head: Side<'_>, in_head: &[u32]) -> Vec<(u32, u32)> {
        let mut found = vec![];
        // In reverse, so that the first is taken first.
        let mut waiting: HashMap<NameId, Vec<u32>> = HashMap::new();
        for &row in in_head.iter().rev().filter(|row| self.in_base[**row as usize] == NO_ROW) {
            waiting.entry(head.row(row).name).or_default().push(row);
        }
        if waiting.is_empty() {
            return found;
        }
        for &row in in_base {
            if self.in_head[row as usize] == NO_ROW
                && let Some(name) = names.in_head(base.row(row).name)
                && let Some(partner) = waiting.get_mut(&name).and_then(Vec::pop)
            {
                self.put(row, partner);
                found.push((row, partner));
            }
        }
        found
    }
}

/// The rows of calls by what the same call of another trace has too; no row where there are several.
fn unique_calls(outline: &Outline) -> HashMap<u64, Option<u32>> {
    let mut calls = HashMap::new();
    for (row, facts) in (0..).zip(&outline.rows).filter(|(_, facts)| facts.pair != 0) {
        calls.entry(facts.pair).and_modify(|known| *known = None).or_insert(Some(row));
    }
    calls
}

/// Names of the earlier trace as the later one numbers them.
struct Names(Vec<Option<NameId>>);

impl Names {
    fn new(base: &Outline, head: &Outline) -> Self {
        let known: HashMap<&str, NameId> = ids(head).map(|id| (head.name(id), id)).collect();
        Self(ids(base).map(|id| known.get(base.name(id)).copied()).collect())
    }

    fn in_head(&self, name: NameId) -> Option<NameId> {
        self.0.get(name.0 as usize).copied().flatten()
    }
}

fn ids(outline: &Outline) -> impl Iterator<Item = NameId> {
    (0..outline.name_count()).map(|id| NameId(u32::try_from(id).unwrap_or(u32::MAX)))
}
