//! Organizations, the claims of their names and of their deletions, in table `orgs`.
//!
//! | item | pk | sk | gsi1 |
//! |---|---|---|---|
//! | org | `O#<org>` | `ORG` | `ORGS` / `<name>` |
//! | claim of a name | `ON#<folded name>` | `ON`; expires 90 days after the org was renamed | |
//! | deletion that is to come | `O#<org>` | `DEL` | `DEL` / `<when it is final>` |

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::org::{Org, OrgName};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::item::{self, Item, Kind, Place, decode, is_expired};
use crate::keys::{Key, millis};
use crate::page::{Page, Paged};
use crate::read::{Index, Order, Range, Sort};
use crate::write::{Action, CHANGE_TRIES, Condition};
use crate::{Result, Store, Written};

/// The partition of deletions that are to come.
pub(crate) const DELETIONS: &str = "DEL";

/// How long nobody else gets the name that an org had, in days: links to it, and commands that name it, are still around.
const TOMBSTONE_DAYS: i64 = 90;

/// Whose a name is.
#[derive(Serialize, Deserialize)]
struct Claim {
    org: OrgId,
    /// Until when it is kept from others, where the org has another name by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// That an org is to be deleted.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeletionBody {
    pub(crate) org: OrgId,
}

/// The partition of an org, in the table and in its first index.
pub(crate) fn partition(org: OrgId) -> String {
    format!("O#{org}")
}

pub(crate) fn key(org: OrgId) -> Key {
    Key::new(partition(org), "ORG")
}

pub(crate) fn deletion_key(org: OrgId) -> Key {
    Key::new(partition(org), "DEL")
}

pub(crate) fn claim_key(name: &OrgName) -> Key {
    Key::new(format!("ON#{}", name.folded()), "ON")
}

fn item(org: &Org) -> Result<Item> {
    Item::new(Kind::Org, key(org.id), org, &Place::in_gsi1("ORGS", org.name.as_str()))
}

fn claim(org: &Org) -> Result<Item> {
    Item::new(Kind::OrgName, claim_key(&org.name), &Claim { org: org.id, until: None }, &Place::nowhere())
}

fn tombstone(org: OrgId, name: &OrgName, now: Timestamp) -> Result<Item> {
    let place = Place::for_days(now, TOMBSTONE_DAYS);
    Item::new(Kind::OrgName, claim_key(name), &Claim { org, until: place.expires_at }, &place)
}

