//! Jobs of CI systems: the token that their system gives them, verified against its issuer's keys.
//!
//! Whom a token speaks for is in numeric ids and UUIDs, which are not used again; names in it are not looked at.

use jiff::Timestamp;
use quillon_core::ci::{CiJob, CiProvider, check_project};
use quillon_core::id::{AccountId, RepositoryId};
use url::Url;

use crate::issuers::host_of;
use crate::jwt::{self, Claims, TokenError};
use crate::{Error, Http, Issuers};

/// The audience that the stock CLI asks GitHub for; it cannot be told another one.
pub const STOCK_AUDIENCE: &str = "dagger.cloud";

/// Where CircleCI puts the project, see <https://circleci.com/docs/openid-connect-tokens/#format-of-the-openid-connect-id-token>.
const CIRCLE_PROJECT: &str = "oidc.circleci.com/project-id";

/// The issuers that are trusted to say who a job is; none where a CI system is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiIssuers {
    /// `https://token.actions.githubusercontent.com`.
    pub github: Option<String>,
    /// `https://gitlab.com`, or an installation of GitLab.
    pub gitlab: Option<String>,
    /// `https://oidc.circleci.com/org`: every organization there has an issuer of its own below it, named by its UUID.
    pub circleci: Option<String>,
    /// `https://agent.buildkite.com`.
    pub buildkite: Option<String>,
}

/// Why a job is not known.
#[derive(Debug, thiserror::Error)]
pub enum CiError {
    /// Nobody is trusted to say so.
    #[error("tokens of {} are not accepted here: ask whoever runs this installation", .0.label())]
    Off(CiProvider),
    /// The token does not say it, or its issuer cannot be asked.
    #[error(transparent)]
    Identity(#[from] Error),
    /// It is made for nobody here.
    #[error("the token is not for this installation: ask for one with the audience {0}")]
    Audience(String),
}

/// Finds out who jobs are.
#[derive(Debug, Clone)]
pub struct CiJobs {
    trusted: CiIssuers,
    /// Those that are configured.
    fixed: Issuers,
    /// Those of CircleCI's organizations: whoever sends a token chooses one, which must not cost the others anything.
    circle: Issuers,
}

impl CiJobs {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(trusted: CiIssuers, http: &Http) -> Self {
        Self { trusted, fixed: Issuers::new(http.clone()), circle: Issuers::new(http.clone()) }
    }

    /// Who a job is. `public` is the address of this installation.
    ///
    /// # Errors
    /// What is wrong with the token, or that its issuer cannot be asked.
    pub async fn verify(&self, provider: CiProvider, token: &str, public: &Url, now: Timestamp) -> Result<CiJob, CiError> {
        let trusted = match provider {
            CiProvider::GitHub => &self.trusted.github,
            CiProvider::GitLab => &self.trusted.gitlab,
            CiProvider::CircleCi => &self.trusted.circleci,
            CiProvider::Buildkite => &self.trusted.buildkite,
        };
        let trusted = trusted.as_deref().ok_or(CiError::Off(provider))?;
        let claims = if provider == CiProvider::CircleCi {
            let wrong = |source| Error::Token { host: host_of(trusted), source };
            let issuer = jwt::claimed_issuer(token).map_err(wrong)?;
            if !is_circle_issuer(trusted, &issuer) {
                return Err(wrong(TokenError::Issuer).into());
            }
            self.circle.verify(&issuer, token, now).await?
        } else {
            self.fixed.verify(trusted, token, now).await?
        };
        let wrong = |source| CiError::from(Error::Token { host: host_of(trusted), source });
        let public = public.as_str().trim_end_matches('/');
        let audiences = claims.audiences().map_err(wrong)?;
        if provider == CiProvider::GitHub {
            if !audiences.iter().any(|audience| *audience == STOCK_AUDIENCE || audience.trim_end_matches('/') == public) {
                return Err(CiError::Audience(format!("`{STOCK_AUDIENCE}` or `{public}`")));
            }
            return github(&claims).map_err(wrong);
        }
        let org = org_of(&audiences, public).ok_or_else(|| CiError::Audience(format!("`{public}/<name of the org>`")))?;
        let project = project(provider, &claims).map_err(wrong)?;
        Ok(CiJob::Project { provider, project, org: org.to_owned() })
    }
}

/// Whether an issuer is one of an organization of CircleCI: the base, a slash, a UUID in lower case, and nothing else.
fn is_circle_issuer(base: &str, issuer: &str) -> bool {
    let uuid = issuer.strip_prefix(base.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    uuid.is_some_and(|uuid| check_project(CiProvider::CircleCi, uuid).is_ok_and(|canonical| canonical == uuid))
}

/// The org that one of the audiences names: `<public>/<org>`.
fn org_of<'a>(audiences: &[&'a str], public: &str) -> Option<&'a str> {
    audiences.iter().find_map(|audience| {
        let org = audience.strip_prefix(public)?.strip_prefix('/')?;
        (!org.is_empty() && !org.contains('/')).then_some(org)
    })
}

/// See <https://docs.github.com/en/actions/reference/security/oidc#oidc-token-claims>: numbers are texts there.
fn github(claims: &Claims) -> Result<CiJob, TokenError> {
    let number = |name| claims.text(name).and_then(|text| text.parse::<u64>().ok()).ok_or(TokenError::Claim(name));
    Ok(CiJob::GitHub { repository: RepositoryId(number("repository_id")?), owner: AccountId(number("repository_owner_id")?) })
}

/// The id of the project of the other systems.
fn project(provider: CiProvider, claims: &Claims) -> Result<String, TokenError> {
    let claim = match provider {
        CiProvider::GitHub => "repository_id",
        CiProvider::GitLab => "project_id",
        CiProvider::CircleCi => CIRCLE_PROJECT,
        CiProvider::Buildkite => "pipeline_id",
    };
    let text = claims.text(claim).ok_or(TokenError::Claim(claim))?;
    check_project(provider, text).map_err(|_| TokenError::Claim(claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_of_circleci_ends_in_the_uuid_of_an_organization() {
        let base = "https://oidc.circleci.com/org";
        let uuid = "0189e5a2-1f2b-4c3d-8e4f-5a6b7c8d9e0f";
        assert!(is_circle_issuer(base, &format!("{base}/{uuid}")));
        for issuer in [
            base.to_owned(),
            format!("{base}/"),
            format!("{base}/{uuid}/"),
            format!("{base}/{uuid}/.."),
            format!("{base}/{}", uuid.to_uppercase()),
            format!("{base}/../{uuid}"),
            format!("{base}.evil.example/{uuid}"),
            format!("https://evil.example/org/{uuid}"),
            format!("{base}/ {uuid}"),
            format!("{base}/{uuid}?x"),
        ] {
            assert!(!is_circle_issuer(base, &issuer), "{issuer}");
        }
    }

    #[test]
    fn an_audience_names_an_org_of_this_installation() {
        let public = "https://ci.example.com";
        assert_eq!(org_of(&["other", "https://ci.example.com/acme"], public), Some("acme"));
        for audience in [
            "https://ci.example.com",
            "https://ci.example.com/",
            "https://ci.example.com/a/b",
            "https://ci.example.com.evil.example/acme",
            "http://ci.example.com/acme",
            "dagger.cloud",
        ] {
            assert_eq!(org_of(&[audience], public), None, "{audience}");
        }
    }
}
