//! Tokens of orgs, found by the hash of their text, in table `orgs`.
//!
//! | pk | sk | gsi1 |
//! |---|---|---|
//! | `TK#<sha256 of its text>` | `TK` | `O#<org>` / `TK#<id>` |

use jiff::Timestamp;
use quillon_core::id::{OrgId, TokenId};
use quillon_core::org::Token;

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::read::Sort;
use crate::write::Condition;
use crate::{Result, Store, Written};

const PREFIX: &str = "TK#";

/// Most tokens of one org that are listed.
const MAX_TOKENS: usize = 1_000;

/// Longest hash within a key, in bytes; a SHA-256 in hex has 64.
pub(crate) const MAX_HASH: usize = 200;

fn key(hash: &str) -> Key {
    Key::new(format!("{PREFIX}{}", segment(hash, MAX_HASH)), "TK")
}

fn place(token: &Token) -> Place {
    Place::in_gsi1(format!("O#{}", token.org), format!("{PREFIX}{}", token.id))
}

impl Store {
    /// Stores a token under the hash of its text; `Lost` when there is one already.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_token(&self, token: &Token, hash: &str) -> Result<Written> {
        let item = Item::new(Kind::Token, key(hash), token, &place(token))?;
        self.access.put_if("create a token", &self.tables.orgs, item, &Condition::Absent).await
    }

    /// The token of a text that hashes to this, if it still works.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn token(&self, hash: &str, now: Timestamp) -> Result<Option<Token>> {
        let Some(item) = self.access.get("read a token", &self.tables.orgs, &key(hash)).await? else { return Ok(None) };
        let token: Token = decode(Kind::Token, item)?;
        Ok(Some(token).filter(|token| token.expires_at.is_none_or(|end| now < end)))
    }

    /// The tokens of an org, the oldest first, those that have expired among them; at most 1,000.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn tokens_of(&self, org: OrgId) -> Result<Vec<Token>> {
        let range = self.list_orgs("list tokens", format!("O#{org}"), Sort::Prefix(PREFIX));
        let items = self.access.range(&range, Some(MAX_TOKENS)).await?;
        items.into_iter().map(|item| decode(Kind::Token, item)).collect()
    }

    /// Deletes a token of an org, which stops it at once; `Lost` when the org has no such token.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn delete_token(&self, org: OrgId, token: TokenId) -> Result<Written> {
        self.delete_listed("delete a token", format!("O#{org}"), format!("{PREFIX}{token}")).await
    }

    /// Deletes the item of table `orgs` at one place of its first index.
    pub(crate) async fn delete_listed(&self, operation: &'static str, partition: String, sort: String) -> Result<Written> {
        let range = self.list_orgs(operation, partition, Sort::Is(sort));
        let items = self.access.range(&range, Some(1)).await?;
        let Some(key) = items.first().and_then(Key::of) else { return Ok(Written::Lost) };
        self.access.delete(operation, &self.tables.orgs, &key).await?;
        Ok(Written::Done)
    }
}
