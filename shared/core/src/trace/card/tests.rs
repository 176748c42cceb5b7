//! Any order and any repetition of what is said of a trace gives the same card.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::id::AttemptId;
use crate::trace::fixture::{SpanBuilder, id};
use crate::trace::outline::Place;
use crate::trace::span::Span;
use crate::trace::state::{LOST_AFTER, trace_state};

const NOW: i64 = 1_800_000_000_000;
const NOW_NS: u64 = 1_800_000_000_000_000_000;

fn org() -> OrgId {
    OrgId::from_parts(1, 1)
}

fn trace_of(attempt: AttemptId) -> TraceId {
    TraceParent::of(attempt).trace_id.parse().expect("a trace id")
}

fn token(repository: Option<u64>) -> Claim {
    Claim { org: org(), attempt: None, repository: repository.map(RepositoryId) }
}

fn job(attempt: AttemptId, repository: u64) -> Claim {
    Claim { org: org(), attempt: Some(attempt), repository: Some(RepositoryId(repository)) }
}

fn card() -> Card {
    let now = Timestamp::from_millisecond(NOW).expect("a time");
    Card::new(&token(None), trace_of(AttemptId::from_parts(1, 1)), now)
}

fn headline(spans: &[Span]) -> Headline {
    let mut headline = Headline::default();
    spans.iter().for_each(|span| headline.span(span));
    headline
}

fn folded(batches: &[Vec<Span>]) -> Card {
    let mut card = card();
    for batch in batches {
        card.fold(&headline(batch));
    }
    card
}

/// A record as a sender may send it: a span has one process, one start and one parent, all else may change.
fn record() -> impl Strategy<Value = Span> {
    (1..22_u64, 0..3_u8, 0..40_i64, any::<bool>()).prop_map(|(number, state, received, is_root)| {
        let span = SpanBuilder::new(number).started(NOW_NS + number % 5 * 1_000_000).received(NOW + received * 5_000);
        let span = match (is_root, number % 3) {
            (true, 0) => span,
            (true, _) => span.under(900).remote(),
            (false, _) => span.under(number % 4 + 1),
        };
        // What was received together says the same: nobody ends a span in two ways at one time.
        let span = match (state, received % 2) {
            (0, _) => span,
            (_, 0) => span.ended(NOW_NS + 9_000_000 + number),
            (_, _) => span.failed(NOW_NS + 9_000_000, "exit code: 1"),
        };
        let span = if number % 5 == 0 { span.checked("lint", Some(number % 10 != 0)) } else { span };
        match number / 3 % 3 {
            0 => span.of_resource(&[("service.name", "dagger-engine"), ("dagger.io/git.remote", "github.com/evil/evil")]),
            1 => span.of_cli(&[("dagger.io/git.remote", "github.com/acme/api"), ("dagger.io/git.branch", "main")]),
            _ => span.of_cli(&[("dagger.io/git.branch", "other")]),
        }
        .build()
    })
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_of_batches_gives_the_same_card(
        (batches, shuffled, again) in vec(vec(record(), 1..6), 1..8)
            .prop_flat_map(|batches| {
                let count = batches.len();
                (Just(batches.clone()), Just(batches.clone()).prop_shuffle(), subsequence(batches, 0..=count))
            })
    ) {
        let card = folded(&batches);
        prop_assert_eq!(&card, &folded(&[shuffled.clone(), again].concat()));
        prop_assert_eq!(&card, &folded(&[shuffled.concat()]), "one batch instead of many");
        let mut same = card.clone();
        prop_assert!(batches.iter().all(|batch| !same.fold(&headline(batch))), "what is known is no news");
        prop_assert_eq!(&same, &card);
    }

    #[test]
    fn a_card_survives_its_storage(batches in vec(vec(record(), 1..6), 0..4)) {
        let card = folded(&batches);
        let text = serde_json::to_string(&card).expect("a text");
        prop_assert_eq!(serde_json::from_str::<Card>(&text).expect("a card"), card);
    }

    #[test]
    fn a_card_without_orphans_says_what_its_outline_says(records in vec(record(), 1..40), later in 0..200_000_i64) {
        // Only what may be a root; the sender says so, and an outline takes orphans for roots too.
        let records: Vec<Span> = records.into_iter().filter(|span| RootSeen::of(span).is_some()).collect();
        let mut outline = Outline::new();
        for (place, span) in (0..).zip(&records) {
            outline.upsert(span, Place::Tail(place));
        }
        let mut card = folded(&[records]);
        let now = NOW + 200_000 + later;
        if !outline.is_empty() && outline.last_received_ms() == Some(card.heard_ms()) {
            prop_assert_eq!(card.state_at(now), trace_state(&outline, &outline.tree(), now));
        }
        card.recount(&outline, &outline.tree());
        prop_assert_eq!(card.spans, Some(outline.len() as u64));
        if outline.last_received_ms() == Some(card.heard_ms()) {
            prop_assert_eq!(card.state_at(now), trace_state(&outline, &outline.tree(), now));
        }
    }

    #[test]
    fn any_order_of_senders_gives_the_same_repository(
        claims in vec((0..4_u64, prop::option::of(1..3_u64)), 1..6),
        order in Just(()).prop_perturb(|(), mut random| random.next_u64()),
    ) {
        let own = AttemptId::from_parts(1, 1);
        let claims: Vec<Claim> = claims.into_iter().map(|(number, repository)| match number {
            0 => job(own, 7),
            1 => job(AttemptId::from_parts(1, 2), repository.unwrap_or(1)),
            _ => token(repository),
        }).collect();
        let with = |claims: &[Claim]| {
            let now = Timestamp::from_millisecond(NOW).expect("a time");
            let mut card = Card::new(&claims[0], trace_of(own), now);
            claims.iter().for_each(|claim| { card.claim(claim); });
            (card.repository, card.attempt)
        };
        let mut rotated = claims.clone();
        rotated.rotate_left(usize::try_from(order % claims.len() as u64).expect("small"));
        let mut reversed = rotated.clone();
        reversed.reverse();
        prop_assert_eq!(with(&claims), with(&rotated));
        prop_assert_eq!(with(&claims), with(&reversed));
        prop_assert_eq!(with(&claims), with(&[claims, reversed].concat()));
    }
}

