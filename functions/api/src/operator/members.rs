//! Members and invitations of an org, for the operator: how an org that nobody administers gets its first admin.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::id::{InviteId, UserId};
use quillon_core::member::{Invite, Invitee, Member, Role, Roles};
use quillon_tenancy::Deed;
use serde::{Deserialize, Serialize};

use super::{org_named, page_of_query};
use crate::body::{self, SMALL};
use crate::credential::shorten;
use crate::error::ApiError;
use crate::{Deps, no_content};

/// Puts somebody into an org who has signed in once, or changes their roles.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddMember {
    /// Their id, as their account page shows it.
    pub user: String,
    /// What they are to be.
    pub roles: Vec<Role>,
}

/// A part of the list of members.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberList {
    /// In the order of their ids: the oldest first.
    pub members: Vec<Member>,
    /// What to send as `after` for the next part; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Invites somebody.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateInvite {
    /// A login of GitHub, or an e-mail address that their provider has verified.
    #[serde(alias = "login", alias = "email")]
    pub invitee: String,
    /// What they are to be.
    pub roles: Vec<Role>,
}

/// An invitation that was made.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedInvite {
    /// What is known of it.
    pub invite: Invite,
    /// The link that accepts it; it cannot be shown again.
    pub url: String,
}

/// The invitations of an org that are open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InviteList {
    /// The oldest first.
    pub invites: Vec<Invite>,
}

fn roles(wanted: &[Role]) -> Result<Roles, ApiError> {
    Roles::of(wanted).map_err(|error| ApiError::Unprocessable(error.to_string()))
}

pub(super) async fn list(deps: &Deps, request: &Request<Bytes>, name: &str) -> Result<Response<Bytes>, ApiError> {
    let org = org_named(deps, name).await?;
    let page = deps.tenancy.members(org.id, &page_of_query(request)?).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &MemberList { members: page.items, next: page.next }))
}

pub(super) async fn add(deps: &Deps, request: &Request<Bytes>, name: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let wanted: AddMember = body::json(request, SMALL)?;
    let roles = roles(&wanted.roles)?;
    let org = org_named(deps, name).await?;
    let user: UserId = wanted.user.parse().map_err(|_| {
        let text = shorten(&wanted.user);
        ApiError::Unprocessable(format!("`{text}` is no id of a person, such as `usr_…`: invite them by their login or address"))
    })?;
    let member = deps.tenancy.add_member(org.id, user, roles, deed).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &member))
}

pub(super) async fn remove(deps: &Deps, name: &str, user: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let org = org_named(deps, name).await?;
    let unknown = |_| ApiError::NotFound(format!("no member `{}` in `{}`", shorten(user), org.name));
    deps.tenancy.remove_member(org.id, user.parse().map_err(unknown)?, deed).await?;
    Ok(no_content())
}

pub(super) async fn invites(deps: &Deps, name: &str) -> Result<Response<Bytes>, ApiError> {
    let org = org_named(deps, name).await?;
    let invites = deps.tenancy.invites(org.id, deps.clock.now()).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &InviteList { invites }))
}

pub(super) async fn invite(deps: &Deps, request: &Request<Bytes>, name: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let wanted: CreateInvite = body::json(request, SMALL)?;
    let roles = roles(&wanted.roles)?;
    let org = org_named(deps, name).await?;
    let invitee: Invitee =
        wanted.invitee.parse().map_err(|error: quillon_core::id::InvalidId| ApiError::Unprocessable(error.to_string()))?;
    let (invite, secret) = deps.tenancy.invite(org.id, invitee, roles, deed).await?;
    let url = format!("{}/invite/{}", deps.options.public_url, secret.expose());
    Ok(quillon_runtime::json(StatusCode::CREATED, &CreatedInvite { invite, url }))
}

pub(super) async fn revoke_invite(deps: &Deps, name: &str, id: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let org = org_named(deps, name).await?;
    let unknown = |_| ApiError::NotFound(format!("no invitation `{}` in `{}`", shorten(id), org.name));
    let id: InviteId = id.parse().map_err(unknown)?;
    deps.tenancy.revoke_invite(org.id, id, deed).await?;
    Ok(no_content())
}
