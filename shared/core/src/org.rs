//! Organizations and what belongs to them: installations, repositories, tokens, agents.

mod installation;
mod repository;

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use installation::{Installation, RateBudget, SourceMode};
pub use repository::{InvalidSettings, MAX_GLOB, MAX_GLOBS, Repository, RepositorySettings, TIMEOUTS, TraceAccess};

use crate::id::{AgentId, InvalidId, OrgId, TokenId, serde_as_text};
use crate::plan::Subscription;

/// Names that would collide with paths of the pages or of the API.
const RESERVED: [&str; 32] = [
    "account", "activate", "admin", "api", "assets", "auth", "billing", "checks", "control", "forge", "github", "healthz", "help",
    "install", "invite", "login", "logout", "me", "modules", "new", "oauth", "operator", "org", "orgs", "plans", "query", "runner",
    "settings", "sign-in", "sign-out", "traces", "v1",
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
    /// What it pays for; none where nobody has chosen a plan, or where nothing is paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Subscription>,
    /// Set while the org waits for its deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}

/// How long an org that was deleted can be had back.
pub const DELETION_GRACE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// That an org is to be deleted. Until then its members see it, nothing new is run or taken in for it, and an admin can have
/// it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Who asked for it, as people read it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it is final.
    pub due_at: Timestamp,
}

/// Why nothing new is done in an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the org is being deleted: an admin can take that back in Settings, General")]
pub struct BeingDeleted;

/// Most attempts of one org that may be set to run at once.
pub const MAX_CONCURRENCY: u32 = 1_000;

impl Org {
    /// A new org with usual settings.
    #[must_use]
    pub fn new(id: OrgId, name: OrgName, created_at: Timestamp) -> Self {
        Self { id, name, concurrency: DEFAULT_CONCURRENCY, public_traces: true, created_at, subscription: None, deletion: None }
    }

    /// Whether new work is taken in for it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.deletion.is_none()
    }
}

fn by_default() -> bool {
    true
}

fn is_default(allows: &bool) -> bool {
    *allows == by_default()
}

/// What a token of an org may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Send telemetry.
    #[serde(rename = "telemetry:write")]
    TelemetryWrite,
    /// Read checks and traces.
    #[serde(rename = "checks:read")]
    ChecksRead,
    /// Rerun and cancel checks.
    #[serde(rename = "checks:rerun")]
    ChecksRerun,
    /// Start cloud engines.
    #[serde(rename = "engines:use")]
    EnginesUse,
    /// Do what the role Admin may.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// All of them, the harmless first.
    pub const ALL: [Self; 5] = [Self::TelemetryWrite, Self::ChecksRead, Self::ChecksRerun, Self::EnginesUse, Self::Admin];

    /// Its word, as in messages and forms.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TelemetryWrite => "telemetry:write",
            Self::ChecksRead => "checks:read",
            Self::ChecksRerun => "checks:rerun",
            Self::EnginesUse => "engines:use",
            Self::Admin => "admin",
        }
    }

    /// What it allows, for whoever chooses.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::TelemetryWrite => "send traces, logs and metrics",
            Self::ChecksRead => "read checks and traces",
            Self::ChecksRerun => "rerun and cancel checks",
            Self::EnginesUse => "start cloud engines",
            Self::Admin => "everything that an admin may",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl FromStr for Scope {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let found = Self::ALL.into_iter().find(|scope| scope.word() == text);
        found.ok_or_else(|| InvalidId::new(text, "a scope such as `telemetry:write`"))
    }
}

/// Most tokens that an org has at one time.
pub const MAX_TOKENS: usize = 100;

/// Longest overlap of a token that is rotated with the one that replaces it.
pub const MAX_ROTATION_OVERLAP: SignedDuration = SignedDuration::from_hours(24 * 7);

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
    /// Who made it, as people read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The last characters of its text, so that people recognise it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// When it was last used, to the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The token that replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<TokenId>,
}

impl Token {
    /// A token that never expires.
    #[must_use]
    pub fn new(id: TokenId, org: &Org, name: String, scopes: Vec<Scope>, created_by: String, created_at: Timestamp) -> Self {
        Self {
            id,
            org: org.id,
            org_name: org.name.clone(),
            name,
            scopes,
            created_at,
            created_by,
            expires_at: None,
            hint: String::new(),
            last_used_at: None,
            replaced_by: None,
        }
    }

    /// Whether it still works.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether its last use is worth writing down again: once an hour.
    #[must_use]
    pub fn is_use_news(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|last| now.duration_since(last) >= SignedDuration::from_hours(1))
    }
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
