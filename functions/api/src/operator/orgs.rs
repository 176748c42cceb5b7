//! Orgs: the list of them, how much of one runs at once, and whether its traces may be public.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::org::Org;
use quillon_store::Written;
use serde::{Deserialize, Serialize};

use super::{org_named, page_of_query};
use crate::Deps;
use crate::body::{self, SMALL};
use crate::error::ApiError;

/// Highest concurrency that can be set.
const MAX_CONCURRENCY: u32 = 10_000;

/// Changes an org; what is absent stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeOrg {
    /// Most attempts that run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Whether traces of CI runs of its public repositories are public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_traces: Option<bool>,
}

/// A part of the list of orgs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrgList {
    /// By name.
    pub orgs: Vec<Org>,
    /// What to send as `after` for the next part; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

pub(super) async fn list(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let page = deps.store.orgs(&page_of_query(request)?).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &OrgList { orgs: page.items, next: page.next }))
}

pub(super) async fn change(deps: &Deps, request: &Request<Bytes>, name: &str) -> Result<Response<Bytes>, ApiError> {
    let wanted: ChangeOrg = body::json(request, SMALL)?;
    if wanted.concurrency.is_some_and(|limit| !(1..=MAX_CONCURRENCY).contains(&limit)) {
        return Err(ApiError::Unprocessable(format!("`concurrency` is a number from 1 to {MAX_CONCURRENCY}")));
    }
    let known = org_named(deps, name).await?;
    let org = Org {
        concurrency: wanted.concurrency.unwrap_or(known.concurrency),
        public_traces: wanted.public_traces.unwrap_or(known.public_traces),
        ..known
    };
    match deps.store.save_org(&org).await? {
        Written::Done => {}
        Written::Lost => return Err(ApiError::Conflict("the org was changed by somebody else: try again".to_owned())),
    }
    // More room may let waiting checks start.
    deps.queues.send_dispatch(org.id, "operator").await?;
    Ok(quillon_runtime::json(StatusCode::OK, &org))
}
