//! People: who somebody is to the providers that vouch for them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, OrgId, UserId, serde_as_text};

/// Most identities of one person.
pub const MAX_IDENTITIES: usize = 10;

/// Somebody or something that vouches for people: `github`, `google`, or the word of a configured OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(String);

impl ProviderId {
    /// GitHub, or the forge that this instance has instead.
    #[must_use]
    pub fn github() -> Self {
        Self("github".to_owned())
    }

    /// Google.
    #[must_use]
    pub fn google() -> Self {
        Self("google".to_owned())
    }

    /// Its word, one segment of paths and keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for ProviderId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_word = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if is_word { Ok(Self(text.to_owned())) } else { Err(InvalidId::new(text, "a sign-in provider such as `github`")) }
    }
}

serde_as_text!(ProviderId);

/// Whom a provider says somebody is. Only provider and subject identify: logins and e-mail addresses change hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Who says so.
    pub provider: ProviderId,
    /// The provider's own, never reused name: GitHub's account number, an OpenID subject.
    pub subject: String,
    /// What the provider calls them today, a label.
    pub login: String,
    /// An address that the provider has verified; a label, but one that an invitation may be bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it was linked.
    pub linked_at: Timestamp,
}

/// A person who has signed in once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// What people call them.
    pub name: String,
    /// Their picture at the first provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// Who vouches for them; never empty.
    pub identities: Vec<Identity>,
    /// When they first signed in.
    pub created_at: Timestamp,
    /// The org whose pages they last saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_org: Option<OrgId>,
}

/// Why an identity is not unlinked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnlinkRefused {
    /// Nobody would be able to sign in.
    #[error("it is the only way to sign in: link another one first")]
    Last,
    /// There is none.
    #[error("this account is not linked")]
    Unknown,
}

impl User {
    /// Their identity at a provider.
    #[must_use]
    pub fn identity(&self, provider: &ProviderId) -> Option<&Identity> {
        self.identities.iter().find(|identity| identity.provider == *provider)
    }

    /// The person with an identity renewed: its labels as the provider gives them now.
    #[must_use]
    pub fn with(mut self, identity: Identity) -> Self {
        match self.identities.iter_mut().find(|known| known.provider == identity.provider && known.subject == identity.subject) {
            Some(known) => *known = Identity { linked_at: known.linked_at, ..identity },
            None => self.identities.push(identity),
        }
        self
    }

    /// The person without an identity.
    ///
    /// # Errors
    /// When it is their last, or none of theirs.
    pub fn without(mut self, provider: &ProviderId, subject: &str) -> Result<Self, UnlinkRefused> {
        let is_it = |identity: &Identity| identity.provider == *provider && identity.subject == subject;
        if !self.identities.iter().any(is_it) {
            return Err(UnlinkRefused::Unknown);
        }
        if self.identities.len() == 1 {
            return Err(UnlinkRefused::Last);
        }
        self.identities.retain(|identity| !is_it(identity));
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(provider: &str, subject: &str, login: &str) -> Identity {
        Identity {
            provider: provider.parse().expect("a provider"),
            subject: subject.to_owned(),
            login: login.to_owned(),
            email: None,
            linked_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn ann() -> User {
        User {
            id: UserId::from_parts(1, 1),
            name: "Ann".to_owned(),
            avatar_url: None,
            identities: vec![identity("github", "7", "ann")],
            created_at: Timestamp::UNIX_EPOCH,
            last_org: None,
        }
    }

    #[test]
    fn an_identity_is_its_provider_and_subject() {
        let renamed = ann().with(identity("github", "7", "ann-b"));
        assert_eq!(renamed.identities, [identity("github", "7", "ann-b")]);
        let linked = renamed.with(identity("google", "7", "ann@example.com"));
        assert_eq!(linked.identities.len(), 2);
        assert_eq!(linked.clone().without(&ProviderId::github(), "8"), Err(UnlinkRefused::Unknown));
        let left = linked.without(&ProviderId::github(), "7").expect("two are there");
        assert_eq!(left.clone().without(&ProviderId::google(), "7"), Err(UnlinkRefused::Last));
        assert!(left.identity(&ProviderId::github()).is_none());
    }
}
