//! Organizations and what belongs to them: installations, repository settings, tokens, agents.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, AgentId, InstallationId, InvalidId, OrgId, RepositoryId, TokenId, serde_as_text};
use crate::name::{BranchName, RepositoryName};

/// Names that would collide with paths of the pages or of the API.
const RESERVED: [&str; 22] = [
    "activate", "admin", "api", "assets", "auth", "checks", "forge", "github", "healthz", "install", "login", "logout", "modules", "new",
    "oauth", "operator", "plans", "query", "runner", "settings", "traces", "v1",
];

/// Most attempts of one org that run at once, unless set otherwise.
pub const DEFAULT_CONCURRENCY: u32 = 20;

/// The name of an org: letters, digits and dashes, unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgName(String);

impl OrgName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling that uniqueness is decided by.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The name for the org of an account: its login with whatever an org name cannot hold replaced.
    #[must_use]
    pub fn of_login(login: &str) -> Option<Self> {
        let name: String = login.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect();
        let name = name.trim_matches('-');
        name.parse().ok().or_else(|| format!("{name}-org").parse().ok())
    }
}

impl fmt::Display for OrgName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for OrgName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_name = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::new(text, "an org name of letters, digits and dashes that is not reserved"))
        }
    }
}

serde_as_text!(OrgName);

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// Its id, never reused.
    pub id: OrgId,
    /// Its name.
    pub name: OrgName,
    /// Most attempts that run at once.
    pub concurrency: u32,
    /// Whether traces from CI of its public repositories are public.
    #[serde(default = "by_default", skip_serializing_if = "is_default")]
    pub public_traces: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

fn by_default() -> bool {
    true
}

fn is_default(allows: &bool) -> bool {
    *allows == by_default()
}

/// An installation of the GitHub App, claimed by an org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// GitHub's number.
    pub id: InstallationId,
    /// The org that claimed it; none until one does.
    pub org: Option<OrgId>,
    /// The account that it is on.
    pub account: AccountId,
    /// The account's login, a label.
    pub login: String,
    /// Whether GitHub suspended or removed it.
    pub is_suspended: bool,
}

/// What is known of a repository, and how it wants to be treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// GitHub's number.
    pub id: RepositoryId,
    /// Its name today, a label.
    pub name: RepositoryName,
    /// The installation that reaches it.
    pub installation: InstallationId,
    /// Its default branch.
    pub default_branch: BranchName,
    /// Whether it is private.
    pub is_private: bool,
    /// Whether it takes part: not archived, deleted or taken out.
    pub is_enabled: bool,
    /// How it wants to be treated.
    #[serde(default)]
    pub settings: RepositorySettings,
}

/// How a repository wants to be treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepositorySettings {
    /// Globs of branches that are run as they are, not merged with the default branch (release branches).
    pub unmerged_branches: Vec<String>,
    /// Globs of directories whose modules are not run.
    pub ignored_directories: Vec<String>,
    /// Whether a newer commit of the default branch stops the checks of an older one.
    pub supersede_default_branch: bool,
    /// Longest execution of one check, in seconds.
    pub timeout_s: u32,
    /// Who may read its traces.
    #[serde(skip_serializing_if = "TraceAccess::is_automatic")]
    pub traces: TraceAccess,
}

/// Who may read the traces of a repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceAccess {
    /// Everyone when they come from CI and the repository is public.
    #[default]
    Automatic,
    /// Everyone while the repository is public, wherever they come from.
    Public,
    /// Members only.
    Private,
}

impl TraceAccess {
    fn is_automatic(&self) -> bool {
        *self == Self::Automatic
    }
}

impl Default for RepositorySettings {
    fn default() -> Self {
        Self {
            unmerged_branches: vec![],
            ignored_directories: vec![],
            supersede_default_branch: true,
            timeout_s: crate::attempt::DEFAULT_TIMEOUT_S,
            traces: TraceAccess::Automatic,
        }
    }
}

/// What a token of an org may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Send telemetry.
    #[serde(rename = "telemetry:write")]
    TelemetryWrite,
    /// Read checks.
    #[serde(rename = "checks:read")]
    ChecksRead,
    /// Rerun and cancel checks.
    #[serde(rename = "checks:rerun")]
    ChecksRerun,
}

/// A named token of an org. The secret itself is stored hashed and shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose it is.
    pub org: OrgId,
    /// The org's name when it was made, as in its text.
    pub org_name: OrgName,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// An agent that may lease attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// What people call it.
    pub name: String,
    /// The only org whose attempts it runs; none for all of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// Whether its owner lets it run forks.
    pub runs_forks: bool,
    /// When it enrolled.
    pub enrolled_at: Timestamp,
}

/// A one-time right to enrol an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The only org that the agent will serve; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What GitHub last said about how much an installation may still ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateBudget {
    /// Nothing is sent before this time, or nothing but final statuses.
    pub blocked_until: Timestamp,
    /// Whether final statuses may be sent all the same: little is left, but not nothing.
    #[serde(default)]
    pub allows_final: bool,
}

/// The text of a token: `dag_<org>_<secret>`, of which the stock CLI reads the org's name.
#[must_use]
pub fn token_text(org: &OrgName, secret: &str) -> String {
    format!("dag_{org}_{secret}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn org_names_hold_what_urls_and_tokens_need() {
        assert!("Acme-2".parse::<OrgName>().is_ok());
        for text in ["", "a_b", "-a", "a-", "Checks", "v1", "a/b", "ü", &"a".repeat(65)] {
            assert!(text.parse::<OrgName>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_login_gives_an_org_name() {
        let name = |login| OrgName::of_login(login).map(|name| name.to_string());
        assert_eq!(name("acme"), Some("acme".to_owned()));
        assert_eq!(name("enterprise_user"), Some("enterprise-user".to_owned()));
        assert_eq!(name("checks"), Some("checks-org".to_owned()));
    }
}
