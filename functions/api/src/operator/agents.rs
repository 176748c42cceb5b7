//! Agents: the right to become one, the list of them, and taking one's token away.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::id::AgentId;
use quillon_core::org::{Agent, Enrolment, OrgName};
use quillon_store::Written;
use serde::{Deserialize, Serialize};

use super::{org_named, page_of_query};
use crate::body::{self, SMALL};
use crate::credential::shorten;
use crate::error::ApiError;
use quillon_tenancy::secret;

use crate::{Deps, no_content};

/// How long an enrolment token works unless said otherwise, in minutes.
const DEFAULT_MINUTES: u32 = 60;

/// Longest that one works, in minutes.
const MAX_MINUTES: u32 = 7 * 24 * 60;

/// Asks for a one-time right to enrol an agent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateEnrolment {
    /// The only org whose checks the agent will run; all of the instance when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgName>,
    /// How long the right lasts; an hour when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_minutes: Option<u32>,
}

/// A one-time right that was made.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedEnrolment {
    /// The enrolment token; it cannot be shown again.
    pub token: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// A part of the list of agents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AgentList {
    /// The oldest first.
    pub agents: Vec<Agent>,
    /// What to send as `after` for the next part; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

pub(super) async fn enrol(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let wanted: CreateEnrolment = body::json(request, SMALL)?;
    let minutes = match wanted.expires_in_minutes {
        None => DEFAULT_MINUTES,
        Some(minutes @ 1..=MAX_MINUTES) => minutes,
        Some(_) => return Err(ApiError::Unprocessable(format!("`expires_in_minutes` is a number from 1 to {MAX_MINUTES}"))),
    };
    let org = match &wanted.org {
        None => None,
        Some(name) => Some(org_named(deps, name.as_str()).await?.id),
    };
    let expires_at = later(deps.clock.now(), SignedDuration::from_mins(i64::from(minutes)));
    let token = format!("enr_{}", secret::fresh()?.expose());
    match deps.store.create_enrolment(&Enrolment { org, expires_at }, &secret::hash(&token)).await? {
        Written::Done => Ok(quillon_runtime::json(StatusCode::CREATED, &CreatedEnrolment { token, expires_at })),
        Written::Lost => Err(ApiError::Internal { cause: "a fresh enrolment token is taken".to_owned() }),
    }
}

pub(super) async fn list(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let page = deps.store.agents(&page_of_query(request)?).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &AgentList { agents: page.items, next: page.next }))
}

pub(super) async fn delete(deps: &Deps, id: &str) -> Result<Response<Bytes>, ApiError> {
    let unknown = || ApiError::NotFound(format!("no agent `{}`", shorten(id)));
    let id: AgentId = id.parse().map_err(|_| unknown())?;
    match deps.store.delete_agent(id).await? {
        Written::Done => Ok(no_content()),
        Written::Lost => Err(unknown()),
    }
}
