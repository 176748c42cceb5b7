//! Tokens of orgs: made here, shown once, stored as a hash.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::id::{OrgId, TokenId};
use quillon_core::org::{Org, OrgName, Scope, Token, token_text};
use quillon_core::text::first_line;
use quillon_store::Written;
use serde::{Deserialize, Serialize};

use super::org_of_query;
use crate::body::{self, SMALL};
use crate::credential::shorten;
use crate::error::ApiError;
use quillon_tenancy::secret;

use crate::{Deps, no_content};

/// Longest life of a token, in days.
const MAX_DAYS: u32 = 3_660;

/// Longest name of a token, in characters.
const MAX_NAME: usize = 100;

/// Asks for a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// For which org; it is made where it does not exist.
    pub org: OrgName,
    /// What people call the token.
    pub name: String,
    /// What it may do; everything that a token can when absent.
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

pub(super) async fn create(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let wanted: CreateToken = body::json(request, SMALL)?;
    let now = deps.clock.now();
    let name = first_line(&wanted.name, MAX_NAME);
    if name.is_empty() {
        return Err(ApiError::Unprocessable("a token needs a name: send a `name` that is not empty".to_owned()));
    }
    let mut scopes = wanted.scopes.unwrap_or_else(|| vec![Scope::TelemetryWrite, Scope::ChecksRead, Scope::ChecksRerun]);
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(ApiError::Unprocessable("a token without scopes can do nothing: leave `scopes` out for all".to_owned()));
    }
    let expires_at = expiry(wanted.expires_in_days, now)?;
    let (org, is_org_new) = org_or_new(deps, &wanted.org, now).await?;
    let token = token_text(&org.name, secret::fresh()?.expose());
    let id = secret::new_id(TokenId::from_parts, now)?;
    let record = Token { expires_at, ..Token::new(id, &org, name, scopes, "operator".to_owned(), now) };
    match deps.store.create_token(&record, &secret::hash(&token)).await? {
        Written::Done => Ok(quillon_runtime::json(StatusCode::CREATED, &CreatedToken { token, record, is_org_new })),
        Written::Lost => Err(ApiError::Internal { cause: "a fresh token text is taken".to_owned() }),
    }
}

fn expiry(days: Option<u32>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    match days {
        None => Ok(None),
        Some(days @ 1..=MAX_DAYS) => Ok(Some(later(now, SignedDuration::from_hours(24 * i64::from(days))))),
        Some(_) => Err(ApiError::Unprocessable(format!("`expires_in_days` is a number from 1 to {MAX_DAYS}"))),
    }
}

/// The org of a name, and whether this call made it. Of two who ask at once, one makes it.
async fn org_or_new(deps: &Deps, name: &OrgName, now: Timestamp) -> Result<(Org, bool), ApiError> {
    if let Some(org) = deps.store.org_by_name(name).await? {
        return Ok((org, false));
    }
    let id = secret::new_id(OrgId::from_parts, now)?;
    let org = Org::new(id, name.clone(), now);
    match deps.store.create_org(&org).await? {
        Written::Done => Ok((org, true)),
        Written::Lost => {
            let taken = deps.store.org_by_name(name).await?;
            let missing = || ApiError::Conflict(format!("the org `{name}` was being made by somebody else: try again"));
            Ok((taken.ok_or_else(missing)?, false))
        }
    }
}

pub(super) async fn list(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let org = org_of_query(deps, request).await?;
    let tokens = deps.store.tokens_of(org.id).await?;
    Ok(quillon_runtime::json(StatusCode::OK, &TokenList { tokens }))
}

pub(super) async fn delete(deps: &Deps, request: &Request<Bytes>, id: &str) -> Result<Response<Bytes>, ApiError> {
    let org = org_of_query(deps, request).await?;
    let unknown = || ApiError::NotFound(format!("no token `{}` in `{}`", shorten(id), org.name));
    let id: TokenId = id.parse().map_err(|_| unknown())?;
    match deps.store.delete_token(org.id, id).await? {
        Written::Done => Ok(no_content()),
        Written::Lost => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_a_bounded_number_of_days() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(expiry(None, now).expect("no limit"), None);
        assert_eq!(expiry(Some(1), now).expect("a day"), Timestamp::from_second(86_400).ok());
        for days in [0, MAX_DAYS + 1, u32::MAX] {
            assert!(expiry(Some(days), now).is_err(), "{days}");
        }
    }

    #[test]
    fn what_is_asked_for_has_no_unknown_fields() {
        let read = |json: &str| serde_json::from_str::<CreateToken>(json);
        assert!(read(r#"{"org":"acme","name":"ci","scopes":["checks:read"]}"#).is_ok());
        for json in
            [r#"{"org":"acme","name":"ci","scope":[]}"#, r#"{"org":"a_b","name":"ci"}"#, r#"{"org":"acme","name":"ci","scopes":["admin"]}"#]
        {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
