//! Pairs of traces and what is said of them, and what must hold of every pair.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::trace::fixture::{SpanBuilder, outline, text};

const MS: u64 = 1_000_000;

fn call(number: u64, digest: &str) -> SpanBuilder {
    SpanBuilder::new(number).attributes(vec![("dagger.io/dag.call", text("AA==")), ("dagger.io/dag.digest", text(digest))])
}

fn compared(base: Vec<SpanBuilder>, head: Vec<SpanBuilder>) -> Comparison {
    let (base, head) = (outline(base), outline(head));
    compare(&base, &base.tree(), &head, &head.tree(), 100)
}

fn rows(found: &Found<Both>) -> Vec<(u32, u32)> {
    found.first.iter().map(|both| (both.base, both.head)).collect()
}

fn parts(found: &Found<Only>) -> Vec<(u32, u32)> {
    found.first.iter().map(|part| (part.row, part.spans)).collect()
}

/// A run that takes so long, with steps of these names and milliseconds.
fn run(command: &str, steps: &[(&str, u64)]) -> Vec<SpanBuilder> {
    let whole = steps.iter().map(|(_, length)| length).sum::<u64>();
    let mut spans = vec![SpanBuilder::new(1).of_cli(&[]).named(command).during(0, whole * MS)];
    let mut start = 0;
    for (number, (name, length)) in (2..).zip(steps) {
        spans.push(SpanBuilder::new(number).under(1).named(name).during(start * MS, (start + length) * MS));
        start += length;
    }
    spans
}

#[test]
fn steps_come_and_go_under_the_same_run_whatever_its_command_line() {
    let base = run("dagger check", &[("build", 10), ("lint", 10), ("build", 30)]);
    let mut head = run("dagger check --all", &[("build", 10), ("build", 30), ("test", 20), ("build", 40)]);
    head.push(SpanBuilder::new(50).under(4).named("go test").during(40 * MS, 50 * MS));
    let comparison = compared(base, head);
    assert_eq!(parts(&comparison.new), [(4, 1), (3, 2)]);
    assert_eq!(parts(&comparison.gone), [(2, 1)]);
    assert_eq!((comparison.same, comparison.slower.total, comparison.is_empty()), (3, 0, false));
}

#[test]
fn a_call_that_put_its_work_off_took_as_long_as_that() {
    let run = |length: u64| {
        let call = SpanBuilder::new(2).under(1).named("withExec").during(MS, 2 * MS).marked("dagger.io/dag.pending");
        let work = SpanBuilder::new(3).under(2).named("exec").during(5 * MS, length * MS).marked("dagger.io/ui.internal");
        vec![SpanBuilder::new(1).during(0, 5_000 * MS), call, work]
    };
    let comparison = compared(run(1_000), run(4_000));
    assert_eq!((rows(&comparison.slower), comparison.faster.total), (vec![(1, 1)], 0));
    assert_eq!(comparison.slower.first[0].difference_ns(), 3_000 * MS);
}

#[test]
fn the_same_call_is_found_wherever_it_moved() {
    let base = vec![SpanBuilder::new(1), SpanBuilder::new(2).under(1).named("old"), call(3, "d").under(2).named("withExec")];
    let head = vec![SpanBuilder::new(1), SpanBuilder::new(2).under(1).named("new"), call(3, "d").under(2).named("withExec")];
    let comparison = compared(base.clone(), head.clone());
    assert_eq!((parts(&comparison.new), parts(&comparison.gone)), (vec![(1, 1)], vec![(1, 1)]));
    assert_eq!(comparison.same, 2);
    // Of a call that is there twice, nobody can say which one it is.
    let twice = |mut spans: Vec<SpanBuilder>| {
        spans.push(call(4, "d").under(2).named("withExec"));
        spans
    };
    assert_eq!(compared(twice(base), twice(head)).same, 1);
}

