//! Signing in a device that has no browser, and the tokens that it then holds.
//!
//! The first is [RFC 8628](https://www.rfc-editor.org/rfc/rfc8628), the second [RFC 6749](https://www.rfc-editor.org/rfc/rfc6749)
//! with rotation as in [RFC 9700 section 4.14](https://www.rfc-editor.org/rfc/rfc9700#section-4.14).

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attempt::later;
use crate::id::{InvalidId, LoginId, UserId, serde_as_text};

/// How long a code can be approved and fetched.
pub const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// Seconds between two polls, at first.
pub const INTERVAL_S: u32 = 5;

/// Seconds that a poll that came too early adds.
const SLOW_DOWN_S: u32 = 5;

/// Most seconds between two polls.
const MAX_INTERVAL_S: u32 = 60;

/// How long an access token of a device that refreshes works.
pub const ACCESS_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How long a login lasts after its last use.
pub const LOGIN_IDLE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How long the refresh token before the newest is still taken: its answer may have been lost on the way.
const REFRESH_LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// Wrong codes that one person or address may enter within [`GUESS_WINDOW`].
pub const MAX_GUESSES: u32 = 10;

/// The time in which wrong codes are counted.
pub const GUESS_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// The letters of a user code: no vowels, so that no word comes out, and none that look alike.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// What a person compares and types: `BCDF-GHJK`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserCode(String);

impl UserCode {
    /// The code of so much entropy; 20^8 of them, about 34.5 bits.
    #[must_use]
    pub fn of_entropy(mut entropy: u128) -> Self {
        let mut code = String::with_capacity(9);
        for index in 0..8 {
            if index == 4 {
                code.push('-');
            }
            let digit = usize::try_from(entropy % 20).unwrap_or(0);
            code.push(char::from(ALPHABET[digit]));
            entropy /= 20;
        }
        Self(code)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Takes it as people type it: any case, with or without the dash and blanks.
impl FromStr for UserCode {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a code of the form `BCDF-GHJK`");
        if text.len() > 40 {
            return Err(invalid());
        }
        let letters: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).collect();
        if letters.len() == 8 && letters.bytes().all(|byte| ALPHABET.contains(&byte)) {
            Ok(Self(format!("{}-{}", &letters[..4], &letters[4..])))
        } else {
            Err(invalid())
        }
    }
}

serde_as_text!(UserCode);

/// What became of a device's wish to be signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum DeviceState {
    /// Nobody has answered.
    Pending,
    /// A person said yes.
    Approved {
        /// Who.
        user: UserId,
    },
    /// A person said no.
    Denied,
    /// The tokens were fetched.
    Redeemed,
}

/// A device's wish to be signed in. Its device code is its secret; what is stored is found by the hash of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceGrant {
    /// What the person compares.
    pub user_code: UserCode,
    /// What the device calls itself.
    pub client: String,
    /// The address that it asks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether it wants a refresh token (scope `offline_access`) rather than one access token for long.
    pub wants_refresh: bool,
    /// When it asked.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
    /// Seconds that it must leave between two polls.
    pub interval_s: u32,
    /// When it last polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled_at: Option<Timestamp>,
    /// What became of it.
    pub state: DeviceState,
}

/// The answer to a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// `authorization_pending`: nobody has answered yet.
    Pending,
    /// `slow_down`: it came too early.
    SlowDown,
    /// `expired_token`: the code is over.
    Expired,
    /// `access_denied`: the person said no.
    Denied,
    /// The tokens of this person, once.
    Granted(UserId),
    /// `invalid_grant`: they were fetched already.
    Redeemed,
}

impl DeviceGrant {
    /// A new wish.
    #[must_use]
    pub fn new(user_code: UserCode, client: &str, from: Option<String>, wants_refresh: bool, now: Timestamp) -> Self {
        Self {
            user_code,
            client: crate::text::shorten(client, 120),
            from,
            wants_refresh,
            created_at: now,
            expires_at: later(now, CODE_LIFETIME),
            interval_s: INTERVAL_S,
            polled_at: None,
            state: DeviceState::Pending,
        }
    }

