//! Jobs of CI systems that show who they are with a token of their system's issuer, instead of with a secret.
//!
//! GitHub's token is bound to the org that has claimed the installation on the repository, by numeric ids. For the other
//! systems both sides have to agree: the job names the org in its audience, and the org names the project.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, InvalidId, OrgId, RepositoryId};

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CiProvider {
    /// GitHub Actions: <https://docs.github.com/en/actions/reference/security/oidc>.
    GitHub,
    /// GitLab CI: <https://docs.gitlab.com/ci/secrets/id_token_authentication/>.
    GitLab,
    /// CircleCI: <https://circleci.com/docs/openid-connect-tokens/>.
    CircleCi,
    /// Buildkite: <https://buildkite.com/docs/agent/cli/reference/oidc>.
    Buildkite,
}

impl CiProvider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::CircleCi, Self::Buildkite];

    /// Its word in addresses.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::CircleCi => "circleci",
            Self::Buildkite => "buildkite",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub Actions",
            Self::GitLab => "GitLab CI",
            Self::CircleCi => "CircleCI",
            Self::Buildkite => "Buildkite",
        }
    }
}

impl fmt::Display for CiProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl FromStr for CiProvider {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let found = Self::ALL.into_iter().find(|provider| provider.word() == text);
        found.ok_or_else(|| InvalidId::new(text, "one of `github`, `gitlab`, `circleci`, `buildkite`"))
    }
}

/// Who a job is, from the claims of a token whose signature, issuer, audience and time were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CiJob {
    /// A job of GitHub Actions.
    GitHub {
        /// `repository_id`.
        repository: RepositoryId,
        /// `repository_owner_id`.
        owner: AccountId,
    },
    /// A job of another system.
    Project {
        /// Which system.
        provider: CiProvider,
        /// The project, by an id that is not used again: GitLab's `project_id`, CircleCI's project UUID, Buildkite's
        /// `pipeline_id`.
        project: String,
        /// The org that its audience names.
        org: String,
    },
}

/// That an org takes telemetry of a project of a CI system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiTrust {
    /// Which org.
    pub org: OrgId,
    /// Which system.
    pub provider: CiProvider,
    /// The project's id there.
    pub project: String,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it, as people read it.
    pub created_by: String,
}

/// Checks the id of a project as people enter it.
///
/// # Errors
/// When it cannot be one of that system.
pub fn check_project(provider: CiProvider, text: &str) -> Result<String, InvalidId> {
    let text = text.trim();
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    match provider {
        CiProvider::GitHub => Err(InvalidId::new(text, "needed: repositories of GitHub are trusted through their installation")),
        CiProvider::GitLab if (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(text.to_owned()),
        CiProvider::GitLab => Err(InvalidId::new(text, "a project id of GitLab, a number")),
        CiProvider::CircleCi if is_uuid => Ok(text.to_ascii_lowercase()),
        CiProvider::CircleCi => Err(InvalidId::new(text, "a project id of CircleCI, a UUID")),
        CiProvider::Buildkite if is_uuid => Ok(text.to_ascii_lowercase()),
        CiProvider::Buildkite => Err(InvalidId::new(text, "a pipeline id of Buildkite, a UUID")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_named_by_ids() {
        let uuid = "0189E5A2-1F2B-4C3D-8E4F-5A6B7C8D9E0F";
        for (provider, text, expected) in [
            (CiProvider::GitLab, " 42 ", Some("42".to_owned())),
            (CiProvider::GitLab, "acme/api", None),
            (CiProvider::CircleCi, uuid, Some(uuid.to_lowercase())),
            (CiProvider::Buildkite, uuid, Some(uuid.to_lowercase())),
            (CiProvider::Buildkite, "0189e5a2x1f2b-4c3d-8e4f-5a6b7c8d9e0f", None),
            (CiProvider::GitHub, "42", None),
        ] {
            assert_eq!(check_project(provider, text).ok(), expected, "{provider} {text}");
        }
    }
}
