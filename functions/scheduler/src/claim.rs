//! Whose an installation is.

use jiff::Timestamp;
use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::id::{InstallationId, OrgId};
use quillon_core::org::{Installation, Org, OrgName, SourceMode};
use quillon_core::plan::entitlements;
use quillon_store::{Page, Written};

use crate::{Deps, Error};

/// How many installations of an org are looked at for one on the same account.
const PAGE: u32 = 100;

/// An installation that an org has claimed and that may be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimed {
    /// The installation.
    pub(crate) id: InstallationId,
    /// The org.
    pub(crate) org: OrgId,
    /// Which of its repositories are checked.
    pub(crate) mode: SourceMode,
    /// Whether the org's plan has checks.
    pub(crate) may_check: bool,
}

/// The claim on an installation; none when nothing is to be done for it: nobody claimed it, GitHub suspended it, or its org
/// waits for its deletion.
pub(crate) async fn of(deps: &Deps, id: InstallationId, now: Timestamp) -> Result<Option<Claimed>, Error> {
    let known = deps.workflow.store.installation(id).await?;
    let installation = match known {
        Some(installation) if !is_claimed_here(deps, &installation) => installation,
        Some(_) | None => match take_in(deps, id, now).await? {
            Some(installation) => installation,
            None => return Ok(None),
        },
    };
    usable(deps, &installation, now).await
}

/// What may be used of an installation as it is stored.
pub(crate) async fn usable(deps: &Deps, installation: &Installation, now: Timestamp) -> Result<Option<Claimed>, Error> {
    let id = installation.id;
    if installation.is_suspended {
        tracing::info!(installation.id = %id, "the installation is suspended, nothing is run for it");
        return Ok(None);
    }
    let Some(org) = installation.org else {
        tracing::info!(installation.id = %id, "no org has claimed the installation, nothing is run for it");
        return Ok(None);
    };
    let Some(known) = deps.workflow.store.org(org).await?.filter(Org::is_open) else {
        tracing::info!(installation.id = %id, org.id = %org, "the org is deleted, nothing is run for it");
        return Ok(None);
    };
    let may_check = entitlements(deps.billing, known.subscription.as_ref(), now).checks;
    Ok(Some(Claimed { id, org, mode: installation.mode, may_check }))
}

/// Whether it is for us to claim an installation. One that an org released stays released.
fn is_claimed_here(deps: &Deps, installation: &Installation) -> bool {
    deps.auto_claim && installation.org.is_none() && installation.claimed_at.is_none()
}

/// Takes an installation in as GitHub has it; with `auto_claim` it gets the org of its account's name.
///
/// None when GitHub does not know the installation any more.
pub(crate) async fn take_in(deps: &Deps, id: InstallationId, now: Timestamp) -> Result<Option<Installation>, Error> {
    let store = &deps.workflow.store;
    let view = match deps.app(now).await?.installation_info(id).await {
        Ok(view) => view,
        Err(quillon_github::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // What is stored keeps whose it is: somebody may claim or release it at this moment.
    let noted = Installation { is_suspended: view.is_suspended, ..Installation::new(id, None, view.account, view.login) };
    store.save_installation(&noted).await?;
    let stored = store.installation(id).await?;
    match &stored {
        Some(installation) if is_claimed_here(deps, installation) => {
            if let Some(org) = org_for(deps, installation, now).await? {
                let entry = entry(org, AuditAction::SourceClaimed, &installation.login, now);
                // Lost to somebody who claims it at this moment: what is stored now says whose it is.
                store.recording(&[entry])?.claim_installation(id, org, now).await.map(|_raced| ())?;
            }
            Ok(store.installation(id).await?)
        }
        Some(_) | None => Ok(stored),
    }
}

/// What the audit log of an org says of what an installation does by itself.
fn entry(org: OrgId, action: AuditAction, subject: &str, now: Timestamp) -> AuditEntry {
    let (who, subject) = ("the installation of the GitHub App".to_owned(), subject.to_owned());
    AuditEntry { org, at: now, who, action, subject, detail: String::new(), from: None }
}

/// The org of an account's name, made where it is new.
///
/// An org that people have made belongs to the account only if it has had an installation on it: anybody could have taken the name.
async fn org_for(deps: &Deps, installation: &Installation, now: Timestamp) -> Result<Option<OrgId>, Error> {
    let store = &deps.workflow.store;
    // A login that is no name at all (it is GitHub's, so it never happens) still gets an org.
    let name = OrgName::of_login(&installation.login).or_else(|| OrgName::of_login(&format!("installation-{}", installation.id)));
    let Some(name) = name else { return Ok(None) };
    let created_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let org = Org::new(OrgId::derived(created_ms, &["org", &name.folded()]), name, now);
    let entry = entry(org.id, AuditAction::OrgMade, org.name.as_str(), now);
    if store.recording(&[entry])?.create_org(&org).await? == Written::Done {
        return Ok(Some(org.id));
    }
    let Some(known) = store.org_by_name(&org.name).await? else { return Ok(None) };
    if store.admins(known.id).await?.users.is_empty() {
        return Ok(Some(known.id));
    }
    let claimed = store.installations_of(known.id, &Page::first(PAGE)).await?.items;
    Ok(claimed.iter().any(|other| other.account == installation.account).then_some(known.id))
}
