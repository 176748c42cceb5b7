//! Devices that wish to be signed in, and how often somebody guessed a code, in table `orgs`.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | device grant | `DC#<sha256 of its device code>` | `DC`; expires with the code |
//! | whose a user code is | `UC#<code>` | `UC`; expires with the code |
//! | guesses | `GUESS#<who>` | `GUESS`; expires with the hour |

use jiff::Timestamp;
use quillon_core::attempt::later;
use quillon_core::device::{DeviceGrant, GUESS_WINDOW, UserCode};
use serde::{Deserialize, Serialize};

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::tokens::MAX_HASH;
use crate::write::Condition;
use crate::{Result, Store, Written};

/// Longest name of a guesser within a key, in bytes.
const MAX_WHO: usize = 300;

#[derive(Serialize, Deserialize)]
struct Pointer {
    hash: String,
}

/// The guesses of one hour, which begins with the first of them.
#[derive(Clone, Serialize, Deserialize)]
struct Guesses {
    count: u32,
    since: Timestamp,
}

impl Guesses {
    fn is_current(&self, now: Timestamp) -> bool {
        now < later(self.since, GUESS_WINDOW)
    }
}

fn key(hash: &str) -> Key {
    Key::new(format!("DC#{}", segment(hash, MAX_HASH)), "DC")
}

fn code_key(code: &UserCode) -> Key {
    Key::new(format!("UC#{code}"), "UC")
}

fn guess_key(who: &str) -> Key {
    Key::new(format!("GUESS#{}", segment(who, MAX_WHO)), "GUESS")
}

fn place(grant: &DeviceGrant) -> Place {
    Place { expires_at: Some(grant.expires_at), ..Place::nowhere() }
}

fn item(hash: &str, grant: &DeviceGrant) -> Result<Item> {
    Item::new(Kind::Device, key(hash), grant, &place(grant))
}

impl Store {
    /// Stores a device's wish under the hash of its device code, and claims its user code; `Lost` when either is taken.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn create_device(&self, grant: &DeviceGrant, hash: &str) -> Result<Written> {
        let pointer = Item::new(Kind::UserCode, code_key(&grant.user_code), &Pointer { hash: hash.to_owned() }, &place(grant))?;
        let actions = vec![self.put_in_orgs(item(hash, grant)?, Condition::Absent), self.put_in_orgs(pointer, Condition::Absent)];
        self.access.transact("begin a device's login", actions).await.map(Written::from)
    }

    /// The wish whose device code hashes to this. It says itself whether it is over.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn device(&self, hash: &str) -> Result<Option<DeviceGrant>> {
        let item = self.access.get("read a device's login", &self.tables.orgs, &key(hash)).await?;
        item.map(|item| decode(Kind::Device, item)).transpose()
    }

    /// The wish of a user code, and the hash of its device code. It says itself whether it is over.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn device_by_code(&self, code: &UserCode) -> Result<Option<(String, DeviceGrant)>> {
        let Some(item) = self.access.get("read a user code", &self.tables.orgs, &code_key(code)).await? else { return Ok(None) };
        let Pointer { hash } = decode(Kind::UserCode, item)?;
        Ok(self.device(&hash).await?.map(|grant| (hash, grant)))
    }

    /// Saves a wish if it still is what was read; `Lost` otherwise.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn save_device(&self, hash: &str, read: &DeviceGrant, next: &DeviceGrant) -> Result<Written> {
        let operation = "save a device's login";
        let known = self.access.known::<DeviceGrant>(operation, &self.tables.orgs, Kind::Device, &key(hash)).await?;
        let Some((_, unchanged)) = known.filter(|(stored, _)| stored == read) else { return Ok(Written::Lost) };
        self.access.put_if(operation, &self.tables.orgs, item(hash, next)?, &unchanged).await
    }

    /// Counts one wrong code of somebody, and gives how many they have entered within the hour.
    ///
    /// # Errors
    /// Transient (also when the same guesser is counted many times at once), refused or corrupt. The guess may be counted
    /// then.
    pub async fn guess(&self, who: &str, now: Timestamp) -> Result<u32> {
        let mut count = 0;
        let counted = |stored: Option<Guesses>| {
            let before = stored.filter(|stored| stored.is_current(now)).unwrap_or(Guesses { count: 0, since: now });
            let next = Guesses { count: before.count.saturating_add(1), ..before };
            count = next.count;
            let place = Place { expires_at: Some(later(next.since, GUESS_WINDOW)), ..Place::nowhere() };
            Some((next, place))
        };
        let written = self.access.rewrite("count a guess", &self.tables.orgs, Kind::Guesses, &guess_key(who), counted).await?;
        debug_assert!(written.is_done());
        Ok(count)
    }

    /// How many wrong codes somebody has entered within the hour.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn guesses(&self, who: &str, now: Timestamp) -> Result<u32> {
        let Some(item) = self.access.get("read guesses", &self.tables.orgs, &guess_key(who)).await? else { return Ok(0) };
        let guesses: Guesses = decode(Kind::Guesses, item)?;
        Ok(if guesses.is_current(now) { guesses.count } else { 0 })
    }
}
