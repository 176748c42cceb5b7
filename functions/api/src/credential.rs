//! Who is calling, and what they are to an org: the only way to an org goes through here.

use http::HeaderMap;
use jiff::Timestamp;
use quillon_core::access::Standing;
use quillon_core::attempt::Attempt;
use quillon_core::id::{AttemptId, OrgId};
use quillon_core::org::{Agent, Org, OrgName, Token};
use quillon_core::person::User;
use quillon_core::trace::card::Claim;
use quillon_runtime::guard::source_address;
use quillon_runtime::presented;
use quillon_secrets::telemetry;
use quillon_store::Page;
use quillon_tenancy::{Deed, Principal, secret};

use crate::Deps;
use crate::access::door;
use crate::error::ApiError;

/// Most orgs that one answer goes through.
const MAX_ORGS: usize = 200;

/// The header in which a CLI that is logged in names its org, by id; people write the name.
const ORG_HEADER: &str = "x-dagger-org";

const MISSING: ApiError =
    ApiError::Unauthenticated("no credential: send `Authorization: Bearer <token>`, or set DAGGER_CLOUD_TOKEN to a token of your org");
const WRONG: ApiError = ApiError::Unauthenticated(
    "the credential is unknown or has expired: sign in again with `quillon login`, or make a new token in the settings of your org",
);

/// Somebody who may ask about checks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Whoever runs this instance: every org, everything.
    Operator,
    /// The holder of a token: its org, as far as its scopes go.
    Token(Box<Token>),
    /// A person who is signed in: their orgs, as far as their roles go.
    Person(Box<User>),
    /// A job of a CI system that an org trusts.
    CiJob(Claim),
}

/// A caller, and the org that the request as a whole is about.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Who.
    pub caller: Caller,
    /// The org of the header, as it was sent.
    header: Option<String>,
    /// The address that it comes from.
    from: Option<String>,
}

/// Finds out who is calling.
///
/// # Errors
/// 401 without a credential, or with one that is unknown or has expired.
pub(crate) async fn identify(deps: &Deps, headers: &HeaderMap, now: Timestamp) -> Result<Asker, ApiError> {
    let presented = presented(headers).ok_or(MISSING)?;
    let text = presented.expose();
    let header = headers.get(ORG_HEADER).map(|value| value.to_str().unwrap_or("?").trim().to_owned()).filter(|text| !text.is_empty());
    let asker = |caller| Asker { caller, header, from: source_address(headers) };
    if telemetry::is_token(text) {
        // That of an attempt is for its telemetry alone: the machine that has it runs other people's code.
        let claim = telemetry::verify(&deps.instance_key(now).await?, text, now).filter(|claim| claim.attempt.is_none());
        let claim = claim.ok_or(WRONG)?;
        return if is_connected(deps, &claim).await? { Ok(asker(Caller::CiJob(claim))) } else { Err(WRONG) };
    }
    if let Some(principal) = deps.tenancy.identify(text, now).await? {
        return Ok(asker(match principal {
            Principal::Token(token) => Caller::Token(token),
            Principal::Person(user) => Caller::Person(user),
        }));
    }
    let key = deps.instance_key(now).await?;
    if key.is_operator_key(text) { Ok(asker(Caller::Operator)) } else { Err(WRONG) }
}

/// Whether the org of a CI job still has the repository that the job has proved. Its token is good for hours: within them the
/// repository may have gone to another org, whose jobs read nothing here.
async fn is_connected(deps: &Deps, claim: &Claim) -> Result<bool, ApiError> {
    let Some(repository) = claim.repository else { return Ok(true) };
    let known = deps.store.repository(repository).await?.filter(|known| known.is_enabled);
    let Some(known) = known else { return Ok(false) };
    let installation = deps.store.installation(known.installation).await?;
    Ok(installation.is_some_and(|installation| installation.org == Some(claim.org) && !installation.is_suspended))
}

