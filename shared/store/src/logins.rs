//! Devices that are signed in, and their tokens, found by the hashes of these, in table `orgs`.
//!
//! | item | pk | sk | gsi1 |
//! |---|---|---|---|
//! | login | `LGN#<login>` | `LGN`; expires when it was idle too long | `U#<user>` / `LGN#<login>` |
//! | access token | `AT#<sha256 of its text>` | `AT`; expires with the token, or with the login | |
//! | refresh token | `RT#<sha256 of its text>` | `RT`; expires with the login as it was then | |
//!
//! A token is nothing without its login: to end a login is to delete that one item. Refresh tokens that were used stay, so
//! that one who presents them again can be told from one who makes them up.

use jiff::Timestamp;
use quillon_core::device::Login;
use quillon_core::id::{LoginId, UserId};
use serde::{Deserialize, Serialize};

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::people;
use crate::read::Sort;
use crate::tokens::MAX_HASH;
use crate::write::{Action, Condition};
use crate::{Result, Store, Written};

const PREFIX: &str = "LGN#";

/// Most logins of one person that are listed.
const MAX_LOGINS: usize = 1_000;

/// What is stored of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRecord {
    /// The login that it belongs to.
    pub login: LoginId,
    /// The person.
    pub user: UserId,
    /// When it stops working; none for one that works as long as its login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What is stored of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRecord {
    /// The login that it belongs to.
    pub login: LoginId,
    /// The how manieth of the login it is.
    pub generation: u32,
}

/// A login, and the hash of its access token if that one works as long as the login: it is kept and deleted with it.
#[derive(Serialize, Deserialize)]
struct Body {
    login: Login,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endless: Option<String>,
}

fn key(login: LoginId) -> Key {
    Key::new(format!("{PREFIX}{login}"), "LGN")
}

fn access_key(hash: &str) -> Key {
    Key::new(format!("AT#{}", segment(hash, MAX_HASH)), "AT")
}

fn refresh_key(hash: &str) -> Key {
    Key::new(format!("RT#{}", segment(hash, MAX_HASH)), "RT")
}

fn until(expires_at: Timestamp) -> Place {
    Place { expires_at: Some(expires_at), ..Place::nowhere() }
}

fn item(login: &Login, endless: Option<String>) -> Result<Item> {
    let place =
        Place { expires_at: Some(login.expires_at), ..Place::in_gsi1(people::partition(login.user), format!("{PREFIX}{}", login.id)) };
    Item::new(Kind::Login, key(login.id), &Body { login: login.clone(), endless }, &place)
}

fn access_item(login: &Login, record: &AccessRecord, hash: &str) -> Result<Item> {
    Item::new(Kind::AccessToken, access_key(hash), record, &until(record.expires_at.unwrap_or(login.expires_at)))
}

fn refresh_item(login: &Login, record: &RefreshRecord, hash: &str) -> Result<Item> {
    Item::new(Kind::RefreshToken, refresh_key(hash), record, &until(login.expires_at))
}

/// The hash that the login has to remember.
fn endless(record: &AccessRecord, hash: &str) -> Option<String> {
    record.expires_at.is_none().then(|| hash.to_owned())
}

