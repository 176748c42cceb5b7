//! What a person administers at GitHub, as they last came back from there, in table `orgs`.
//!
//! | pk | sk |
//! |---|---|
//! | `U#<user>` | `SRC`; expires after 15 minutes |

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::id::UserId;
use quillon_core::source::SeenSources;

use crate::item::{Item, Kind, Place, decode, is_expired};
use crate::keys::Key;
use crate::{Result, Store, people};

/// How long it is believed.
const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

fn key(user: UserId) -> Key {
    Key::new(people::partition(user), "SRC")
}

impl Store {
    /// Remembers what a person administers, in place of what was remembered before.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn save_seen_sources(&self, user: UserId, sources: &SeenSources, now: Timestamp) -> Result<()> {
        let place = Place { expires_at: Some(later(now, LIFETIME)), ..Place::nowhere() };
        let item = Item::new(Kind::SeenSources, key(user), &sources.clone().bounded(), &place)?;
        self.access.put("remember a person's sources", &self.tables.orgs, item).await
    }

    /// What a person administers, if that was seen within 15 minutes.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn seen_sources(&self, user: UserId, now: Timestamp) -> Result<Option<SeenSources>> {
        let item = self.access.get("read a person's sources", &self.tables.orgs, &key(user)).await?;
        item.filter(|item| !is_expired(item, now)).map(|item| decode(Kind::SeenSources, item)).transpose()
    }
}
