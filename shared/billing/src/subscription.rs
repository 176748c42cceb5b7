//! How a customer's subscription stands: from the list of [subscriptions](https://docs.stripe.com/api/subscriptions/object) to one
//! report.

use jiff::Timestamp;
use quillon_core::plan::{Report, Standing};
use serde::Deserialize;

use crate::{Error, is_id};

/// The subscriptions of a customer, the newest first.
#[derive(Debug, Deserialize)]
pub(crate) struct List {
    data: Vec<Wire>,
}

#[derive(Debug, Deserialize)]
struct Wire {
    id: String,
    customer: String,
    status: String,
    created: i64,
    #[serde(default)]
    trial_start: Option<i64>,
    #[serde(default)]
    trial_end: Option<i64>,
    #[serde(default)]
    ended_at: Option<i64>,
    #[serde(default)]
    canceled_at: Option<i64>,
    /// When it ends by itself, however somebody asked for that.
    #[serde(default)]
    cancel_at: Option<i64>,
    #[serde(default)]
    cancel_at_period_end: bool,
    items: Items,
}

#[derive(Debug, Deserialize)]
struct Items {
    data: Vec<WireItem>,
}

/// Periods are those of items since version `2025-03-31.basil`.
#[derive(Debug, Deserialize)]
struct WireItem {
    current_period_start: i64,
    current_period_end: i64,
}

/// How much a subscription is worth to its org: of several the best one counts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Ended,
    Unpaid,
    Good,
}

/// What a list of subscriptions says; none when none of them ever began.
pub(crate) fn report(list: List, customer: &str, now: Timestamp) -> Result<Option<Report>, Error> {
    let mut best: Option<((Worth, i64), Report)> = None;
    let mut running = 0;
    for wire in list.data {
        if wire.customer != customer || !is_id(&wire.id) {
            return Err(Error::Malformed("a subscription is not of the customer that was asked for".to_owned()));
        }
        let Some((worth, standing)) = standing(&wire)? else { continue };
        running += u32::from(worth > Worth::Ended);
        let rank = (worth, wire.created);
        if best.as_ref().is_none_or(|(known, ..)| *known < rank) {
            let ends_at = ends_at(&wire)?;
            let report = Report { as_of: now, customer: customer.to_owned(), external: wire.id, standing, ends_at };
            best = Some((rank, report));
        }
    }
    if running > 1 {
        tracing::warn!(stripe.customer = customer, running, "a customer pays for several subscriptions at once: end all but one at Stripe");
    }
    Ok(best.map(|(_, report)| report))
}

/// When a subscription ends that was cancelled and goes on until then. Which of the two says so depends on how it was cancelled:
/// <https://docs.stripe.com/billing/subscriptions/cancel>.
fn ends_at(wire: &Wire) -> Result<Option<Timestamp>, Error> {
    let period_end = wire.items.data.iter().map(|item| item.current_period_end).min();
    match wire.cancel_at.or(period_end.filter(|_| wire.cancel_at_period_end)) {
        None => Ok(None),
        at => time(wire, at).map(Some),
    }
}

/// The meaning of each status: <https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>.
fn standing(wire: &Wire) -> Result<Option<(Worth, Standing)>, Error> {
    let found = match wire.status.as_str() {
        "trialing" => {
            let ends_at = time(wire, wire.trial_end)?;
            (Worth::Good, Standing::Trialing { started_at: time(wire, wire.trial_start.or(Some(wire.created)))?, ends_at })
        }
        "active" => {
            let until = wire.items.data.iter().map(|item| item.current_period_end).min();
            (Worth::Good, Standing::Paid { until: time(wire, until)? })
        }
        // The period that is not paid for began when the payment was due. What is unpaid or paused for good stays so until
        // somebody pays: our own patience ends it.
        "past_due" | "unpaid" | "paused" => {
            let since = wire.items.data.iter().map(|item| item.current_period_start).max();
            (Worth::Unpaid, Standing::PaymentFailed { since: time(wire, since)? })
        }
        "canceled" => (Worth::Ended, Standing::Ended { at: time(wire, wire.ended_at.or(wire.canceled_at))? }),
        // The first payment was never made.
        "incomplete" | "incomplete_expired" => return Ok(None),
        other => {
            tracing::warn!(stripe.subscription = wire.id, "a subscription has a status that is not known: {}", other.escape_debug());
            return Ok(None);
        }
    };
    Ok(Some(found))
}

