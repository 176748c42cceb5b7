//! Cards: what lists show of a trace.

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::Card;

use super::{TraceStore, card_key, head_key};
use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, number, segment};
use crate::page::{Page, Paged};
use crate::read::{Index, Order, Range, Sort};
use crate::write::{Action, Condition};
use crate::{Result, Written};

/// Longest remote within a key, in bytes.
const MAX_REMOTE: usize = 600;

fn day_partition(org: OrgId, day: u32) -> String {
    format!("O#{org}#{day:08}")
}

fn remote_partition(org: OrgId, remote: &str) -> String {
    format!("G#{org}#{}", segment(remote, MAX_REMOTE))
}

fn place(card: &Card, expires_at: Timestamp) -> Place {
    let sort = format!("{:014}#{}", card.listed_ms().max(0), card.trace);
    Place {
        gsi1: Some((day_partition(card.org, card.day()), sort.clone())),
        gsi2: Some((remote_partition(card.org, &card.remote_key()), sort)),
        expires_at: Some(expires_at),
        ..Place::nowhere()
    }
}

impl TraceStore {
    /// Saves a card whose version is one more than the stored one; version 1 is the first of a trace that was not deleted. `Lost`
    /// when the stored one is of another version, or the trace was deleted.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn save_card(&self, card: &Card, expires_at: Timestamp) -> Result<Written> {
        let key = card_key(card.org, card.trace);
        let item = Item::new(Kind::TraceCard, key, card, &place(card, expires_at))?;
        let table = self.table.to_string();
        if card.version > 1 {
            let condition = Condition::Is("version", number(card.version - 1));
            return self.access.put_if("save the card of a trace", &table, item, &condition).await;
        }
        // Once per trace: what was deleted must not come back into the lists, not even for a minute.
        let head = head_key(card.org, card.trace);
        let actions = vec![
            Action::Put { table: table.clone(), item, condition: Some(Condition::Absent) },
            Action::Check { table, key: head, condition: Condition::Lacks("deleted_at") },
        ];
        self.access.transact("make the card of a trace", actions).await.map(Written::from)
    }

    /// The card of a trace as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn card(&self, org: OrgId, trace: TraceId) -> Result<Option<Card>> {
        let item = self.access.get("read the card of a trace", &self.table, &card_key(org, trace)).await?;
        item.map(|item| decode(Kind::TraceCard, item)).transpose()
    }

    /// The cards of many traces, in the order asked for.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn cards(&self, traces: &[(OrgId, TraceId)]) -> Result<Vec<Option<Card>>> {
        let keys: Vec<Key> = traces.iter().map(|(org, trace)| card_key(*org, *trace)).collect();
        let found = self.access.get_many("read the cards of traces", &self.table, &keys).await?;
        keys.iter().map(|key| found.get(key).cloned().map(|item| decode(Kind::TraceCard, item)).transpose()).collect()
    }

    /// The traces of an org that are listed under a day (`yyyymmdd`, UTC), the newest first.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn trace_day(&self, org: OrgId, day: u32, page: &Page) -> Result<Paged<Card>> {
        self.listed("list the traces of a day", Index::Gsi1, day_partition(org, day), page).await
    }

    /// The traces of an org and a repository, by the key that [`Card::remote_key`] gives, the newest first.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn trace_repository(&self, org: OrgId, remote_key: &str, page: &Page) -> Result<Paged<Card>> {
        self.listed("list the traces of a repository", Index::Gsi2, remote_partition(org, remote_key), page).await
    }

    async fn listed(&self, operation: &'static str, index: Index, partition: String, page: &Page) -> Result<Paged<Card>> {
        let range = Range { operation, table: &self.table, index, partition, sort: Sort::All, order: Order::Descending };
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::TraceCard, item))
    }
}
