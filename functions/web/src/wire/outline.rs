//! The outline of a trace for the browser: columns of little-endian numbers that become typed arrays without being copied.
//!
//! A header of 40 bytes, then every column whole (the three of 8 bytes first, so that all are aligned), then the names. Row
//! numbers stay what they are until an answer says [`RESET`]. The browser says how many names it holds and under which
//! numbering, so that nothing is sent twice and nothing is mixed up.

use quillon_core::trace::outline::{NameId, Outline, Row, Tree};

use crate::page::text::visible;

/// The first four bytes of every answer.
pub const MAGIC: [u8; 4] = *b"QTO1";

/// Length of the header, in bytes.
pub const HEADER: usize = 40;

/// Length of one row over all columns, in bytes.
pub const ROW: usize = 3 * 8 + 8 * 4;

/// Bit of an answer about a trace that is over: what still runs in it never ended.
pub const FINISHED: u32 = 1;

/// Bit of an answer after which all rows and names that were known before are to be forgotten.
pub const RESET: u32 = 1 << 1;

/// Bit of an answer that is not all of it.
pub const MORE: u32 = 1 << 2;

/// The parent of a row without one.
pub const NO_PARENT: u32 = u32::MAX;

/// Most rows of one answer.
pub const MAX_ROWS: usize = 60_000;

/// Most bytes of names in one answer: with the rows it stays below what a function may answer, also uncompressed.
const MAX_NAMES: usize = 1_000_000;

/// Longest name, in bytes; the whole one comes with the span.
const MAX_NAME: usize = 160;

/// What the browser asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// The cursor of its last answer; none for everything.
    pub after: Option<u64>,
    /// The first row, when everything is asked for in parts.
    pub from: u32,
    /// How many names it holds.
    pub names: u32,
    /// The numbering of the rows that it holds; none if it holds none.
    pub numbering: Option<u16>,
}

/// What is known of the trace besides its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// The cursor after all of it.
    pub cursor: u64,
    /// Changes whenever rows or names get other numbers.
    pub numbering: u16,
    /// Whether the trace is over.
    pub is_finished: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Rows in it.
    pub rows: u32,
    /// Whether it is not all of it.
    pub has_more: bool,
}

/// Encodes what was asked for; `changed` are the rows that changed after the browser's cursor, none where that is not known.
#[must_use]
pub fn encode(outline: &Outline, tree: &Tree, asked: &Asked, stand: &Stand, changed: Option<&[u32]>) -> Answer {
    let is_other = asked.numbering.is_some_and(|numbering| numbering != stand.numbering);
    let changes = changed.filter(|changed| asked.after.is_some() && !is_other && changed.len() <= MAX_ROWS);
    if let Some(changed) = changes {
        let mut rows = changed.to_vec();
        rows.sort_unstable();
        rows.dedup();
        rows.retain(|row| (*row as usize) < outline.len());
        let cut = Cut::of(outline, &rows, asked.names);
        if cut.rows == rows.len() {
            return answer(outline, tree, stand, &rows, 0, asked.names, &cut, 0);
        }
    }
    // A part of everything goes on where the last one ended; whatever else comes here begins anew.
    let goes_on = asked.after.is_none() && !is_other && (asked.from > 0 || asked.names > 0);
    let (first, held, bits) = if goes_on { (asked.from, asked.names, 0) } else { (0, 0, RESET) };
    let total = small(outline.len());
    let rows: Vec<u32> = (first.min(total)..total).take(MAX_ROWS).collect();
    let cut = Cut::of(outline, &rows, held);
    let is_part = (first as usize).saturating_add(cut.rows) < outline.len();
    answer(outline, tree, stand, &rows[..cut.rows], first, held, &cut, bits | if is_part { MORE } else { 0 })
}

/// How many of some rows fit one answer, and the names that the browser needs for them.
struct Cut {
    rows: usize,
    names: Vec<String>,
}