#[test]
fn a_repository_needs_senders_that_agree() {
    let (own, other) = (AttemptId::from_parts(1, 1), AttemptId::from_parts(1, 2));
    for (claims, expected) in [
        (vec![token(None)], None),
        (vec![token(None), token(Some(1))], Some(1)),
        (vec![token(Some(1)), token(Some(2))], None),
        (vec![token(Some(1)), token(Some(2)), token(Some(1))], None),
        (vec![job(other, 1)], Some(1)),
        (vec![job(other, 1), job(other, 2)], None),
        (vec![token(None), job(other, 1)], None),
        (vec![token(Some(1)), job(other, 1)], None),
        (vec![job(own, 7)], Some(7)),
        (vec![token(Some(1)), job(other, 2), job(own, 7), token(Some(3))], Some(7)),
    ] {
        let mut card = Card::new(&claims[0], trace_of(own), Timestamp::UNIX_EPOCH);
        for claim in &claims[1..] {
            card.claim(claim);
        }
        assert_eq!(card.repository, expected.map(RepositoryId), "{claims:?}");
        assert_eq!(card.attempt, claims.iter().find_map(|claim| claim.attempt.filter(|attempt| *attempt == own)));
    }
}

#[test]
fn the_root_is_the_first_command_without_a_parent_and_its_last_word_counts() {
    let cli = |number: u64| SpanBuilder::new(number).of_cli(&[]).received(NOW);
    let nested = cli(1).under(9).remote().started(1);
    let engine = SpanBuilder::new(2).started(0).received(NOW);
    let root = cli(4).started(7);
    let late = cli(3).started(8);
    let spans = [nested, engine, root.clone(), late];
    let names: Vec<String> =
        (1..=4).map(|count| folded(&[spans[..count].iter().cloned().map(SpanBuilder::build).collect()]).name().to_owned()).collect();
    assert_eq!(names, ["span 1", "span 2", "span 4", "span 4"]);

    let root = root.started(NOW_NS);
    let beat = root.clone().received(NOW + 60_000).build();
    let end = root.ended(NOW_NS + 20_000_000).named("dagger check").received(NOW + 30_000).build();
    let card = folded(&[vec![end], vec![beat]]);
    assert_eq!((card.name(), card.ended_ms(), card.state_at(NOW)), ("dagger check", Some(NOW + 20), TraceState::Succeeded));
}

#[test]
fn a_heartbeat_is_worth_a_write_every_twenty_seconds() {
    let beat = |received| headline(&[SpanBuilder::new(1).of_cli(&[]).started(NOW_NS).received(NOW + received).build()]);
    let mut card = card();
    let news: Vec<bool> = [0, 5_000, 30_000, 30_000, 60_000]
        .map(|at| {
            // As a store does: what is no news is not kept.
            let mut next = card.clone();
            let is_news = next.fold(&beat(at));
            if is_news {
                card = next;
            }
            is_news
        })
        .to_vec();
    assert_eq!(news, [true, false, true, false, true]);
    assert_eq!(card.state_at(NOW + 60_000 + LOST_AFTER), TraceState::Running);
    assert_eq!(card.state_at(NOW + 60_001 + LOST_AFTER), TraceState::Lost);
    assert_eq!(card.duration_ms(NOW + 10 * LOST_AFTER), 60_000);
}

