//! What was done by whom, in table `orgs`.
//!
//! | pk | sk |
//! |---|---|
//! | `AUD#<org>` | `<time>#<uuid>`; expires after 400 days |

use quillon_core::audit::AuditEntry;
use quillon_core::id::OrgId;
use uuid::Uuid;

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, millis};
use crate::page::{Page, Paged};
use crate::read::{Index, Order, Range, Sort};
use crate::{Result, Store};

/// How long a deed is kept, in days: a year, and the time to notice that it is over.
const KEPT_DAYS: i64 = 400;

fn partition(org: OrgId) -> String {
    format!("AUD#{org}")
}

impl Store {
    /// Adds an entry, which nobody changes or deletes; it goes by itself after 400 days. To be written before the deed: what is recorded and did not happen is
    /// better than the reverse.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn append_audit(&self, entry: &AuditEntry) -> Result<()> {
        let key = Key::new(partition(entry.org), format!("{}#{}", millis(entry.at), Uuid::new_v4()));
        let item = Item::new(Kind::Audit, key, entry, &Place::for_days(entry.at, KEPT_DAYS))?;
        self.access.put("record a deed", &self.tables.orgs, item).await
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