impl Cut {
    /// Names are numbered by first use, so that a browser that holds the first `held` of them lacks those after.
    fn of(outline: &Outline, rows: &[u32], held: u32) -> Self {
        let mut cut = Self { rows: 0, names: vec![] };
        let mut bytes = 0;
        for row in rows {
            let Some(row) = outline.rows.get(*row as usize) else { break };
            while held as usize + cut.names.len() <= row.name.0 as usize {
                if bytes >= MAX_NAMES {
                    return cut;
                }
                let name = short(outline.name(NameId(held.saturating_add(small(cut.names.len())))));
                bytes += name.len() + 4;
                cut.names.push(name);
            }
            cut.rows += 1;
        }
        cut
    }
}

#[expect(clippy::too_many_arguments, reason = "the fields of one header")]
fn answer(outline: &Outline, tree: &Tree, stand: &Stand, rows: &[u32], first: u32, held: u32, cut: &Cut, bits: u32) -> Answer {
    let origin = outline.rows.iter().map(|row| row.start_ns).min().unwrap_or(0);
    let mut bytes = Vec::with_capacity(HEADER + rows.len() * ROW + cut.names.iter().map(|name| name.len() + 4).sum::<usize>());
    bytes.extend(MAGIC);
    for number in [small(rows.len()), first, small(outline.len()), small(cut.names.len()), held] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(milliseconds(origin).to_le_bytes());
    bytes.extend(u32::try_from(stand.cursor).unwrap_or(u32::MAX).to_le_bytes());
    let bits = bits | if stand.is_finished { FINISHED } else { 0 };
    bytes.extend((bits | u32::from(stand.numbering) << 16).to_le_bytes());
    columns(&mut bytes, outline, tree, rows, origin);
    for name in &cut.names {
        bytes.extend(small(name.len()).to_le_bytes());
    }
    for name in &cut.names {
        bytes.extend(name.as_bytes());
    }
    Answer { bytes, rows: small(rows.len()), has_more: bits & MORE != 0 }
}

fn columns(bytes: &mut Vec<u8>, outline: &Outline, tree: &Tree, numbers: &[u32], origin: u64) {
    let rows = || numbers.iter().filter_map(|number| outline.rows.get(*number as usize));
    let offset = |ns: u64| milliseconds(ns.saturating_sub(origin));
    let origin_ms = milliseconds(origin);
    for row in rows() {
        bytes.extend(offset(row.start_ns).to_le_bytes());
    }
    for row in rows() {
        bytes.extend(row.end_ns.map_or(f64::NAN, offset).to_le_bytes());
    }
    for row in rows() {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this era are far below 2^53")]
        let received = row.received_ms as f64;
        bytes.extend((received - origin_ms).to_le_bytes());
    }
    for number in numbers {
        bytes.extend(number.to_le_bytes());
    }
    for half in [0, 4] {
        for row in rows() {
            let [a, b, c, d] = [0, 1, 2, 3].map(|index| row.id.as_bytes()[half + index]);
            bytes.extend(u32::from_be_bytes([a, b, c, d]).to_le_bytes());
        }
    }
    for number in numbers {
        bytes.extend(tree.parent(*number).unwrap_or(NO_PARENT).to_le_bytes());
    }
    let columns: [fn(&Row) -> u32; 3] = [|row| row.name.0, |row| row.flags.bits(), |row| row.logs];
    for column in columns {
        for row in rows() {
            bytes.extend(column(row).to_le_bytes());
        }
    }
    for number in numbers {
        bytes.extend(small(tree.children(*number).len()).to_le_bytes());
    }
}

/// Nanoseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "a browser counts in milliseconds; a quarter of a microsecond is lost in 2026")]
fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1_000_000.0
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A name as one visible line of bounded length.
fn short(name: &str) -> String {
    let mut name = visible(name);
    if name.len() > MAX_NAME {
        name.truncate(name.floor_char_boundary(MAX_NAME - 3));
        name.push('…');
    }
    name
}

#[cfg(test)]
mod tests;
