//! Deleting orgs whose time to be had back is over. The deletion's own item ([`crate::orgs`]) goes last, so that a deletion
//! that was cut off is found again and carried on.

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::org::{Installation, Org};

use crate::item::{Kind, decode};
use crate::keys::{millis, string};
use crate::orgs::{DELETIONS, DeletionBody, claim_key, deletion_key, key};
use crate::read::Sort;
use crate::write::{Action, Condition};
use crate::{Result, Store, Written, ci, customers, installations, invites, members, orgs, repositories, tokens};

/// Most orgs that are deleted in one go.
const MAX_DUE: usize = 100;

impl Store {
    /// The orgs whose deletion is final at `now`, the longest overdue first; at most 100. Comes from an index: one may have
    /// been had back meanwhile, which [`Self::purge_org`] sees.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn orgs_due_deletion(&self, now: Timestamp) -> Result<Vec<OrgId>> {
        let due = Sort::AtMost(string(millis(now)));
        let items = self.access.range(&self.list_orgs("list deletions", DELETIONS.to_owned(), due), Some(MAX_DUE)).await?;
        items.into_iter().map(|item| decode::<DeletionBody>(Kind::OrgDeletion, item).map(|body| body.org)).collect()
    }

    /// Deletes an org whose deletion is final: first itself and its name, so that nobody can join it or be let in by it any
    /// more, then its members, admins, invitations, tokens, trusted projects and repositories, and its claims of
    /// installations. `Lost` when it is not to be deleted, or not yet. What was run goes before it, by [`Self::purge_runs`].
    ///
    /// # Errors
    /// Transient, refused or corrupt. It is to be called again then.
    pub async fn purge_org(&self, org: OrgId, now: Timestamp) -> Result<Written> {
        if self.access.get("read a deletion", &self.tables.orgs, &deletion_key(org)).await?.is_none() {
            return Ok(Written::Lost);
        }
        let known = self.access.known::<Org>("read an org", &self.tables.orgs, Kind::Org, &key(org)).await?;
        if let Some((stored, unchanged)) = known {
            let is_due = stored.deletion.as_ref().is_some_and(|deletion| deletion.due_at <= now);
            if !is_due || !self.delete_org(&stored, unchanged).await?.is_done() {
                return Ok(Written::Lost);
            }
        }
        self.delete_belongings(org).await?;
        self.access.delete("end a deletion", &self.tables.orgs, &deletion_key(org)).await?;
        Ok(Written::Done)
    }

    /// Deletes an org, its name and the customer that it is.
    async fn delete_org(&self, org: &Org, unchanged: Condition) -> Result<Written> {
        let table = &self.tables.orgs;
        let mut actions = vec![
            Action::Delete { table: table.clone(), key: key(org.id), condition: Some(unchanged) },
            Action::Delete { table: table.clone(), key: claim_key(&org.name), condition: None },
        ];
        if let Some(customer) = org.subscription.as_ref().and_then(|subscription| subscription.customer.as_ref()) {
            actions.push(Action::Delete { table: table.clone(), key: customers::key(customer), condition: None });
        }
        if Written::from(self.access.transact("delete an org", actions).await?).is_done() {
            return Ok(Written::Done);
        }
        // What is gone cannot tell who deleted it: an earlier transmission of this, or another process on the same errand.
        Ok(if self.org(org.id).await?.is_none() { Written::Done } else { Written::Lost })
    }

    async fn delete_belongings(&self, org: OrgId) -> Result<()> {
        let operation = "delete what belongs to an org";
        let mut keys = vec![members::admins_key(org)];
        for prefix in [members::PREFIX, ci::PREFIX] {
            keys.extend(self.access.keys(&self.in_org(operation, org, Sort::Prefix(prefix))).await?);
        }
        for prefix in [invites::PREFIX, tokens::PREFIX] {
            keys.extend(self.access.keys(&self.list_orgs(operation, orgs::partition(org), Sort::Prefix(prefix))).await?);
        }
        self.access.delete_many(operation, &self.tables.orgs, &keys).await?;
        let claimed =
            self.access.range(&self.list_orgs(operation, orgs::partition(org), Sort::Prefix(installations::PREFIX)), None).await?;
        for item in claimed {
            let installation: Installation = decode(Kind::Installation, item)?;
            // Lost is one that nobody holds any more.
            let _released: Written = self.release_installation(installation.id, org).await?;
        }
        let range = self.list_orgs(operation, orgs::partition(org), Sort::Prefix(repositories::PREFIX));
        let left = self.access.range(&range, None).await?;
        self.access.delete_unchanged(operation, &self.tables.orgs, left).await
    }
}
