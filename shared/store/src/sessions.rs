//! Sessions of browsers, found by the hash of their secret, in table `orgs`.
//!
//! | pk | sk | gsi1 |
//! |---|---|---|
//! | `S#<sha256 of its secret>` | `S`; expires with the session | `U#<user>` or `OPERATOR` / `S#<session>` |

use jiff::Timestamp;
use quillon_core::id::{SessionId, UserId};
use quillon_core::session::{Holder, Session};

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment, string};
use crate::people;
use crate::read::Sort;
use crate::tokens::MAX_HASH;
use crate::write::Condition;
use crate::{Result, Store, Written};

const PREFIX: &str = "S#";

/// Most sessions of one person that are listed.
const MAX_SESSIONS: usize = 1_000;

fn key(hash: &str) -> Key {
    Key::new(format!("{PREFIX}{}", segment(hash, MAX_HASH)), "S")
}

fn item(session: &Session, hash: &str) -> Result<Item> {
    let partition = match session.holder {
        Holder::Operator => "OPERATOR".to_owned(),
        Holder::Person(user) => people::partition(user),
    };
    let place = Place { expires_at: Some(session.expires_at), ..Place::in_gsi1(partition, format!("{PREFIX}{}", session.id)) };
    Item::new(Kind::Session, key(hash), session, &place)
}

impl Store {
    /// Stores a session under the hash of its secret; `Lost` when there is one already.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_session(&self, session: &Session, hash: &str) -> Result<Written> {
        self.access.put_if("begin a session", &self.tables.orgs, item(session, hash)?, &Condition::Absent).await
    }

    /// The session whose secret hashes to this, unless it is over.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn session(&self, hash: &str, now: Timestamp) -> Result<Option<Session>> {
        let Some(item) = self.access.get("read a session", &self.tables.orgs, &key(hash)).await? else { return Ok(None) };
        let session: Session = decode(Kind::Session, item)?;
        Ok(Some(session).filter(|session| session.is_alive(now)))
    }

    /// Saves a session that was used; `Lost` when it was ended meanwhile, which it stays.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn save_session(&self, session: &Session, hash: &str) -> Result<Written> {
        let is_it = Condition::Is("id", string(session.id.to_string()));
        self.access.put_if("renew a session", &self.tables.orgs, item(session, hash)?, &is_it).await
    }

    /// Ends the session whose secret hashes to this, if there is one.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn end_session(&self, hash: &str) -> Result<()> {
        self.access.delete("end a session", &self.tables.orgs, &key(hash)).await
    }

    /// The sessions of a person that are not over, the oldest first; at most 1,000.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        let range = self.list_orgs("list sessions", people::partition(user), Sort::Prefix(PREFIX));
        let items = self.access.range(&range, Some(MAX_SESSIONS)).await?;
        let sessions: Vec<Session> = items.into_iter().map(|item| decode(Kind::Session, item)).collect::<Result<_>>()?;
        Ok(sessions.into_iter().filter(|session| session.is_alive(now)).collect())
    }

    /// Ends one session of a person; `Lost` when they have no such session.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn end_session_of(&self, user: UserId, session: SessionId) -> Result<Written> {
        self.delete_listed("end a session", people::partition(user), format!("{PREFIX}{session}")).await
    }

    /// Ends all sessions of a person. One that began within the last moments may not be listed yet, and stays.
    ///
    /// # Errors
    /// Transient or refused. Some may have ended then.
    pub async fn end_sessions_of(&self, user: UserId) -> Result<()> {
        let range = self.list_orgs("end all sessions", people::partition(user), Sort::Prefix(PREFIX));
        let keys = self.access.keys(&range).await?;
        self.access.delete_many("end all sessions", &self.tables.orgs, &keys).await
    }
}
