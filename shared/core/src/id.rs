//! Every id of the domain: parsed once at the edge, opaque afterwards.
//!
//! Ours are `prefix_` + [ULID](https://github.com/ulid/spec), so they sort by creation. GitHub's are numbers: they are the
//! keys of repositories and accounts, because names get renamed, transferred and registered again by somebody else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

impl InvalidId {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        // An id can come from an attacker: what is echoed stays short.
        Self { text: text.chars().take(80).collect(), expected }
    }
}

/// Implements serde as the `Display`/`FromStr` text of a type.
macro_rules! serde_as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// Makes an id from its creation time in milliseconds since the epoch and 80 bits of entropy.
            #[must_use]
            pub fn from_parts(created_ms: u64, entropy: u128) -> Self {
                Self(Ulid::from_parts(created_ms, entropy))
            }

            /// Makes the same id from the same time and the same words, so that a repeated step names the same thing.
            #[must_use]
            pub fn derived(created_ms: u64, words: &[&str]) -> Self {
                Self(Ulid::from_parts(created_ms, u128::from_be_bytes(digest(words))))
            }

            /// The creation time that it was made from, in milliseconds since the epoch.
            #[must_use]
            pub fn created_ms(&self) -> u64 {
                self.0.timestamp_ms()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($prefix, "{}"), self.0.to_string().to_ascii_lowercase())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId::new(text, concat!("an id of the form `", $prefix, "…`"));
                let ulid = text.strip_prefix($prefix).ok_or_else(invalid)?;
                if ulid.len() != 26 || ulid.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(invalid());
                }
                let id = Self(Ulid::from_string(&ulid.to_ascii_uppercase()).map_err(|_| invalid())?);
                // Base 32 has spare bits and look-alike letters: only the canonical spelling names a thing.
                if id.to_string() == text { Ok(id) } else { Err(invalid()) }
            }
        }

        serde_as_text!($name);
    };
}

ulid_id! {
    /// An organization of this instance.
    OrgId, "org_"
}
ulid_id! {
    /// All checks of one head commit in one lane.
    RunId, "run_"
}
ulid_id! {
    /// One execution of one check.
    AttemptId, "att_"
}
ulid_id! {
    /// The right of one agent to one attempt until a time; the fencing token of everything that agent says.
    LeaseId, "lse_"
}
ulid_id! {
    /// An enrolled agent.
    AgentId, "agt_"
}
ulid_id! {
    /// A named token of an organization; not its secret.
    TokenId, "tok_"
}
ulid_id! {
    /// A person who has signed in once.
    UserId, "usr_"
}
ulid_id! {
    /// An invitation to an organization; not its secret.
    InviteId, "inv_"
}
ulid_id! {
    /// The login of one device of a person: what its access and refresh tokens belong to.
    LoginId, "lgn_"
}
ulid_id! {
    /// A session of a browser; not its secret.
    SessionId, "ses_"
}

macro_rules! github_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self).map_err(|_| InvalidId::new(text, "a number of GitHub's"))
            }
        }
    };
}

github_id! {
    /// GitHub's number of a GitHub App.
    AppId
}
github_id! {
    /// GitHub's number of an installation: the App on one account.
    InstallationId
}
github_id! {
    /// GitHub's number of a repository; survives renames and transfers.
    RepositoryId
}
github_id! {
    /// GitHub's number of a user or organization account.
    AccountId
}
github_id! {
    /// The number of a pull request within its repository.
    PullNumber
}

/// The SHA of a commit: 40 lower-case hex digits (64 in a SHA-256 repository).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitSha(String);

impl CommitSha {
    /// The full text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as people write it.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..7]
    }

    /// Whether this is the all-zero SHA that git uses for "no commit".
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'0')
    }
}

impl fmt::Display for CommitSha {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for CommitSha {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && matches!(text.len(), 40 | 64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::new(text, "a commit SHA of 40 lower-case hex digits"))
        }
    }
}

serde_as_text!(CommitSha);

/// The GUID of a webhook delivery (`X-GitHub-Delivery`); a redelivery repeats it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(String);

impl fmt::Display for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_form = (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if is_form { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidId::new(text, "a delivery GUID")) }
    }
}

serde_as_text!(DeliveryId);

/// The W3C trace context that an attempt's telemetry hangs under, chosen before it starts.
///
/// See <https://www.w3.org/TR/trace-context/#traceparent-header>. Neither id is ever zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceParent {
    /// 32 lower-case hex digits.
    pub trace_id: String,
    /// 16 lower-case hex digits.
    pub span_id: String,
}

impl TraceParent {
    /// The trace context of an attempt, the same for the same attempt.
    #[must_use]
    pub fn of(attempt: AttemptId) -> Self {
        let mut trace = digest(&["trace", &attempt.to_string()]);
        let mut span: [u8; 16] = digest(&["span", &attempt.to_string()]);
        trace[15] |= 1;
        span[7] |= 1;
        Self { trace_id: hex::encode(trace), span_id: hex::encode(&span[..8]) }
    }

    /// The value of the `TRACEPARENT` variable, sampled.
    #[must_use]
    pub fn header(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }
}

/// 128 bits over words, each length-prefixed so that no two lists of words collide.
fn digest(words: &[&str]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update((word.len() as u64).to_be_bytes());
        hasher.update(word.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize()[..16]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_creation() {
        let early = RunId::from_parts(1_000, 7);
        let late = RunId::from_parts(2_000, 1);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early < late && early.to_string() < late.to_string());
        assert!(early.to_string().starts_with("run_"));
    }

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = RunId::from_parts(1_000, 7).to_string();
        for text in ["", "run_", "att_01arz3ndektsv4rrffq69g5fav", &id.to_uppercase(), &id.replace("run_", ""), &format!("{id}0")] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }

    #[test]
    fn derived_ids_repeat_and_do_not_collide_across_word_borders() {
        assert_eq!(AttemptId::derived(1, &["ab", "c"]), AttemptId::derived(1, &["ab", "c"]));
        assert_ne!(AttemptId::derived(1, &["ab", "c"]), AttemptId::derived(1, &["a", "bc"]));
    }

    #[test]
    fn commit_shas_are_lower_case_hex() {
        assert!("0123456789abcdef0123456789abcdef01234567".parse::<CommitSha>().is_ok());
        for text in ["", "HEAD", "0123456789ABCDEF0123456789abcdef01234567", "--upload-pack=x", &"a".repeat(41)] {
            assert!(text.parse::<CommitSha>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_trace_parent_is_a_w3c_header() {
        let header = TraceParent::of(AttemptId::from_parts(5, 5)).header();
        assert_eq!(header.len(), 55);
        assert!(header.starts_with("00-") && header.ends_with("-01"));
    }
}
