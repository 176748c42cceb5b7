//! The golden matrix: every state of a subscription × every event, written down in `transitions.txt` to be read and reviewed.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Billing, Event, Plan, Report, Standing, Subscription, SubscriptionState, decide, entitlements};
use crate::fixture::at;

const WRITTEN: &str = include_str!("transitions.txt");

const PREFACE: &str = "\
# Every state of a subscription x every event: what comes of it. Written by the test `plan::golden`, reviewed by people.
#
# Times are in days from now. The org is the customer `a`; its subscription at the payment provider is `x`, heard of as of -2.
# `same` means that nothing is stored. In parentheses what the org may do now: checks or traces alone.
";

const DAY: i64 = 86_400;

#[test]
fn transitions_are_as_written() {
    let found = matrix();
    if found == WRITTEN {
        return;
    }
    let new = std::env::current_exe().expect("a test binary").with_file_name("plan.txt.new");
    std::fs::write(&new, &found).expect("the build directory can be written");
    let (written, shown): (Vec<&str>, Vec<&str>) = (WRITTEN.lines().collect(), found.lines().collect());
    let changed: String = shown.iter().filter(|line| !written.contains(line)).map(|line| format!("+ {line}\n")).collect();
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/src/plan/transitions.txt");
    panic!("the transitions changed:\n{changed}if that is meant: cp {} {target}", new.display());
}

fn matrix() -> String {
    let mut text = PREFACE.to_owned();
    for (title, subscription) in states() {
        write!(text, "\n## {title}\n   {}\n\n", show(subscription.as_ref())).expect("a string takes text");
        for (name, event) in events() {
            let result = match decide(subscription.as_ref(), &event, at(0)) {
                Ok(next) if Some(&next) == subscription.as_ref() => "same".to_owned(),
                Ok(next) => show(Some(&next)),
                Err(refused) => format!("refused: {refused}"),
            };
            writeln!(text, "{name:<38}{result}").expect("a string takes text");
        }
    }
    text
}

fn day(days: i64) -> Timestamp {
    at(days * DAY)
}

/// Every state, each variant of it that is decided differently.
fn states() -> Vec<(&'static str, Option<Subscription>)> {
    let team = |state| Subscription {
        plan: Plan::Team,
        state,
        ends_at: None,
        customer: Some("a".to_owned()),
        external: Some("x".to_owned()),
        as_of: Some(day(-2)),
        chosen_at: None,
    };
    let free = Subscription::free(day(-9));
    let again = Subscription {
        plan: Plan::Individual,
        state: SubscriptionState::Active { until: None },
        chosen_at: Some(day(-1)),
        ..team(SubscriptionState::Cancelled { at: day(-3) })
    };
    vec![
        ("nothing chosen", None),
        ("free", Some(free.clone())),
        ("free, was at the checkout", Some(Subscription { customer: Some("a".to_owned()), chosen_at: None, ..free })),
        ("free, chosen after a paid plan ended", Some(again)),
        ("trial", Some(team(SubscriptionState::Trialing { started_at: day(-4), ends_at: day(10) }))),
        ("trial over, no news since", Some(team(SubscriptionState::Trialing { started_at: day(-18), ends_at: day(-4) }))),
        ("paid", Some(team(SubscriptionState::Active { until: Some(day(20)) }))),
        ("paid, renewal due", Some(team(SubscriptionState::Active { until: Some(day(-1)) }))),
        ("paid, no news of the renewal", Some(team(SubscriptionState::Active { until: Some(day(-4)) }))),
        ("past due", Some(team(SubscriptionState::PastDue { since: day(-2) }))),
        ("past due for long", Some(team(SubscriptionState::PastDue { since: day(-15) }))),
        ("paid, ends then", Some(Subscription { ends_at: Some(day(20)), ..team(SubscriptionState::Active { until: Some(day(20)) }) })),
        ("cancelled", Some(team(SubscriptionState::Cancelled { at: day(-3) }))),
    ]
}

fn events() -> Vec<(String, Event)> {
    let report = |as_of, external: &str, standing| {
        Event::Reported(Report { as_of: day(as_of), customer: "a".to_owned(), external: external.to_owned(), standing, ends_at: None })
    };
    let mut events: Vec<(String, Event)> = vec![
        ("individual is chosen".to_owned(), Event::Chosen(Plan::Individual)),
        ("team is chosen".to_owned(), Event::Chosen(Plan::Team)),
        ("known as a".to_owned(), Event::Known { customer: "a".to_owned() }),
        ("known as b".to_owned(), Event::Known { customer: "b".to_owned() }),
    ];
    for (name, standing) in [
        ("trialing", Standing::Trialing { started_at: day(-1), ends_at: day(13) }),
        ("paid", Standing::Paid { until: day(29) }),
        ("payment failed", Standing::PaymentFailed { since: day(-1) }),
        ("ended 1 day ago", Standing::Ended { at: day(-1) }),
        ("ended 3 days ago", Standing::Ended { at: day(-3) }),
    ] {
        for (when, as_of, external) in [("now", 0, "x"), ("as of -2", -2, "x"), ("as of -3", -3, "x"), ("now, of another", 0, "y")] {
            events.push((format!("{name}, {when}"), report(as_of, external, standing)));
        }
    }
    let cancelled = |standing, ends_at| Report {
        as_of: day(0),
        customer: "a".to_owned(),
        external: "x".to_owned(),
        standing,
        ends_at: Some(day(ends_at)),
    };
    let (paid, trial) = (Standing::Paid { until: day(29) }, Standing::Trialing { started_at: day(-1), ends_at: day(13) });
    events.push(("paid, cancelled to its end, now".to_owned(), Event::Reported(cancelled(paid, 29))));
    events.push(("trialing, cancelled to its end, now".to_owned(), Event::Reported(cancelled(trial, 13))));
    let stranger = Report {
        as_of: day(0),
        customer: "b".to_owned(),
        external: "z".to_owned(),
        standing: Standing::Ended { at: day(0) },
        ends_at: None,
    };
    events.push(("ended, of another customer".to_owned(), Event::Reported(stranger)));
    events
}

/// Everything about a subscription that an event can change, and what it comes to.
fn show(subscription: Option<&Subscription>) -> String {
    let may = entitlements(Billing::On, subscription, at(0));
    let may = if may.checks { "(checks)" } else { "(traces)" };
    let Some(subscription) = subscription else { return format!("none {may}") };
    let state = match &subscription.state {
        SubscriptionState::Trialing { started_at, ends_at } => format!("trialing {} to {}", days(*started_at), days(*ends_at)),
        SubscriptionState::Active { until: None } => "active".to_owned(),
        SubscriptionState::Active { until: Some(until) } => format!("active until {}", days(*until)),
        SubscriptionState::PastDue { since } => format!("past due since {}", days(*since)),
        SubscriptionState::Cancelled { at } => format!("cancelled at {}", days(*at)),
    };
    let mut text = format!("{} {state} {may}", subscription.plan);
    if let Some(ends_at) = subscription.ends_at {
        text += &format!(", ends at {}", days(ends_at));
    }
    if let Some(customer) = &subscription.customer {
        text += &format!(", customer {customer}");
    }
    if let (Some(external), Some(as_of)) = (&subscription.external, subscription.as_of) {
        text += &format!(", {external} as of {}", days(as_of));
    }
    if let Some(chosen_at) = subscription.chosen_at {
        text += &format!(", chosen {}", days(chosen_at));
    }
    text
}

fn days(time: Timestamp) -> String {
    format!("{:+}", time.duration_since(at(0)).as_secs() / DAY)
}
