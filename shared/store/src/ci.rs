//! Projects of CI systems that an org trusts, in table `orgs`.
//!
//! | pk | sk |
//! |---|---|
//! | `O#<org>` | `CI#<provider>#<project>` |

use quillon_core::ci::{CiProvider, CiTrust};
use quillon_core::id::OrgId;

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::orgs;
use crate::read::Sort;
use crate::write::Condition;
use crate::{Result, Store, Written};

pub(crate) const PREFIX: &str = "CI#";

/// Longest id of a project within a key, in bytes; a UUID has 36.
const MAX_PROJECT: usize = 300;

/// Most projects of one org that are listed.
const MAX_TRUSTS: usize = 1_000;

fn key(org: OrgId, provider: CiProvider, project: &str) -> Key {
    Key::new(orgs::partition(org), format!("{PREFIX}{provider}#{}", segment(project, MAX_PROJECT)))
}

impl Store {
    /// Stores that an org trusts a project; `Lost` when it does already.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_trust(&self, trust: &CiTrust) -> Result<Written> {
        let item = Item::new(Kind::CiTrust, key(trust.org, trust.provider, &trust.project), trust, &Place::nowhere())?;
        self.access.put_if("trust a project", &self.tables.orgs, item, &Condition::Absent).await
    }

    /// That an org trusts a project, as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn trust(&self, org: OrgId, provider: CiProvider, project: &str) -> Result<Option<CiTrust>> {
        let item = self.access.get("read a trusted project", &self.tables.orgs, &key(org, provider, project)).await?;
        item.map(|item| decode(Kind::CiTrust, item)).transpose()
    }

    /// The projects that an org trusts, by system and id; at most 1,000.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn trusts_of(&self, org: OrgId) -> Result<Vec<CiTrust>> {
        let range = self.in_org("list trusted projects", org, Sort::Prefix(PREFIX));
        let items = self.access.range(&range, Some(MAX_TRUSTS)).await?;
        items.into_iter().map(|item| decode(Kind::CiTrust, item)).collect()
    }

    /// Ends the trust in a project at once; `Lost` when there was none.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn delete_trust(&self, org: OrgId, provider: CiProvider, project: &str) -> Result<Written> {
        self.access.take_out("end the trust in a project", &self.tables.orgs, key(org, provider, project)).await
    }
}
