//! Invitations into orgs, found by the hash of their secret, in table `orgs`.
//!
//! | pk | sk | gsi1 |
//! |---|---|---|
//! | `IV#<sha256 of its secret>` | `IV`; expires with the invitation | `O#<org>` / `IV#<invite>` |

use std::collections::BTreeSet;

use jiff::Timestamp;
use quillon_core::id::{InviteId, OrgId, UserId};
use quillon_core::member::{Invite, Member};

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment, string};
use crate::read::Sort;
use crate::tokens::MAX_HASH;
use crate::write::{Action, Condition};
use crate::{Admins, Result, Store, Written, orgs};

pub(crate) const PREFIX: &str = "IV#";

/// Most invitations of one org that are listed.
const MAX_LISTED: usize = 1_000;

fn key(hash: &str) -> Key {
    Key::new(format!("{PREFIX}{}", segment(hash, MAX_HASH)), "IV")
}

impl Store {
    /// Stores an invitation under the hash of its secret; `Lost` when there is one already.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_invite(&self, invite: &Invite, hash: &str) -> Result<Written> {
        let place =
            Place { expires_at: Some(invite.expires_at), ..Place::in_gsi1(orgs::partition(invite.org), format!("{PREFIX}{}", invite.id)) };
        let item = Item::new(Kind::Invite, key(hash), invite, &place)?;
        self.access.put_if("invite", &self.tables.orgs, item, &Condition::Absent).await
    }

    /// The invitation whose secret hashes to this, if it can still be accepted.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn invite(&self, hash: &str, now: Timestamp) -> Result<Option<Invite>> {
        let Some(item) = self.access.get("read an invitation", &self.tables.orgs, &key(hash)).await? else { return Ok(None) };
        let invite: Invite = decode(Kind::Invite, item)?;
        Ok(Some(invite).filter(|invite| now < invite.expires_at))
    }

    /// The invitations of an org that can still be accepted, the oldest first; at most 1,000.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn invites_of(&self, org: OrgId, now: Timestamp) -> Result<Vec<Invite>> {
        let range = self.list_orgs("list invitations", orgs::partition(org), Sort::Prefix(PREFIX));
        let items = self.access.range(&range, Some(MAX_LISTED)).await?;
        let invites: Vec<Invite> = items.into_iter().map(|item| decode(Kind::Invite, item)).collect::<Result<_>>()?;
        Ok(invites.into_iter().filter(|invite| now < invite.expires_at).collect())
    }

    /// Takes an invitation back; `Lost` when the org has no such invitation.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn delete_invite(&self, org: OrgId, invite: InviteId) -> Result<Written> {
        self.delete_listed("take an invitation back", orgs::partition(org), format!("{PREFIX}{invite}")).await
    }

    /// Uses up an invitation and puts somebody into its org, with the admins that the org has after it; `Lost` when the
    /// invitation is gone, the membership of the org has changed since `read`, or there is no such org.
    ///
    /// # Errors
    /// Transient, refused, or unstorable when `after` does not fit the member.
    pub async fn accept_invite(
        &self,
        hash: &str,
        invite: &Invite,
        member: &Member,
        read: &Admins,
        after: &BTreeSet<UserId>,
    ) -> Result<Written> {
        let mut actions = self.joining(member, read, after)?;
        let is_it = Condition::Is("id", string(invite.id.to_string()));
        actions.push(Action::Delete { table: self.tables.orgs.clone(), key: key(hash), condition: Some(is_it) });
        self.access.transact("accept an invitation", actions).await.map(Written::from)
    }
}
