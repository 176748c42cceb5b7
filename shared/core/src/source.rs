//! Accounts at GitHub that a person can connect: what GitHub said of them when the person last came back from there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, InstallationId};

/// Most installations of one person that are remembered.
pub const MAX_SEEN_INSTALLATIONS: usize = 100;

/// The installations that GitHub showed to a person. It is short-lived: who administers an account changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenSources {
    /// When GitHub was asked.
    pub at: Timestamp,
    /// What it showed, at most [`MAX_SEEN_INSTALLATIONS`].
    pub installations: Vec<SeenInstallation>,
}

/// An installation that a person can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenInstallation {
    /// GitHub's number.
    pub id: InstallationId,
    /// The account that it is on.
    pub account: AccountId,
    /// The account's login, a label.
    pub login: String,
    /// Whether the account is an organization.
    pub is_org: bool,
    /// Whether the person administers the account: it is their own, or they are an owner of it.
    pub is_admin: bool,
}

impl SeenSources {
    /// As many as are remembered, those that the person administers first.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.installations.sort_by_key(|seen| !seen.is_admin);
        self.installations.truncate(MAX_SEEN_INSTALLATIONS);
        self
    }

    /// An installation among them.
    #[must_use]
    pub fn installation(&self, id: InstallationId) -> Option<&SeenInstallation> {
        self.installations.iter().find(|seen| seen.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_administers_is_remembered_first() {
        let seen = |number: u64| SeenInstallation {
            id: InstallationId(number),
            account: AccountId(number),
            login: format!("account-{number}"),
            is_org: true,
            is_admin: number == 150,
        };
        let sources = SeenSources { at: Timestamp::UNIX_EPOCH, installations: (1..=200).map(seen).collect() }.bounded();
        assert_eq!(sources.installations.len(), MAX_SEEN_INSTALLATIONS);
        assert_eq!(sources.installations[0], seen(150));
        assert_eq!(sources.installation(InstallationId(1)), Some(&seen(1)));
        assert_eq!(sources.installation(InstallationId(200)), None);
    }
}
