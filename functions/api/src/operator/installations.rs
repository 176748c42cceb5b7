//! Installations of the GitHub App: where it is, and which org has claimed it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::id::{AccountId, InstallationId, OrgId};
use quillon_core::message::EventMessage;
use quillon_core::org::{Installation, OrgName};
use quillon_tenancy::Deed;
use serde::{Deserialize, Serialize};

use super::org_named;
use crate::Deps;
use crate::body::{self, SMALL};
use crate::credential::shorten;
use crate::error::ApiError;

/// Claims an installation for an org, without asking who administers the account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimInstallation {
    /// For which org.
    pub org: OrgName,
}

/// An installation as GitHub lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstallationLine {
    /// GitHub's number.
    pub id: InstallationId,
    /// The login of the account that it is on.
    pub login: String,
    /// The number of that account.
    pub account: AccountId,
    /// Whether it is suspended.
    pub is_suspended: bool,
    /// The org that has claimed it; none where nobody has.
    pub org: Option<OrgName>,
}

/// A page of the list of installations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstallationList {
    /// In GitHub's order.
    pub installations: Vec<InstallationLine>,
    /// The number of the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

pub(super) async fn list(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let page = match body::query(request).get("page").map(|text| text.parse::<u32>()) {
        None => 1,
        Some(Ok(page)) if page > 0 => page,
        Some(_) => return Err(ApiError::BadRequest("`page` is a number from 1 on".to_owned())),
    };
    let listed = deps.github_app(deps.clock.now()).await?.installations(page).await?;
    let mut names: BTreeMap<OrgId, Option<OrgName>> = BTreeMap::new();
    let mut installations = Vec::with_capacity(listed.items.len());
    for view in listed.items {
        let org = match deps.store.installation(view.id).await?.and_then(|known| known.org) {
            None => None,
            Some(id) => match names.get(&id) {
                Some(name) => name.clone(),
                None => {
                    let name = deps.store.org(id).await?.map(|org| org.name);
                    names.insert(id, name.clone());
                    name
                }
            },
        };
        installations.push(InstallationLine {
            id: view.id,
            login: view.login,
            account: view.account,
            is_suspended: view.is_suspended,
            org,
        });
    }
    Ok(quillon_runtime::json(StatusCode::OK, &InstallationList { installations, next: listed.next }))
}

pub(super) async fn claim(deps: &Deps, request: &Request<Bytes>, id: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let wanted: ClaimInstallation = body::json(request, SMALL)?;
    let unknown = || ApiError::NotFound(format!("no installation `{}`: `installations` lists them", shorten(id)));
    let id: InstallationId = id.parse().map_err(|_| unknown())?;
    let org = org_named(deps, wanted.org.as_str()).await?;
    if deps.store.installation(id).await?.is_none() {
        // GitHub knows it, and no delivery of it has come yet.
        let view = deps.github_app(deps.clock.now()).await?.installation_info(id).await;
        let view = view.map_err(|error| if matches!(error, quillon_github::Error::NotFound { .. }) { unknown() } else { error.into() })?;
        let new = Installation { is_suspended: view.is_suspended, ..Installation::new(view.id, None, view.account, view.login) };
        deps.store.save_installation(&new).await?;
    }
    let claimed = deps.tenancy.claim_as_operator(org.id, id, deed).await?;
    let message = EventMessage::Claim { installation: id, org: org.id };
    deps.queues.send_event(&message, "operator", Duration::ZERO).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &claimed))
}