impl Store {
    /// Stores a new login with its first tokens under their hashes; `Lost` when any of them exists.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_login(
        &self,
        login: &Login,
        access: &AccessRecord,
        access_hash: &str,
        refresh: Option<(&RefreshRecord, &str)>,
    ) -> Result<Written> {
        let mut actions = vec![
            self.put_in_orgs(item(login, endless(access, access_hash))?, Condition::Absent),
            self.put_in_orgs(access_item(login, access, access_hash)?, Condition::Absent),
        ];
        if let Some((record, hash)) = refresh {
            actions.push(self.put_in_orgs(refresh_item(login, record, hash)?, Condition::Absent));
        }
        self.access.transact("sign a device in", actions).await.map(Written::from)
    }

    /// The access token whose text hashes to this, with its login, unless either is over.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn access(&self, hash: &str, now: Timestamp) -> Result<Option<(AccessRecord, Login)>> {
        let Some(item) = self.access.get("read an access token", &self.tables.orgs, &access_key(hash)).await? else { return Ok(None) };
        let record: AccessRecord = decode(Kind::AccessToken, item)?;
        if record.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        let login = self.login(record.login).await?;
        Ok(login.filter(|login| login.is_alive(now) && login.user == record.user).map(|login| (record, login)))
    }

    /// The refresh token whose text hashes to this, used or not.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn refresh_record(&self, hash: &str) -> Result<Option<RefreshRecord>> {
        let item = self.access.get("read a refresh token", &self.tables.orgs, &refresh_key(hash)).await?;
        item.map(|item| decode(Kind::RefreshToken, item)).transpose()
    }

    /// A login as it is now. It says itself whether it is over.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn login(&self, login: LoginId) -> Result<Option<Login>> {
        let item = self.access.get("read a login", &self.tables.orgs, &key(login)).await?;
        item.map(|item| decode::<Body>(Kind::Login, item).map(|body| body.login)).transpose()
    }

    /// Saves a login with new tokens under their hashes, if it still is what was read; `Lost` otherwise: of two who refresh
    /// at once, one has to read again.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn rotate_login(
        &self,
        read: &Login,
        next: &Login,
        (access, access_hash): (&AccessRecord, &str),
        (refresh, refresh_hash): (&RefreshRecord, &str),
    ) -> Result<Written> {
        let operation = "refresh a login";
        let known = self.access.known::<Body>(operation, &self.tables.orgs, Kind::Login, &key(read.id)).await?;
        let Some((_, unchanged)) = known.filter(|(stored, _)| stored.login == *read) else { return Ok(Written::Lost) };
        let actions = vec![
            self.put_in_orgs(item(next, endless(access, access_hash))?, unchanged),
            self.put_in_orgs(access_item(next, access, access_hash)?, Condition::Absent),
            self.put_in_orgs(refresh_item(next, refresh, refresh_hash)?, Condition::Absent),
        ];
        self.access.transact(operation, actions).await.map(Written::from)
    }

    /// Saves that a login was used, and keeps a token that lasts as long as it; `Lost` when the login has ended or was
    /// refreshed meanwhile, which needs nothing more.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn save_login_use(&self, login: &Login) -> Result<Written> {
        let operation = "note a login's use";
        let known = self.access.known::<Body>(operation, &self.tables.orgs, Kind::Login, &key(login.id)).await?;
        let Some((stored, unchanged)) = known.filter(|(stored, _)| stored.login.generation == login.generation) else {
            return Ok(Written::Lost);
        };
        let mut actions = vec![self.put_in_orgs(item(login, stored.endless.clone())?, unchanged)];
        if let Some(hash) = stored.endless {
            let record = AccessRecord { login: login.id, user: login.user, expires_at: None };
            actions.push(self.put_in_orgs(access_item(login, &record, &hash)?, Condition::Present));
        }
        self.access.transact(operation, actions).await.map(Written::from)
    }

    /// Ends a login of a person, whose tokens stop working at once; `Lost` when they have no such login.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn end_login(&self, user: UserId, login: LoginId) -> Result<Written> {
        let Some(item) = self.access.get("read a login", &self.tables.orgs, &key(login)).await? else { return Ok(Written::Lost) };
        let stored: Body = decode(Kind::Login, item)?;
        if stored.login.user != user {
            return Ok(Written::Lost);
        }
        let mut keys = vec![key(login)];
        keys.extend(stored.endless.as_deref().map(access_key));
        let delete = |key| Action::Delete { table: self.tables.orgs.clone(), key, condition: None };
        let actions = keys.into_iter().map(delete).collect();
        self.access.transact("end a login", actions).await.map(Written::from)
    }

    /// The logins of a person that are not over, the oldest first; at most 1,000.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn logins_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Login>> {
        let range = self.list_orgs("list logins", people::partition(user), Sort::Prefix(PREFIX));
        let items = self.access.range(&range, Some(MAX_LOGINS)).await?;
        let bodies: Vec<Body> = items.into_iter().map(|item| decode(Kind::Login, item)).collect::<Result<_>>()?;
        Ok(bodies.into_iter().map(|body| body.login).filter(|login| login.is_alive(now)).collect())
    }
}
