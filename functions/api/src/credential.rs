//! Who is calling, and what that caller may see: the only way to an org goes through here.

use http::HeaderMap;
use jiff::Timestamp;
use quillon_core::attempt::Attempt;
use quillon_core::id::{AttemptId, OrgId};
use quillon_core::org::{Agent, Org, OrgName, Scope, Token};
use quillon_runtime::presented;
use quillon_store::Page;

use crate::Deps;
use crate::error::ApiError;
use quillon_tenancy::secret;

/// Most orgs that one answer goes through.
const MAX_ORGS: usize = 200;

const MISSING: ApiError =
    ApiError::Unauthenticated("no credential: send `Authorization: Bearer <token>`, or set DAGGER_CLOUD_TOKEN to a token of your org");
const WRONG: ApiError =
    ApiError::Unauthenticated("the credential is unknown or has expired: make a new one with `quillon admin token create`");

/// Somebody who may ask about checks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Whoever runs this instance: every org, everything.
    Operator,
    /// The holder of a token: its org, as far as its scopes go.
    Token(Box<Token>),
}

/// Finds out who is calling.
///
/// # Errors
/// 401 without a credential, or with one that is unknown or has expired.
pub(crate) async fn identify(deps: &Deps, headers: &HeaderMap, now: Timestamp) -> Result<Caller, ApiError> {
    let presented = presented(headers).ok_or(MISSING)?;
    if presented.expose().starts_with("dag_") {
        let token = deps.store.token(&secret::hash(presented.expose()), now).await?;
        return token.filter(|token| is_alive(token.expires_at, now)).map(|token| Caller::Token(Box::new(token))).ok_or(WRONG);
    }
    let key = deps.instance_key(now).await?;
    if key.is_operator_key(presented.expose()) { Ok(Caller::Operator) } else { Err(WRONG) }
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
    pub fn name(&self) -> &str {
        match self {
            Self::Operator => "operator",
            Self::Token(token) => &token.name,
        }
    }

    /// An id that tells callers apart.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::Token(token) => token.id.to_string(),
        }
    }

    /// Whether the caller may do what a scope stands for.
    ///
    /// # Errors
    /// 403 with the scope that is missing.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        match self {
            Self::Operator => Ok(()),
            Self::Token(token) if token.scopes.contains(&scope) => Ok(()),
            Self::Token(_) => Err(ApiError::Forbidden(format!("the token has no scope `{scope}`: use one that has"))),
        }
    }

    /// The org of that id, if the caller may see it. A foreign one is not told from one that does not exist.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn org(&self, deps: &Deps, id: OrgId) -> Result<Option<OrgAccess>, ApiError> {
        let is_visible = match self {
            Self::Operator => true,
            Self::Token(token) => token.org == id,
        };
        if !is_visible {
            return Ok(None);
        }
        Ok(deps.store.org(id).await?.map(OrgAccess))
    }

    /// The org of that name, without regard to case, if the caller may see it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn org_named(&self, deps: &Deps, name: &str) -> Result<Option<OrgAccess>, ApiError> {
        let Ok(name) = name.parse::<OrgName>() else { return Ok(None) };
        match self {
            Self::Operator => Ok(deps.store.org_by_name(&name).await?.map(OrgAccess)),
            Self::Token(token) => {
                let org = deps.store.org(token.org).await?;
                Ok(org.filter(|org| org.name.folded() == name.folded()).map(OrgAccess))
            }
        }
    }

    /// All orgs that the caller may see, at most 200.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn orgs(&self, deps: &Deps) -> Result<Vec<OrgAccess>, ApiError> {
        match self {
            Self::Token(token) => Ok(deps.store.org(token.org).await?.map(OrgAccess).into_iter().collect()),
            Self::Operator => {
                let mut orgs = Vec::new();
                let mut after = None;
                loop {
                    let page = deps.store.orgs(&Page { after, limit: 100 }).await?;
                    orgs.extend(page.items.into_iter().map(OrgAccess));
                    after = page.next;
                    if after.is_none() || orgs.len() >= MAX_ORGS {
                        return Ok(orgs);
                    }
                }
            }
        }
    }
}

/// An org that the caller has been found to may see. Everything of an org is read through one of these.
#[derive(Debug, Clone)]
pub struct OrgAccess(Org);

impl OrgAccess {
    /// The org.
    #[must_use]
    pub fn org(&self) -> &Org {
        &self.0
    }

    /// Attempts of this org by the ids that a client sent, in the order asked for.
    ///
    /// # Errors
    /// Not found for the first id that is malformed, unknown, or of another org: the three are not told apart.
    pub async fn attempts(&self, deps: &Deps, ids: &[String]) -> Result<Vec<Attempt>, ApiError> {
        let unknown = |text: &str| ApiError::NotFound(format!("no check `{}` in `{}`", shorten(text), self.0.name));
        let mut wanted: Vec<AttemptId> = Vec::new();
        for text in ids {
            let id: AttemptId = text.parse().map_err(|_| unknown(text))?;
            if !wanted.contains(&id) {
                wanted.push(id);
            }
        }
        let found = deps.store.attempts(&wanted).await?;
        let ours = |id: &AttemptId| found.iter().find(|attempt| attempt.id == *id && attempt.org == self.0.id).cloned();
        wanted.iter().map(|id| ours(id).ok_or_else(|| unknown(&id.to_string()))).collect()
    }
}

/// What is echoed of a text that a client made up.
pub(crate) fn shorten(text: &str) -> String {
    quillon_core::text::shorten(text, 80)
}

#[cfg(test)]
mod tests {
    use quillon_core::id::TokenId;

    use super::*;

    fn holder(scopes: &[Scope]) -> Caller {
        let org = Org::new(OrgId::from_parts(1, 1), "acme".parse().expect("a name"), Timestamp::UNIX_EPOCH);
        Caller::Token(Box::new(Token::new(
            TokenId::from_parts(1, 1),
            &org,
            "ci".to_owned(),
            scopes.to_vec(),
            String::new(),
            org.created_at,
        )))
    }

    #[test]
    fn scope_matrix() {
        let all = [Scope::TelemetryWrite, Scope::ChecksRead, Scope::ChecksRerun];
        for held in all {
            for wanted in all {
                assert_eq!(holder(&[held]).require(wanted).is_ok(), held == wanted, "{held:?} {wanted:?}");
            }
        }
        for wanted in all {
            assert!(Caller::Operator.require(wanted).is_ok());
            assert!(holder(&[]).require(wanted).is_err());
        }
    }

    #[test]
    fn what_expires_is_dead_from_that_moment_on() {
        let at = Timestamp::UNIX_EPOCH;
        assert!(is_alive(None, at));
        assert!(!is_alive(Some(at), at));
    }
}
