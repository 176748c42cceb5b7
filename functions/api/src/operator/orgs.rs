//! Orgs: made, renamed, limited, deleted and had back.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::org::{Org, OrgName};
use quillon_tenancy::{Deed, SettingsChange};
use serde::{Deserialize, Serialize};

use super::{org_named, page_of_query};
use crate::Deps;
use crate::body::{self, SMALL};
use crate::error::ApiError;

/// Makes an org without members.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateOrg {
    /// Its name.
    pub name: OrgName,
}

/// Changes an org; what is absent stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeOrg {
    /// Its new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<OrgName>,
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

pub(super) async fn create(deps: &Deps, request: &Request<Bytes>, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let wanted: CreateOrg = body::json(request, SMALL)?;
    let org = deps.tenancy.found_org(wanted.name, deed).await?;
    Ok(quillon_runtime::json(StatusCode::CREATED, &org))
}

pub(super) async fn change(deps: &Deps, request: &Request<Bytes>, name: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let wanted: ChangeOrg = body::json(request, SMALL)?;
    let mut org = org_named(deps, name).await?;
    // Settings first: they can be refused for what they are, a name only for being taken.
    if wanted.concurrency.is_some() || wanted.public_traces.is_some() {
        let change = SettingsChange { concurrency: wanted.concurrency, public_traces: wanted.public_traces };
        org = deps.tenancy.change_settings(org.id, change, deed).await?;
    }
    if let Some(name) = wanted.name {
        org = deps.tenancy.rename(org.id, name, deed).await?;
    }
    // More room may let waiting checks start.
    deps.queues.send_dispatch(org.id, "operator").await?;
    Ok(quillon_runtime::json(StatusCode::OK, &org))
}

pub(super) async fn delete(deps: &Deps, name: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let org = deps.tenancy.delete_org(org_named(deps, name).await?.id, deed).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &org))
}

pub(super) async fn restore(deps: &Deps, name: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let org = deps.tenancy.undelete_org(org_named(deps, name).await?.id, deed).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &org))
}
