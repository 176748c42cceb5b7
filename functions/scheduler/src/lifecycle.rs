//! What becomes of installations and repositories: taken in, renamed, transferred, suspended, gone.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use quillon_core::attempt::CancelReason;
use quillon_core::id::{InstallationId, OrgId, RepositoryId};
use quillon_core::message::EventMessage;
use quillon_core::org::{Installation, Repository, RepositorySettings, SourceMode};
use quillon_core::run::CommitKey;
use quillon_github::view::RepositoryView;

use crate::claim::Claimed;
use crate::{Deps, Error, claim, observe};

/// When a repository is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// When something about it is new.
    News,
    /// In any case: it may be listed under another org.
    Always,
}

/// Keeps what is known of a repository up to date; none when it takes no part.
///
/// A repository that moves to another installation of its org takes its settings along. To an org that has not had it before it
/// comes as a new one, and what it still runs for the other org is stopped.
pub(crate) async fn note_repository(
    deps: &Deps,
    claimed: &Claimed,
    view: &RepositoryView,
    note: Note,
    now: Timestamp,
) -> Result<Option<Repository>, Error> {
    let store = &deps.workflow.store;
    let known = store.repository(view.id).await?;
    let settings = match &known {
        Some(known) if is_of(deps, known, claimed).await? => Some(known.settings.clone()),
        Some(_) => {
            stop_heads(deps, view.id, &CancelReason::RepositoryGone, now).await?;
            None
        }
        None => None,
    };
    let current = Repository {
        id: view.id,
        name: view.name.clone(),
        installation: claimed.id,
        default_branch: view.default_branch.clone(),
        is_private: view.is_private,
        is_enabled: !view.is_archived,
        settings: settings.clone().unwrap_or_else(|| first_settings(claimed.mode)),
    };
    if known.as_ref() != Some(&current) || note == Note::Always {
        let newest = |stored: Option<Repository>| {
            // Somebody may be changing the settings at this moment.
            let newer = stored.filter(|_| settings.is_some()).map(|stored| stored.settings);
            Some(Repository { settings: newer.unwrap_or_else(|| current.settings.clone()), ..current.clone() })
        };
        store.note_repository(claimed.org, view.id, newest).await.map(|_done| ())?;
    }
    Ok(current.is_enabled.then_some(current))
}

/// Whether a repository as it is stored is one of the org that has claimed an installation.
async fn is_of(deps: &Deps, known: &Repository, claimed: &Claimed) -> Result<bool, Error> {
    if known.installation == claimed.id {
        return Ok(true);
    }
    let other = deps.workflow.store.installation(known.installation).await?;
    Ok(other.and_then(|other| other.org) == Some(claimed.org))
}

/// How a repository is treated at first.
fn first_settings(mode: SourceMode) -> RepositorySettings {
    let autocheck = match mode {
        SourceMode::All => true,
        SourceMode::Selected => false,
    };
    RepositorySettings { autocheck, ..RepositorySettings::default() }
}

/// Looks at a repository again: its name, its visibility, whether it still takes part.
pub(crate) async fn refresh_repository(deps: &Deps, installation: InstallationId, id: RepositoryId, now: Timestamp) -> Result<(), Error> {
    let Some(claimed) = claim::of(deps, installation, now).await? else { return Ok(()) };
    let client = deps.app(now).await?.installation(installation);
    let enabled = match observe::repository(&client, id, installation).await? {
        Some(view) => note_repository(deps, &claimed, &view, Note::News, now).await?,
        None => None,
    };
    match enabled {
        Some(_) => Ok(()),
        None => disable_repository(deps, installation, id, &CancelReason::RepositoryGone, now).await,
    }
}

