//! Who sends: a token of an org, or the token of one job.

use http::HeaderMap;
use jiff::Timestamp;
use quillon_core::org::{Scope, Token};
use quillon_core::trace::card::Claim;
use quillon_runtime::presented;
use quillon_secrets::telemetry;
use sha2::{Digest, Sha256};

use crate::Deps;

/// The header in which a CLI that is logged in names its org.
const ORG_HEADER: &str = "x-dagger-org";

/// Somebody who may send telemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    /// On whose behalf.
    pub(crate) claim: Claim,
    /// Whose budget it is.
    pub(crate) account: String,
}

/// Why somebody may not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Denied {
    #[error("no credential: set DAGGER_CLOUD_TOKEN to a token of your org, or send `Authorization: Bearer <token>`")]
    Missing,
    #[error("the credential is unknown or has expired: make a new one with `quillon admin token create`")]
    Unknown,
    #[error("the token has no scope `telemetry:write`: use one that has")]
    Scope,
    #[error("the token belongs to another org than the one in `X-Dagger-Org`: log in to that org, or leave the header out")]
    OtherOrg,
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    #[error(transparent)]
    Secret(#[from] quillon_secrets::Error),
}

/// Finds out who sends.
pub(crate) async fn identify(deps: &Deps, headers: &HeaderMap, now: Timestamp) -> Result<Sender, Denied> {
    let presented = presented(headers).ok_or(Denied::Missing)?;
    let text = presented.expose();
    if telemetry::is_token(text) {
        let key = deps.secrets.instance_key(&deps.session_secret_arn, now).await?;
        let claim = telemetry::verify(&key, text, now).ok_or(Denied::Unknown)?;
        is_meant(headers, |org| org == claim.org.to_string())?;
        let account = claim.attempt.map_or_else(|| claim.org.to_string(), |attempt| attempt.to_string());
        return Ok(Sender { claim, account });
    }
    if !text.starts_with("dag_") {
        return Err(Denied::Unknown);
    }
    let token = token(deps, text, now).await?.ok_or(Denied::Unknown)?;
    if !token.scopes.contains(&Scope::TelemetryWrite) {
        return Err(Denied::Scope);
    }
    is_meant(headers, |org| org == token.org.to_string() || org.eq_ignore_ascii_case(token.org_name.as_str()))?;
    let claim = Claim { org: token.org, attempt: None, repository: None };
    Ok(Sender { claim, account: token.id.to_string() })
}

/// The token of a text, read at most once a minute.
async fn token(deps: &Deps, text: &str, now: Timestamp) -> Result<Option<Token>, Denied> {
    // What is kept is the hash, as in the table.
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    if let Some(token) = deps.tokens.value(&hash, now) {
        return Ok(Some(token).filter(|token| token.expires_at.is_none_or(|end| now < end)));
    }
    let token = deps.store.token(&hash, now).await?;
    if let Some(token) = &token {
        deps.tokens.keep(hash, token.clone(), now);
    }
    Ok(token)
}

fn is_meant(headers: &HeaderMap, is_ours: impl Fn(&str) -> bool) -> Result<(), Denied> {
    let named = headers.get(ORG_HEADER).map(|value| value.to_str().unwrap_or_default().trim());
    match named {
        None | Some("") => Ok(()),
        Some(org) if is_ours(org) => Ok(()),
        Some(_) => Err(Denied::OtherOrg),
    }
}
