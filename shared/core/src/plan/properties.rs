//! Properties: news of the payment provider may come in any order, late, or several times.

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Billing, Event, Plan, Report, Standing, Subscription, SubscriptionState, decide, entitlements};
use crate::fixture::at;

const DAY: i64 = 86_400;

/// Few different times, so that many are the same.
fn time() -> impl Strategy<Value = Timestamp> {
    (-4_i64..5).prop_map(|days| at(days * DAY))
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        (time(), time()).prop_map(|(started_at, ends_at)| Standing::Trialing { started_at, ends_at }),
        time().prop_map(|until| Standing::Paid { until }),
        time().prop_map(|since| Standing::PaymentFailed { since }),
        time().prop_map(|at| Standing::Ended { at }),
    ]
}

fn report() -> impl Strategy<Value = Event> {
    (time(), "[xy]", standing(), proptest::option::of(time())).prop_map(|(as_of, external, standing, ends_at)| {
        Event::Reported(Report { as_of, customer: "a".to_owned(), external, standing, ends_at })
    })
}

fn state() -> impl Strategy<Value = SubscriptionState> {
    prop_oneof![
        (time(), time()).prop_map(|(started_at, ends_at)| SubscriptionState::Trialing { started_at, ends_at }),
        proptest::option::of(time()).prop_map(|until| SubscriptionState::Active { until }),
        time().prop_map(|since| SubscriptionState::PastDue { since }),
        time().prop_map(|at| SubscriptionState::Cancelled { at }),
    ]
}

fn subscription() -> impl Strategy<Value = Option<Subscription>> {
    let plan = prop_oneof![Just(Plan::Individual), Just(Plan::Team)];
    let customer = proptest::option::of(Just("a".to_owned()));
    let external = proptest::option::of("[xy]");
    let some_time = || proptest::option::of(time());
    let parts = (plan, state(), some_time(), customer, external, some_time(), some_time());
    let subscription = parts.prop_map(|(plan, state, ends_at, customer, external, as_of, chosen_at)| Subscription {
        plan,
        state,
        ends_at,
        customer,
        external,
        as_of,
        chosen_at,
    });
    proptest::option::of(subscription)
}

fn after(first: Option<Subscription>, events: &[Event]) -> Option<Subscription> {
    events.iter().fold(first, |known, event| decide(known.as_ref(), event, at(0)).ok().or(known))
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        first in subscription(),
        events in proptest::collection::vec(report(), 1..6),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let expected = after(first.clone(), &events);
        // Some of them in any order and more than once, then all of them backwards.
        let shuffled: Vec<Event> = order.iter().map(|index| index.get(&events).clone()).chain(events.iter().rev().cloned()).collect();
        prop_assert_eq!(after(first, &shuffled), expected);
    }

    #[test]
    fn the_newest_news_is_how_it_stands(first in subscription(), events in proptest::collection::vec(report(), 1..6)) {
        let newest = Report { as_of: at(9 * DAY), customer: "a".to_owned(), external: "z".to_owned(), standing: Standing::Paid { until: at(0) }, ends_at: None };
        let mut events = events;
        events.insert(0, Event::Reported(newest));
        let last = after(first, &events).expect("a subscription");
        prop_assert_eq!(last.state, SubscriptionState::Active { until: Some(at(0)) });
        prop_assert_eq!(last.plan, Plan::Team);
    }

    #[test]
    fn a_person_neither_gets_nor_ends_what_is_paid_for(first in subscription(), plan in prop_oneof![Just(Plan::Individual), Just(Plan::Team)]) {
        let before = entitlements(Billing::On, first.as_ref(), at(0));
        let was_running = first.as_ref().is_some_and(Subscription::is_running);
        if let Ok(next) = decide(first.as_ref(), &Event::Chosen(plan), at(0)) {
            prop_assert!(!was_running && !next.plan.is_paid());
            prop_assert!(!entitlements(Billing::On, Some(&next), at(0)).checks || before.checks);
            // Once more is as once.
            prop_assert_eq!(decide(Some(&next), &Event::Chosen(plan), at(DAY)), Ok(next));
        }
    }

    #[test]
    fn what_is_stored_is_read_back(subscription in subscription()) {
        let text = serde_json::to_string(&subscription).expect("serializes");
        prop_assert_eq!(serde_json::from_str::<Option<Subscription>>(&text).expect(&text), subscription);
    }
}
