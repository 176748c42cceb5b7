//! Which org a customer of the payment provider is, in table `orgs`.
//!
//! | pk | sk |
//! |---|---|
//! | `CUS#<customer>` | `CUS` |

use quillon_core::id::OrgId;
use serde::{Deserialize, Serialize};

use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::write::Condition;
use crate::{Result, Store, Written};

/// Longest id of a customer within a key, in bytes; Stripe's have fewer than 256.
const MAX_CUSTOMER: usize = 300;

#[derive(Serialize, Deserialize)]
struct Body {
    org: OrgId,
}

pub(crate) fn key(customer: &str) -> Key {
    Key::new(format!("CUS#{}", segment(customer, MAX_CUSTOMER)), "CUS")
}

impl Store {
    /// Remembers that a customer is an org; `Lost` when they are another one.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn set_customer(&self, customer: &str, org: OrgId) -> Result<Written> {
        let item = Item::new(Kind::Customer, key(customer), &Body { org }, &Place::nowhere())?;
        match self.access.put_if("remember a customer", &self.tables.orgs, item, &Condition::Absent).await? {
            Written::Done => Ok(Written::Done),
            Written::Lost if self.org_of_customer(customer).await? == Some(org) => Ok(Written::Done),
            Written::Lost => Ok(Written::Lost),
        }
    }

    /// The org that a customer is.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn org_of_customer(&self, customer: &str) -> Result<Option<OrgId>> {
        let item = self.access.get("read a customer", &self.tables.orgs, &key(customer)).await?;
        item.map(|item| decode::<Body>(Kind::Customer, item).map(|body| body.org)).transpose()
    }
}
