//! Tokens of orgs, found by the hash of their text, in table `orgs`.
//!
//! | pk | sk | gsi1 |
//! |---|---|---|
//! | `TK#<sha256 of its text>` | `TK`; expires 30 days after the token | `O#<org>` / `TK#<id>` |

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::id::{OrgId, TokenId};
use quillon_core::org::Token;

use crate::error::Error;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::read::Sort;
use crate::write::{CHANGE_TRIES, Condition};
use crate::{Result, Store, Written, orgs};

pub(crate) const PREFIX: &str = "TK#";

/// Most tokens of one org that are listed.
const MAX_LISTED: usize = 1_000;

/// How long a token is listed after it has expired.
const LISTED_AFTER: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Longest hash within a key, in bytes; a SHA-256 in hex has 64.
pub(crate) const MAX_HASH: usize = 200;

fn key(hash: &str) -> Key {
    Key::new(format!("{PREFIX}{}", segment(hash, MAX_HASH)), "TK")
}

fn place(token: &Token) -> Place {
    let expires_at = token.expires_at.map(|end| later(end, LISTED_AFTER));
    Place { expires_at, ..Place::in_gsi1(orgs::partition(token.org), format!("{PREFIX}{}", token.id)) }
}

fn item(token: &Token, hash: &str) -> Result<Item> {
    Item::new(Kind::Token, key(hash), token, &place(token))
}

impl Store {
    /// Stores a token under the hash of its text; `Lost` when there is one already.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_token(&self, token: &Token, hash: &str) -> Result<Written> {
        self.access.put_if("create a token", &self.tables.orgs, item(token, hash)?, &Condition::Absent).await
    }

    /// Stores a token under the hash of its text together with the change of the one that it replaces, or neither; `Lost` when the org
    /// has no such token, or `change` wants none.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn rotate_token(
        &self,
        old: TokenId,
        new: &Token,
        hash: &str,
        mut change: impl FnMut(Token) -> Option<Token>,
    ) -> Result<Written> {
        let operation = "rotate a token";
        let range = self.list_orgs(operation, orgs::partition(new.org), Sort::Is(format!("{PREFIX}{old}")));
        let listed = self.access.range(&range, Some(1)).await?;
        let Some(key) = listed.first().and_then(Key::of) else { return Ok(Written::Lost) };
        for _ in 0..CHANGE_TRIES {
            let known = self.access.known::<Token>(operation, &self.tables.orgs, Kind::Token, &key).await?;
            let Some((stored, unchanged)) = known else { return Ok(Written::Lost) };
            let Some(replaced) = change(stored) else { return Ok(Written::Lost) };
            let replaced = Item::new(Kind::Token, key.clone(), &replaced, &place(&replaced))?;
            let actions = vec![self.put_in_orgs(replaced, unchanged), self.put_in_orgs(item(new, hash)?, Condition::Absent)];
            if Written::from(self.access.transact(operation, actions).await?).is_done() {
                return Ok(Written::Done);
            }
        }
        Err(Error::transient(operation, format!("it changed {CHANGE_TRIES} times meanwhile")))
    }

    /// The token of a text that hashes to this, if it still works.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn token(&self, hash: &str, now: Timestamp) -> Result<Option<Token>> {
        let Some(item) = self.access.get("read a token", &self.tables.orgs, &key(hash)).await? else { return Ok(None) };
        let token: Token = decode(Kind::Token, item)?;
        Ok(Some(token).filter(|token| token.is_alive(now)))
    }

    /// The tokens of an org, the oldest first, those that have expired lately among them; at most 1,000.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn tokens_of(&self, org: OrgId) -> Result<Vec<Token>> {
        let range = self.list_orgs("list tokens", orgs::partition(org), Sort::Prefix(PREFIX));
        let items = self.access.range(&range, Some(MAX_LISTED)).await?;
        items.into_iter().map(|item| decode(Kind::Token, item)).collect()
    }

    /// Notes that a token was used, if that is news: see [`Token::is_use_news`].
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn touch_token(&self, hash: &str, token: &Token, now: Timestamp) -> Result<()> {
        if !token.is_use_news(now) {
            return Ok(());
        }
        let used = |stored: Token| stored.is_use_news(now).then_some(Token { last_used_at: Some(now), ..stored });
        self.access.change("note a token's use", &self.tables.orgs, Kind::Token, &key(hash), place, used).await.map(|_| ())
    }

    /// Deletes a token of an org, which stops it at once; `Lost` when the org has no such token.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn delete_token(&self, org: OrgId, token: TokenId) -> Result<Written> {
        self.delete_listed("delete a token", orgs::partition(org), format!("{PREFIX}{token}")).await
    }

    /// Deletes the item of table `orgs` at one place of its first index.
    pub(crate) async fn delete_listed(&self, operation: &'static str, partition: String, sort: String) -> Result<Written> {
        let range = self.list_orgs(operation, partition, Sort::Is(sort));
        let items = self.access.range(&range, Some(1)).await?;
        let Some(key) = items.first().and_then(Key::of) else { return Ok(Written::Lost) };
        self.access.take_out(operation, &self.tables.orgs, key).await
    }
}
