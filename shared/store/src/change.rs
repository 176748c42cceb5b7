//! Read, decide, write if nobody was faster: the two ways of it that know the stored value to exist.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;
use crate::access::Access;
use crate::error::Error;
use crate::item::{self, Kind, Place, decode};
use crate::keys::{Attributes, Key};
use crate::write::{Action, Condition, MAX_TRANSACTION, Transacted};

impl Access {
    /// A stored value, and the condition that it is still this one.
    pub(crate) async fn known<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        table: &str,
        kind: Kind,
        key: &Key,
    ) -> Result<Option<(T, Condition)>> {
        let Some(stored) = self.get(operation, table, key).await? else { return Ok(None) };
        let Some(nonce) = item::nonce(&stored).map(str::to_owned) else { return Err(Error::corrupt(key, "it has no nonce")) };
        Ok(Some((decode(kind, stored)?, Condition::Unchanged(nonce))))
    }

    /// Changes a value that exists, and gives it as it is now; `None` when there is none or `change` wants none.
    ///
    /// `change` is called again with the newer value when somebody was faster.
    pub(crate) async fn change<T: DeserializeOwned + Serialize + Clone>(
        &self,
        operation: &'static str,
        table: &str,
        kind: Kind,
        key: &Key,
        place: impl Fn(&T) -> Place,
        mut change: impl FnMut(T) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut changed = None;
        let rewrite = |stored: Option<T>| {
            let next = change(stored?)?;
            changed = Some(next.clone());
            let place = place(&next);
            Some((next, place))
        };
        let written = self.rewrite(operation, table, kind, key, rewrite).await?;
        Ok(changed.filter(|_| written.is_done()))
    }

    /// Deletes items that were listed, but for those that have changed since: an index tells what was.
    pub(crate) async fn delete_unchanged(&self, operation: &'static str, table: &str, listed: Vec<Attributes>) -> Result<()> {
        let mut wanted: Vec<(Key, Condition)> = Vec::with_capacity(listed.len());
        for item in &listed {
            let Some(key) = Key::of(item) else { continue };
            let Some(nonce) = item::nonce(item) else { return Err(Error::corrupt(&key, "it has no nonce")) };
            wanted.push((key, Condition::Unchanged(nonce.to_owned())));
        }
        for batch in wanted.chunks(MAX_TRANSACTION) {
            let mut left: Vec<(Key, Condition)> = batch.to_vec();
            while !left.is_empty() {
                let delete = |(key, condition): &(Key, Condition)| Action::Delete {
                    table: table.to_owned(),
                    key: key.clone(),
                    condition: Some(condition.clone()),
                };
                match self.transact(operation, left.iter().map(delete).collect()).await? {
                    Transacted::Done => break,
                    Transacted::Lost(changed) => {
                        let unchanged = left.into_iter().enumerate().filter(|(index, _)| !changed.contains(index));
                        left = unchanged.map(|(_, listed)| listed).collect();
                    }
                }
            }
        }
        Ok(())
    }
}
