//! Deleting what was run for an org that is about to be deleted for good: runs, attempts, what was posted, outputs, modules.

use std::collections::BTreeSet;

use quillon_core::id::OrgId;
use quillon_core::run::CommitKey;

use crate::commits::partition;
use crate::keys::Key;
use crate::page::Page;
use crate::read::{Index, Order, Range, Sort};
use crate::{Result, Store, attempts, outputs, runs};

impl Store {
    /// Deletes one page of the runs of an org with everything about them; where the next page begins, none after the last.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor. The same page can be deleted again then.
    pub async fn purge_runs(&self, org: OrgId, page: &Page) -> Result<Option<String>> {
        let listed = self.org_feed(org, page).await?;
        let commits: BTreeSet<CommitKey> = listed.items.into_iter().map(|run| run.key.commit).collect();
        for commit in commits {
            self.purge_commit(org, &commit).await?;
        }
        Ok(listed.next)
    }

    /// Deletes what an org has of a commit, its runs last: by them the commit is found again.
    async fn purge_commit(&self, org: OrgId, key: &CommitKey) -> Result<()> {
        let operation = "delete a commit";
        let commit = self.commit(key).await?;
        let of_org = commit.attempts.iter().filter(|attempt| attempt.org == org);
        let mut keys: Vec<Key> = Vec::new();
        for attempt in of_org {
            keys.extend([attempts::pointer_key(attempt.id), outputs::key(attempt.id), attempts::key(&attempt.key)]);
        }
        let run_keys: Vec<Key> = commit.runs.iter().filter(|run| run.org == org).map(|run| runs::key(&run.key)).collect();
        if run_keys.len() == commit.runs.len() {
            // No other org has any of it: what was posted, and which refs pointed here, go too.
            let all = self.access.keys(&self.all_of("list a commit", &self.tables.checks, partition(key))).await?;
            let known: BTreeSet<&Key> = keys.iter().chain(&run_keys).collect();
            let others: Vec<Key> = all.into_iter().filter(|other| !known.contains(other)).collect();
            keys.extend(others);
        }
        self.access.delete_many(operation, &self.tables.checks, &keys).await?;
        self.access.delete_many(operation, &self.tables.checks, &run_keys).await
    }

    fn all_of<'a>(&self, operation: &'static str, table: &'a str, partition: String) -> Range<'a> {
        Range { operation, table, index: Index::Table, partition, sort: Sort::All, order: Order::Ascending }
    }

    /// Deletes the modules of an org, but for those that another one has loaded meanwhile.
    ///
    /// # Errors
    /// Transient, refused or corrupt. Some may be gone then.
    pub async fn purge_modules(&self, org: OrgId) -> Result<()> {
        let operation = "delete the modules of an org";
        let range = Range { index: Index::Gsi1, ..self.all_of(operation, &self.tables.modules, format!("O#{org}")) };
        let listed = self.access.range(&range, None).await?;
        self.access.delete_unchanged(operation, &self.tables.modules, listed).await
    }
}
