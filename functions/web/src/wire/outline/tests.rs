//! What the encoder writes, read back as the browser reads it.

use std::collections::BTreeMap;

use quillon_core::trace::id::SpanId;
use quillon_core::trace::outline::Place;
use quillon_core::trace::span::{Attributes, Dropped, Span, SpanKind, Status};

use super::*;

/// An answer as the browser holds it.
#[derive(Debug, Default)]
struct Held {
    rows: BTreeMap<u32, (String, u32, f64, f64, String)>,
    names: Vec<String>,
    cursor: u32,
    bits: u32,
    total: u32,
}

impl Held {
    fn u32(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
    }

    fn f64(bytes: &[u8], at: usize) -> f64 {
        f64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    fn apply(&mut self, bytes: &[u8]) {
        assert_eq!(bytes[..4], MAGIC);
        let header: Vec<u32> = (0..9).map(|index| Self::u32(bytes, 4 + index * 4)).collect();
        let (rows, names, held) = (header[0] as usize, header[3] as usize, header[4] as usize);
        (self.total, self.cursor, self.bits) = (header[2], Self::u32(bytes, 32), Self::u32(bytes, 36));
        if self.bits & RESET != 0 {
            self.rows.clear();
            self.names.clear();
        }
        assert_eq!(held, self.names.len(), "names go on where they ended");
        let mut text = HEADER + rows * ROW + names * 4;
        for name in 0..names {
            let length = Self::u32(bytes, HEADER + rows * ROW + name * 4) as usize;
            self.names.push(String::from_utf8(bytes[text..text + length].to_vec()).expect("UTF-8"));
            text += length;
        }
        assert_eq!(text, bytes.len());
        let wide = |column: usize, row: usize| Self::f64(bytes, HEADER + (column * rows + row) * 8);
        let narrow = |column: usize, row: usize| Self::u32(bytes, HEADER + rows * 24 + (column * rows + row) * 4);
        for row in 0..rows {
            let id = format!("{:08x}{:08x}", narrow(1, row), narrow(2, row));
            let name = self.names[narrow(4, row) as usize].clone();
            let (start, end) = (wide(0, row), wide(1, row));
            self.rows.insert(narrow(0, row), (id, narrow(3, row), start, end, name));
        }
    }
}

fn id(number: u64) -> SpanId {
    SpanId::of_bytes(&number.to_be_bytes()).expect("not zero")
}

fn span(number: u64, parent: Option<u64>, name: &str, end_ms: Option<u64>) -> Span {
    Span {
        id: id(number),
        parent: parent.map(id),
        flags: 0,
        trace_state: String::new(),
        name: name.to_owned(),
        kind: SpanKind::Internal,
        start_ns: 1_700_000_000_000_000_000 + number * 1_000_000,
        end_ns: end_ms.map(|end| 1_700_000_000_000_000_000 + end * 1_000_000),
        attributes: Attributes::default(),
        events: vec![],
        links: vec![],
        status: Status::default(),
        dropped: Dropped::default(),
        scope: std::sync::Arc::default(),
        resource: std::sync::Arc::default(),
        received_ms: 1_700_000_000_500,
    }
}

fn outline(spans: impl IntoIterator<Item = Span>) -> Outline {
    let mut outline = Outline::new();
    for (index, span) in (0..).zip(spans) {
        outline.upsert(&span, Place::Tail(index));
    }
    outline
}

const STAND: Stand = Stand { cursor: 7, numbering: 3, is_finished: false };

/// Reads everything as the browser does; how many answers it took.
fn read_all(outline: &Outline, held: &mut Held) -> usize {
    let tree = outline.tree();
    let mut asked = Asked::default();
    for answers in 1..100 {
        let answer = encode(outline, &tree, &asked, &STAND, None);
        held.apply(&answer.bytes);
        if !answer.has_more {
            return answers;
        }
        asked.from = u32::from_le_bytes(answer.bytes[8..12].try_into().expect("four bytes")) + answer.rows;
        asked.names = u32::try_from(held.names.len()).expect("few");
        asked.numbering = Some(STAND.numbering);
    }
    panic!("it never ends");
}

#[test]
fn rows_and_names_come_back_as_they_were() {
    let outline =
        outline([span(1, None, "dagger call \u{202e}x", None), span(2, Some(1), "exec", Some(9)), span(3, Some(9), "exec", Some(8))]);
    let mut held = Held::default();
    assert_eq!(read_all(&outline, &mut held), 1);
    assert_eq!((held.total, held.cursor, held.bits), (3, 7, RESET | 3 << 16));
    assert_eq!(held.rows[&1], ("0000000000000002".to_owned(), 0, 1.0, 8.0, "exec".to_owned()));
    let root = &held.rows[&0];
    assert!(root.1 == NO_PARENT && root.3.is_nan() && root.4 == "dagger call \u{fffd}x", "{root:?}");
    assert_eq!(held.rows[&2].1, NO_PARENT, "an orphan is a root");
    assert_eq!(held.names.len(), 2);
}

#[test]
fn a_large_trace_comes_in_parts() {
    let rows = MAX_ROWS as u64 + 5;
    let outline = outline((1..=rows).map(|number| span(number, (number > 1).then_some(1), "exec", Some(number + 1))));
    let mut held = Held::default();
    assert_eq!(read_all(&outline, &mut held), 2);
    assert_eq!(held.rows.len() as u64, rows);
}

#[test]
fn long_names_come_in_parts_too_and_are_cut() {
    let names = 20_000;
    let outline = outline((1..=names).map(|number| span(number, None, &format!("{number} {}", "é".repeat(400)), None)));
    let mut held = Held::default();
    assert!(read_all(&outline, &mut held) > 2);
    assert_eq!((held.rows.len() as u64, held.names.len() as u64), (names, names));
    assert!(held.names.iter().all(|name| name.len() <= MAX_NAME && name.ends_with('…')));
}

#[test]
fn a_change_comes_alone() {
    let mut outline = outline([span(1, None, "a", None), span(2, Some(1), "b", None)]);
    let mut held = Held::default();
    read_all(&outline, &mut held);
    outline.upsert(&span(2, Some(1), "b", Some(5)), Place::Tail(2));
    outline.upsert(&span(3, Some(1), "c", None), Place::Tail(3));
    let asked = Asked { after: Some(7), names: 2, numbering: Some(3), from: 0 };
    let stand = Stand { cursor: 9, is_finished: true, ..STAND };
    let answer = encode(&outline, &outline.tree(), &asked, &stand, Some(&[2, 1, 1, 99]));
    assert_eq!((answer.rows, answer.has_more), (2, false));
    held.apply(&answer.bytes);
    assert_eq!((held.cursor, held.bits & 0xFFFF, held.rows.len()), (9, FINISHED, 3));
    assert_eq!((held.rows[&1].3, held.rows[&2].4.as_str()), (4.0, "c"));
}

#[test]
fn what_cannot_be_told_apart_begins_anew() {
    let outline = outline([span(1, None, "a", None)]);
    let tree = outline.tree();
    let known = Asked { after: Some(7), names: 1, numbering: Some(3), from: 0 };
    let bits = |asked: &Asked, changed: Option<&[u32]>| {
        let answer = encode(&outline, &tree, asked, &STAND, changed);
        let mut held = Held { names: vec![String::new(); asked.names as usize], ..Held::default() };
        held.apply(&answer.bytes);
        held.bits & RESET != 0
    };
    assert!(!bits(&known, Some(&[])));
    assert!(bits(&known, None), "the cursor is too old");
    assert!(bits(&Asked { numbering: Some(4), ..known }, Some(&[])), "other numbers");
    assert!(bits(&Asked { after: None, numbering: Some(4), from: 1, ..known }, None));
    assert!(bits(&known, Some(&vec![0; MAX_ROWS + 1])), "too much changed");
    assert!(!bits(&Asked { after: None, from: 1, ..known }, None), "a part goes on");
}

#[test]
fn hostile_questions_have_answers() {
    let outline = outline([span(1, None, "a", None)]);
    for asked in [
        Asked { from: u32::MAX, names: u32::MAX, after: None, numbering: None },
        Asked { from: u32::MAX, names: u32::MAX, after: Some(u64::MAX), numbering: Some(3) },
    ] {
        for changed in [None, Some(&[u32::MAX][..])] {
            assert!(encode(&outline, &outline.tree(), &asked, &STAND, changed).bytes.len() >= HEADER);
        }
    }
    let empty = Outline::new();
    assert_eq!(encode(&empty, &empty.tree(), &Asked::default(), &STAND, None).bytes.len(), HEADER);
}
