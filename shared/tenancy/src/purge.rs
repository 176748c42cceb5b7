//! The end of orgs that were deleted and not had back in time.

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::org::Deletion;
use quillon_store::Written;

use crate::Tenancy;
use crate::error::Result;

impl Tenancy {
    /// The orgs whose grace is over, those among them whose deletion was cut off; at most 100.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn orgs_to_purge(&self, now: Timestamp) -> Result<Vec<OrgId>> {
        let mut due = Vec::new();
        // The list is one of an index: it may have those that were had back.
        for id in self.store.orgs_due_deletion(now).await? {
            if self.store.org(id).await?.is_none_or(|org| org.deletion.as_ref().is_some_and(|deletion| is_over(deletion, now))) {
                due.push(id);
            }
        }
        Ok(due)
    }

    /// Deletes an org whose grace is over: itself, its name, members, invitations, tokens, trusted projects, repositories, and its claims of
    /// installations. Whether it is gone now by this call; it is not where it was had back, or somebody else was faster.
    ///
    /// Runs and modules are the caller's to delete before it: only the org leads to them. Traces and the audit log are not
    /// touched: nobody can reach them any more, and they expire by themselves.
    ///
    /// # Errors
    /// When the table cannot be used; the next call carries on where this one was cut off.
    pub async fn purge(&self, org: OrgId, now: Timestamp) -> Result<bool> {
        match self.store.purge_org(org, now).await? {
            Written::Done => {
                tracing::info!(org.id = %org, "deleted the org for good");
                Ok(true)
            }
            Written::Lost => Ok(false),
        }
    }
}

/// Whether an org cannot be had back any more.
pub(crate) fn is_over(deletion: &Deletion, now: Timestamp) -> bool {
    now >= deletion.due_at
}
