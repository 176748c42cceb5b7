//! Installations of the GitHub App, in table `orgs`.
//!
//! | pk | sk | gsi1 |
//! |---|---|---|
//! | `INST#<installation>` | `INST` | claimed: `O#<org>` / `INST#<installation>` |

use jiff::Timestamp;
use quillon_core::id::{InstallationId, OrgId};
use quillon_core::org::{Installation, SourceMode};

use crate::item::{Kind, Place, decode};
use crate::keys::Key;
use crate::page::{Page, Paged};
use crate::read::Sort;
use crate::{Result, Store, Written, orgs};

pub(crate) const PREFIX: &str = "INST#";

fn key(installation: InstallationId) -> Key {
    Key::new(format!("{PREFIX}{installation}"), "INST")
}

fn place(installation: &Installation) -> Place {
    match installation.org {
        Some(org) => Place::in_gsi1(orgs::partition(org), format!("{PREFIX}{}", installation.id)),
        None => Place::nowhere(),
    }
}

impl Store {
    /// An installation as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn installation(&self, installation: InstallationId) -> Result<Option<Installation>> {
        let item = self.access.get("read an installation", &self.tables.orgs, &key(installation)).await?;
        item.map(|item| decode(Kind::Installation, item)).transpose()
    }

    /// Saves what GitHub says of an installation. What is ours to say stays as it is stored: whose it is, and what it checks.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn save_installation(&self, installation: &Installation) -> Result<()> {
        let change = |stored: Option<Installation>| {
            let next = match stored {
                Some(Installation { org, mode, claimed_at, .. }) => Installation { org, mode, claimed_at, ..installation.clone() },
                None => installation.clone(),
            };
            let place = place(&next);
            Some((next, place))
        };
        self.access
            .rewrite("save an installation", &self.tables.orgs, Kind::Installation, &key(installation.id), change)
            .await
            .map(|_done| ())
    }

    /// Claims an installation for an org, once; `Lost` when another org has it or nobody knows it.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn claim_installation(&self, installation: InstallationId, org: OrgId, now: Timestamp) -> Result<Written> {
        let change = |stored: Option<Installation>| {
            let stored = stored.filter(|stored| stored.org.is_none_or(|holder| holder == org))?;
            let claimed_at = stored.claimed_at.filter(|_| stored.org.is_some()).or(Some(now));
            let next = Installation { org: Some(org), claimed_at, ..stored };
            let place = place(&next);
            Some((next, place))
        };
        self.access.rewrite("claim an installation", &self.tables.orgs, Kind::Installation, &key(installation), change).await
    }

    /// Gives the claim of an org up, and keeps when it was claimed, so that nothing claims it again by itself; `Lost` when the
    /// org does not have it (any more). Its repositories stay listed until [`Store::unlist_repository`].
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn release_installation(&self, installation: InstallationId, org: OrgId) -> Result<Written> {
        let released = |stored: Option<Installation>| {
            let stored = stored.filter(|stored| stored.org == Some(org))?;
            let next = Installation { org: None, mode: SourceMode::All, ..stored };
            let place = place(&next);
            Some((next, place))
        };
        self.access.rewrite("release an installation", &self.tables.orgs, Kind::Installation, &key(installation), released).await
    }

    /// Changes what is ours to say of an installation and gives it as it is now; `None` when nobody knows it or `change` wants
    /// none. Whose it is stays.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn change_installation(
        &self,
        installation: InstallationId,
        mut change: impl FnMut(Installation) -> Option<Installation>,
    ) -> Result<Option<Installation>> {
        let changed = |stored: Installation| {
            let Installation { id, org, claimed_at, .. } = stored;
            change(stored).map(|next| Installation { id, org, claimed_at, ..next })
        };
        self.access.change("change an installation", &self.tables.orgs, Kind::Installation, &key(installation), place, changed).await
    }

    /// The installations that an org has claimed.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn installations_of(&self, org: OrgId, page: &Page) -> Result<Paged<Installation>> {
        let range = self.list_orgs("list installations", orgs::partition(org), Sort::Prefix(PREFIX));
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Installation, item))
    }
}
