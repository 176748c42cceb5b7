//! How far a schedule got, by name, in table `orgs`.
//!
//! | pk | sk |
//! |---|---|
//! | `CURSOR#<name>` | `CURSOR` |

use serde::{Deserialize, Serialize};

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::{Result, Store};

/// Longest name within a key, in bytes.
const MAX_NAME: usize = 200;

#[derive(Serialize, Deserialize)]
struct Body {
    value: String,
}

fn key(name: &str) -> Key {
    Key::new(format!("CURSOR#{}", segment(name, MAX_NAME)), "CURSOR")
}

impl Store {
    /// What was saved last under a name.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn cursor(&self, name: &str) -> Result<Option<String>> {
        let item = self.access.get("read a cursor", &self.tables.orgs, &key(name)).await?;
        item.map(|item| decode::<Body>(Kind::Cursor, item).map(|body| body.value)).transpose()
    }

    /// Saves a text under a name, in place of any earlier one.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn save_cursor(&self, name: &str, value: &str) -> Result<()> {
        let item = Item::new(Kind::Cursor, key(name), &Body { value: value.to_owned() }, &Place::nowhere())?;
        self.access.put("save a cursor", &self.tables.orgs, item).await
    }
}