#[test]
fn slower_needs_a_fifth_and_a_tenth_of_a_second() {
    for (base, head, is_slower) in
        [(1_000, 1_201, true), (1_000, 1_200, false), (100, 200, false), (100, 201, true), (0, 101, true), (201, 100, false)]
    {
        let comparison = compared(run("x", &[("a", base)]), run("x", &[("a", head)]));
        assert_eq!(comparison.slower.total == 1, is_slower, "{base} {head}");
        assert_eq!(rows(&comparison.slower), if is_slower { vec![(1, 1)] } else { vec![] });
    }
    let faster = compared(run("x", &[("a", 5_000), ("b", 900)]), run("x", &[("a", 500), ("b", 100)]));
    assert_eq!(rows(&faster.faster), [(1, 1), (2, 2)]);
    assert_eq!(faster.faster.first[0].difference_ns(), 4_500 * MS);
}

#[test]
fn of_a_chain_the_span_that_is_the_cause_is_told() {
    let spans = |inner: u64, marks: [&str; 2]| {
        let mut chain: Vec<SpanBuilder> = (1..=4).map(|number| SpanBuilder::new(number).during(0, (inner + 10) * MS)).collect();
        chain = (1..).zip(chain).map(|(number, span)| if number > 1 { span.under(number - 1) } else { span }).collect();
        chain[3] = chain[3].clone().during(0, inner * MS);
        for (at, mark) in [2, 3].into_iter().zip(marks) {
            if !mark.is_empty() {
                chain[at] = chain[at].clone().marked(mark);
            }
        }
        chain
    };
    for (marks, expected) in [
        (["", ""], (3, 3)),
        (["dagger.io/ui.passthrough", ""], (3, 3)),
        (["", "dagger.io/ui.internal"], (2, 2)),
        (["dagger.io/ui.passthrough", "dagger.io/ui.internal"], (1, 1)),
    ] {
        let comparison = compared(spans(1_000, marks), spans(3_000, marks));
        assert_eq!(rows(&comparison.slower), [expected], "{marks:?}");
    }
}

#[test]
fn a_cache_is_lost_when_a_cached_call_is_executed() {
    let step = |number: u64, attributes: Vec<(&str, crate::trace::span::Value)>| {
        SpanBuilder::new(number).under(1).named(&format!("step {number}")).during(number * MS, (number + 1) * MS).attributes(attributes)
    };
    let cached = |number| step(number, vec![("dagger.io/dag.cached", crate::trace::span::Value::Bool(true))]);
    let executed = |number| step(number, vec![]);
    let base = vec![SpanBuilder::new(1), cached(2), cached(3), executed(4), cached(5)];
    let head = vec![SpanBuilder::new(1), executed(3), executed(2), cached(4), cached(5)];
    let comparison = compared(base.clone(), head.clone());
    assert_eq!(rows(&comparison.lost_cache), [(1, 2), (2, 1)], "in the order of the later run");
    assert_eq!(rows(&compared(head, base).lost_cache), [(3, 3)]);
    let canceled = vec![SpanBuilder::new(1), executed(2).marked("dagger.io/dag.canceled")];
    assert_eq!(compared(vec![SpanBuilder::new(1), cached(2)], canceled).lost_cache.total, 0);
}

#[test]
fn what_is_hidden_is_not_told() {
    let hidden = vec![
        SpanBuilder::new(1),
        SpanBuilder::new(2).under(1).marked("dagger.io/ui.internal"),
        SpanBuilder::new(3).under(2),
        SpanBuilder::new(4).under(1).marked("dagger.io/ui.passthrough"),
        SpanBuilder::new(5).under(4),
    ];
    assert_eq!(parts(&compared(vec![SpanBuilder::new(1)], hidden).new), [(4, 1)]);
}

