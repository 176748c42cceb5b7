//! Organizations and the claims of their names, in table `orgs`.
//!
//! | item | pk | sk | gsi1 |
//! |---|---|---|---|
//! | org | `O#<org>` | `ORG` | `ORGS` / `<name>` |
//! | claim of a name | `ON#<folded name>` | `ON` | |

use quillon_core::id::OrgId;
use quillon_core::org::{Org, OrgName};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, string};
use crate::page::{Page, Paged};
use crate::read::{Index, Order, Range, Sort};
use crate::write::{Action, Condition};
use crate::{Result, Store, Written};

#[derive(Serialize, Deserialize)]
struct Claim {
    org: OrgId,
}

fn key(org: OrgId) -> Key {
    Key::new(format!("O#{org}"), "ORG")
}

fn claim_key(name: &OrgName) -> Key {
    Key::new(format!("ON#{}", name.folded()), "ON")
}

fn item(org: &Org) -> Result<Item> {
    Item::new(Kind::Org, key(org.id), org, &Place::in_gsi1("ORGS", org.name.as_str()))
}

fn claim(org: &Org) -> Result<Item> {
    Item::new(Kind::OrgName, claim_key(&org.name), &Claim { org: org.id }, &Place::nowhere())
}

impl Store {
    /// Makes an org and claims its name, whatever the case of its letters; `Lost` when the name or the id is taken.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_org(&self, org: &Org) -> Result<Written> {
        let actions = vec![
            Action::Put { table: self.tables.orgs.clone(), item: item(org)?, condition: Some(Condition::Absent) },
            Action::Put { table: self.tables.orgs.clone(), item: claim(org)?, condition: Some(Condition::Absent) },
        ];
        self.access.transact("create an org", actions).await.map(Written::from)
    }

    /// Saves an org that exists, and moves its claim when its name has changed; `Lost` when the new name is taken, when
    /// somebody else has just renamed the org, or when there is none.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn save_org(&self, org: &Org) -> Result<Written> {
        let Some(stored) = self.org(org.id).await? else { return Ok(Written::Lost) };
        let is_named_as_read = Condition::Is("name", string(stored.name.as_str()));
        if stored.name.folded() == org.name.folded() {
            return self.access.put_if("save an org", &self.tables.orgs, item(org)?, &is_named_as_read).await;
        }
        let table = &self.tables.orgs;
        let actions = vec![
            Action::Put { table: table.clone(), item: item(org)?, condition: Some(is_named_as_read) },
            Action::Put { table: table.clone(), item: claim(org)?, condition: Some(Condition::Absent) },
            Action::Delete { table: table.clone(), key: claim_key(&stored.name) },
        ];
        self.access.transact("rename an org", actions).await.map(Written::from)
    }

    /// An org as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn org(&self, org: OrgId) -> Result<Option<Org>> {
        let item = self.access.get("read an org", &self.tables.orgs, &key(org)).await?;
        item.map(|item| decode(Kind::Org, item)).transpose()
    }

    /// The org of a name, whatever the case of its letters.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn org_by_name(&self, name: &OrgName) -> Result<Option<Org>> {
        let Some(item) = self.access.get("read an org's name", &self.tables.orgs, &claim_key(name)).await? else { return Ok(None) };
        let claim: Claim = decode(Kind::OrgName, item)?;
        match self.org(claim.org).await? {
            Some(org) => Ok(Some(org)),
            None => Err(Error::corrupt(&claim_key(name), "the org that claimed the name does not exist")),
        }
    }

    /// All orgs by name.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn orgs(&self, page: &Page) -> Result<Paged<Org>> {
        let range = self.list_orgs("list orgs", "ORGS".to_owned(), Sort::All);
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Org, item))
    }

    /// A list in the first index of table `orgs`.
    pub(crate) fn list_orgs(&self, operation: &'static str, partition: String, sort: Sort) -> Range<'_> {
        Range { operation, table: &self.tables.orgs, index: Index::Gsi1, partition, sort, order: Order::Ascending }
    }
}