fn time(wire: &Wire, seconds: Option<i64>) -> Result<Timestamp, Error> {
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.ok_or_else(|| Error::Malformed(format!("the subscription `{}` lacks a time that its status has", wire.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn subscription(id: &str, status: &str, created: i64) -> serde_json::Value {
        json!({
            "id": id, "object": "subscription", "customer": "cus_1", "status": status, "created": created,
            "trial_start": 10, "trial_end": 20, "ended_at": if status == "canceled" { Some(90) } else { None }, "canceled_at": null,
            "items": { "object": "list", "data": [{ "id": "si_1", "current_period_start": 50, "current_period_end": 60 }] },
        })
    }

    fn read(subscriptions: &[serde_json::Value]) -> Result<Option<(String, Standing)>, Error> {
        let list = serde_json::from_value(json!({ "data": subscriptions })).map_err(|error| Error::Malformed(error.to_string()))?;
        Ok(report(list, "cus_1", at(100))?.map(|report| (report.external, report.standing)))
    }

    #[test]
    fn every_status_has_its_meaning() {
        let failed = Some(Standing::PaymentFailed { since: at(50) });
        for (status, expected) in [
            ("trialing", Some(Standing::Trialing { started_at: at(10), ends_at: at(20) })),
            ("active", Some(Standing::Paid { until: at(60) })),
            ("past_due", failed),
            ("unpaid", failed),
            ("paused", failed),
            ("canceled", Some(Standing::Ended { at: at(90) })),
            ("incomplete", None),
            ("incomplete_expired", None),
            ("a word of next year", None),
        ] {
            let found = read(&[subscription("sub_1", status, 1)]).expect(status);
            assert_eq!(found.map(|(_, standing)| standing), expected, "{status}");
        }
    }

    #[test]
    fn what_was_cancelled_to_the_end_of_its_period_says_when_that_is() {
        for (cancel_at, at_period_end, expected) in
            [(None, false, None), (None, true, Some(at(60))), (Some(60), true, Some(at(60))), (Some(55), false, Some(at(55)))]
        {
            let mut wire = subscription("sub_1", "active", 1);
            wire["cancel_at"] = json!(cancel_at);
            wire["cancel_at_period_end"] = json!(at_period_end);
            let list = serde_json::from_value(json!({ "data": [wire] })).expect("a list");
            let found = report(list, "cus_1", at(100)).expect("a report").expect("a subscription");
            assert_eq!((found.standing, found.ends_at), (Standing::Paid { until: at(60) }, expected));
        }
    }

    #[test]
    fn of_several_the_one_that_gives_most_counts_and_then_the_newest() {
        let id = |list: &[(&str, &str, i64)]| {
            let list: Vec<_> = list.iter().map(|(id, status, created)| subscription(id, status, *created)).collect();
            read(&list).expect("a list").map(|(id, _)| id)
        };
        assert_eq!(id(&[]), None);
        assert_eq!(id(&[("new", "canceled", 9), ("old", "active", 1)]).as_deref(), Some("old"));
        assert_eq!(id(&[("new", "active", 9), ("old", "canceled", 1)]).as_deref(), Some("new"));
        assert_eq!(id(&[("new", "past_due", 9), ("old", "trialing", 1)]).as_deref(), Some("old"));
        assert_eq!(id(&[("new", "canceled", 9), ("old", "canceled", 1)]).as_deref(), Some("new"));
        assert_eq!(id(&[("new", "incomplete", 9), ("old", "canceled", 1)]).as_deref(), Some("old"));
    }

    #[test]
    fn what_is_not_as_documented_is_not_believed() {
        let change = |pointer: &str, value: serde_json::Value| {
            let mut wire = subscription("sub_1", "active", 1);
            *wire.pointer_mut(pointer).expect(pointer) = value;
            read(&[wire])
        };
        assert!(change("/created", json!(2)).is_ok());
        for (pointer, value) in [
            ("/customer", json!("cus_2")),
            ("/id", json!("../x")),
            ("/items/data", json!([])),
            ("/items/data/0/current_period_end", json!(i64::MAX)),
            ("/status", json!(7)),
            ("/items", json!(null)),
        ] {
            assert!(matches!(change(pointer, value), Err(Error::Malformed(_))), "{pointer}");
        }
    }
}
