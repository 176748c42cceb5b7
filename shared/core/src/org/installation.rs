//! Installations of the GitHub App: whose one is, which of its repositories are checked, and how much it may still ask.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, InstallationId, OrgId};

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
    /// Whether it is gone for good: the App was uninstalled. What is installed again has another number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_removed: bool,
    /// Which of its repositories are checked.
    #[serde(default, skip_serializing_if = "SourceMode::is_default")]
    pub mode: SourceMode,
    /// When it was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
}

impl Installation {
    /// An installation that checks all that it reaches.
    #[must_use]
    pub fn new(id: InstallationId, org: Option<OrgId>, account: AccountId, login: String) -> Self {
        Self { id, org, account, login, is_suspended: false, is_removed: false, mode: SourceMode::All, claimed_at: None }
    }
}

/// Which repositories of an installation are checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceMode {
    /// All that it reaches, new ones too.
    #[default]
    All,
    /// Those whose [`autocheck`](super::RepositorySettings::autocheck) was set.
    Selected,
}

impl SourceMode {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
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
