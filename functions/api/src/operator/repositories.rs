//! Settings of repositories.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::id::OrgId;
use quillon_core::name::RepositoryName;
use quillon_core::org::{OrgName, Repository, RepositorySettings};
use quillon_store::Page;

use super::org_named;
use crate::Deps;
use crate::body::{self, SMALL};
use crate::credential::shorten;
use crate::error::ApiError;

/// Most globs of one kind.
const MAX_GLOBS: usize = 100;

/// Longest glob, in bytes.
const MAX_GLOB: usize = 250;

/// Shortest and longest time limit of a check, in seconds.
const TIMEOUTS: std::ops::RangeInclusive<u32> = 10..=86_400;

pub(super) async fn show(deps: &Deps, request: &Request<Bytes>, owner: &str, name: &str) -> Result<Response<Bytes>, ApiError> {
    let (_, repository) = find(deps, request, owner, name).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &repository.settings))
}

pub(super) async fn change(deps: &Deps, request: &Request<Bytes>, owner: &str, name: &str) -> Result<Response<Bytes>, ApiError> {
    let settings: RepositorySettings = body::json(request, SMALL)?;
    validate(&settings)?;
    let (org, found) = find(deps, request, owner, name).await?;
    // Read again: the index that names it may lag behind what the scheduler has learned since.
    let current = deps.store.repository(found.id).await?.unwrap_or(found);
    let repository = Repository { settings, ..current };
    deps.store.save_repository(org, &repository).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &repository.settings))
}

fn validate(settings: &RepositorySettings) -> Result<(), ApiError> {
    for (field, globs) in [("unmerged_branches", &settings.unmerged_branches), ("ignored_directories", &settings.ignored_directories)] {
        if globs.len() > MAX_GLOBS {
            return Err(ApiError::Unprocessable(format!("`{field}` has {} globs, at most {MAX_GLOBS} are taken", globs.len())));
        }
        let is_bad = |glob: &&String| glob.is_empty() || glob.len() > MAX_GLOB || glob.chars().any(char::is_control);
        if let Some(bad) = globs.iter().find(is_bad) {
            return Err(ApiError::Unprocessable(format!(
                "`{}` in `{field}` is no glob: use 1 to {MAX_GLOB} plain characters",
                shorten(bad)
            )));
        }
    }
    if TIMEOUTS.contains(&settings.timeout_s) {
        return Ok(());
    }
    Err(ApiError::Unprocessable(format!("`timeout_s` is a number of seconds from {} to {}", TIMEOUTS.start(), TIMEOUTS.end())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_bounded() {
        let with = |change: fn(&mut RepositorySettings)| {
            let mut settings = RepositorySettings::default();
            change(&mut settings);
            validate(&settings)
        };
        assert!(with(|_| {}).is_ok());
        assert!(with(|settings| settings.unmerged_branches = vec!["release/*".to_owned()]).is_ok());
        assert!(with(|settings| settings.unmerged_branches = vec![String::new()]).is_err());
        assert!(with(|settings| settings.ignored_directories = vec!["a\nb".to_owned()]).is_err());
        assert!(with(|settings| settings.ignored_directories = vec!["x".to_owned(); MAX_GLOBS + 1]).is_err());
        assert!(with(|settings| settings.timeout_s = 0).is_err());
        assert!(with(|settings| settings.timeout_s = u32::MAX).is_err());
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<RepositorySettings>(r#"{"timeout_s":60}"#).is_ok());
        assert!(serde_json::from_str::<RepositorySettings>(r#"{"timeout":60}"#).is_err());
    }
}
