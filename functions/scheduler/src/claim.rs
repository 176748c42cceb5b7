//! Whose an installation is.

use jiff::Timestamp;
use quillon_core::id::{InstallationId, OrgId};
use quillon_core::org::{Installation, Org, OrgName};
use quillon_store::Written;

use crate::{Deps, Error};

/// The org that an installation belongs to; none when nobody claimed it or GitHub suspended it.
pub(crate) async fn org_of(deps: &Deps, id: InstallationId, now: Timestamp) -> Result<Option<OrgId>, Error> {
    let known = deps.workflow.store.installation(id).await?;
    let installation = match known {
        Some(installation) if installation.org.is_some() || !deps.auto_claim => installation,
        Some(_) | None => match claim(deps, id, now).await? {
            Some(installation) => installation,
            None => return Ok(None),
        },
    };
    if installation.is_suspended {
        tracing::info!(installation.id = %id, "the installation is suspended, nothing is run for it");
        return Ok(None);
    }
    if installation.org.is_none() {
        tracing::info!(installation.id = %id, "no org has claimed the installation, nothing is run for it");
    }
    Ok(installation.org)
}

/// Takes an installation in; with `auto_claim` it gets the org of its account's name.
///
/// None when GitHub does not know the installation any more.
pub(crate) async fn claim(deps: &Deps, id: InstallationId, now: Timestamp) -> Result<Option<Installation>, Error> {
    let store = &deps.workflow.store;
    let view = match deps.app(now).await?.installation_info(id).await {
        Ok(view) => view,
        Err(quillon_github::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let known = store.installation(id).await?;
    let org = match known.and_then(|installation| installation.org) {
        Some(org) => Some(org),
        None if deps.auto_claim => Some(org_for(deps, &view.login, id, now).await?),
        None => None,
    };
    let installation = Installation { is_suspended: view.is_suspended, ..Installation::new(id, org, view.account, view.login) };
    store.save_installation(&installation).await?;
    Ok(Some(installation))
}

/// The org of an account's name, made where it is new.
async fn org_for(deps: &Deps, login: &str, id: InstallationId, now: Timestamp) -> Result<OrgId, Error> {
    let store = &deps.workflow.store;
    // A login that is no name at all (it is GitHub's, so it never happens) still gets an org.
    let name = OrgName::of_login(login).or_else(|| OrgName::of_login(&format!("installation-{id}")));
    let Some(name) = name else { return Err(Error::Github(quillon_github::Error::NotFound { what: format!("account `{login}`") })) };
    let created_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let id = OrgId::derived(created_ms, &["org", &name.folded()]);
    let org = Org::new(id, name, now);
    match store.create_org(&org).await? {
        Written::Done => Ok(org.id),
        Written::Lost => Ok(store.org_by_name(&org.name).await?.map_or(org.id, |known| known.id)),
    }
}
