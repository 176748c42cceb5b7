//! What was done by whom, in table `orgs`.
//!
//! | pk | sk |
//! |---|---|
//! | `AUD#<org>` | `<time>#<uuid>`; expires after 400 days |

use std::sync::Arc;

use quillon_core::audit::AuditEntry;
use quillon_core::id::OrgId;
use uuid::Uuid;

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, millis};
use crate::page::{Page, Paged};
use crate::read::{Index, Order, Range, Sort};
use crate::write::Action;
use crate::{Result, Store};

/// How long a deed is kept, in days: a year, and the time to notice that it is over.
const KEPT_DAYS: i64 = 400;

fn partition(org: OrgId) -> String {
    format!("AUD#{org}")
}

/// An entry, which nobody changes or deletes; it goes by itself.
fn item(entry: &AuditEntry) -> Result<Item> {
    let key = Key::new(partition(entry.org), format!("{}#{}", millis(entry.at), Uuid::new_v4()));
    Item::new(Kind::Audit, key, entry, &Place::for_days(entry.at, KEPT_DAYS))
}

impl Store {
    /// Adds an entry of a deed that is not a write to these tables, or not a conditional one: before the deed, because what is recorded
    /// and did not happen is better than the reverse.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn append_audit(&self, entry: &AuditEntry) -> Result<()> {
        self.access.put("record a deed", &self.tables.orgs, item(entry)?).await
    }

    /// The same tables, where every conditional write stores the entries of a deed too, in one transaction: the deed and its entries
    /// are stored, or neither. A deed of several writes has its entries once, with the first of them.
    ///
    /// # Errors
    /// Unstorable.
    pub fn recording(&self, entries: &[AuditEntry]) -> Result<Self> {
        let table = &self.tables.orgs;
        // Each has its key already: written again with the next write, it is the same item.
        let put = |entry| Ok(Action::Put { table: table.clone(), item: item(entry)?, condition: None });
        let along = entries.iter().map(put).collect::<Result<_>>()?;
        Ok(Self { access: self.access.along_with(along), tables: Arc::clone(&self.tables) })
    }

    /// What was done in an org, the newest first.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn audit(&self, org: OrgId, page: &Page) -> Result<Paged<AuditEntry>> {
        let range = Range {
            operation: "list deeds",
            table: &self.tables.orgs,
            index: Index::Table,
            partition: partition(org),
            sort: Sort::All,
            order: Order::Descending,
        };
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Audit, item))
    }
}
