//! `/operator/v1/*`: what whoever runs the instance may ask, with the operator's key as `Bearer`.
//!
//! | call | what |
//! |---|---|
//! | `POST tokens` [`CreateToken`] | makes a token, and its org where that is new: 201 [`CreatedToken`] |
//! | `GET tokens?org=` | 200 [`TokenList`] |
//! | `DELETE tokens/<id>?org=` | 204, 404 |
//! | `POST agent-enrolments` [`CreateEnrolment`] | a one-time right to enrol an agent: 201 [`CreatedEnrolment`] |
//! | `GET agents?after=&limit=` | 200 [`AgentList`] |
//! | `DELETE agents/<id>` | 204, 404 |
//! | `GET`, `PUT repositories/<owner>/<name>/settings[?org=]` | 200 `RepositorySettings` |
//! | `GET orgs?after=&limit=` | 200 [`OrgList`] |
//! | `POST orgs` [`CreateOrg`] | an org without members: 201 `Org`, 409 where the name is taken |
//! | `PUT orgs/<name>` [`ChangeOrg`] | 200 `Org` |
//! | `DELETE orgs/<name>`, `POST orgs/<name>/restore` | 200 `Org` with, without its `deletion` |
//! | `GET orgs/<name>/members?after=&limit=` | 200 [`MemberList`] |
//! | `POST orgs/<name>/members` [`AddMember`] | puts somebody in, or changes their roles: 200 `Member` |
//! | `DELETE orgs/<name>/members/<user>` | 204, 404 |
//! | `GET orgs/<name>/invites` | 200 [`InviteList`] |
//! | `POST orgs/<name>/invites` [`CreateInvite`] | 201 [`CreatedInvite`] |
//! | `DELETE orgs/<name>/invites/<id>` | 204, 404 |
//! | `GET installations?page=` | what GitHub lists: 200 [`InstallationList`] |
//! | `POST installations/<id>/claim` [`ClaimInstallation`] | 200 `Installation`, 409 where another org has it |
//!
//! What is done to an org is in its audit log, as of `operator`.

mod agents;
mod installations;
mod members;
mod orgs;
mod repositories;
mod tokens;

use bytes::Bytes;
use http::{Request, Response};
use quillon_core::org::{Org, OrgName};
use quillon_runtime::guard::source_address;
use quillon_store::Page;
use quillon_tenancy::Deed;

use crate::Deps;
use crate::access::OperatorCall;
use crate::body;
use crate::credential::shorten;
use crate::error::ApiError;

pub use agents::{AgentList, CreateEnrolment, CreatedEnrolment};
pub use installations::{ClaimInstallation, InstallationLine, InstallationList};
pub use members::{AddMember, CreateInvite, CreatedInvite, InviteList, MemberList};
pub use orgs::{ChangeOrg, CreateOrg, OrgList};
pub use tokens::{CreateToken, CreatedToken, TokenList};

/// Serves a call of the operator, who was let in already. The names are those of the path, as many as its row has open segments.
pub(crate) async fn handle(deps: &Deps, request: &Request<Bytes>, call: OperatorCall, named: &[&str]) -> Result<Response<Bytes>, ApiError> {
    let from = source_address(request.headers());
    let deed = &Deed { who: "operator", from: from.as_deref(), now: deps.clock.now() };
    let name = |index: usize| named.get(index).copied().unwrap_or_default();
    match call {
        OperatorCall::CreateToken => tokens::create(deps, request, deed).await,
        OperatorCall::ListTokens => tokens::list(deps, request).await,
        OperatorCall::RevokeToken => tokens::revoke(deps, request, name(0), deed).await,
        OperatorCall::EnrolAgent => agents::enrol(deps, request).await,
        OperatorCall::ListAgents => agents::list(deps, request).await,
        OperatorCall::RemoveAgent => agents::delete(deps, name(0)).await,
        OperatorCall::ShowRepository => repositories::show(deps, request, name(0), name(1)).await,
        OperatorCall::ChangeRepository => repositories::change(deps, request, name(0), name(1), deed).await,
        OperatorCall::ListOrgs => orgs::list(deps, request).await,
        OperatorCall::CreateOrg => orgs::create(deps, request, deed).await,
        OperatorCall::ChangeOrg => orgs::change(deps, request, name(0), deed).await,
        OperatorCall::DeleteOrg => orgs::delete(deps, name(0), deed).await,
        OperatorCall::RestoreOrg => orgs::restore(deps, name(0), deed).await,
        OperatorCall::ListMembers => members::list(deps, request, name(0)).await,
        OperatorCall::AddMember => members::add(deps, request, name(0), deed).await,
        OperatorCall::RemoveMember => members::remove(deps, name(0), name(1), deed).await,
        OperatorCall::ListInvites => members::invites(deps, name(0)).await,
        OperatorCall::Invite => members::invite(deps, request, name(0), deed).await,
        OperatorCall::RevokeInvite => members::revoke_invite(deps, name(0), name(1), deed).await,
        OperatorCall::ListInstallations => installations::list(deps, request).await,
        OperatorCall::ClaimInstallation => installations::claim(deps, request, name(0), deed).await,
    }
}

/// The org of a name.
async fn org_named(deps: &Deps, name: &str) -> Result<Org, ApiError> {
    let unknown = || ApiError::NotFound(format!("no org `{}`", shorten(name)));
    let parsed: OrgName = name.parse().map_err(|_| unknown())?;
    deps.store.org_by_name(&parsed).await?.ok_or_else(unknown)
}

/// The org that a query parameter names.
async fn org_of_query(deps: &Deps, request: &Request<Bytes>) -> Result<Org, ApiError> {
    match body::query(request).get("org") {
        Some(name) => org_named(deps, name).await,
        None => Err(ApiError::BadRequest("the parameter `org` is missing: name the org".to_owned())),
    }
}

/// The part of a list that `after` and `limit` ask for.
fn page_of_query(request: &Request<Bytes>) -> Result<Page, ApiError> {
    let mut query = body::query(request);
    let limit = match query.get("limit").map(|text| text.parse::<u32>()) {
        None => 100,
        Some(Ok(limit)) if (1..=100).contains(&limit) => limit,
        Some(_) => return Err(ApiError::BadRequest("`limit` is a number from 1 to 100".to_owned())),
    };
    Ok(Page { after: query.remove("after").filter(|after| !after.is_empty()), limit })
}
