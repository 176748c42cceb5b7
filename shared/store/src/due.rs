//! What the sweep has to look at: the sparse due index of table `checks`.
//!
//! | index | partition | sort |
//! |---|---|---|
//! | gsi3, keys only | `DUE` | epoch milliseconds |

use jiff::Timestamp;
use quillon_core::attempt::{Attempt, AttemptKey};
use quillon_core::id::RepositoryId;
use quillon_core::run::{CommitKey, Run, RunKey};

use crate::error::Error;
use crate::item::{DUE, Kind, decode};
use crate::keys::{Attributes, Key, number, text};
use crate::read::{Index, Order, Range, Sort};
use crate::{Result, Store, attempts, runs};

/// Something whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// An attempt.
    Attempt(AttemptKey),
    /// A run.
    Run(RunKey),
}

/// What an item is by its key alone; `None` when a part of the key was too long to be spelled out.
fn parse(key: &Key) -> Option<Due> {
    let (repository, sha) = key.pk.strip_prefix("R#")?.split_once('#')?;
    let repository: RepositoryId = repository.parse().ok()?;
    let commit = CommitKey { repository, sha: sha.parse().ok()? };
    // Only what spells the same key again is what it seems to be.
    if let Some(run) = runs::parse(&commit, &key.sk) {
        return (runs::key(&run) == *key).then_some(Due::Run(run));
    }
    let attempt = attempts::parse(&commit, &key.sk)?;
    (attempts::key(&attempt) == *key).then_some(Due::Attempt(attempt))
}

impl Store {
    /// What was due at `now`, the longest overdue first. Comes from an index: some may have been looked at meanwhile.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Due>> {
        let range = Range {
            operation: "list what is due",
            table: &self.tables.checks,
            index: Index::Gsi3,
            partition: DUE.to_owned(),
            sort: Sort::AtMost(number(now.as_millisecond())),
            order: Order::Ascending,
        };
        let mut due = Vec::new();
        for item in self.access.range(&range, Some(limit as usize)).await? {
            let key = Key::of(&item).ok_or_else(|| Error::corrupt(&DUE, "an item without a key"))?;
            match parse(&key) {
                Some(known) => due.push(known),
                None => due.extend(self.due_item(&key).await?),
            }
        }
        Ok(due)
    }

    /// Reads the item of a key that does not say everything.
    async fn due_item(&self, key: &Key) -> Result<Option<Due>> {
        let Some(item) = self.access.get("read what is due", &self.tables.checks, key).await? else { return Ok(None) };
        of_item(key, item).map(Some)
    }
}

fn of_item(key: &Key, item: Attributes) -> Result<Due> {
    match text(&item, "t") {
        Some(word) if word == Kind::Attempt.word() => decode::<Attempt>(Kind::Attempt, item).map(|attempt| Due::Attempt(attempt.key)),
        Some(word) if word == Kind::Run.word() => decode::<Run>(Kind::Run, item).map(|run| Due::Run(run.key)),
        Some(_) | None => Err(Error::corrupt(key, "it is due, but neither an attempt nor a run")),
    }
}
