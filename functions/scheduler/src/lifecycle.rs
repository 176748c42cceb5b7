//! What becomes of installations and repositories: taken in, renamed, transferred, suspended, gone.

use std::collections::BTreeSet;

use jiff::Timestamp;
use quillon_core::attempt::CancelReason;
use quillon_core::id::{InstallationId, OrgId, RepositoryId};
use quillon_core::message::EventMessage;
use quillon_core::org::{Repository, RepositorySettings};
use quillon_core::run::CommitKey;
use quillon_github::view::RepositoryView;
use quillon_store::Page;
use std::time::Duration;

use crate::{Deps, Error, claim, observe};

/// How many items one page of our own listings has.
const PAGE: u32 = 100;

/// Keeps what is known of a repository up to date; none when it takes no part.
///
/// A repository that moves to another installation takes its settings along and nothing else.
pub(crate) async fn note_repository(
    deps: &Deps,
    org: OrgId,
    installation: InstallationId,
    view: &RepositoryView,
) -> Result<Option<Repository>, Error> {
    let store = &deps.workflow.store;
    let known = store.repository(view.id).await?;
    let settings = known.as_ref().map_or_else(RepositorySettings::default, |known| known.settings.clone());
    let current = Repository {
        id: view.id,
        name: view.name.clone(),
        installation,
        default_branch: view.default_branch.clone(),
        is_private: view.is_private,
        is_enabled: !view.is_archived,
        settings,
    };
    if known.as_ref() != Some(&current) {
        store.save_repository(org, &current).await?;
    }
    Ok(current.is_enabled.then_some(current))
}

/// Looks at a repository again: its name, its visibility, whether it still takes part.
pub(crate) async fn refresh_repository(deps: &Deps, installation: InstallationId, id: RepositoryId, now: Timestamp) -> Result<(), Error> {
    let Some(org) = claim::org_of(deps, installation, now).await? else { return Ok(()) };
    let client = deps.app(now).await?.installation(installation);
    let enabled = match observe::repository(&client, id, installation).await? {
        Some(view) => note_repository(deps, org, installation, &view).await?,
        None => None,
    };
    match enabled {
        Some(_) => Ok(()),
        None => disable_repository(deps, id, &CancelReason::RepositoryGone, now).await,
    }
}

/// Takes a repository out: nothing new is run, what runs is stopped. What was run stays readable.
pub(crate) async fn disable_repository(deps: &Deps, id: RepositoryId, reason: &CancelReason, now: Timestamp) -> Result<(), Error> {
    let store = &deps.workflow.store;
    if let Some(known) = store.repository(id).await?
        && known.is_enabled
        && let Some(org) = store.installation(known.installation).await?.and_then(|installation| installation.org)
    {
        store.save_repository(org, &Repository { is_enabled: false, ..known }).await?;
    }
    stop_heads(deps, id, reason, now).await
}

async fn stop_heads(deps: &Deps, id: RepositoryId, reason: &CancelReason, now: Timestamp) -> Result<(), Error> {
    let heads = deps.workflow.store.heads(id).await?;
    let commits: BTreeSet<_> = heads.into_iter().filter_map(|(_, head)| head.sha).collect();
    for sha in commits {
        deps.workflow.cancel_commit(&CommitKey { repository: id, sha }, None, reason, now).await?;
    }
    Ok(())
}

/// Looks at an installation again: suspended, back, gone, or with other repositories.
pub(crate) async fn refresh_installation(deps: &Deps, id: InstallationId, now: Timestamp) -> Result<(), Error> {
    let store = &deps.workflow.store;
    let before = store.installation(id).await?;
    let Some(installation) = claim::claim(deps, id, now).await? else {
        if let Some(known) = before {
            stop_installation(deps, &known.org, id, now).await?;
            store.save_installation(&quillon_core::org::Installation { is_suspended: true, ..known }).await?;
        }
        return Ok(());
    };
    if installation.is_suspended {
        return stop_installation(deps, &installation.org, id, now).await;
    }
    let Some(org) = installation.org else { return Ok(()) };
    let reachable = note_reachable(deps, org, id, now).await?;
    drop_unreachable(deps, org, id, &reachable, now).await?;
    if before.is_some_and(|before| before.is_suspended) {
        // What was pushed meanwhile was delivered to nobody.
        for repository in reachable {
            let message = EventMessage::SweepHeads { installation: id, repository };
            deps.workflow.queues.send_event(&message, "unsuspended", Duration::ZERO).await?;
        }
    }
    Ok(())
}

async fn note_reachable(deps: &Deps, org: OrgId, id: InstallationId, now: Timestamp) -> Result<BTreeSet<RepositoryId>, Error> {
    let client = deps.app(now).await?.installation(id);
    let mut reachable = BTreeSet::new();
    let mut page = Some(1);
    while let Some(number) = page {
        let listed = client.repositories(number).await?;
        for view in &listed.items {
            reachable.insert(view.id);
            note_repository(deps, org, id, view).await?;
        }
        page = listed.next;
    }
    Ok(reachable)
}

async fn drop_unreachable(
    deps: &Deps,
    org: OrgId,
    id: InstallationId,
    reachable: &BTreeSet<RepositoryId>,
    now: Timestamp,
) -> Result<(), Error> {
    for known in repositories_of(deps, org, id).await? {
        if known.is_enabled && !reachable.contains(&known.id) {
            disable_repository(deps, known.id, &CancelReason::RepositoryGone, now).await?;
        }
    }
    Ok(())
}

async fn stop_installation(deps: &Deps, org: &Option<OrgId>, id: InstallationId, now: Timestamp) -> Result<(), Error> {
    let Some(org) = org else { return Ok(()) };
    for known in repositories_of(deps, *org, id).await? {
        stop_heads(deps, known.id, &CancelReason::InstallationGone, now).await?;
    }
    Ok(())
}

/// The repositories of an org that an installation reached when they were last looked at.
pub(crate) async fn repositories_of(deps: &Deps, org: OrgId, id: InstallationId) -> Result<Vec<Repository>, Error> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let listed = deps.workflow.store.repositories_of(org, &Page { after, limit: PAGE }).await?;
        found.extend(listed.items.into_iter().filter(|repository| repository.installation == id));
        match listed.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}
