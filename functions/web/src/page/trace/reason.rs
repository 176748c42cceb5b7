//! Why a span failed: what it says itself, else what the failures nearest to it say.

use std::collections::VecDeque;

use quillon_core::trace::hint::Flags;
use quillon_core::trace::outline::{Outline, Tree};

/// Most spans below one that are looked at for a message.
const MAX_LOOKED: usize = 500;

/// Whether a span failed, or an error began in it although its own span ended well: a call that put its work off ends at once, and
/// what it asked for fails below it later.
#[must_use]
pub fn has_failed(flags: Flags) -> bool {
    let is_origin = flags.contains(Flags::ERROR_ORIGIN) && !flags.intersects(Flags::CANCELED.with(Flags::BLOCKED));
    flags.is_failure() || flags.is_failed_check() || is_origin
}

/// The message of a span that failed: its own, that of the nearest failure below it, or that of the nearest above it.
#[must_use]
pub fn reason<'a>(outline: &'a Outline, tree: &Tree, row: u32) -> Option<&'a str> {
    let message = |row: u32| outline.note_of(row).map(|note| note.message.as_str());
    if !outline.rows.get(row as usize).is_some_and(|row| has_failed(row.flags)) {
        return None;
    }
    message(row).or_else(|| below(tree, row).find_map(message)).or_else(|| tree.ancestors(row).find_map(message))
}

/// What is below a row, the nearest first.
fn below(tree: &Tree, row: u32) -> impl Iterator<Item = u32> {
    let mut waiting: VecDeque<u32> = tree.children(row).iter().copied().collect();
    std::iter::from_fn(move || {
        let next = waiting.pop_front()?;
        if waiting.len() < MAX_LOOKED {
            waiting.extend(tree.children(next));
        }
        Some(next)
    })
    .take(MAX_LOOKED)
}