/// Finds out which agent is calling.
///
/// # Errors
/// 401 when none of ours is.
pub(crate) async fn agent(deps: &Deps, headers: &HeaderMap) -> Result<Agent, ApiError> {
    const UNKNOWN: ApiError = ApiError::Unauthenticated("the agent token is unknown: enrol the agent again");
    let presented = presented(headers).ok_or(UNKNOWN)?;
    if !presented.expose().starts_with("agt_") {
        return Err(UNKNOWN);
    }
    deps.store.agent(&secret::hash(presented.expose())).await?.ok_or(UNKNOWN)
}

/// Whether something that may expire has not.
pub(crate) fn is_alive(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_none_or(|expires_at| now < expires_at)
}

impl Caller {
    /// How the caller is called where people read who did something.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::Token(token) => token.name.clone(),
            Self::Person(user) => user.label(),
            Self::CiJob(_) => "a CI job".to_owned(),
        }
    }

    /// An id that tells callers apart.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::Token(token) => token.id.to_string(),
            Self::Person(user) => user.id.to_string(),
            Self::CiJob(claim) => format!("ci:{}", claim.org),
        }
    }

    /// What the caller is to an org.
    async fn standing(&self, deps: &Deps, org: OrgId) -> Result<Standing, ApiError> {
        Ok(match self {
            Self::Operator => Standing::Operator,
            Self::Token(token) if token.org == org => Standing::Token(token.scopes.clone()),
            Self::CiJob(claim) if claim.org == org => Standing::CiJob,
            Self::Token(_) | Self::CiJob(_) => Standing::Stranger,
            Self::Person(user) => deps.tenancy.standing_of_user(user.id, org).await?,
        })
    }

    async fn access(&self, deps: &Deps, org: Org) -> Result<Option<OrgAccess>, ApiError> {
        match self.standing(deps, org.id).await? {
            Standing::Stranger => Ok(None),
            standing @ (Standing::Operator | Standing::Person(_) | Standing::Token(_) | Standing::CiJob) => {
                Ok(Some(OrgAccess { org, standing }))
            }
        }
    }

    /// All orgs that the caller is in, at most 200.
    async fn orgs(&self, deps: &Deps) -> Result<Vec<OrgAccess>, ApiError> {
        let only = async |org: OrgId, standing: Standing| {
            let org = deps.store.org(org).await?;
            Ok(org.map(|org| OrgAccess { org, standing }).into_iter().collect())
        };
        match self {
            Self::Token(token) => only(token.org, Standing::Token(token.scopes.clone())).await,
            Self::CiJob(claim) => only(claim.org, Standing::CiJob).await,
            Self::Person(user) => {
                let mut orgs = Vec::new();
                for member in deps.store.orgs_of(user.id).await?.into_iter().take(MAX_ORGS) {
                    if let Some(org) = deps.store.org(member.org).await? {
                        orgs.push(OrgAccess { org, standing: Standing::Person(member.roles) });
                    }
                }
                Ok(orgs)
            }
            Self::Operator => {
                let mut orgs = Vec::new();
                let mut after = None;
                loop {
                    let page = deps.store.orgs(&Page { after, limit: 100 }).await?;
                    orgs.extend(page.items.into_iter().map(|org| OrgAccess { org, standing: Standing::Operator }));
                    after = page.next;
                    if after.is_none() || orgs.len() >= MAX_ORGS {
                        return Ok(orgs);
                    }
                }
            }
        }
    }
}

impl Asker {
    /// What goes into the audit log with a deed of the caller's, who is called `who`.
    pub(crate) fn deed<'a>(&'a self, who: &'a str, now: Timestamp) -> Deed<'a> {
        Deed { who, from: self.from.as_deref(), now }
    }