    /// Whether a person can still answer.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == DeviceState::Pending && now < self.expires_at
    }

    /// The wish once a person has answered it; the same when they answer the same again, none when it is too late.
    #[must_use]
    pub fn answered(&self, user: UserId, approves: bool, now: Timestamp) -> Option<Self> {
        let state = if approves { DeviceState::Approved { user } } else { DeviceState::Denied };
        if self.state == state && now < self.expires_at {
            return Some(self.clone());
        }
        self.is_open(now).then(|| Self { state, ..self.clone() })
    }

    /// The answer to a poll, and what is to be stored with it.
    #[must_use]
    pub fn poll(&self, now: Timestamp) -> (Self, Poll) {
        let polled = Self { polled_at: Some(now), ..self.clone() };
        if now >= self.expires_at {
            return (polled, Poll::Expired);
        }
        match &self.state {
            DeviceState::Pending => {
                // A second of grace: the client counts from when our answer came.
                let wait = SignedDuration::from_secs(i64::from(self.interval_s) - 1);
                let is_early = self.polled_at.is_some_and(|last| now.duration_since(last) < wait);
                if !is_early {
                    return (polled, Poll::Pending);
                }
                let interval_s = (self.interval_s + SLOW_DOWN_S).min(MAX_INTERVAL_S);
                (Self { interval_s, ..polled }, Poll::SlowDown)
            }
            DeviceState::Approved { user } => (Self { state: DeviceState::Redeemed, ..polled }, Poll::Granted(*user)),
            DeviceState::Denied => (polled, Poll::Denied),
            DeviceState::Redeemed => (polled, Poll::Redeemed),
        }
    }
}

/// A device that is signed in: what its tokens belong to, and what a person can revoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Its id.
    pub id: LoginId,
    /// Who is signed in.
    pub user: UserId,
    /// What the device calls itself.
    pub client: String,
    /// The address that it was signed in from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it was signed in.
    pub created_at: Timestamp,
    /// When it was last used, to the hour.
    pub last_used_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// Number of the newest refresh token; zero where there is none.
    pub generation: u32,
    /// When that one was made.
    pub rotated_at: Timestamp,
}

/// What becomes of a refresh token that is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// New tokens, and the login that is to be stored first.
    Rotated(Login),
    /// It was used before: somebody has a copy, so the whole login ends.
    Reused,
    /// The login is over.
    Expired,
}

impl Login {
    /// A new login.
    #[must_use]
    pub fn begin(id: LoginId, user: UserId, grant: &DeviceGrant, now: Timestamp) -> Self {
        Self {
            id,
            user,
            client: grant.client.clone(),
            from: grant.from.clone(),
            created_at: now,
            last_used_at: now,
            expires_at: later(now, LOGIN_IDLE),
            generation: u32::from(grant.wants_refresh),
            rotated_at: now,
        }
    }

    /// Whether it is not over.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// The login after a use that is worth writing down: once an hour.
    #[must_use]
    pub fn used(&self, now: Timestamp) -> Option<Self> {
        let is_news = now.duration_since(self.last_used_at) >= SignedDuration::from_hours(1);
        is_news.then(|| Self { last_used_at: now, expires_at: later(now, LOGIN_IDLE), ..self.clone() })
    }

