//! What can go wrong when GitHub is asked, shaped by what the caller does next.
//!
//! Limits: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use quillon_core::text::shorten;
use serde::Deserialize;

/// What GitHub asks for after a secondary limit without a `Retry-After`: at least a minute.
const SECONDARY_PAUSE: Duration = Duration::from_secs(60);

/// Longest pause that is believed; a broken header must not stop an installation for a year.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3_600);

/// Longest message of GitHub's that is kept, in characters.
const MAX_MESSAGE: usize = 300;

/// Why a call of the App did not give an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A primary or secondary limit: nothing of this installation is sent before `retry`.
    #[error("GitHub's rate limit is used up: {message}")]
    RateLimited {
        /// When to go on.
        retry: Retry,
        /// What GitHub said.
        message: String,
    },
    /// A timeout, a broken connection or an answer 5xx: the same call may succeed later, and may have had its effect.
    #[error("GitHub could not be asked: {detail}")]
    Transient {
        /// What happened.
        detail: String,
    },
    /// What was asked for is not there, or is hidden from this installation.
    #[error("GitHub does not know `{what}`, or hides it from this installation")]
    NotFound {
        /// The path that was asked for.
        what: String,
    },
    /// The installation is suspended or gone, or lacks a permission; only people can change that.
    #[error("GitHub forbids it: {message}")]
    Forbidden {
        /// What GitHub said.
        message: String,
    },
    /// GitHub does not accept the App's key or token: the settings are wrong.
    #[error("GitHub does not accept the App's credentials: {message}; check the App's id and private key, and this machine's clock")]
    Unauthorized {
        /// What GitHub said.
        message: String,
    },
    /// The context of this commit has its 1,000 statuses and takes no more.
    #[error("this commit and context have reached GitHub's maximum number of statuses")]
    StatusLimit,
    /// GitHub understood and refuses (400, 409, 422): the same call will be refused again.
    #[error("GitHub refuses with {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What GitHub said.
        message: String,
    },
    /// GitHub's answer cannot be read.
    #[error("GitHub's answer to `{what}` cannot be read: {detail}")]
    Unreadable {
        /// The path that was asked for.
        what: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// A setting of the App cannot be used.
    #[error("the setting `{name}` of the GitHub App cannot be used: {detail}")]
    Settings {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

/// When to go on after a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At this time, by GitHub's clock.
    At(Timestamp),
    /// After this long.
    After(Duration),
}

impl Retry {
    /// The time to go on at, never before `now` and at most a day after it.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        let latest = now.checked_add(MAX_PAUSE).unwrap_or(Timestamp::MAX);
        match self {
            Self::At(time) => time.clamp(now, latest),
            Self::After(pause) => now.checked_add(pause.min(MAX_PAUSE)).unwrap_or(latest),
        }
    }
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Transient { .. } => true,
            Self::NotFound { .. }
            | Self::Forbidden { .. }
            | Self::Unauthorized { .. }
            | Self::StatusLimit
            | Self::Refused { .. }
            | Self::Unreadable { .. }
            | Self::Settings { .. } => false,
        }
    }

    /// Reads an answer that is not 2xx.
    pub(crate) fn of_answer(what: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        // A proxy in between answers with HTML: the status says enough then.
        let said: Said = serde_json::from_slice(body).unwrap_or_default();
        Self::of_message(what, status, headers, said.text(status))
    }

    /// Reads an answer that is not 2xx and whose message was read already.
    pub(crate) fn of_message(what: &str, status: StatusCode, headers: &HeaderMap, message: String) -> Self {
        match status {
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => match retry(status, headers, &message) {
                Some(retry) => Self::RateLimited { retry, message },
                None => Self::Forbidden { message },
            },
            StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => Self::Forbidden { message },
            StatusCode::UNAUTHORIZED => Self::Unauthorized { message },
            // The App's id is wrong: not a thing that is missing, but a setting.
            StatusCode::NOT_FOUND if message.contains("Integration not found") => Self::Unauthorized { message },
            StatusCode::NOT_FOUND | StatusCode::GONE => Self::NotFound { what: what.to_owned() },
            StatusCode::REQUEST_TIMEOUT => Self::Transient { detail: format!("{status}: {message}") },
            StatusCode::UNPROCESSABLE_ENTITY if message.contains("maximum number of statuses") => Self::StatusLimit,
            status if status.is_server_error() => Self::Transient { detail: format!("{status}: {message}") },
            status => Self::Refused { status: status.as_u16(), message },
        }
    }
}

/// When a 403 or 429 is a limit, and until when; none for a plain refusal.
fn retry(status: StatusCode, headers: &HeaderMap, message: &str) -> Option<Retry> {
    if let Some(seconds) = number(headers, "retry-after") {
        return Some(Retry::After(Duration::from_secs(seconds)));
    }
    if number(headers, "x-ratelimit-remaining") == Some(0) {
        let reset = number(headers, "x-ratelimit-reset").and_then(|reset| Timestamp::from_second(i64::try_from(reset).ok()?).ok());
        return Some(reset.map_or(Retry::After(SECONDARY_PAUSE), Retry::At));
    }
    let message = message.to_ascii_lowercase();
    let is_limit = status == StatusCode::TOO_MANY_REQUESTS || message.contains("rate limit") || message.contains("abuse detection");
    is_limit.then_some(Retry::After(SECONDARY_PAUSE))
}