    /// The org of that id, if the caller may see it. A foreign one is not told from one that does not exist.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub(crate) async fn org(&self, deps: &Deps, id: OrgId) -> Result<Option<OrgAccess>, ApiError> {
        match deps.store.org(id).await? {
            Some(org) => self.caller.access(deps, org).await,
            None => Ok(None),
        }
    }

    /// The org of that name, without regard to case, if the caller may see it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub(crate) async fn org_named(&self, deps: &Deps, name: &str) -> Result<Option<OrgAccess>, ApiError> {
        let Ok(name) = name.parse::<OrgName>() else { return Ok(None) };
        match deps.store.org_by_name(&name).await? {
            Some(org) => self.caller.access(deps, org).await,
            None => Ok(None),
        }
    }

    /// The orgs that the caller is in, whatever the header says.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub(crate) async fn all_orgs(&self, deps: &Deps) -> Result<Vec<OrgAccess>, ApiError> {
        self.caller.orgs(deps).await
    }

    /// The orgs that a request without an org of its own is about: the one of the header, else all of the caller.
    ///
    /// # Errors
    /// Not found where the header names an org that is not theirs.
    pub(crate) async fn orgs(&self, deps: &Deps) -> Result<Vec<OrgAccess>, ApiError> {
        match &self.header {
            None => self.caller.orgs(deps).await,
            Some(text) => Ok(vec![self.org_of_header(deps, text).await?]),
        }
    }

    /// The one org that a request is about which has to have one: that of the header, else the only one of the caller.
    ///
    /// # Errors
    /// Not found as [`Self::orgs`]; unprocessable where there are several, or none.
    pub(crate) async fn one_org(&self, deps: &Deps) -> Result<OrgAccess, ApiError> {
        let mut orgs = self.orgs(deps).await?;
        match (orgs.pop(), orgs.is_empty()) {
            (Some(org), true) => Ok(org),
            (Some(_), false) => Err(ApiError::Unprocessable("you are in several orgs: name one with `--org`".to_owned())),
            (None, _) => Err(ApiError::Unprocessable("you are in no org: make one on the pages, or have somebody invite you".to_owned())),
        }
    }

    async fn org_of_header(&self, deps: &Deps, text: &str) -> Result<OrgAccess, ApiError> {
        let found = match text.parse::<OrgId>() {
            Ok(id) => self.org(deps, id).await?,
            Err(_) => self.org_named(deps, text).await?,
        };
        found.ok_or_else(|| door::unknown_org(text))
    }
}

/// An org that the caller has been found to see, and what they are to it. Everything of an org is read through one of these.
#[derive(Debug, Clone)]
pub struct OrgAccess {
    org: Org,
    standing: Standing,
}

impl OrgAccess {
    /// The org.
    #[must_use]
    pub fn org(&self) -> &Org {
        &self.org
    }

    /// What the caller is to it.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Attempts of this org by the ids that a client sent, in the order asked for.
    ///
    /// # Errors
    /// Not found for the first id that is malformed, unknown, or of another org: the three are not told apart.
    pub async fn attempts(&self, deps: &Deps, ids: &[String]) -> Result<Vec<Attempt>, ApiError> {
        let unknown = |text: &str| ApiError::NotFound(format!("no check `{}` in `{}`", shorten(text), self.org.name));
        let mut wanted: Vec<AttemptId> = Vec::new();
        for text in ids {
            let id: AttemptId = text.parse().map_err(|_| unknown(text))?;
            if !wanted.contains(&id) {
                wanted.push(id);
            }
        }
        let found = deps.store.attempts(&wanted).await?;
        let ours = |id: &AttemptId| found.iter().find(|attempt| attempt.id == *id && attempt.org == self.org.id).cloned();
        wanted.iter().map(|id| ours(id).ok_or_else(|| unknown(&id.to_string()))).collect()
    }
}

/// What is echoed of a text that a client made up.
pub(crate) fn shorten(text: &str) -> String {
    quillon_core::text::shorten(text, 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_is_dead_from_that_moment_on() {
        let at = Timestamp::UNIX_EPOCH;
        assert!(is_alive(None, at));
        assert!(!is_alive(Some(at), at));
    }
}