#[test]
fn findings_are_bounded_and_counted() {
    let steps: Vec<(String, u64)> = (0..500).map(|number| (format!("step {number}"), number)).collect();
    let steps: Vec<(&str, u64)> = steps.iter().map(|(name, length)| (name.as_str(), *length)).collect();
    let (base, head) = (outline(run("x", &[])), outline(run("x", &steps)));
    let comparison = compare(&base, &base.tree(), &head, &head.tree(), 3);
    assert_eq!((parts(&comparison.new), comparison.new.total), (vec![(500, 1), (499, 1), (498, 1)], 500));
    assert_eq!(compare(&base, &base.tree(), &head, &head.tree(), 0).new, Found { first: vec![], total: 500 });
}

#[test]
fn nothing_compares_with_nothing() {
    assert!(compared(vec![], vec![]).is_empty());
    assert_eq!(parts(&compared(vec![], run("x", &[("a", 1)])).new), [(0, 2)]);
}

#[test]
fn broad_and_deep_traces_are_compared_in_one_go() {
    const COUNT: u64 = 20_000;
    let deep = |last: &str| {
        let chain =
            (1..=COUNT).map(|number| if number == 1 { SpanBuilder::new(1) } else { SpanBuilder::new(number).under(number - 1).named("s") });
        chain.chain([SpanBuilder::new(COUNT + 1).under(COUNT).named(last)]).collect()
    };
    let comparison = compared(deep("a"), deep("b"));
    assert_eq!((comparison.same, parts(&comparison.new)), (20_000, vec![(20_000, 1)]));
    let broad = |extra: u64| {
        (1..=COUNT + extra)
            .map(|number| if number == 1 { SpanBuilder::new(1) } else { SpanBuilder::new(number).under(1).named("s") })
            .collect()
    };
    assert_eq!(parts(&compared(broad(0), broad(1)).new), [(20_000, 1)]);
}

fn spans() -> impl Strategy<Value = Vec<SpanBuilder>> {
    let span = (prop::option::of(1..30_u64), 0..4_u64, 0..5_u64, prop::option::of(0..2_000_u64), 0..6_u8, 0..8_u64);
    vec(span, 0..30).prop_map(|spans| {
        (1..)
            .zip(spans)
            .map(|(number, (parent, name, start, length, mark, digest))| {
                let span = if digest < 5 { call(number, &digest.to_string()) } else { SpanBuilder::new(number) };
                let span = span.named(&format!("step {name}")).started(start * MS);
                let span = parent.map_or(span.clone(), |parent| span.under(parent));
                let span = length.map_or(span.clone(), |length| span.ended((start + length) * MS));
                match mark {
                    0 => span.marked("dagger.io/ui.internal"),
                    1 => span.marked("dagger.io/ui.passthrough"),
                    2 => span.marked("dagger.io/dag.cached"),
                    _ => span,
                }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn a_trace_has_nothing_new_against_itself(spans in spans()) {
        let comparison = compared(spans.clone(), spans.clone());
        prop_assert!(comparison.is_empty(), "{:?}", comparison);
        prop_assert_eq!(comparison.same as usize, spans.len());
    }

    #[test]
    fn the_other_way_round_new_is_gone_and_slower_is_faster(base in spans(), head in spans()) {
        let (there, back) = (compared(base.clone(), head.clone()), compared(head, base));
        let turned = |found: &Found<Both>| {
            let mut rows: Vec<(u32, u32)> = found.first.iter().map(|both| (both.head, both.base)).collect();
            rows.sort_unstable();
            rows
        };
        let sorted = |found: &Found<Both>| {
            let mut rows = rows(found);
            rows.sort_unstable();
            rows
        };
        prop_assert_eq!(&there.new, &back.gone);
        prop_assert_eq!(&there.gone, &back.new);
        prop_assert_eq!(turned(&there.slower), sorted(&back.faster));
        prop_assert_eq!(turned(&there.faster), sorted(&back.slower));
        prop_assert_eq!(there.same, back.same);
    }
}
