//! Tokens of orgs: made here, shown once, stored as a hash.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::org::{Org, OrgName, Scope, Token};
use quillon_tenancy::Deed;
use serde::{Deserialize, Serialize};

use super::{org_named, org_of_query};
use crate::body::{self, SMALL};
use crate::credential::shorten;
use crate::error::ApiError;
use crate::{Deps, no_content};

/// What a token may do unless it is said.
const USUAL: [Scope; 3] = [Scope::TelemetryWrite, Scope::ChecksRead, Scope::ChecksRerun];

/// Asks for a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// For which org; it is made where it does not exist.
    pub org: OrgName,
    /// What people call the token.
    pub name: String,
    /// What it may do; send telemetry, read checks and rerun them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
    /// When it stops working; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// A token that was made.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedToken {
    /// The token itself; it cannot be shown again.
    pub token: String,
    /// What is known of it from now on.
    pub record: Token,
    /// Whether its org was made for it.
    pub is_org_new: bool,
}

/// The tokens of an org.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenList {
    /// The oldest first, those that have expired among them.
    pub tokens: Vec<Token>,
}

pub(super) async fn create(deps: &Deps, request: &Request<Bytes>, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let wanted: CreateToken = body::json(request, SMALL)?;
    let scopes = wanted.scopes.unwrap_or_else(|| USUAL.to_vec());
    let (org, is_org_new) = org_or_new(deps, &wanted.org, deed).await?;
    let (record, token) = deps.tenancy.create_token(org.id, &wanted.name, &scopes, wanted.expires_in_days, deed).await?;
    Ok(quillon_runtime::json(StatusCode::CREATED, &CreatedToken { token: token.expose().clone(), record, is_org_new }))
}

/// The org of a name, and whether this call made it. Of two who ask at once, one makes it.
async fn org_or_new(deps: &Deps, name: &OrgName, deed: &Deed<'_>) -> Result<(Org, bool), ApiError> {
    if let Some(org) = deps.store.org_by_name(name).await? {
        return Ok((org, false));
    }
    match deps.tenancy.found_org(name.clone(), deed).await {
        Ok(org) => Ok((org, true)),
        Err(quillon_tenancy::Error::Refused(_)) => Ok((org_named(deps, name.as_str()).await?, false)),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn list(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let org = org_of_query(deps, request).await?;
    let tokens = deps.tenancy.tokens(org.id).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &TokenList { tokens }))
}

pub(super) async fn revoke(deps: &Deps, request: &Request<Bytes>, id: &str, deed: &Deed<'_>) -> Result<Response<Bytes>, ApiError> {
    let org = org_of_query(deps, request).await?;
    let unknown = |_| ApiError::NotFound(format!("no token `{}` in `{}`", shorten(id), org.name));
    deps.tenancy.revoke_token(org.id, id.parse().map_err(unknown)?, deed).await?;
    Ok(no_content())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_has_no_unknown_fields() {
        let read = |json: &str| serde_json::from_str::<CreateToken>(json);
        assert!(read(r#"{"org":"acme","name":"ci","scopes":["checks:read","admin"]}"#).is_ok());
        for json in
            [r#"{"org":"acme","name":"ci","scope":[]}"#, r#"{"org":"a_b","name":"ci"}"#, r#"{"org":"acme","name":"ci","scopes":["root"]}"#]
        {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
