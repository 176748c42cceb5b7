//! Marks of webhook deliveries that were read to the end, in table `checks`.
//!
//! | pk | sk |
//! |---|---|
//! | `EV#<guid>` | `EV`; expires after 7 days |

use jiff::Timestamp;
use quillon_core::id::DeliveryId;
use serde::{Deserialize, Serialize};

use crate::item::{Item, Kind, Place, is_expired};
use crate::keys::Key;
use crate::{Result, Store};

/// How long a mark holds, in days; GitHub redelivers for three
/// (<https://docs.github.com/en/webhooks/using-webhooks/viewing-webhook-deliveries>).
const MARK_DAYS: i64 = 7;

#[derive(Serialize, Deserialize)]
struct Mark {
    at: Timestamp,
}

fn key(delivery: &DeliveryId) -> Key {
    Key::new(format!("EV#{delivery}"), "EV")
}

impl Store {
    /// Marks a delivery as done with.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn mark_delivery(&self, delivery: &DeliveryId, now: Timestamp) -> Result<()> {
        let item = Item::new(Kind::Delivery, key(delivery), &Mark { at: now }, &Place::for_days(now, MARK_DAYS))?;
        self.access.put("mark a delivery", &self.tables.checks, item).await
    }

    /// Whether a delivery was marked within the last 7 days.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn is_delivery_marked(&self, delivery: &DeliveryId, now: Timestamp) -> Result<bool> {
        let item = self.access.get("read a delivery's mark", &self.tables.checks, &key(delivery)).await?;
        Ok(item.is_some_and(|item| !is_expired(&item, now)))
    }
}
