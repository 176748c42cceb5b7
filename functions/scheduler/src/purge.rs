//! The end of orgs that were deleted and not had back: what still waits in them is stopped, then they are forgotten.

use jiff::Timestamp;
use quillon_core::attempt::CancelReason;
use quillon_core::id::OrgId;
use quillon_core::text::with_causes;
use quillon_store::Page;
use quillon_tenancy::Tenancy;

use crate::{Deps, Error, lifecycle};

/// How many items one page of a list has.
const PAGE: u32 = 100;

/// Most pages of queued attempts that are stopped at once; the next purge goes on.
const MAX_PAGES: usize = 50;

/// Most pages of runs of one org that are deleted at once; the next purge goes on.
const MAX_RUN_PAGES: usize = 10;

/// Purges the orgs whose grace is over. One that cannot be purged does not keep the others: it is tried again an hour later.
pub(crate) async fn purge(deps: &Deps, now: Timestamp) -> Result<(), Error> {
    let tenancy = Tenancy::new(deps.workflow.store.clone());
    let (mut purged, mut failed) = (0, 0);
    for org in tenancy.orgs_to_purge(now).await? {
        match purge_one(deps, &tenancy, org, now).await {
            Ok(is_gone) => purged += usize::from(is_gone),
            Err(error) => {
                failed += 1;
                tracing::error!(org.id = %org, "an org could not be deleted for good: {}", with_causes(&error));
            }
        }
    }
    tracing::info!(purge.orgs = purged, purge.failed = failed, "purged deleted orgs");
    Ok(())
}

async fn purge_one(deps: &Deps, tenancy: &Tenancy, org: OrgId, now: Timestamp) -> Result<bool, Error> {
    // First: once its repositories are forgotten, nothing leads to what waits, and the sweep would look at that for ever.
    stop_installations(deps, org, now).await?;
    stop_queued(deps, org, now).await?;
    // Runs have no time of their own to expire at, and only the org leads to them.
    if !delete_runs(deps, org).await? {
        tracing::info!(org.id = %org, "many runs are left of the org, the next purge goes on");
        return Ok(false);
    }
    deps.workflow.store.purge_modules(org).await?;
    Ok(tenancy.purge(org, now).await?)
}

/// Deletes runs of an org; whether none are left.
async fn delete_runs(deps: &Deps, org: OrgId) -> Result<bool, Error> {
    let mut page = Page::first(PAGE);
    for _ in 0..MAX_RUN_PAGES {
        match deps.workflow.store.purge_runs(org, &page).await? {
            Some(next) => page.after = Some(next),
            None => return Ok(true),
        }
    }
    Ok(false)
}

async fn stop_installations(deps: &Deps, org: OrgId, now: Timestamp) -> Result<(), Error> {
    let mut page = Page::first(PAGE);
    loop {
        let listed = deps.workflow.store.installations_of(org, &page).await?;
        for installation in listed.items {
            lifecycle::stop_installation(deps, Some(org), installation.id, now).await?;
        }
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(()),
        }
    }
}

async fn stop_queued(deps: &Deps, org: OrgId, now: Timestamp) -> Result<(), Error> {
    for _ in 0..MAX_PAGES {
        let queued = deps.workflow.store.queued(org, PAGE).await?;
        // The list lags behind: nothing to stop in it is nothing left.
        if deps.workflow.cancel(&queued, &CancelReason::InstallationGone, now).await?.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}