/// A header that holds a whole number.
pub(crate) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// GitHub's body of an error; every field may be missing.
#[derive(Deserialize, Default)]
struct Said {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: serde_json::Value,
}

impl Said {
    fn text(&self, status: StatusCode) -> String {
        let reason = if self.message.is_empty() { status.canonical_reason().unwrap_or("an unknown status") } else { &self.message };
        let text = if self.errors.is_null() { reason.to_owned() } else { format!("{reason}: {}", self.errors) };
        shorten(&text, MAX_MESSAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, headers: &[(&'static str, &str)], body: &str) -> Error {
        let headers = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("value"))).collect();
        Error::of_answer("/x", StatusCode::from_u16(status).expect("status"), &headers, body.as_bytes())
    }

    fn limited(error: &Error) -> Option<Retry> {
        if let Error::RateLimited { retry, .. } = error { Some(*retry) } else { None }
    }

    #[test]
    fn a_used_up_primary_limit_says_when_it_resets() {
        let reset = Retry::At(Timestamp::from_second(1_700_000_000).expect("in range"));
        for status in [403, 429] {
            let error = read(status, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000000")], "{}");
            assert_eq!(limited(&error), Some(reset));
        }
        let without_reset = read(403, &[("x-ratelimit-remaining", "0")], r#"{"message":"API rate limit exceeded"}"#);
        assert_eq!(limited(&without_reset), Some(Retry::After(SECONDARY_PAUSE)));
    }

    #[test]
    fn a_secondary_limit_is_known_by_its_header_or_its_words() {
        let by_header = read(403, &[("retry-after", "17"), ("x-ratelimit-remaining", "4000")], "{}");
        assert_eq!(limited(&by_header), Some(Retry::After(Duration::from_secs(17))));
        let words = r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}"#;
        assert_eq!(limited(&read(403, &[("x-ratelimit-remaining", "4000")], words)), Some(Retry::After(SECONDARY_PAUSE)));
        assert_eq!(limited(&read(429, &[], "<html>")), Some(Retry::After(SECONDARY_PAUSE)));
    }

    #[test]
    fn a_plain_403_is_not_a_limit() {
        let error = read(403, &[("x-ratelimit-remaining", "4999")], r#"{"message":"This installation has been suspended"}"#);
        assert_eq!(error, Error::Forbidden { message: "This installation has been suspended".to_owned() });
    }

    #[test]
    fn every_status_has_a_reaction() {
        let word = |status, body| match read(status, &[], body) {
            Error::RateLimited { .. } => "limited",
            Error::Transient { .. } => "transient",
            Error::NotFound { .. } => "not found",
            Error::Forbidden { .. } => "forbidden",
            Error::Unauthorized { .. } => "unauthorized",
            Error::StatusLimit => "status limit",
            Error::Refused { .. } => "refused",
            Error::Unreadable { .. } | Error::Settings { .. } => "other",
        };
        for (status, expected) in [
            (301, "refused"),
            (400, "refused"),
            (401, "unauthorized"),
            (403, "forbidden"),
            (404, "not found"),
            (408, "transient"),
            (409, "refused"),
            (410, "not found"),
            (422, "refused"),
            (429, "limited"),
            (451, "forbidden"),
            (500, "transient"),
            (502, "transient"),
            (503, "transient"),
        ] {
            assert_eq!(word(status, ""), expected, "{status}");
        }
        let full = r#"{"message":"Validation Failed","errors":["This SHA and context has reached the maximum number of statuses."]}"#;
        assert_eq!(word(422, full), "status limit");
        assert_eq!(word(404, r#"{"message":"Integration not found"}"#), "unauthorized");
        assert_eq!(word(422, r#"{"message":"No commit found for SHA: 00"}"#), "refused");
    }

    #[test]
    fn messages_stay_short_and_hostile_bodies_are_read() {
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(10_000));
        for body in [long.as_str(), "", "null", "[]", "\u{0}", r#"{"message":7}"#, r#"{"errors":[{"a":[1]}]}"#] {
            let Error::Refused { message, .. } = read(400, &[], body) else { panic!("refused") };
            assert!(message.chars().count() <= MAX_MESSAGE);
        }
    }

    #[test]
    fn a_pause_lies_between_now_and_a_day() {
        let now = Timestamp::from_second(1_000_000).expect("in range");
        let after = |seconds| now.checked_add(Duration::from_secs(seconds)).expect("in range");
        assert_eq!(Retry::At(Timestamp::UNIX_EPOCH).at(now), now);
        assert_eq!(Retry::At(after(60)).at(now), after(60));
        assert_eq!(Retry::At(Timestamp::MAX).at(now), after(86_400));
        assert_eq!(Retry::After(Duration::from_secs(5)).at(now), after(5));
        assert_eq!(Retry::After(Duration::MAX).at(now), after(86_400));
        assert!(read(429, &[], "").is_retryable() && read(500, &[], "").is_retryable() && !read(404, &[], "").is_retryable());
    }
}
