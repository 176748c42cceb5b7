//! Settings of repositories.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::id::OrgId;
use quillon_core::name::RepositoryName;
use quillon_core::org::{OrgName, Repository, RepositorySettings};
use quillon_store::Page;
use quillon_tenancy::Deed;

use super::org_named;
use crate::Deps;
use crate::body::{self, SMALL};
use crate::credential::shorten;
use crate::error::ApiError;

pub(super) async fn show(deps: &Deps, request: &Request<Bytes>, owner: &str, name: &str) -> Result<Response<Bytes>, ApiError> {
    let (_, repository) = find(deps, request, owner, name).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &repository.settings))
}

pub(super) async fn change(
    deps: &Deps,
    request: &Request<Bytes>,
    owner: &str,
    name: &str,
    deed: &Deed<'_>,
) -> Result<Response<Bytes>, ApiError> {
    let settings: RepositorySettings = body::json(request, SMALL)?;
    let settings = settings.checked().map_err(|error| ApiError::Unprocessable(error.to_string()))?;
    let (org, found) = find(deps, request, owner, name).await?;
    // Read again: the index that names it may lag behind.
    let seen = deps.store.repository(found.id).await?.unwrap_or(found);
    let autocheck = settings.autocheck;
    let mut changed = deps.tenancy.set_repository_settings(org, seen.id, &seen.settings, settings, deed).await?;
    if changed.settings.autocheck != autocheck {
        changed = deps.tenancy.set_autocheck(org, seen.id, autocheck, deed).await?;
    }
    Ok(quillon_runtime::json(StatusCode::OK, &changed.settings))
}

/// The repository of a name: in the org that the query names, else in the one named after the owner, else in any.
async fn find(deps: &Deps, request: &Request<Bytes>, owner: &str, name: &str) -> Result<(OrgId, Repository), ApiError> {
    let unknown =
        || ApiError::NotFound(format!("no repository `{}/{}`: push to it once, or name its `org`", shorten(owner), shorten(name)));
    let wanted: RepositoryName = format!("{owner}/{name}").parse().map_err(|_| unknown())?;
    if let Some(org) = body::query(request).get("org") {
        let org = org_named(deps, org).await?;
        let found = deps.store.repository_by_name(org.id, &wanted).await?;
        return found.map(|repository| (org.id, repository)).ok_or_else(unknown);
    }
    if let Some(likely) = OrgName::of_login(owner)
        && let Some(org) = deps.store.org_by_name(&likely).await?
        && let Some(repository) = deps.store.repository_by_name(org.id, &wanted).await?
    {
        return Ok((org.id, repository));
    }
    let mut after = None;
    loop {
        let page = deps.store.orgs(&Page { after, limit: 100 }).await?;
        for org in &page.items {
            if let Some(repository) = deps.store.repository_by_name(org.id, &wanted).await? {
                return Ok((org.id, repository));
            }
        }
        after = page.next;
        if after.is_none() {
            return Err(unknown());
        }
    }
}
