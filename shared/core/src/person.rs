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

/// Longest subject of an identity, in bytes: what [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)
/// allows.
pub const MAX_SUBJECT: usize = 255;

/// Longest label that is kept of what a provider says: a name, a login, an address, in characters.
const MAX_LABEL: usize = 200;

/// Longest address of a picture, in bytes.
const MAX_AVATAR_URL: usize = 1_024;

/// What a provider says of somebody who has just signed in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who says so.
    pub provider: ProviderId,
    /// The provider's own, never reused name of them.
    pub subject: String,
    /// What the provider calls them today.
    pub login: String,
    /// What people call them; may be empty.
    pub name: String,
    /// An address that the provider has verified.
    pub email: Option<String>,
    /// Their picture, an `https` address.
    pub avatar_url: Option<String>,
}

/// Why a profile is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileRefused {
    /// It does not say who it is about.
    #[error("the sign-in provider did not say who you are: tell whoever runs this instance")]
    NoSubject,
    /// More identities than a person can have.
    #[error("you have {MAX_IDENTITIES} linked accounts, which is the most: unlink one first")]
    TooMany,
}

impl Profile {
    /// Who the provider says that they are, with labels as long as they are kept.
    ///
    /// # Errors
    /// When it names nobody.
    pub fn identity(&self, now: Timestamp) -> Result<Identity, ProfileRefused> {
        if self.subject.is_empty() || self.subject.len() > MAX_SUBJECT || self.subject.chars().any(char::is_control) {
            return Err(ProfileRefused::NoSubject);
        }
        // An address that was cut would be another one.
        let email = self.email.clone().filter(|email| email.len() <= MAX_LABEL && email.contains('@'));
        let login = crate::text::shorten(&self.login, MAX_LABEL);
        Ok(Identity { provider: self.provider.clone(), subject: self.subject.clone(), login, email, linked_at: now })
    }

    /// What people call them: the name, else the login, else a word for somebody without either.
    #[must_use]
    pub fn label(&self) -> String {
        let found = [self.name.trim(), self.login.trim()].into_iter().find(|text| !text.is_empty());
        crate::text::shorten(found.unwrap_or("somebody"), MAX_LABEL)
    }

    fn picture(&self) -> Option<String> {
        let is_safe =
            |url: &String| url.len() <= MAX_AVATAR_URL && url.starts_with("https://") && url.bytes().all(|byte| byte.is_ascii_graphic());
        self.avatar_url.clone().filter(is_safe)
    }
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
    /// Somebody who signs in for the first time.
    ///
    /// # Errors
    /// When the profile names nobody.
    pub fn begin(id: UserId, profile: &Profile, now: Timestamp) -> Result<Self, ProfileRefused> {
        let identities = vec![profile.identity(now)?];
        Ok(Self { id, name: profile.label(), avatar_url: profile.picture(), identities, created_at: now, last_org: None })
    }

    /// The person after another sign-in: labels as the provider gives them now; none where nothing has changed.
    ///
    /// Name and picture are those of the first identity.
    ///
    /// # Errors
    /// When the profile names nobody.
    pub fn seen(&self, profile: &Profile, now: Timestamp) -> Result<Option<Self>, ProfileRefused> {
        let mut next = self.clone().with(profile.identity(now)?);
        if next.identities.first().is_some_and(|first| first.provider == profile.provider && first.subject == profile.subject) {
            next.name = profile.label();
            next.avatar_url = profile.picture();
        }
        Ok((next != *self).then_some(next))
    }

    /// The person with another account linked.
    ///
    /// # Errors
    /// When the profile names nobody, or when they have as many as there may be.
    pub fn linked(&self, profile: &Profile, now: Timestamp) -> Result<Self, ProfileRefused> {
        let next = self.clone().with(profile.identity(now)?);
        if next.identities.len() > MAX_IDENTITIES { Err(ProfileRefused::TooMany) } else { Ok(next) }
    }

    /// Who they are as people read it in lists of deeds: `Ann (ann at github)`; the account tells two of one name apart.
    #[must_use]
    pub fn label(&self) -> String {
        match self.identities.first() {
            Some(first) => format!("{} ({} at {})", self.name, first.login, first.provider),
            None => self.name.clone(),
        }
    }

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

    fn profile(provider: &str, subject: &str, login: &str, name: &str) -> Profile {
        Profile {
            provider: provider.parse().expect("a provider"),
            subject: subject.to_owned(),
            login: login.to_owned(),
            name: name.to_owned(),
            email: None,
            avatar_url: Some("https://pictures.example/1".to_owned()),
        }
    }

    #[test]
    fn labels_follow_the_provider_and_name_and_picture_the_first_one() {
        let now = Timestamp::UNIX_EPOCH;
        let ann = User::begin(UserId::from_parts(1, 1), &profile("github", "7", "ann", ""), now).expect("a person");
        assert_eq!((ann.name.as_str(), ann.label().as_str()), ("ann", "ann (ann at github)"));
        assert_eq!(ann.seen(&profile("github", "7", "ann", ""), now), Ok(None));
        let renamed = ann.seen(&profile("github", "7", "ann-b", "Ann B"), now).expect("a profile").expect("news");
        assert_eq!(renamed.label(), "Ann B (ann-b at github)");
        let linked = renamed.linked(&profile("google", "7", "ann@example.com", "Annie"), now).expect("room");
        let again = linked.seen(&profile("google", "7", "annie@example.com", "Annie"), now).expect("a profile").expect("news");
        assert_eq!((again.name.as_str(), again.identities[1].login.as_str()), ("Ann B", "annie@example.com"));
    }

    #[test]
    fn what_a_provider_says_is_bounded() {
        let now = Timestamp::UNIX_EPOCH;
        let id = UserId::from_parts(1, 1);
        for subject in [String::new(), "x".repeat(256), "a\nb".to_owned()] {
            assert_eq!(User::begin(id, &profile("oidc", &subject, "a", "A"), now), Err(ProfileRefused::NoSubject));
        }
        let long = "x".repeat(10_000);
        let mut hostile = profile("oidc", &"x".repeat(255), &long, &long);
        (hostile.email, hostile.avatar_url) = (Some(format!("{long}@example.com")), Some("javascript:alert(1)".to_owned()));
        let user = User::begin(id, &hostile, now).expect("a person");
        assert_eq!((user.name.chars().count(), user.identities[0].login.chars().count()), (200, 200));
        assert_eq!((&user.identities[0].email, &user.avatar_url), (&None, &None));
        let mut full = user;
        for number in 1..MAX_IDENTITIES {
            full = full.linked(&profile("oidc", &number.to_string(), "a", "A"), now).expect("room");
        }
        assert_eq!(full.linked(&profile("oidc", "one more", "a", "A"), now), Err(ProfileRefused::TooMany));
        assert!(full.linked(&profile("oidc", "1", "b", "B"), now).is_ok(), "one that is linked already");
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
