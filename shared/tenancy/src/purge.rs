//! The end of orgs that were deleted and not had back in time.

use jiff::Timestamp;
use quillon_core::text::with_causes;
use quillon_store::Written;

use crate::Tenancy;
use crate::error::Result;

/// What became of orgs whose grace is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// So many are gone.
    pub orgs: usize,
    /// So many are not; the next purge carries on where this one was cut off.
    pub failed: usize,
}

impl Tenancy {
    /// Deletes the orgs whose grace is over, at most 100 of them: members, invitations, tokens, trusted projects, repositories, claims of
    /// installations and of the name, and the org. Runs and traces are not touched: nobody can reach them any more, and they
    /// expire by themselves. So does the audit log.
    ///
    /// # Errors
    /// When the list cannot be read; one org that cannot be deleted does not keep the others.
    pub async fn purge_deleted(&self, now: Timestamp) -> Result<Purged> {
        let mut purged = Purged::default();
        for org in self.store.orgs_due_deletion(now).await? {
            match self.store.purge_org(org, now).await {
                Ok(Written::Done) => {
                    tracing::info!(org.id = %org, "deleted the org for good");
                    purged.orgs += 1;
                }
                // It was had back, or somebody else was faster.
                Ok(Written::Lost) => {}
                Err(error) => {
                    tracing::error!(org.id = %org, "an org could not be deleted, it is tried again: {}", with_causes(&error));
                    purged.failed += 1;
                }
            }
        }
        Ok(purged)
    }
}