    /// What becomes of the refresh token of a generation.
    #[must_use]
    pub fn refresh(&self, presented: u32, now: Timestamp) -> Refresh {
        if !self.is_alive(now) {
            return Refresh::Expired;
        }
        let is_newest = presented == self.generation;
        let is_retry = presented.checked_add(1) == Some(self.generation) && now.duration_since(self.rotated_at) <= REFRESH_LEEWAY;
        if presented == 0 || !(is_newest || is_retry) {
            return Refresh::Reused;
        }
        // A retry gets another token of the same generation: however many processes share one file refresh at once, none of them
        // looks like a thief, and the leeway does not renew itself.
        let (generation, rotated_at) =
            if is_newest { (self.generation.saturating_add(1), now) } else { (self.generation, self.rotated_at) };
        Refresh::Rotated(Self { generation, rotated_at, last_used_at: now, expires_at: later(now, LOGIN_IDLE), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    fn grant() -> DeviceGrant {
        DeviceGrant::new(UserCode::of_entropy(7), "quillon on laptop", None, true, at(0))
    }

    fn ann() -> UserId {
        UserId::from_parts(1, 1)
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = UserCode::of_entropy(0x0123_4567_89ab_cdef);
        assert_eq!(code.as_str().len(), 9);
        let typed = code.as_str().to_lowercase().replace('-', " ");
        assert_eq!(typed.parse(), Ok(code));
        for text in ["", "BCDF", "BCDF-GHJA", "BCDF-GHJKK", "BCDF_GHJK", &"-".repeat(60)] {
            assert!(text.parse::<UserCode>().is_err(), "{text}");
        }
        assert_ne!(UserCode::of_entropy(0), UserCode::of_entropy(1));
    }

    #[test]
    fn a_wish_is_granted_once() {
        let (polled, poll) = grant().poll(at(5));
        assert_eq!(poll, Poll::Pending);
        let approved = DeviceGrant { state: DeviceState::Approved { user: ann() }, ..polled };
        let (redeemed, poll) = approved.poll(at(10));
        assert_eq!(poll, Poll::Granted(ann()));
        assert_eq!(redeemed.poll(at(15)).1, Poll::Redeemed);
        assert_eq!(approved.poll(at(15 * 60)).1, Poll::Expired);
        let denied = DeviceGrant { state: DeviceState::Denied, ..grant() };
        assert_eq!((denied.poll(at(1)).1, denied.is_open(at(1))), (Poll::Denied, false));
    }

    #[test]
    fn a_wish_is_answered_once() {
        let approved = grant().answered(ann(), true, at(1)).expect("open");
        assert_eq!(approved.state, DeviceState::Approved { user: ann() });
        assert_eq!(approved.answered(ann(), true, at(2)), Some(approved.clone()), "the same step again");
        assert_eq!(approved.answered(UserId::from_parts(1, 2), true, at(2)), None, "by somebody else");
        assert_eq!(approved.answered(ann(), false, at(2)), None);
        assert_eq!(grant().answered(ann(), false, at(1)).map(|grant| grant.state), Some(DeviceState::Denied));
        assert_eq!(grant().answered(ann(), true, at(15 * 60)), None, "too late");
        assert_eq!(approved.poll(at(10)).0.answered(ann(), true, at(11)), None, "fetched already");
    }

    #[test]
    fn whoever_polls_too_fast_is_slowed_down_more_and_more() {
        let (mut grant, first) = grant().poll(at(0));
        assert_eq!(first, Poll::Pending);
        let mut intervals = Vec::new();
        for second in 1..=13 {
            let (next, poll) = grant.poll(at(second));
            assert_eq!(poll, Poll::SlowDown);
            intervals.push(next.interval_s);
            grant = next;
        }
        assert_eq!(intervals[..3], [10, 15, 20]);
        assert_eq!(grant.interval_s, MAX_INTERVAL_S);
        assert_eq!(grant.poll(at(13 + 60)).1, Poll::Pending);
    }

    #[test]
    fn a_refresh_token_that_was_used_ends_the_login() {
        let login = Login::begin(LoginId::from_parts(1, 1), ann(), &grant(), at(0));
        let Refresh::Rotated(second) = login.refresh(1, at(100)) else { panic!("the newest is good") };
        assert_eq!(second.generation, 2);
        // The answer was lost, the client asks again at once.
        let Refresh::Rotated(again) = second.refresh(1, at(120)) else { panic!("a retry is good") };
        assert_eq!((again.generation, again.rotated_at), (2, at(100)));
        assert!(matches!(again.refresh(1, at(130)), Refresh::Rotated(_)), "however many ask");
        assert_eq!(again.refresh(1, at(131)), Refresh::Reused, "a retry gives no more time");
        // Of several tokens of one generation the first that is used makes the others old.
        let Refresh::Rotated(third) = again.refresh(2, at(140)) else { panic!("the newest is good") };
        assert_eq!(third.generation, 3);
        assert_eq!(third.refresh(1, at(141)), Refresh::Reused);
        assert_eq!(third.refresh(2, at(171)), Refresh::Reused);
        assert_eq!(third.refresh(0, at(141)), Refresh::Reused);
        assert_eq!(third.refresh(9, at(141)), Refresh::Reused);
        assert_eq!(third.refresh(u32::MAX, at(141)), Refresh::Reused);
        assert_eq!(third.refresh(3, later(at(140), LOGIN_IDLE)), Refresh::Expired);
    }
}
