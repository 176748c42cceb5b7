//! A sign-in that is under way: kept in a signed cookie, so that only the browser that began it can end it.
//!
//! Nothing of it is stored here. The provider hands back the state; whoever has no cookie with the same one did not begin anything, which
//! is what somebody is who was sent to a callback by somebody else ([RFC 9700 section 4.7](https://www.rfc-editor.org/rfc/rfc9700#section-4.7)).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use quillon_core::id::SessionId;
use quillon_core::local_path::LocalPath;
use quillon_core::person::ProviderId;
use quillon_secrets::InstanceKey;
use quillon_tenancy::secret::{self, NoEntropy};
use serde::{Deserialize, Serialize};

/// How long a person may take at the provider, in seconds.
pub(crate) const LIFETIME_S: i64 = 600;

/// What the cookie is signed for.
const SIGNED_FOR: &str = "sign-in";

/// What becomes of the person once the provider has said who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "w")]
pub(crate) enum Purpose {
    /// They are signed in.
    SignIn,
    /// What they are called there is linked to the person of a session.
    Link {
        /// That session.
        #[serde(rename = "s")]
        session: SessionId,
    },
    /// GitHub is asked what the person of a session administers.
    Sources {
        /// That session.
        #[serde(rename = "s")]
        session: SessionId,
    },
}

/// A sign-in that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// Where the person was sent.
    #[serde(rename = "p")]
    pub(crate) provider: ProviderId,
    /// What comes back with them.
    #[serde(rename = "t")]
    pub(crate) state: String,
    /// What an ID token has to repeat.
    #[serde(rename = "o")]
    pub(crate) nonce: String,
    /// What the challenge was made from.
    #[serde(rename = "v")]
    pub(crate) verifier: String,
    /// Where they go afterwards.
    #[serde(rename = "x")]
    pub(crate) next: LocalPath,
    /// What for.
    #[serde(rename = "u")]
    pub(crate) purpose: Purpose,
    /// When it is over, in seconds since the epoch.
    #[serde(rename = "e")]
    expires_at: i64,
}

impl Flow {
    /// Begins one.
    pub(crate) fn begin(provider: ProviderId, purpose: Purpose, next: LocalPath, now: Timestamp) -> Result<Self, NoEntropy> {
        let fresh = || secret::fresh().map(|secret| secret.expose().clone());
        let (state, nonce, verifier) = (fresh()?, fresh()?, fresh()?);
        Ok(Self { provider, state, nonce, verifier, next, purpose, expires_at: now.as_second().saturating_add(LIFETIME_S) })
    }

    /// The value of the cookie.
    pub(crate) fn seal(&self, key: &InstanceKey) -> String {
        // Texts and numbers only: it serializes.
        let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        let signature = key.sign(SIGNED_FOR, &text);
        format!("{text}.{signature}")
    }

    /// The sign-in of a cookie, if it is ours and not over.
    pub(crate) fn open(key: &InstanceKey, value: &str, now: Timestamp) -> Option<Self> {
        let (text, signature) = value.split_once('.')?;
        if !key.verify(SIGNED_FOR, text, signature) {
            return None;
        }
        let flow: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        (now.as_second() < flow.expires_at).then_some(flow)
    }

    /// Whether a callback belongs to it. By hashes, so that the time tells nothing.
    pub(crate) fn is_answered_by(&self, provider: &ProviderId, state: &str) -> bool {
        self.provider == *provider && secret::hash(&self.state) == secret::hash(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_core::Sensitive;

    fn key(text: &str) -> InstanceKey {
        InstanceKey::new(&Sensitive::new(text.to_owned()))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn flow(purpose: Purpose, next: &str) -> Flow {
        Flow::begin(ProviderId::github(), purpose, next.parse().expect("a path"), at(0)).expect("entropy")
    }

    #[test]
    fn a_cookie_holds_one_sign_in_for_ten_minutes() {
        let session = SessionId::from_parts(1, 1);
        for purpose in [Purpose::SignIn, Purpose::Link { session }, Purpose::Sources { session }] {
            let flow = flow(purpose, &format!("/{}", "a".repeat(1_000)));
            let value = flow.seal(&key("a"));
            assert!(value.len() <= 2_048, "a cookie of {} bytes is not read", value.len());
            assert_eq!(Flow::open(&key("a"), &value, at(599)), Some(flow));
            assert_eq!(Flow::open(&key("a"), &value, at(600)), None);
            assert_eq!(Flow::open(&key("b"), &value, at(1)), None, "of another instance");
        }
    }

    #[test]
    fn no_part_of_it_can_be_changed() {
        let value = flow(Purpose::SignIn, "/").seal(&key("a"));
        for index in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[index] = if changed[index] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).expect("text");
            assert_eq!(Flow::open(&key("a"), &changed, at(1)), None, "{index}");
        }
        for text in ["", ".", "x.y", &value[..value.len() - 1], &format!("{value}0")] {
            assert_eq!(Flow::open(&key("a"), text, at(1)), None, "{text}");
        }
    }

    #[test]
    fn it_is_answered_by_its_provider_and_state_only() {
        let flow = flow(Purpose::SignIn, "/");
        assert!(flow.is_answered_by(&ProviderId::github(), &flow.state));
        assert!(!flow.is_answered_by(&ProviderId::google(), &flow.state));
        assert!(!flow.is_answered_by(&ProviderId::github(), ""));
        assert!(!flow.is_answered_by(&ProviderId::github(), &flow.nonce));
    }
}