#[test]
fn a_run_is_not_green_when_a_check_or_another_command_of_its_job_failed() {
    let root = |number| SpanBuilder::new(number).under(900).remote().of_cli(&[]).received(NOW);
    let check = SpanBuilder::new(5).under(1).checked("lint", Some(false)).ended(5).received(NOW);
    for (spans, expected) in [
        (vec![root(1).ended(9)], TraceState::Succeeded),
        (vec![root(1).ended(9), check.clone()], TraceState::Failed),
        (vec![root(1), check], TraceState::Running),
        (vec![root(1).ended(9), root(2).failed(9, "x")], TraceState::Failed),
        (vec![root(1).ended(9), root(2)], TraceState::Running),
        (vec![root(1).failed(9, "context canceled")], TraceState::Canceled),
        // Below a root of its own kind, commands are parts of it.
        (vec![SpanBuilder::new(3).ended(9).received(NOW), root(2).failed(9, "x")], TraceState::Succeeded),
        (vec![], TraceState::Running),
    ] {
        let card = folded(&[spans.into_iter().map(SpanBuilder::build).collect()]);
        assert_eq!(card.state_at(NOW), expected, "{card:?}");
    }
}

#[test]
fn of_too_many_commands_a_failure_still_counts() {
    let root = |number: u64| SpanBuilder::new(number).started(number).of_cli(&[]).received(NOW);
    let spans = (1..100).map(|number| if number == 99 { root(number).failed(200, "x") } else { root(number).ended(200) });
    let mut batches: Vec<Vec<Span>> = spans.map(|span| vec![span.build()]).collect();
    assert_eq!(folded(&batches).state_at(NOW), TraceState::Failed);
    let card = folded(&batches);
    batches.reverse();
    assert_eq!(folded(&batches), card);
}

#[test]
fn a_card_stays_small_whatever_is_sent() {
    let long = "é".repeat(100_000);
    let spans: Vec<Span> = (1..1_000)
        .map(|number| {
            SpanBuilder::new(number).named(&long).of_cli(&[("dagger.io/git.title", &long), ("dagger.io/git.branch", &long)]).build()
        })
        .collect();
    let card = folded(&[spans]);
    assert!(serde_json::to_string(&card).expect("a text").len() < 6_000);
    assert_eq!(card.root.map(|root| root.id), Some(id(1)));
}

#[test]
fn lists_go_by_the_start_unless_a_clock_is_off() {
    let with = |start_ns: u64| folded(&[vec![SpanBuilder::new(1).started(start_ns).received(NOW).build()]]);
    assert_eq!((with(NOW_NS).listed_ms(), with(NOW_NS).day()), (NOW, 20_270_115));
    assert_eq!(with(NOW_NS - 3_600_000_000_000).listed_ms(), NOW - 3_600_000);
    assert_eq!(with(NOW_NS - 10 * 86_400_000_000_000).listed_ms(), NOW - MAX_SKEW_MS);
    for start_ns in [0, NOW_NS + 2 * 86_400_000_000_000, u64::MAX] {
        assert_eq!((with(start_ns).started_ms(), with(start_ns).listed_ms()), (NOW, NOW));
        assert_eq!(with(start_ns).duration_ms(i64::MIN), 0);
        let ended = SpanBuilder::new(1).during(start_ns, start_ns.saturating_add(5_000_000)).received(NOW + 9).build();
        let expected = if start_ns == u64::MAX { NOW } else { NOW + 5 };
        assert_eq!(folded(&[vec![ended]]).ended_ms(), Some(expected));
    }
    assert_eq!(card().listed_ms(), NOW);
}

#[test]
fn what_the_control_plane_knows_wins_over_labels() {
    let labels = [("dagger.io/git.remote", "git.example/fork/api"), ("dagger.io/git.branch", "merge"), ("dagger.io/git.ref", "abc")];
    let mut card = folded(&[vec![SpanBuilder::new(1).of_cli(&labels).named("dagger check").build()]]);
    assert_eq!(
        (card.remote_key().as_str(), card.branch().as_deref(), card.commit().as_deref()),
        ("git.example/fork/api", Some("merge"), Some("abc"))
    );
    assert!(!card.is_from_ci());
    let native = Native {
        host: "github.com".to_owned(),
        repository: "Acme/Api".parse().expect("a name"),
        commit: "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit"),
        branch: Some("feature".parse().expect("a branch")),
        pull: Some(PullNumber(7)),
    };
    assert!(card.enrich(native.clone()) && !card.enrich(native));
    assert_eq!(
        (card.remote_key().as_str(), card.branch().as_deref(), card.pull()),
        ("github.com/acme/api", Some("feature"), Some(PullNumber(7)))
    );
    for (search, is_found) in [("", true), ("CHECK feature", true), ("acme #7", true), ("check fork", false), ("01234567", true)] {
        assert_eq!(card.mentions(search), is_found, "{search}");
    }
    assert_eq!(self::card().remote_key(), NO_REMOTE);
}
