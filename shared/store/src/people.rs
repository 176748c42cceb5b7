//! People and their identities, in table `orgs`.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | user | `U#<user>` | `U` |
//! | whose an identity is | `PI#<provider>#<subject>` | `PI` |
//!
//! Both are written in one transaction: an identity is of one person, and every identity of a person leads to them.

use std::collections::BTreeSet;

use quillon_core::id::UserId;
use quillon_core::person::{Identity, ProviderId, User};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment, string};
use crate::write::{Action, Condition};
use crate::{Result, Store, Written};

/// Longest subject within a key, in bytes; OpenID Connect allows 255 characters.
const MAX_SUBJECT: usize = 800;

#[derive(Serialize, Deserialize)]
struct Pointer {
    user: UserId,
}

/// The partition of what belongs to a person, in the table and in its first index.
pub(crate) fn partition(user: UserId) -> String {
    format!("U#{user}")
}

fn key(user: UserId) -> Key {
    Key::new(partition(user), "U")
}

fn pointer_key(provider: &ProviderId, subject: &str) -> Key {
    Key::new(format!("PI#{provider}#{}", segment(subject, MAX_SUBJECT)), "PI")
}

fn item(user: &User) -> Result<Item> {
    Item::new(Kind::User, key(user.id), user, &Place::nowhere())
}

fn pointer(user: &User, identity: &Identity) -> Result<Item> {
    Item::new(Kind::Identity, pointer_key(&identity.provider, &identity.subject), &Pointer { user: user.id }, &Place::nowhere())
}

/// What identifies a person.
fn names(user: &User) -> BTreeSet<(&ProviderId, &str)> {
    user.identities.iter().map(|identity| (&identity.provider, identity.subject.as_str())).collect()
}

/// A person but for one identity.
fn without(user: &User, identity: &Identity) -> User {
    let is_other = |known: &&Identity| (&known.provider, &known.subject) != (&identity.provider, &identity.subject);
    User { identities: user.identities.iter().filter(is_other).cloned().collect(), ..user.clone() }
}

impl Store {
    /// A person as they are now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn user(&self, user: UserId) -> Result<Option<User>> {
        let item = self.access.get("read a person", &self.tables.orgs, &key(user)).await?;
        item.map(|item| decode(Kind::User, item)).transpose()
    }

    /// People as they are now, in the order asked for; unknown ones are absent.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn users(&self, users: &[UserId]) -> Result<Vec<User>> {
        let keys: Vec<Key> = users.iter().copied().map(key).collect();
        let found = self.access.get_many("read people", &self.tables.orgs, &keys).await?;
        keys.iter().filter_map(|key| found.get(key)).map(|item| decode(Kind::User, item.clone())).collect()
    }

    /// The person that an identity is of.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn user_by_identity(&self, provider: &ProviderId, subject: &str) -> Result<Option<User>> {
        let key = pointer_key(provider, subject);
        let Some(item) = self.access.get("read an identity", &self.tables.orgs, &key).await? else { return Ok(None) };
        let pointer: Pointer = decode(Kind::Identity, item)?;
        let Some(user) = self.user(pointer.user).await? else {
            return Err(Error::corrupt(&key, "the person that it leads to does not exist"));
        };
        // Between the two reads it may have been unlinked.
        let is_theirs = names(&user).contains(&(provider, subject));
        Ok(is_theirs.then_some(user))
    }

    /// Stores a new person with all their identities; `Lost` when one of these is somebody's, or the person exists.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_user(&self, user: &User) -> Result<Written> {
        let mut actions = vec![self.put_in_orgs(item(user)?, Condition::Absent)];
        for identity in &user.identities {
            actions.push(self.put_in_orgs(pointer(user, identity)?, Condition::Absent));
        }
        self.access.transact("create a person", actions).await.map(Written::from)
    }

    /// Changes a person and gives them as they are now; `None` when there is no such person or `change` wants none.
    /// Identities may be renewed, but come and go by [`Self::link_identity`] and [`Self::unlink_identity`] alone.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or unstorable when an identity came or went.
    pub async fn change_user(&self, user: UserId, mut change: impl FnMut(User) -> Option<User>) -> Result<Option<User>> {
        let key = key(user);
        let mut is_moved = false;
        let checked = |stored: User| {
            let before = stored.clone();
            let next = change(stored)?;
            is_moved = names(&before) != names(&next) || before.id != next.id;
            (!is_moved).then_some(next)
        };
        let operation = "change a person";
        let changed = self.access.change(operation, &self.tables.orgs, Kind::User, &key, |_| Place::nowhere(), checked).await?;
        if is_moved { Err(Error::unstorable(&key, "a change cannot link or unlink an identity")) } else { Ok(changed) }
    }

    /// Stores a person who has one identity more than is stored; `Lost` when the identity is somebody's already, or when
    /// the person has changed otherwise.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or unstorable when the person does not have the identity.
    pub async fn link_identity(&self, user: &User, identity: &Identity) -> Result<Written> {
        if !names(user).contains(&(&identity.provider, identity.subject.as_str())) {
            return Err(Error::unstorable(&key(user.id), "the person lacks the identity that is to be linked"));
        }
        let operation = "link an identity";
        let Some((stored, unchanged)) = self.access.known::<User>(operation, &self.tables.orgs, Kind::User, &key(user.id)).await? else {
            return Ok(Written::Lost);
        };
        if without(user, identity) != stored {
            return Ok(Written::Lost);
        }
        let actions = vec![self.put_in_orgs(item(user)?, unchanged), self.put_in_orgs(pointer(user, identity)?, Condition::Absent)];
        self.access.transact(operation, actions).await.map(Written::from)
    }

    /// Stores a person who has one identity less than is stored; `Lost` when the identity was not theirs, or when the
    /// person has changed otherwise.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or unstorable when the person still has the identity, or has none left.
    pub async fn unlink_identity(&self, user: &User, identity: &Identity) -> Result<Written> {
        if user.identities.is_empty() || names(user).contains(&(&identity.provider, identity.subject.as_str())) {
            return Err(Error::unstorable(&key(user.id), "the person must have other identities than the one that is unlinked"));
        }
        let operation = "unlink an identity";
        let Some((stored, unchanged)) = self.access.known::<User>(operation, &self.tables.orgs, Kind::User, &key(user.id)).await? else {
            return Ok(Written::Lost);
        };
        if stored == *user || without(&stored, identity) != *user {
            return Ok(Written::Lost);
        }
        let actions = vec![
            self.put_in_orgs(item(user)?, unchanged),
            Action::Delete {
                table: self.tables.orgs.clone(),
                key: pointer_key(&identity.provider, &identity.subject),
                condition: Some(Condition::Is("user", string(user.id.to_string()))),
            },
        ];
        self.access.transact(operation, actions).await.map(Written::from)
    }
}
