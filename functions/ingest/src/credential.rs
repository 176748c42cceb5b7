//! Who sends: a token of an org, the access token of a person's device, or the signed token of a job, ours or of a CI system.

use http::HeaderMap;
use jiff::Timestamp;
use quillon_core::access::{Permission, Refusal, Standing, Verdict, allows};
use quillon_core::id::OrgId;
use quillon_core::org::{BeingDeleted, Org, OrgName};
use quillon_core::person::User;
use quillon_core::trace::card::Claim;
use quillon_runtime::presented;
use quillon_secrets::telemetry;
use quillon_tenancy::{Principal, secret};

use crate::Deps;

/// The header in which a CLI that is logged in names its org, by id or by name.
const ORG_HEADER: &str = "x-dagger-org";

/// Longest name or id of an org.
const MAX_ORG: usize = 64;

/// Somebody who may send telemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    /// On whose behalf.
    pub(crate) claim: Claim,
    /// Whose budget it is.
    pub(crate) account: String,
}

/// A sender as it is remembered for a minute.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    sender: Sender,
    /// When the credential stops working.
    until: Option<Timestamp>,
}

/// Why somebody may not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Denied {
    #[error("no credential: set DAGGER_CLOUD_TOKEN to a token of your org, or send `Authorization: Bearer <token>`")]
    Missing,
    #[error("the credential is unknown or has expired: make a new token in Settings, Tokens, or sign in again with `quillon login`")]
    Unknown,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the token belongs to another org than the one in `X-Dagger-Org`: log in to that org, or leave the header out")]
    OtherOrg,
    #[error("the org in `X-Dagger-Org` is none of yours: choose one with `dagger login <org>`")]
    NotYours,
    #[error("several orgs are yours, or none: choose one with `dagger login <org>`")]
    NoOrg,
    #[error(transparent)]
    BeingDeleted(#[from] BeingDeleted),
    #[error(transparent)]
    Tenancy(#[from] quillon_tenancy::Error),
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    #[error(transparent)]
    Secret(#[from] quillon_secrets::Error),
}

/// Finds out who sends; what it took reads to find out is good for a minute.
pub(crate) async fn identify(deps: &Deps, headers: &HeaderMap, now: Timestamp) -> Result<Sender, Denied> {
    let presented = presented(headers).ok_or(Denied::Missing)?;
    let text = presented.expose();
    let named = named_org(headers)?;
    if telemetry::is_token(text) {
        let key = deps.secrets.instance_key(&deps.session_secret_arn, now).await?;
        let claim = telemetry::verify(&key, text, now).ok_or(Denied::Unknown)?;
        return of_job(deps, claim, named, now).await;
    }
    // What is kept is the hash, as in the table.
    let question = (secret::hash(text), named.unwrap_or_default().to_owned());
    if let Some(known) = deps.senders.value(&question, now).filter(|known| known.until.is_none_or(|end| now < end)) {
        return Ok(known.sender);
    }
    let known = match deps.tenancy.identify(text, now).await?.ok_or(Denied::Unknown)? {
        Principal::Token(token) => {
            let org = open(deps, token.org, now).await?.ok_or(Denied::Unknown)?;
            let is_its = |name: &str| is_org(&org, name) || name.eq_ignore_ascii_case(token.org_name.as_str());
            if named.is_some_and(|name| !is_its(name)) {
                return Err(Denied::OtherOrg);
            }
            check(&Standing::Token(token.scopes))?;
            let claim = Claim { org: org.id, attempt: None, repository: None };
            Known { sender: Sender { claim, account: token.id.to_string() }, until: token.expires_at }
        }
        Principal::Person(user) => {
            let org = org_of(deps, &user, named, now).await?;
            let claim = Claim { org: org.id, attempt: None, repository: None };
            Known { sender: Sender { claim, account: user.id.to_string() }, until: None }
        }
    };
    deps.senders.keep(question, known.clone(), now);
    Ok(known.sender)
}

/// A job says by its own token for which org it sends.
async fn of_job(deps: &Deps, claim: Claim, named: Option<&str>, now: Timestamp) -> Result<Sender, Denied> {
    let org = open(deps, claim.org, now).await?.ok_or(Denied::Unknown)?;
    if named.is_some_and(|name| !is_org(&org, name)) {
        return Err(Denied::OtherOrg);
    }
    let account = match (claim.attempt, claim.repository) {
        (Some(attempt), _) => attempt.to_string(),
        (None, Some(repository)) => {
            check(&Standing::CiJob)?;
            format!("{}/{repository}", claim.org)
        }
        (None, None) => {
            check(&Standing::CiJob)?;
            claim.org.to_string()
        }
    };
    Ok(Sender { claim, account })
}

/// The org that a person sends for: the one that their CLI names, or the only one that they are in.
async fn org_of(deps: &Deps, user: &User, named: Option<&str>, now: Timestamp) -> Result<Org, Denied> {
    let org = match named {
        Some(named) => find(deps, named, now).await?.ok_or(Denied::NotYours)?,
        None => match deps.tenancy.memberships(user.id).await?.as_slice() {
            [(org, _)] => org.clone(),
            _ => return Err(Denied::NoOrg),
        },
    };
    // Before anything else is said of it: to others it does not exist.
    check(&deps.tenancy.standing_of_user(user.id, org.id).await?)?;
    if org.is_open() { Ok(org) } else { Err(BeingDeleted.into()) }
}

/// The org that a text names, by its id or its name.
async fn find(deps: &Deps, named: &str, now: Timestamp) -> Result<Option<Org>, Denied> {
    if let Ok(id) = named.parse::<OrgId>() {
        return known(deps, id, now).await;
    }
    let Ok(name) = named.parse::<OrgName>() else { return Ok(None) };
    Ok(deps.store.org_by_name(&name).await?)
}

/// An org that takes telemetry in; none where it is gone.
async fn open(deps: &Deps, id: OrgId, now: Timestamp) -> Result<Option<Org>, Denied> {
    match known(deps, id, now).await? {
        Some(org) if !org.is_open() => Err(BeingDeleted.into()),
        known => Ok(known),
    }
}

/// An org, read at most once a minute.
pub(crate) async fn known(deps: &Deps, id: OrgId, now: Timestamp) -> Result<Option<Org>, Denied> {
    if let Some(org) = deps.orgs.value(&id, now) {
        return Ok(Some(org));
    }
    let org = deps.store.org(id).await?;
    if let Some(org) = &org {
        deps.orgs.keep(id, org.clone(), now);
    }
    Ok(org)
}

fn check(standing: &Standing) -> Result<(), Denied> {
    match allows(standing, Permission::WriteTelemetry) {
        Verdict::Allowed => Ok(()),
        Verdict::Refused(refusal) => Err(refusal.into()),
        Verdict::Hidden => Err(Denied::NotYours),
    }
}

fn is_org(org: &Org, named: &str) -> bool {
    named == org.id.to_string() || named.eq_ignore_ascii_case(org.name.as_str())
}

fn named_org(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let Some(value) = headers.get(ORG_HEADER) else { return Ok(None) };
    match value.to_str().unwrap_or("?").trim() {
        "" => Ok(None),
        // Nothing as long is an org, and what is remembered stays small.
        long if long.len() > MAX_ORG => Err(Denied::OtherOrg),
        named => Ok(Some(named)),
    }
}
