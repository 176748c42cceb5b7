//! Who gets an account on an installation.

use std::str::FromStr;

use crate::id::InvalidId;
use crate::member::Invitee;
use crate::person::{ProviderId, User};

/// Who gets an account when they sign in for the first time. Who has one keeps it, and who is invited gets one in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SignUps {
    /// Whoever a configured provider vouches for.
    #[default]
    Anyone,
    /// Whoever one of these is true of; with none of them, who is invited alone.
    Listed(Vec<SignUpRule>),
}

/// Who is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignUpRule {
    /// Whoever has a verified address at this domain, but not at one below it.
    Domain(String),
    /// Everybody at this provider.
    Provider(ProviderId),
    /// One person.
    Person(Invitee),
}

/// Why somebody gets no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not everybody gets an account here: open the link of your invitation first, or ask whoever runs this installation to list you")]
pub struct NotListed;

impl SignUps {
    /// Whether somebody who was not here before gets an account without an invitation.
    ///
    /// # Errors
    /// When they are not listed.
    pub fn admit(&self, newcomer: &User) -> Result<(), NotListed> {
        let is_in = match self {
            Self::Anyone => true,
            Self::Listed(rules) => rules.iter().any(|rule| rule.is_true_of(newcomer)),
        };
        if is_in { Ok(()) } else { Err(NotListed) }
    }
}

impl SignUpRule {
    fn is_true_of(&self, newcomer: &User) -> bool {
        match self {
            Self::Domain(domain) => newcomer
                .identities
                .iter()
                .filter_map(|identity| identity.email.as_deref()?.rsplit_once('@'))
                .any(|(_, host)| host.eq_ignore_ascii_case(domain)),
            Self::Provider(provider) => newcomer.identity(provider).is_some(),
            Self::Person(invitee) => invitee.is(newcomer),
        }
    }
}

/// `anyone`, `invited`, or a list with commas: `@example.com` is a domain, `provider:google` a provider, and anything else is one person
/// as invitations name them.
impl FromStr for SignUps {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.trim() {
            "anyone" => Ok(Self::Anyone),
            "invited" => Ok(Self::Listed(vec![])),
            list => list.split(',').map(|rule| rule.trim().parse()).collect::<Result<_, _>>().map(Self::Listed),
        }
    }
}

impl FromStr for SignUpRule {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || {
            InvalidId::new(text, "`anyone`, `invited`, or a list of `@example.com`, `ann@example.com`, `github-login`, `provider:google`")
        };
        if let Some(provider) = text.strip_prefix("provider:") {
            return provider.parse().map(Self::Provider).map_err(|_| invalid());
        }
        // A login has no dots: `@ann` is a person, as people are mentioned.
        if let Some(domain) = text.strip_prefix('@').filter(|domain| domain.contains('.')) {
            let is_domain = domain.len() <= 190 && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
            return if is_domain { Ok(Self::Domain(domain.to_owned())) } else { Err(invalid()) };
        }
        text.parse().map(Self::Person).map_err(|_| invalid())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::id::UserId;
    use crate::person::Profile;

    fn newcomer(provider: &str, login: &str, email: Option<&str>) -> User {
        let profile = Profile {
            provider: provider.parse().expect("a provider"),
            subject: "7".to_owned(),
            login: login.to_owned(),
            name: String::new(),
            email: email.map(str::to_owned),
            avatar_url: None,
        };
        User::begin(UserId::from_parts(1, 1), &profile, Timestamp::UNIX_EPOCH).expect("a person")
    }

    #[test]
    fn who_gets_an_account() {
        let ann = newcomer("github", "ann", Some("ann@Example.com"));
        let ben = newcomer("google", "ben@example.org", Some("ben@example.org"));
        let unverified = newcomer("oidc", "ann@example.com", None);
        for (text, expected) in [
            ("anyone", [true, true, true]),
            ("invited", [false, false, false]),
            ("@example.com", [true, false, false]),
            ("@mple.com", [false, false, false]),
            ("@sub.example.com", [false, false, false]),
            ("ann", [true, false, false]),
            ("@Ann", [true, false, false]),
            ("ben@example.org", [false, true, false]),
            ("provider:oidc", [false, false, true]),
            ("provider:google, ann", [true, true, false]),
        ] {
            let sign_ups: SignUps = text.parse().expect(text);
            assert_eq!([&ann, &ben, &unverified].map(|newcomer| sign_ups.admit(newcomer).is_ok()), expected, "{text}");
        }
    }

    #[test]
    fn a_damaged_list_is_no_list() {
        for text in ["", " ", ",", "ann,", "@", "@exa mple.com", "*", "provider:", "provider:Git Hub", "anyone,ann b"] {
            assert!(text.parse::<SignUps>().is_err(), "{text:?}");
        }
    }
}
