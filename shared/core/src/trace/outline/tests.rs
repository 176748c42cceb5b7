//! What an outline keeps of spans and their logs, and what it leaves out.

use super::*;
use crate::trace::fixture::{SpanBuilder, id, outline, text};

#[test]
fn a_row_is_small() {
    assert!(size_of::<Row>() <= 96, "{}", size_of::<Row>());
}

#[test]
fn a_finished_record_is_final_against_running_ones() {
    let mut outline = outline([SpanBuilder::new(1).ended(9).received(5)]);
    let heartbeat = SpanBuilder::new(1).received(50).build();
    assert_eq!(outline.upsert(&heartbeat, Place::Tail(7)), Upsert::Ignored);
    assert_eq!(outline.last_received_ms(), Some(50));
    let again = SpanBuilder::new(1).ended(10).named("renamed").received(5).build();
    assert_eq!(outline.upsert(&again, Place::Sealed { segment: 0, index: 0 }), Upsert::Replaced);
    assert_eq!(outline.name(outline.rows[0].name), "renamed");
    assert_eq!(outline.upsert(&again, Place::Sealed { segment: 0, index: 0 }), Upsert::Ignored);
    assert_eq!(outline.upsert(&again, Place::Tail(0)), Upsert::Replaced);
    assert_eq!(outline.len(), 1);
}

#[test]
fn what_comes_before_its_span_waits_for_it() {
    let mut outline = outline([SpanBuilder::new(2).under(1), SpanBuilder::new(3).failed(9, "x").blames(1)]);
    outline.note_logs(id(1), 4, 10);
    outline.note_logs(id(1), 2, 0);
    outline.note_metrics(id(1));
    assert!(outline.rows[0].flags.contains(Flags::ROOT));
    outline.upsert(&SpanBuilder::new(1).failed(9, "x").build(), Place::Tail(9));
    outline.note_logs(id(1), 3, 1);
    assert_eq!((outline.parent_row(0), outline.parent_row(2)), (Some(2), None));
    assert!(!outline.rows[0].flags.contains(Flags::ROOT));
    let row = outline.rows[2];
    assert_eq!((row.logs, row.log_first, row.log_last), (11, 3, 4));
    assert!(row.flags.contains(Flags::ROOT.with(Flags::METRICS).with(Flags::ERROR_ORIGIN)));
    assert!(!outline.rows[1].flags.contains(Flags::ERROR_ORIGIN));
    assert!(outline.strays().is_empty());
}

#[test]
fn a_new_record_takes_back_what_the_old_one_said() {
    let mut outline =
        outline([SpanBuilder::new(1).failed(9, "x"), SpanBuilder::new(2).blames(1).waits(1, 2, 5).under(1).checked("a", Some(false))]);
    assert_eq!((outline.failed_checks(), outline.waits_of(1).len(), outline.origins_of(1)), (1, 1, &[id(1)][..]));
    outline.upsert(&SpanBuilder::new(1).ended(9).received(1_001).build(), Place::Tail(2));
    assert!(outline.rows[0].flags.contains(Flags::ERROR_ORIGIN), "another span still says so");
    assert_eq!(outline.note_of(0), None);
    outline.upsert(&SpanBuilder::new(2).checked("a", Some(true)).ended(9).build(), Place::Tail(3));
    assert!(!outline.rows[0].flags.contains(Flags::ERROR_ORIGIN));
    assert_eq!((outline.failed_checks(), outline.waits_of(1).len(), outline.origins_of(1).len()), (0, 0, 0));
    assert_eq!((outline.parent_row(1), outline.rows[1].flags.contains(Flags::ROOT)), (None, true));
}

#[test]
fn markers_in_messages_are_origins_and_are_not_shown() {
    let message = "exit code: 1 [traceparent:01010101010101010101010101010101-0000000000000002]";
    let outline = outline([SpanBuilder::new(1).failed(9, message), SpanBuilder::new(2).failed(8, "exit code: 1")]);
    assert_eq!(outline.note_of(0).map(|note| note.message.as_str()), Some("exit code: 1"));
    assert_eq!(outline.origins_of(0), [id(2)]);
    let origins: Vec<bool> = outline.rows.iter().map(|row| row.flags.contains(Flags::ERROR_ORIGIN)).collect();
    assert_eq!(origins, [false, true]);
}

#[test]
fn calls_are_paired_by_their_evidence_then_by_their_digest() {
    let pair_of = |attributes: &[(&str, &str)]| {
        pair(&SpanBuilder::new(1).attributes(attributes.iter().map(|(name, value)| (*name, text(value))).collect()).build())
    };
    let digest = ("dagger.io/dag.digest", "xxh3:1");
    let call = ("dagger.io/dag.call", "AA==");
    let contract = ("dagger.io/cache.contract", "1");
    let evidence = ("dagger.io/cache.pairing_digest", "xxh3:2");
    assert_eq!(pair_of(&[digest]), 0);
    assert_ne!(pair_of(&[digest, call]), 0);
    assert_eq!(pair_of(&[digest, call]), pair_of(&[call, digest, evidence]));
    assert_ne!(pair_of(&[digest, call]), pair_of(&[call, digest, evidence, contract]));
}

#[test]
fn a_span_that_is_its_own_parent_is_a_root() {
    let outline = outline([SpanBuilder::new(1).under(1)]);
    assert_eq!(outline.parent_row(0), None);
    assert!(outline.rows[0].flags.contains(Flags::ROOT));
}

#[test]
fn a_call_ends_with_the_work_that_it_put_off() {
    let ended = |call: SpanBuilder, child: SpanBuilder| {
        let outline = outline([call, child.under(1)]);
        outline.tree().end_ns(&outline, 0)
    };
    let call = || SpanBuilder::new(1).during(10, 20);
    let pending = || call().marked("dagger.io/dag.pending");
    let child = || SpanBuilder::new(2);
    for (what, call, child, expected) in [
        ("what is done below it later", pending(), child().during(20, 90), Some(90)),
        ("what runs below it", pending(), child().started(30), None),
        ("what was done while it lasted", pending(), child().during(12, 90), Some(20)),
        ("what ended before it", pending(), child().during(20, 20), Some(20)),
        ("nothing that was put off", call(), child().during(30, 90), Some(20)),
        ("itself, which runs", SpanBuilder::new(1).started(10).marked("dagger.io/dag.pending"), child().during(30, 90), None),
    ] {
        assert_eq!(ended(call, child), expected, "{what}");
    }
    assert_eq!(outline([]).tree().end_ns(&outline([]), 0), None);
}
