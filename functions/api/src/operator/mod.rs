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
//! | `PUT orgs/<name>` [`ChangeOrg`] | 200 `Org` |

mod agents;
mod orgs;
mod repositories;
mod tokens;

use bytes::Bytes;
use http::{Method, Request, Response};
use quillon_core::org::{Org, OrgName};
use quillon_store::Page;

use crate::Deps;
use crate::body;
use crate::credential::{self, Caller, shorten};
use crate::error::ApiError;

pub use agents::{AgentList, CreateEnrolment, CreatedEnrolment};
pub use orgs::{ChangeOrg, OrgList};
pub use tokens::{CreateToken, CreatedToken, TokenList};

/// Serves a call of the operator.
pub(crate) async fn handle(deps: &Deps, request: &Request<Bytes>, call: &str) -> Result<Response<Bytes>, ApiError> {
    match credential::identify(deps, request.headers(), deps.clock.now()).await? {
        Caller::Operator => {}
        Caller::Token(_) => return Err(ApiError::Forbidden("this takes the operator's key, not the token of an org".to_owned())),
    }
    let path: Vec<&str> = call.split('/').collect();
    let method = request.method();
    match (path.as_slice(), method) {
        (["tokens"], &Method::POST) => tokens::create(deps, request).await,
        (["tokens"], &Method::GET) => tokens::list(deps, request).await,
        (["tokens"], _) => Err(ApiError::MethodNotAllowed { allow: "GET, POST" }),
        (["tokens", id], &Method::DELETE) => tokens::delete(deps, request, id).await,
        (["tokens", _], _) => Err(ApiError::MethodNotAllowed { allow: "DELETE" }),
        (["agent-enrolments"], &Method::POST) => agents::enrol(deps, request).await,
        (["agent-enrolments"], _) => Err(ApiError::MethodNotAllowed { allow: "POST" }),
        (["agents"], &Method::GET) => agents::list(deps, request).await,
        (["agents"], _) => Err(ApiError::MethodNotAllowed { allow: "GET" }),
        (["agents", id], &Method::DELETE) => agents::delete(deps, id).await,
        (["agents", _], _) => Err(ApiError::MethodNotAllowed { allow: "DELETE" }),
        (["repositories", owner, name, "settings"], &Method::GET) => repositories::show(deps, request, owner, name).await,
        (["repositories", owner, name, "settings"], &Method::PUT) => repositories::change(deps, request, owner, name).await,
        (["repositories", _, _, "settings"], _) => Err(ApiError::MethodNotAllowed { allow: "GET, PUT" }),
        (["orgs"], &Method::GET) => orgs::list(deps, request).await,
        (["orgs"], _) => Err(ApiError::MethodNotAllowed { allow: "GET" }),
        (["orgs", name], &Method::PUT) => orgs::change(deps, request, name).await,
        (["orgs", _], _) => Err(ApiError::MethodNotAllowed { allow: "PUT" }),
        (_, _) => Err(ApiError::NotFound("the operator has no such call".to_owned())),
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
