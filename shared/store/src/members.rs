//! Members of orgs, and who of them are admins, in table `orgs`.
//!
//! | item | pk | sk | gsi1 |
//! |---|---|---|---|
//! | member | `O#<org>` | `M#<user>` | `U#<user>` / `O#<org>` |
//! | admins | `O#<org>` | `ADMINS` | |
//!
//! Whatever changes who is in an org also writes its admins, if they are as they were read: of two changes at once one is
//! lost, so that two admins cannot take the role from each other. Read the admins first and the member after them.

use std::collections::BTreeSet;

use quillon_core::id::{OrgId, UserId};
use quillon_core::member::{Member, Role};
use quillon_core::org::Org;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::Key;
use crate::orgs;
use crate::page::{Page, Paged};
use crate::people;
use crate::read::{Index, Order, Range, Sort};
use crate::write::{Action, Condition};
use crate::{Result, Store, Written};

pub(crate) const PREFIX: &str = "M#";

/// Most orgs of one person that are listed.
const MAX_ORGS: usize = 200;

/// The admins of an org as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admins {
    /// Who they are; none in an org that was made by an installation and has nobody yet.
    pub users: BTreeSet<UserId>,
    /// Recognises what was read; none where there is nothing yet.
    nonce: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    users: BTreeSet<UserId>,
}

fn key(org: OrgId, user: UserId) -> Key {
    Key::new(orgs::partition(org), format!("{PREFIX}{user}"))
}

pub(crate) fn admins_key(org: OrgId) -> Key {
    Key::new(orgs::partition(org), "ADMINS")
}

fn item(member: &Member) -> Result<Item> {
    let place = Place::in_gsi1(people::partition(member.user), orgs::partition(member.org));
    Item::new(Kind::Member, key(member.org, member.user), member, &place)
}

fn admins_item(org: OrgId, users: &BTreeSet<UserId>) -> Result<Item> {
    Item::new(Kind::Admins, admins_key(org), &Body { users: users.clone() }, &Place::nowhere())
}

impl Store {
    /// Makes an org with its first member; `Lost` when the name or the id is taken.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn create_org_with(&self, org: &Org, member: &Member) -> Result<Written> {
        let Some(mut actions) = self.org_creation(org).await? else { return Ok(Written::Lost) };
        let admins: BTreeSet<UserId> = Some(member.user).filter(|_| member.roles.has(Role::Admin)).into_iter().collect();
        actions.push(self.put_in_orgs(item(member)?, Condition::Absent));
        actions.push(self.put_in_orgs(admins_item(org.id, &admins)?, Condition::Absent));
        self.access.transact("create an org with its first member", actions).await.map(Written::from)
    }

    /// Somebody in an org as they are now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn member(&self, org: OrgId, user: UserId) -> Result<Option<Member>> {
        let item = self.access.get("read a member", &self.tables.orgs, &key(org, user)).await?;
        item.map(|item| decode(Kind::Member, item)).transpose()
    }

    /// Who is in an org as it is now, the longest known people first.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn members(&self, org: OrgId, page: &Page) -> Result<Paged<Member>> {
        let range = self.in_org("list members", org, Sort::Prefix(PREFIX));
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Member, item))
    }

    /// How many are in an org.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn count_members(&self, org: OrgId) -> Result<usize> {
        self.access.count(&self.in_org("count members", org, Sort::Prefix(PREFIX))).await
    }

    /// What a person is in the orgs that they are in, by the age of the org; at most 200. The list comes from an index and
    /// may miss the last moments, what it says is as of now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn orgs_of(&self, user: UserId) -> Result<Vec<Member>> {
        let range = self.list_orgs("list a person's orgs", people::partition(user), Sort::Prefix("O#"));
        let listed = self.access.range(&range, Some(MAX_ORGS)).await?;
        let keys: Vec<Key> = listed.iter().filter_map(Key::of).collect();
        let found = self.access.get_many("read a person's memberships", &self.tables.orgs, &keys).await?;
        keys.iter().filter_map(|key| found.get(key)).map(|item| decode(Kind::Member, item.clone())).collect()
    }

    /// The admins of an org as they are now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn admins(&self, org: OrgId) -> Result<Admins> {
        let known = self.access.known::<Body>("read the admins", &self.tables.orgs, Kind::Admins, &admins_key(org)).await?;
        Ok(match known {
            Some((Body { users }, Condition::Unchanged(nonce))) => Admins { users, nonce: Some(nonce) },
            Some(_) | None => Admins::default(),
        })
    }

    /// Puts somebody into an org or changes what they are there, with the admins that the org has after it; `Lost` when
    /// the membership of the org has changed since `read`, or there is no such org.
    ///
    /// # Errors
    /// Transient, refused, or unstorable when `after` does not fit the member, or leaves an org that had admins without.
    pub async fn save_membership(&self, member: &Member, read: &Admins, after: &BTreeSet<UserId>) -> Result<Written> {
        let actions = self.joining(member, read, after)?;
        self.access.transact("save a membership", actions).await.map(Written::from)
    }

    /// Takes somebody out of an org, with the admins that the org has after it; `Lost` when the membership of the org has
    /// changed since `read`, or they are not in it.
    ///
    /// # Errors
    /// Transient, refused, or unstorable when `after` holds them, or leaves an org that had admins without.
    pub async fn remove_member(&self, org: OrgId, user: UserId, read: &Admins, after: &BTreeSet<UserId>) -> Result<Written> {
        let actions = vec![
            self.admins_write(org, user, false, read, after)?,
            Action::Delete { table: self.tables.orgs.clone(), key: key(org, user), condition: Some(Condition::Present) },
        ];
        self.access.transact("remove a member", actions).await.map(Written::from)
    }

    /// The parts of a transaction that put somebody into an org.
    pub(crate) fn joining(&self, member: &Member, read: &Admins, after: &BTreeSet<UserId>) -> Result<Vec<Action>> {
        Ok(vec![
            self.admins_write(member.org, member.user, member.roles.has(Role::Admin), read, after)?,
            Action::Put { table: self.tables.orgs.clone(), item: item(member)?, condition: None },
            Action::Check { table: self.tables.orgs.clone(), key: orgs::key(member.org), condition: Condition::Present },
        ])
    }

    /// The part of a transaction that writes the admins, even if they are the same: it puts all changes in an order.
    fn admins_write(&self, org: OrgId, user: UserId, is_admin: bool, read: &Admins, after: &BTreeSet<UserId>) -> Result<Action> {
        if after.contains(&user) != is_admin {
            return Err(Error::unstorable(&key(org, user), "the admins do not fit what the member is"));
        }
        if after.is_empty() && !read.users.is_empty() {
            return Err(Error::unstorable(&admins_key(org), "the org would have no admin left"));
        }
        let unchanged = read.nonce.clone().map_or(Condition::Absent, Condition::Unchanged);
        Ok(self.put_in_orgs(admins_item(org, after)?, unchanged))
    }

    /// A list within the partition of an org, as it is now.
    pub(crate) fn in_org(&self, operation: &'static str, org: OrgId, sort: Sort) -> Range<'_> {
        let partition = orgs::partition(org);
        Range { operation, table: &self.tables.orgs, index: Index::Table, partition, sort, order: Order::Ascending }
    }
}
