//! Commits: the one partition of table `checks` that holds everything about a commit.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | run, attempt, ref, ledger | `R#<repository>#<sha>` | see [`crate::runs`], [`crate::attempts`], [`crate::heads`], [`crate::ledger`] |

use std::collections::BTreeMap;

use quillon_core::commit::Commit;
use quillon_core::report::LedgerEntry;
use quillon_core::run::CommitKey;

use crate::error::Error;
use crate::item::{Kind, decode};
use crate::keys::{Attributes, Key, text};
use crate::read::{Index, Order, Range, Sort};
use crate::{Result, Store};

/// The partition of a commit.
pub(crate) fn partition(commit: &CommitKey) -> String {
    format!("R#{}#{}", commit.repository, commit.sha)
}

impl Store {
    /// Everything stored about a commit, in one strongly consistent query; an empty commit when nothing is.
    ///
    /// # Errors
    /// Transient, refused, or corrupt when any item of the commit cannot be read.
    pub async fn commit(&self, key: &CommitKey) -> Result<Commit> {
        let range = Range {
            operation: "read a commit",
            table: &self.tables.checks,
            index: Index::Table,
            partition: partition(key),
            sort: Sort::All,
            order: Order::Ascending,
        };
        let mut commit = Commit { key: key.clone(), runs: vec![], attempts: vec![], ledger: BTreeMap::new() };
        for item in self.access.range(&range, None).await? {
            add(&mut commit, item)?;
        }
        commit.runs.sort_by_key(|run| run.generation);
        Ok(commit)
    }
}

fn add(commit: &mut Commit, item: Attributes) -> Result<()> {
    match text(&item, "t") {
        Some(word) if word == Kind::Run.word() => commit.runs.push(decode(Kind::Run, item)?),
        Some(word) if word == Kind::Attempt.word() => commit.attempts.push(decode(Kind::Attempt, item)?),
        Some(word) if word == Kind::Ledger.word() => {
            let entry: LedgerEntry = decode(Kind::Ledger, item)?;
            commit.ledger.insert(entry.context.clone(), entry);
        }
        // Which refs point here is `live_refs`.
        Some(word) if word == Kind::CommitRef.word() => {}
        Some(_) | None => {
            let key = Key::of(&item).unwrap_or_else(|| Key::new(partition(&commit.key), "?"));
            return Err(Error::corrupt(&key, "no kind of item that belongs to a commit"));
        }
    }
    Ok(())
}
