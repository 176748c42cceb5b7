//! How much an installation may still ask GitHub, in table `orgs`.
//!
//! | pk | sk |
//! |---|---|
//! | `BUCKET#<installation>` | `BUCKET`; expires when nothing is blocked any more |

use jiff::Timestamp;
use quillon_core::id::InstallationId;
use quillon_core::org::RateBudget;

use crate::item::{Item, Kind, Place, decode};
use crate::keys::Key;
use crate::{Result, Store};

fn key(installation: InstallationId) -> Key {
    Key::new(format!("BUCKET#{installation}"), "BUCKET")
}

impl Store {
    /// What keeps an installation from asking GitHub now; none when nothing does.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn rate_budget(&self, installation: InstallationId, now: Timestamp) -> Result<Option<RateBudget>> {
        let Some(item) = self.access.get("read a rate budget", &self.tables.orgs, &key(installation)).await? else { return Ok(None) };
        let budget: RateBudget = decode(Kind::RateBudget, item)?;
        Ok(Some(budget).filter(|budget| now < budget.blocked_until))
    }

    /// Remembers what GitHub said last.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn save_rate_budget(&self, installation: InstallationId, budget: &RateBudget) -> Result<()> {
        let place = Place { expires_at: Some(budget.blocked_until), ..Place::nowhere() };
        let item = Item::new(Kind::RateBudget, key(installation), budget, &place)?;
        self.access.put("save a rate budget", &self.tables.orgs, item).await
    }
}