impl Store {
    /// Makes an org and claims its name, whatever the case of its letters; `Lost` when the id is taken, or the name by
    /// an org that has it or had it within 90 days before this one was made.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn create_org(&self, org: &Org) -> Result<Written> {
        let Some(actions) = self.org_creation(org).await? else { return Ok(Written::Lost) };
        self.access.transact("create an org", actions).await.map(Written::from)
    }

    /// The parts of the transaction that makes an org; none when its name is taken.
    pub(crate) async fn org_creation(&self, org: &Org) -> Result<Option<Vec<Action>>> {
        let Some(free) = self.free_name(org.id, &org.name, org.created_at).await? else { return Ok(None) };
        Ok(Some(vec![self.put_in_orgs(item(org)?, Condition::Absent), self.put_in_orgs(claim(org)?, free)]))
    }

    /// The condition under which an org gets a name; none when it is another's.
    async fn free_name(&self, org: OrgId, name: &OrgName, now: Timestamp) -> Result<Option<Condition>> {
        let key = claim_key(name);
        let Some(stored) = self.access.get("read an org's name", &self.tables.orgs, &key).await? else {
            return Ok(Some(Condition::Absent));
        };
        let Some(nonce) = item::nonce(&stored).map(str::to_owned) else { return Err(Error::corrupt(&key, "it has no nonce")) };
        let is_over = is_expired(&stored, now);
        let claim: Claim = decode(Kind::OrgName, stored)?;
        let is_free = is_over || claim.until.is_some() && claim.org == org;
        Ok(is_free.then_some(Condition::Unchanged(nonce)))
    }

    /// Gives an org another name, and keeps the old one from others for 90 days; `Lost` when the new name is taken, or
    /// there is no such org.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn rename_org(&self, org: OrgId, name: &OrgName, now: Timestamp) -> Result<Written> {
        let operation = "rename an org";
        for _ in 0..CHANGE_TRIES {
            let known = self.access.known::<Org>(operation, &self.tables.orgs, Kind::Org, &key(org)).await?;
            let Some((stored, unchanged)) = known else { return Ok(Written::Lost) };
            let renamed = Org { name: name.clone(), ..stored.clone() };
            let mut actions = vec![self.put_in_orgs(item(&renamed)?, unchanged)];
            if stored.name.folded() != name.folded() {
                let Some(free) = self.free_name(org, name, now).await? else { return Ok(Written::Lost) };
                actions.push(self.put_in_orgs(claim(&renamed)?, free));
                actions.push(self.put_in_orgs(tombstone(org, &stored.name, now)?, Condition::Present));
            }
            if Written::from(self.access.transact(operation, actions).await?).is_done() {
                return Ok(Written::Done);
            }
        }
        Err(Error::transient(operation, format!("it changed {CHANGE_TRIES} times meanwhile")))
    }

    /// Changes an org and gives it as it is now; `None` when there is none or `change` wants none. Its name is changed by
    /// [`Self::rename_org`] alone.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or unstorable when the name or the id changed.
    pub async fn change_org(&self, org: OrgId, mut change: impl FnMut(Org) -> Option<Org>) -> Result<Option<Org>> {
        let operation = "change an org";
        for _ in 0..CHANGE_TRIES {
            let known = self.access.known::<Org>(operation, &self.tables.orgs, Kind::Org, &key(org)).await?;
            let Some((stored, unchanged)) = known else { return Ok(None) };
            let Some(next) = change(stored.clone()) else { return Ok(None) };
            if (next.id, &next.name) != (stored.id, &stored.name) {
                return Err(Error::unstorable(&key(org), "a change cannot rename an org"));
            }
            let written = if next.deletion == stored.deletion {
                self.access.put_if(operation, &self.tables.orgs, item(&next)?, &unchanged).await?
            } else {
                let actions = vec![self.put_in_orgs(item(&next)?, unchanged), self.deletion_write(&next)?];
                self.access.transact(operation, actions).await?.into()
            };
            if written.is_done() {
                return Ok(Some(next));
            }
        }
        Err(Error::transient(operation, format!("it changed {CHANGE_TRIES} times meanwhile")))
    }

    /// The part of a transaction that notes or forgets that an org is to be deleted.
    fn deletion_write(&self, org: &Org) -> Result<Action> {
        let table = self.tables.orgs.clone();
        let key = deletion_key(org.id);
        let Some(deletion) = &org.deletion else { return Ok(Action::Delete { table, key, condition: None }) };
        let place = Place::in_gsi1(DELETIONS, millis(deletion.due_at));
        let item = Item::new(Kind::OrgDeletion, key, &DeletionBody { org: org.id }, &place)?;
        Ok(Action::Put { table, item, condition: None })
    }

    /// An org as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn org(&self, org: OrgId) -> Result<Option<Org>> {
        let item = self.access.get("read an org", &self.tables.orgs, &key(org)).await?;
        item.map(|item| decode(Kind::Org, item)).transpose()
    }

    /// The org that has a name now, whatever the case of its letters.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn org_by_name(&self, name: &OrgName) -> Result<Option<Org>> {
        let Some(item) = self.access.get("read an org's name", &self.tables.orgs, &claim_key(name)).await? else { return Ok(None) };
        let claim: Claim = decode(Kind::OrgName, item)?;
        if claim.until.is_some() {
            return Ok(None);
        }
        // Between the two reads it may have been renamed or deleted.
        Ok(self.org(claim.org).await?.filter(|org| org.name.folded() == name.folded()))
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

    /// The part of a transaction that puts an item of table `orgs` under a condition.
    pub(crate) fn put_in_orgs(&self, item: Item, condition: Condition) -> Action {
        Action::Put { table: self.tables.orgs.clone(), item, condition: Some(condition) }
    }
}
