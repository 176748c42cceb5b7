//! Tokens of orgs before and after they work: what may be asked for, and what a rotation makes of two.

use jiff::{SignedDuration, Timestamp};

use crate::attempt::later;
use crate::id::TokenId;
use crate::name::label;
use crate::org::{MAX_ROTATION_OVERLAP, Org, Scope, Token};

/// Longest life of a token that is to end, in days.
pub const MAX_LIFETIME_DAYS: u32 = 3_650;

/// How many characters of a token's text people see of it later.
const HINT: usize = 4;

/// A token that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    name: String,
    scopes: Vec<Scope>,
    lifetime: Option<SignedDuration>,
}

/// Why a token cannot be asked for like that, or not be rotated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] crate::id::InvalidId),
    /// It could do nothing.
    #[error("a token needs a scope: choose at least one")]
    NoScope,
    /// It would never have worked, or longer than makes sense.
    #[error("a token lasts between 1 and {MAX_LIFETIME_DAYS} days, or until it is revoked")]
    Lifetime,
    /// It has been replaced.
    #[error("the token was rotated before: rotate the one that replaced it")]
    Replaced,
    /// It no longer works.
    #[error("the token has expired: make a new one")]
    Expired,
    /// Both would work for too long.
    #[error("the old token can work on for at most 7 days")]
    Overlap,
}

impl Wish {
    /// Checks what was entered.
    ///
    /// # Errors
    /// When such a token makes no sense.
    pub fn new(name: &str, scopes: &[Scope], expires_in_days: Option<u32>) -> Result<Self, Refused> {
        if expires_in_days.is_some_and(|days| !(1..=MAX_LIFETIME_DAYS).contains(&days)) {
            return Err(Refused::Lifetime);
        }
        let scopes: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| scopes.contains(scope)).collect();
        if scopes.is_empty() {
            return Err(Refused::NoScope);
        }
        let lifetime = expires_in_days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        Ok(Self { name: label(name)?, scopes, lifetime })
    }

    /// The token, whose text is `text`.
    #[must_use]
    pub fn token(self, id: TokenId, org: &Org, text: &str, created_by: &str, now: Timestamp) -> Token {
        let expires_at = self.lifetime.map(|lifetime| later(now, lifetime));
        let token = Token::new(id, org, self.name, self.scopes, created_by.to_owned(), now);
        Token { expires_at, hint: hint(text), ..token }
    }
}

/// The last characters of a token's text.
fn hint(text: &str) -> String {
    text.chars().skip(text.chars().count().saturating_sub(HINT)).collect()
}

impl Token {
    /// The token that replaces this one, with the same name, scopes and span of life, whose text is `text`.
    ///
    /// # Errors
    /// When this one was replaced before, or no longer works.
    pub fn successor(&self, id: TokenId, org: &Org, text: &str, created_by: &str, now: Timestamp) -> Result<Self, Refused> {
        if self.replaced_by.is_some() {
            return Err(Refused::Replaced);
        }
        if !self.is_alive(now) {
            return Err(Refused::Expired);
        }
        let expires_at = self.expires_at.map(|end| later(now, end.duration_since(self.created_at)));
        let token = Self::new(id, org, self.name.clone(), self.scopes.clone(), created_by.to_owned(), now);
        Ok(Self { expires_at, hint: hint(text), ..token })
    }

    /// This token once another one has replaced it: both work for the overlap.
    ///
    /// # Errors
    /// When another one than `by` has replaced it before, or the overlap is too long.
    pub fn replaced(&self, by: TokenId, overlap: SignedDuration, now: Timestamp) -> Result<Self, Refused> {
        if self.replaced_by.is_some_and(|known| known != by) {
            return Err(Refused::Replaced);
        }
        check_overlap(overlap)?;
        let end = later(now, overlap);
        let expires_at = Some(self.expires_at.map_or(end, |planned| planned.min(end)));
        Ok(Self { expires_at, replaced_by: Some(by), ..self.clone() })
    }
}

/// Checks how long a token that is replaced is to work on.
///
/// # Errors
/// When it is longer than [`MAX_ROTATION_OVERLAP`].
pub fn check_overlap(overlap: SignedDuration) -> Result<(), Refused> {
    if overlap.is_negative() || overlap > MAX_ROTATION_OVERLAP { Err(Refused::Overlap) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, parsed};
    use crate::id::OrgId;

    fn org() -> Org {
        Org::new(OrgId::from_parts(1, 1), parsed("acme"), at(0))
    }

    fn id(number: u128) -> TokenId {
        TokenId::from_parts(1, number)
    }

    const DAY_S: i64 = 24 * 3_600;

    #[test]
    fn a_token_is_what_was_asked_for() {
        let wish = Wish::new("  deploy ", &[Scope::ChecksRead, Scope::TelemetryWrite, Scope::ChecksRead], Some(30)).expect("a wish");
        let token = wish.token(id(1), &org(), "dag_acme_0123456789", "Ann", at(0));
        assert_eq!((token.name.as_str(), token.hint.as_str()), ("deploy", "6789"));
        assert_eq!(token.scopes, [Scope::TelemetryWrite, Scope::ChecksRead]);
        assert_eq!(token.expires_at, Some(at(30 * DAY_S)));
        for (name, scopes, days) in
            [("", &Scope::ALL[..], None), ("a", &[], None), ("a", &Scope::ALL[..], Some(0)), ("a", &Scope::ALL[..], Some(3_651))]
        {
            assert!(Wish::new(name, scopes, days).is_err(), "{name} {scopes:?} {days:?}");
        }
        assert!(Wish::new(&"x".repeat(10_000), &Scope::ALL, None).is_err());
    }

    #[test]
    fn a_rotation_overlaps_as_long_as_wanted_and_happens_once() {
        let old = Wish::new("ci", &[Scope::TelemetryWrite], Some(30)).expect("a wish").token(id(1), &org(), "aaaa1111", "Ann", at(0));
        let now = at(10 * DAY_S);
        let new = old.successor(id(2), &org(), "bbbb2222", "Bob", now).expect("a successor");
        assert_eq!((new.name.as_str(), &new.scopes, new.hint.as_str(), new.created_by.as_str()), ("ci", &old.scopes, "2222", "Bob"));
        assert_eq!(new.expires_at, Some(at(40 * DAY_S)), "as long as the old one was to last");
        let replaced = old.replaced(id(2), SignedDuration::from_hours(24), now).expect("replaced");
        assert_eq!((replaced.expires_at, replaced.replaced_by), (Some(at(11 * DAY_S)), Some(id(2))));
        assert_eq!(replaced.successor(id(3), &org(), "x", "Bob", now), Err(Refused::Replaced));
        assert_eq!(replaced.replaced(id(3), SignedDuration::ZERO, now), Err(Refused::Replaced));
        assert!(replaced.replaced(id(2), SignedDuration::ZERO, now).is_ok(), "the same step again");
        assert_eq!(old.replaced(id(2), MAX_ROTATION_OVERLAP, at(29 * DAY_S)).expect("replaced").expires_at, old.expires_at, "never longer");
        assert_eq!(old.successor(id(2), &org(), "x", "Bob", at(30 * DAY_S)), Err(Refused::Expired));
        for overlap in [SignedDuration::from_secs(-1), MAX_ROTATION_OVERLAP + SignedDuration::from_secs(1), SignedDuration::MAX] {
            assert_eq!(old.replaced(id(2), overlap, now), Err(Refused::Overlap));
        }
    }
}
