//! The doors: no resolver comes to an org but through one of these, and each asks for the row of its field.

use async_graphql::{Context, ID};
use quillon_core::access::{Permission, Verdict, allows};
use quillon_core::id::{InstallationId, OrgId};
use quillon_core::org::{BeingDeleted, Installation};
use quillon_core::plan::{entitlements, may_check};

use super::{Asks, Field};
use crate::Deps;
use crate::credential::{Asker, OrgAccess, shorten};
use crate::error::ApiError;

/// The org of that id, in which the caller may have the field.
///
/// # Errors
/// Not found for an id that is malformed, unknown, or of an org that is not theirs: the three are not told apart. Forbidden
/// where they lack a role or a scope.
pub(crate) async fn org(context: &Context<'_>, field: Field, id: &ID) -> Result<OrgAccess, ApiError> {
    visible(context, field, id).await?.ok_or_else(|| unknown_org(id))
}

/// The same, and none in place of not found.
pub(crate) async fn visible(context: &Context<'_>, field: Field, id: &ID) -> Result<Option<OrgAccess>, ApiError> {
    let Ok(id) = id.parse::<OrgId>() else { return Ok(None) };
    let deps = context.data_unchecked::<Deps>();
    let Some(access) = context.data_unchecked::<Asker>().org(deps, id).await? else { return Ok(None) };
    within(field, &access)?;
    if field.starts_work() {
        takes_work(deps, &access)?;
    }
    Ok(Some(access))
}

/// The org of that name, without regard to case; none where the caller sees none.
pub(crate) async fn named(context: &Context<'_>, field: Field, name: &str) -> Result<Option<OrgAccess>, ApiError> {
    let access = context.data_unchecked::<Asker>().org_named(context.data_unchecked::<Deps>(), name).await?;
    access.map(|access| within(field, &access).map(|()| access)).transpose()
}

/// An installation, and the org that has claimed it, in which the caller may have the field.
///
/// # Errors
/// As [`org`]; not found also for an installation that nobody has claimed, or that another org has than the one that is named.
pub(crate) async fn installation(
    context: &Context<'_>,
    field: Field,
    id: &ID,
    named: Option<&ID>,
) -> Result<(OrgAccess, Installation), ApiError> {
    let deps = context.data_unchecked::<Deps>();
    if let Some(named) = named {
        org(context, field, named).await?;
    }
    let unknown = || ApiError::NotFound(format!("no connected account `{}`: `sources` lists them", shorten(id)));
    let id: InstallationId = id.parse().map_err(|_| unknown())?;
    let installation = deps.store.installation(id).await?.ok_or_else(unknown)?;
    let holder = installation.org.ok_or_else(unknown)?;
    if named.is_some_and(|named| named.as_str() != holder.to_string()) {
        return Err(unknown());
    }
    let access = context.data_unchecked::<Asker>().org(deps, holder).await?.ok_or_else(unknown)?;
    within(field, &access)?;
    Ok((access, installation))
}

/// All orgs of the caller in which they may have the field, whatever the header says.
///
/// # Errors
/// As [`everywhere`], but for the header.
pub(crate) async fn all(context: &Context<'_>, field: Field) -> Result<Vec<OrgAccess>, ApiError> {
    let orgs = context.data_unchecked::<Asker>().all_orgs(context.data_unchecked::<Deps>()).await?;
    allowed(field, orgs)
}

/// All orgs of the caller in which they may have the field, or the one that the request names in a header.
///
/// # Errors
/// Forbidden where they are in orgs, but may in none of them; not found where the header names an org that is not theirs.
pub(crate) async fn everywhere(context: &Context<'_>, field: Field) -> Result<Vec<OrgAccess>, ApiError> {
    let orgs = context.data_unchecked::<Asker>().orgs(context.data_unchecked::<Deps>()).await?;
    allowed(field, orgs)
}

/// The orgs in which the caller may have a field; the first refusal where there are some, but none such.
fn allowed(field: Field, orgs: Vec<OrgAccess>) -> Result<Vec<OrgAccess>, ApiError> {
    let permissions = match field.asks() {
        Asks::InSome(permissions) => permissions,
        Asks::Credential | Asks::In(_) => return Err(astray(field)),
    };
    let (mut allowed, mut refusal) = (Vec::new(), None);
    for access in orgs {
        match may(&access, permissions) {
            Ok(()) => allowed.push(access),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    match refusal {
        Some(refusal) if allowed.is_empty() => Err(refusal),
        Some(_) | None => Ok(allowed),
    }
}

/// Whether the caller may have a field of an org.
///
/// # Errors
/// Forbidden with what they lack.
pub(crate) fn within(field: Field, access: &OrgAccess) -> Result<(), ApiError> {
    match field.asks() {
        Asks::In(permission) => may(access, &[permission]),
        Asks::Credential | Asks::InSome(_) => Err(astray(field)),
    }
}

/// Whether new work is begun for an org.
///
/// # Errors
/// A conflict where it is to be deleted, or where its plan has no checks.
fn takes_work(deps: &Deps, access: &OrgAccess) -> Result<(), ApiError> {
    let org = access.org();
    if !org.is_open() {
        return Err(ApiError::Conflict(BeingDeleted.to_string()));
    }
    let entitlements = entitlements(deps.options.billing, org.subscription.as_ref(), deps.clock.now());
    may_check(&entitlements).map_err(|refusal| ApiError::Conflict(refusal.to_string()))
}

/// Whether the caller may do one of these in an org.
///
/// # Errors
/// Forbidden with what they lack for the first.
pub(crate) fn may(access: &OrgAccess, permissions: &[Permission]) -> Result<(), ApiError> {
    let mut first = None;
    for permission in permissions {
        match allows(access.standing(), *permission) {
            Verdict::Allowed => return Ok(()),
            Verdict::Refused(refusal) => first = first.or_else(|| Some(ApiError::Forbidden(refusal.to_string()))),
            Verdict::Hidden => first = first.or_else(|| Some(unknown_org(access.org().id.to_string().as_str()))),
        }
    }
    Err(first.unwrap_or_else(|| unknown_org("")))
}

/// An org that does not exist, or is not the caller's: the two are not told apart.
pub(crate) fn unknown_org(text: &str) -> ApiError {
    ApiError::NotFound(format!("no org `{}`", shorten(text)))
}

/// A field came to a door that its row does not lead to.
fn astray(field: Field) -> ApiError {
    ApiError::Internal { cause: format!("`{}.{}` came to the wrong door", field.owner(), field.name()) }
}
