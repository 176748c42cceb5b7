//! Agents and the one-time rights to become one, found by the hash of their credential, in table `orgs`.
//!
//! | item | pk | sk | gsi1 |
//! |---|---|---|---|
//! | agent | `AG#<sha256 of its token>` | `AG` | `AGENTS` / `<id>` |
//! | enrolment | `ENR#<sha256 of its token>` | `ENR`; expires with the right | |

use jiff::Timestamp;
use quillon_core::id::AgentId;
use quillon_core::org::{Agent, Enrolment};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::item::{self, Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::page::{Page, Paged};
use crate::read::Sort;
use crate::tokens::MAX_HASH;
use crate::write::Condition;
use crate::{Result, Store, Written};

const AGENTS: &str = "AGENTS";

fn key(hash: &str) -> Key {
    Key::new(format!("AG#{}", segment(hash, MAX_HASH)), "AG")
}

fn enrolment_key(hash: &str) -> Key {
    Key::new(format!("ENR#{}", segment(hash, MAX_HASH)), "ENR")
}

/// An enrolment and whether it was used.
///
/// A used one stays until it expires: only an item can carry the nonce by which its taker recognises a repeated request.
#[derive(Serialize, Deserialize)]
struct EnrolmentBody {
    enrolment: Enrolment,
    is_taken: bool,
}

fn enrolment_item(hash: &str, enrolment: &Enrolment, is_taken: bool) -> Result<Item> {
    let body = EnrolmentBody { enrolment: enrolment.clone(), is_taken };
    let place = Place { expires_at: Some(enrolment.expires_at), ..Place::nowhere() };
    Item::new(Kind::Enrolment, enrolment_key(hash), &body, &place)
}

impl Store {
    /// Stores an agent under the hash of its token; `Lost` when there is one already.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_agent(&self, agent: &Agent, hash: &str) -> Result<Written> {
        let item = Item::new(Kind::Agent, key(hash), agent, &Place::in_gsi1(AGENTS, agent.id.to_string()))?;
        self.access.put_if("create an agent", &self.tables.orgs, item, &Condition::Absent).await
    }

    /// The agent whose token hashes to this.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn agent(&self, hash: &str) -> Result<Option<Agent>> {
        let item = self.access.get("read an agent", &self.tables.orgs, &key(hash)).await?;
        item.map(|item| decode(Kind::Agent, item)).transpose()
    }

    /// All agents, the oldest first.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn agents(&self, page: &Page) -> Result<Paged<Agent>> {
        let range = self.list_orgs("list agents", AGENTS.to_owned(), Sort::All);
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Agent, item))
    }

    /// Deletes an agent, whose token stops working at once; `Lost` when there is none.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn delete_agent(&self, agent: AgentId) -> Result<Written> {
        self.delete_listed("delete an agent", AGENTS.to_owned(), agent.to_string()).await
    }

    /// Stores a one-time right to enrol under the hash of its token; `Lost` when there is one already.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_enrolment(&self, enrolment: &Enrolment, hash: &str) -> Result<Written> {
        let item = enrolment_item(hash, enrolment, false)?;
        self.access.put_if("create an enrolment", &self.tables.orgs, item, &Condition::Absent).await
    }

    /// Uses up a right to enrol: of all who try, one gets it. Nobody does once it has expired.
    ///
    /// # Errors
    /// Transient, refused or corrupt. After a transient error the right may be used up.
    pub async fn take_enrolment(&self, hash: &str, now: Timestamp) -> Result<Option<Enrolment>> {
        let key = enrolment_key(hash);
        let Some(stored) = self.access.get("read an enrolment", &self.tables.orgs, &key).await? else { return Ok(None) };
        let Some(nonce) = item::nonce(&stored).map(str::to_owned) else { return Err(Error::corrupt(&key, "it has no nonce")) };
        let EnrolmentBody { enrolment, is_taken } = decode(Kind::Enrolment, stored)?;
        if is_taken || enrolment.expires_at <= now {
            return Ok(None);
        }
        let taken = enrolment_item(hash, &enrolment, true)?;
        let written = self.access.put_if("take an enrolment", &self.tables.orgs, taken, &Condition::Unchanged(nonce)).await?;
        Ok(written.is_done().then_some(enrolment))
    }
}
