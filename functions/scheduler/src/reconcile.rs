//! The reconciler: has GitHub redeliver every wanted delivery that the table has no mark of, whatever GitHub's own record says.
//!
//! See <https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries>: GitHub never retries by itself,
//! and keeps deliveries for three days.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use quillon_core::id::DeliveryId;
use quillon_github::view::DeliveryView;
use quillon_github::webhook::is_wanted;

use crate::{Deps, Error};

/// Name of the stored position.
const CURSOR: &str = "deliveries";

/// How far every pass reaches back behind the one before: a delivery may be listed late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(30);

/// How far back the very first pass looks.
const FIRST_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// As long as GitHub keeps deliveries.
const MAX_WINDOW: SignedDuration = SignedDuration::from_hours(72);

/// A delivery younger than this may still be on its way through our queue.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

/// Attempts of one delivery after which it is given up: it was received, and leads to nothing that could be marked.
const MAX_ATTEMPTS: usize = 4;

/// Most redeliveries of one pass; the next one goes on, because what was not redelivered stays unmarked.
const MAX_REDELIVERIES: usize = 300;

/// Compares the App's delivery log with the marks in the table.
pub(crate) async fn reconcile(deps: &Deps, now: Timestamp) -> Result<(), Error> {
    let store = &deps.workflow.store;
    let app = deps.app(now).await?;
    let stored = store.cursor(CURSOR).await?.and_then(|text| text.parse::<Timestamp>().ok());
    let since = window_start(stored, now);
    let mut deliveries: Vec<DeliveryView> = Vec::new();
    let mut next = None;
    loop {
        let page = app.deliveries(next.as_deref()).await?;
        let is_past_window = page.items.last().is_none_or(|oldest| oldest.delivered_at < since);
        deliveries.extend(page.items.into_iter().filter(|delivery| delivery.delivered_at >= since));
        match page.next {
            Some(cursor) if !is_past_window => next = Some(cursor),
            Some(_) | None => break,
        }
    }
    let mut redelivered = 0_usize;
    let mut is_complete = true;
    for (guid, id) in candidates(&deliveries, now) {
        if store.is_delivery_marked(&guid, now).await? {
            continue;
        }
        if redelivered == MAX_REDELIVERIES {
            is_complete = false;
            break;
        }
        match app.redeliver(id).await {
            Ok(()) => redelivered += 1,
            // It aged out of GitHub's log between listing and asking.
            Err(quillon_github::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    tracing::info!(deliveries.listed = deliveries.len(), deliveries.redelivered = redelivered, "reconciled deliveries with the table");
    if is_complete {
        store.save_cursor(CURSOR, &now.to_string()).await?;
    }
    Ok(())
}

fn window_start(stored: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let earlier = |from: Timestamp, by: SignedDuration| from.saturating_sub(by).unwrap_or(Timestamp::MIN);
    match stored {
        Some(stored) => earlier(stored, OVERLAP).max(earlier(now, MAX_WINDOW)),
        None => earlier(now, FIRST_WINDOW),
    }
}

/// The newest attempt of every wanted delivery that has settled and is not hopeless, oldest delivery first.
fn candidates(deliveries: &[DeliveryView], now: Timestamp) -> Vec<(DeliveryId, u64)> {
    let mut attempts: BTreeMap<&DeliveryId, Vec<&DeliveryView>> = BTreeMap::new();
    for delivery in deliveries.iter().filter(|delivery| is_wanted(&delivery.event, delivery.action.as_deref())) {
        attempts.entry(&delivery.guid).or_default().push(delivery);
    }
    let mut found: Vec<&DeliveryView> = attempts
        .into_values()
        .filter(|attempts| attempts.len() < MAX_ATTEMPTS)
        .filter_map(|attempts| attempts.into_iter().max_by_key(|attempt| (attempt.delivered_at, attempt.id)))
        .filter(|newest| now.duration_since(newest.delivered_at) >= SETTLING)
        .collect();
    found.sort_by_key(|newest| (newest.delivered_at, newest.id));
    found.into_iter().map(|newest| (newest.guid.clone(), newest.id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).expect("in range")
    }

    fn delivery(id: u64, guid: &str, event: &str, minute: i64) -> DeliveryView {
        DeliveryView { id, guid: guid.parse().expect("a guid"), event: event.to_owned(), action: None, delivered_at: at(minute) }
    }

    fn found(deliveries: &[DeliveryView]) -> Vec<u64> {
        candidates(deliveries, at(100)).into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn the_newest_attempt_of_every_settled_wanted_delivery_is_asked_for() {
        let deliveries = [
            delivery(1, "aaaaaaaa-0000", "push", 10),
            delivery(2, "aaaaaaaa-0000", "push", 20),
            delivery(3, "bbbbbbbb-0000", "push", 5),
            delivery(4, "cccccccc-0000", "push", 99),
            delivery(5, "dddddddd-0000", "star", 10),
        ];
        assert_eq!(found(&deliveries), [3, 2]);
    }

    #[test]
    fn what_was_tried_often_enough_is_given_up() {
        let deliveries: Vec<DeliveryView> = (0..4).map(|id| delivery(id, "aaaaaaaa-0000", "push", 10)).collect();
        assert_eq!(found(&deliveries), Vec::<u64>::new());
    }

    #[test]
    fn the_window_overlaps_and_is_never_longer_than_githubs_memory() {
        assert_eq!(window_start(None, at(100)), at(90));
        assert_eq!(window_start(Some(at(90)), at(100)), at(60));
        assert_eq!(window_start(Some(at(0)), at(10_000)), at(10_000 - 72 * 60));
    }
}
