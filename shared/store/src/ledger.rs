//! The ledger of what GitHub was told, in table `checks`.
//!
//! | pk | sk |
//! |---|---|
//! | `R#<repository>#<sha>` | `ST#<context>` |

use quillon_core::report::LedgerEntry;
use quillon_core::run::CommitKey;

use crate::commits::partition;
use crate::item::{Item, Kind, Place};
use crate::keys::{Key, segment, string};
use crate::write::Condition;
use crate::{Result, Store, Written};

/// Longest context within a key, in bytes.
const MAX_CONTEXT: usize = 900;

impl Store {
    /// Records what GitHub was told; `Lost` when it was told something of a higher rank since.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn record_status(&self, commit: &CommitKey, entry: &LedgerEntry) -> Result<Written> {
        let key = Key::new(partition(commit), format!("ST#{}", segment(&entry.context, MAX_CONTEXT)));
        let item = Item::new(Kind::Ledger, key, entry, &Place::nowhere())?;
        // Ranks have a fixed width, so that text compares like rank.
        let condition = Condition::AbsentOrAtMost("rank", string(entry.rank.to_string()));
        self.access.put_if("record a status", &self.tables.checks, item, &condition).await
    }
}