/// Takes a repository out that an installation does not reach any more: nothing new is run, what runs is stopped. What was run
/// stays readable.
///
/// One that another installation reaches by now is that one's affair.
pub(crate) async fn disable_repository(
    deps: &Deps,
    installation: InstallationId,
    id: RepositoryId,
    reason: &CancelReason,
    now: Timestamp,
) -> Result<(), Error> {
    let store = &deps.workflow.store;
    let Some(known) = store.repository(id).await?.filter(|known| known.installation == installation) else { return Ok(()) };
    if known.is_enabled
        && let Some(org) = store.installation(installation).await?.and_then(|installation| installation.org)
    {
        store.change_repository(org, id, |stored| Some(Repository { is_enabled: false, ..stored })).await?;
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
pub(crate) async fn refresh_installation(deps: &Deps, id: InstallationId, note: Note, now: Timestamp) -> Result<(), Error> {
    let store = &deps.workflow.store;
    let before = store.installation(id).await?;
    let Some(installation) = claim::take_in(deps, id, now).await? else {
        if let Some(known) = before {
            stop_installation(deps, known.org, id, now).await?;
            // It stays where it was claimed, so that people see what became of it. Installed again it has another number.
            store.save_installation(&Installation { is_suspended: true, is_removed: true, ..known }).await?;
        }
        return Ok(());
    };
    if installation.is_suspended {
        return stop_installation(deps, installation.org, id, now).await;
    }
    let Some(claimed) = claim::usable(deps, &installation, now).await? else { return Ok(()) };
    let reachable = note_reachable(deps, &claimed, note, now).await?;
    drop_unreachable(deps, &claimed, &reachable, now).await?;
    if before.is_some_and(|before| before.is_suspended) {
        // What was pushed meanwhile was delivered to nobody.
        for repository in reachable {
            let message = EventMessage::SweepHeads { installation: id, repository };
            deps.workflow.queues.send_event(&message, "unsuspended", Duration::ZERO).await?;
        }
    }
    Ok(())
}

/// An org has claimed an installation, or released it: its repositories come or go.
pub(crate) async fn on_claim(deps: &Deps, id: InstallationId, org: OrgId, now: Timestamp) -> Result<(), Error> {
    let holder = deps.workflow.store.installation(id).await?.and_then(|installation| installation.org);
    if holder != Some(org) {
        for known in deps.workflow.store.repositories_reached(org, id).await? {
            stop_heads(deps, known.id, &CancelReason::RepositoryGone, now).await?;
            // Lost where another installation reaches it by now.
            deps.workflow.store.unlist_repository(known.id, id).await.map(|_moved| ())?;
        }
    }
    match holder {
        // Of another org too: what was taken out above may be that one's by now.
        Some(_) => refresh_installation(deps, id, Note::Always, now).await,
        None => Ok(()),
    }
}

async fn note_reachable(deps: &Deps, claimed: &Claimed, note: Note, now: Timestamp) -> Result<BTreeSet<RepositoryId>, Error> {
    let client = deps.app(now).await?.installation(claimed.id);
    let mut reachable = BTreeSet::new();
    let mut page = Some(1);
    while let Some(number) = page {
        let listed = client.repositories(number).await?;
        for view in &listed.items {
            reachable.insert(view.id);
            note_repository(deps, claimed, view, note, now).await?;
        }
        page = listed.next;
    }
    Ok(reachable)
}

async fn drop_unreachable(deps: &Deps, claimed: &Claimed, reachable: &BTreeSet<RepositoryId>, now: Timestamp) -> Result<(), Error> {
    for known in deps.workflow.store.repositories_reached(claimed.org, claimed.id).await? {
        if known.is_enabled && !reachable.contains(&known.id) {
            disable_repository(deps, claimed.id, known.id, &CancelReason::RepositoryGone, now).await?;
        }
    }
    Ok(())
}

/// Stops what runs or waits for an installation of an org.
pub(crate) async fn stop_installation(deps: &Deps, org: Option<OrgId>, id: InstallationId, now: Timestamp) -> Result<(), Error> {
    let Some(org) = org else { return Ok(()) };
    for known in deps.workflow.store.repositories_reached(org, id).await? {
        stop_heads(deps, known.id, &CancelReason::InstallationGone, now).await?;
    }
    Ok(())
}
