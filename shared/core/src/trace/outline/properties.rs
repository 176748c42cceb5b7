//! Any order and any repetition of records, logs and metrics gives the same trace.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Columns, Outline, Place};
use crate::trace::fixture::{SpanBuilder, id, text};
use crate::trace::insight;
use crate::trace::span::Span;
use crate::trace::state::{shown_state, trace_state};

/// Few ids, so that spans meet; the parents may form cycles.
const IDS: std::ops::Range<u64> = 1..12;

/// What may come about a trace.
#[derive(Debug, Clone)]
enum Arrival {
    Record(Box<Span>, u32),
    Logs(u64, u32, u32),
    Metrics(u64),
}

fn record() -> impl Strategy<Value = SpanBuilder> {
    let place = (IDS, proptest::option::of(1..14_u64), 0..20_u64, proptest::option::of(0..20_u64), 1_000..1_004_i64);
    let message = select(vec!["", "exit code: 1", "context canceled", "x [traceparent:01010101010101010101010101010101-0000000000000003]"]);
    let facts = (0..6_u8, message, vec(1..14_u64, 0..3), vec((1..14_u64, 0..20_u64, 0..20_u64), 0..3), 0..3_u8);
    (place, facts).prop_map(|((number, parent, start, length, received), (kind, message, blames, waits, name))| {
        let mut span = SpanBuilder::new(number).started(start).received(received).named(["a", "b", "c"][usize::from(name)]);
        if let Some(parent) = parent {
            span = span.under(parent);
        }
        if let Some(length) = length {
            span = if message.is_empty() { span.ended(start + length) } else { span.failed(start + length, message) };
        }
        span = match kind {
            0 => span.checked("lint", length.map(|length| length % 2 == 0)),
            1 => span.attributes(vec![("test.case.name", text("TestX"))]),
            2 => span.of_cli(&[]),
            3 => span.marked("dagger.io/ui.reveal"),
            4 => span.marked("dagger.io/dag.blocked"),
            _ => span,
        };
        span = blames.into_iter().fold(span, SpanBuilder::blames);
        waits.into_iter().fold(span, |span, (to, start, end)| span.waits(to, start, end))
    })
}

/// Records with a place each, as one sender would send them, logs and metrics; then the same in another order, with records that
/// come again.
fn arrivals() -> impl Strategy<Value = (Vec<Arrival>, Vec<Arrival>)> {
    let logs = (1..14_u64, 0..4_u32, 0..3_u32).prop_map(|(span, segment, count)| Arrival::Logs(span, segment, count));
    let beside = prop_oneof![logs, (1..14_u64).prop_map(Arrival::Metrics)];
    (vec(record(), 0..30), vec(beside, 0..8)).prop_flat_map(|(records, beside)| {
        let places = 0..u32::try_from(records.len()).expect("few");
        let records: Vec<Arrival> =
            records.into_iter().zip(places).map(|(span, place)| Arrival::Record(Box::new(span.build()), place)).collect();
        let again = proptest::sample::subsequence(records.clone(), 0..=records.len());
        let all: Vec<Arrival> = records.into_iter().chain(beside).collect();
        again.prop_flat_map(move |again| {
            let mixed: Vec<Arrival> = all.iter().cloned().chain(again).collect();
            (Just(all.clone()), Just(mixed).prop_shuffle())
        })
    })
}

fn take_in(outline: &mut Outline, arrivals: &[Arrival]) {
    for arrival in arrivals {
        match arrival {
            Arrival::Record(span, place) => {
                outline.upsert(span, Place::Tail(*place));
            }
            Arrival::Logs(span, segment, count) => outline.note_logs(id(*span), *segment, *count),
            Arrival::Metrics(span) => outline.note_metrics(id(*span)),
        }
    }
}

/// Everything that is read out of an outline, with ids in place of row numbers.
fn reading(outline: &Outline) -> (Columns, Vec<Vec<String>>) {
    let tree = outline.tree();
    let trace = trace_state(outline, &tree, 80_000);
    let show = |rows: Vec<u32>| -> Vec<String> {
        let shown = |row: u32| {
            let flags = outline.rows[row as usize].flags;
            let parent = tree.parent(row).map(|parent| outline.rows[parent as usize].id);
            let state = shown_state(&outline.rows[row as usize], trace, 80_000);
            format!("{} {parent:?} {state:?} {flags:?}", outline.rows[row as usize].id)
        };
        rows.into_iter().map(shown).collect()
    };
    let roots = tree.roots().to_vec();
    let paths = roots.iter().map(|&root| show(insight::critical_path(outline, &tree, root)));
    let flames = roots.iter().map(|&root| show(insight::flame(outline, &tree, root, 4, 5).iter().map(|shown| shown.row).collect()));
    let readings = [
        show(tree.walk_all().collect()),
        show(insight::error_origins(outline, &tree)),
        show(insight::checks(outline, &tree)),
        show(insight::tests(outline, &tree)),
        show(insight::priority(outline, &tree, 6)),
        vec![format!("{trace:?} {}", outline.failed_checks())],
    ];
    let mut columns = outline.columns(outline.order());
    columns.strays = outline.strays();
    (columns, readings.into_iter().chain(paths).chain(flames).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_order_and_repetition_gives_the_same_trace((plain, mixed) in arrivals()) {
        let (mut one, mut other) = (Outline::new(), Outline::new());
        take_in(&mut one, &plain);
        take_in(&mut other, &mixed);
        prop_assert_eq!(reading(&one), reading(&other));
    }

    #[test]
    fn a_sealed_part_and_the_tail_after_it_give_the_same_trace((plain, mixed) in arrivals(), cut in 0..40_usize) {
        let cut = cut.min(plain.len());
        let mut whole = Outline::new();
        take_in(&mut whole, &plain);
        let mut sealed = Outline::new();
        take_in(&mut sealed, &plain[..cut]);
        let mut columns = sealed.columns(sealed.order());
        columns.strays = sealed.strays();
        // What was sealed may come again; its logs and metrics are counted once by whoever reads the tail.
        let again = mixed.into_iter().filter(|arrival| matches!(arrival, Arrival::Record(..)));
        let tail: Vec<Arrival> = again.chain(plain[cut..].iter().cloned()).collect();
        let mut joined = Outline::new();
        joined.extend(columns).expect("even columns");
        take_in(&mut joined, &tail);
        prop_assert_eq!(reading(&whole), reading(&joined));
    }

    #[test]
    fn every_span_is_in_the_tree_once((plain, _) in arrivals()) {
        let mut outline = Outline::new();
        take_in(&mut outline, &plain);
        let tree = outline.tree();
        let mut all: Vec<u32> = tree.walk_all().collect();
        all.sort_unstable();
        prop_assert!(all.into_iter().eq(outline.numbers()));
        for row in outline.numbers() {
            prop_assert_eq!(tree.ancestors(row).last().unwrap_or(row), tree.root(row));
            prop_assert!(tree.children(row).iter().all(|&child| tree.parent(child) == Some(row)));
        }
    }
}
