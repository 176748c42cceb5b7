//! Sessions of browsers: who is behind one, and how long it lasts.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attempt::later;
use crate::id::{SessionId, UserId};

/// How long a session lasts after its last use.
pub const IDLE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long a session lasts at most.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(180 * 24);

/// How old the last use that is stored may be before a newer one is worth a write.
const RENEW_AFTER: SignedDuration = SignedDuration::from_hours(6);

/// Who is behind a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "user")]
pub enum Holder {
    /// Whoever runs this instance.
    Operator,
    /// A person.
    Person(UserId),
}

/// A session. Its secret is the cookie's value; what is stored is found by the secret's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id: what its holder sees in the list of sessions.
    pub id: SessionId,
    /// Who is behind it.
    pub holder: Holder,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to some hours.
    pub seen_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// The browser, as it calls itself.
    pub client: String,
    /// The address that it began from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl Session {
    /// Begins a session.
    #[must_use]
    pub fn begin(id: SessionId, holder: Holder, client: &str, from: Option<String>, now: Timestamp) -> Self {
        let client = crate::text::shorten(client, 200);
        Self { id, holder, created_at: now, seen_at: now, expires_at: later(now, IDLE), client, from }
    }

    /// Whether it is not over.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// The session after a use that is worth writing down.
    #[must_use]
    pub fn renewed(&self, now: Timestamp) -> Option<Self> {
        if now.duration_since(self.seen_at) < RENEW_AFTER {
            return None;
        }
        let expires_at = later(now, IDLE).min(later(self.created_at, LONGEST));
        Some(Self { seen_at: now, expires_at, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    const DAY: i64 = 86_400;

    #[test]
    fn a_session_slides_but_not_for_ever() {
        let mut session = Session::begin(SessionId::from_parts(1, 1), Holder::Operator, "x", None, at(0));
        assert!(session.is_alive(at(30 * DAY - 1)) && !session.is_alive(at(30 * DAY)));
        assert_eq!(session.renewed(at(3_600)), None);
        for day in 1..=179 {
            session = session.renewed(at(day * DAY)).expect("a day is worth a write");
            assert!(session.is_alive(at((day + 1) * DAY - 1)));
        }
        assert!(!session.is_alive(at(180 * DAY)));
    }
}
