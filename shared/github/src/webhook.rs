//! Webhooks: from headers and raw bytes to a [`Hint`](quillon_core::hint::Hint), or to the reason why there is none.
//!
//! Three steps, each usable alone: [`Unverified::read`] looks at the form, [`Unverified::verify`] at the signature,
//! [`parse`] at the body. Nothing of a body is believed, or even parsed, before its signature is.
//! GitHub's rules: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.

mod payload;

use hmac::{Hmac, Mac as _};
use http::HeaderMap;
use quillon_core::hint::Hint;
use quillon_core::id::DeliveryId;
use sha2::Sha256;

pub use payload::{is_wanted, parse};

/// Largest body that is read, in bytes. GitHub sends up to 25 MB, a Lambda event holds 6.
pub const MAX_BODY: usize = 5 << 20;

/// Longest event name that is a name.
const MAX_EVENT: usize = 64;

const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";
const SIGNATURE: &str = "x-hub-signature-256";
const OLD_SIGNATURE: &str = "x-hub-signature";

/// Why a request is not a webhook that we take; each variant has one HTTP answer, see [`Rejection::status`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A header that GitHub always sends is not there: 400.
    #[error("the header `{0}` is missing; only GitHub's webhooks are taken here")]
    MissingHeader(&'static str),
    /// A header is not what GitHub would send: 400.
    #[error("the header `{name}` is not {expected}")]
    InvalidHeader {
        /// Which one.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The body is larger than [`MAX_BODY`]: 413.
    #[error("the body has {size} bytes, at most {MAX_BODY} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Only the SHA-1 signature was sent, which is not accepted: 401.
    #[error("only a sha1 signature was sent; set a webhook secret so that `X-Hub-Signature-256` is sent")]
    Sha1Only,
    /// The signature was made with another secret, or over other bytes: 401.
    #[error("the signature does not match; the webhook secret of the App and of this instance differ")]
    BadSignature,
    /// The signature is right and the body is not what GitHub documents: 400.
    #[error("the body is not a `{event}` payload in JSON: {detail}")]
    BadBody {
        /// `X-GitHub-Event`.
        event: String,
        /// What is wrong, and where.
        detail: String,
    },
}

impl Rejection {
    /// The HTTP status that answers it.
    #[must_use]
    pub fn status(&self) -> http::StatusCode {
        match self {
            Self::MissingHeader(_) | Self::InvalidHeader { .. } | Self::BadBody { .. } => http::StatusCode::BAD_REQUEST,
            Self::Sha1Only | Self::BadSignature => http::StatusCode::UNAUTHORIZED,
            Self::TooLarge { .. } => http::StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

/// A delivery of the right form that claims to be GitHub's.
#[derive(Debug, Clone)]
pub struct Unverified<'a> {
    event: &'a str,
    delivery: DeliveryId,
    signature: [u8; 32],
    body: &'a [u8],
}

impl<'a> Unverified<'a> {
    /// Checks size and headers; needs no secret.
    ///
    /// # Errors
    /// Any [`Rejection`] but [`Rejection::BadSignature`] and [`Rejection::BadBody`].
    pub fn read(headers: &'a HeaderMap, body: &'a [u8]) -> Result<Self, Rejection> {
        if body.len() > MAX_BODY {
            return Err(Rejection::TooLarge { size: body.len() });
        }
        let event = header(headers, EVENT, "X-GitHub-Event")?;
        let is_name =
            !event.is_empty() && event.len() <= MAX_EVENT && event.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !is_name {
            return Err(Rejection::InvalidHeader { name: "X-GitHub-Event", expected: "the name of an event" });
        }
        let delivery = header(headers, DELIVERY, "X-GitHub-Delivery")?
            .parse()
            .map_err(|_| Rejection::InvalidHeader { name: "X-GitHub-Delivery", expected: "a delivery GUID" })?;
        if !headers.contains_key(SIGNATURE) && headers.contains_key(OLD_SIGNATURE) {
            return Err(Rejection::Sha1Only);
        }
        let text = header(headers, SIGNATURE, "X-Hub-Signature-256")?;
        let mut signature = [0; 32];
        // A signature of a wrong form is a wrong signature: nothing tells a forger how close it is.
        let hex_digits = text.strip_prefix("sha256=").ok_or(Rejection::BadSignature)?;
        hex::decode_to_slice(hex_digits, &mut signature).map_err(|_| Rejection::BadSignature)?;
        Ok(Self { event, delivery, signature, body })
    }

    /// Checks the HMAC-SHA256 of the raw body against every secret, in constant time.
    ///
    /// Several secrets are valid during a rotation. An empty one is never a secret.
    ///
    /// # Errors
    /// [`Rejection::BadSignature`] when no secret made it.
    pub fn verify(&self, secrets: &[&str]) -> Result<Verified<'a>, Rejection> {
        let mut is_ours = false;
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            // Every secret is tried, so that the time does not say which one matched.
            is_ours |= mac(secret, self.body).is_some_and(|mac| mac.verify_slice(&self.signature).is_ok());
        }
        if !is_ours {
            return Err(Rejection::BadSignature);
        }
        Ok(Verified { event: self.event, delivery: self.delivery.clone(), body: self.body })
    }
}

/// A delivery that GitHub signed.
#[derive(Debug, Clone)]
pub struct Verified<'a> {
    event: &'a str,
    delivery: DeliveryId,
    body: &'a [u8],
}

impl Verified<'_> {
    /// `X-GitHub-Event`.
    #[must_use]
    pub fn event(&self) -> &str {
        self.event
    }

    /// `X-GitHub-Delivery`.
    #[must_use]
    pub fn delivery(&self) -> &DeliveryId {
        &self.delivery
    }
}

/// [`Unverified::read`] and [`Unverified::verify`] in one step.
///
/// # Errors
/// Any [`Rejection`] but [`Rejection::BadBody`].
pub fn verify<'a>(secrets: &[&str], headers: &'a HeaderMap, body: &'a [u8]) -> Result<Verified<'a>, Rejection> {
    Unverified::read(headers, body)?.verify(secrets)
}

/// What a genuine delivery means for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// There is something to look at.
    Hint(Hint),
    /// There is not.
    Ignored {
        /// Why, for people who read the App's delivery log.
        reason: String,
    },
}

/// The value of `X-Hub-Signature-256` for a body: what GitHub would send, for tests and tools.
#[must_use]
pub fn signature(secret: &str, body: &[u8]) -> String {
    let digest = mac(secret, body).map(|mac| hex::encode(mac.finalize().into_bytes()));
    format!("sha256={}", digest.unwrap_or_default())
}

fn mac(secret: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length; the constructor's error cannot happen.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

fn header<'a>(headers: &'a HeaderMap, key: &str, name: &'static str) -> Result<&'a str, Rejection> {
    let value = headers.get(key).ok_or(Rejection::MissingHeader(name))?;
    value.to_str().map_err(|_| Rejection::InvalidHeader { name, expected: "plain text" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"zen":"Keep it logically awesome."}"#;

    /// Headers of a genuine ping, then changed: an empty value takes the header away.
    fn headers(changes: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let genuine = signature("current", BODY);
        for (name, value) in
            [(EVENT, "ping"), (DELIVERY, "72d3162e-cc78-11e3-81ab-4c9367dc0958"), (SIGNATURE, &genuine)].iter().chain(changes)
        {
            if value.is_empty() {
                headers.remove(*name);
            } else {
                headers.insert(*name, value.parse().expect("a header value"));
            }
        }
        headers
    }

    fn status(secrets: &[&str], changes: &[(&'static str, &str)], body: &[u8]) -> u16 {
        match verify(secrets, &headers(changes), body) {
            Ok(_) => 200,
            Err(rejection) => rejection.status().as_u16(),
        }
    }

    #[test]
    fn github_s_own_example_verifies() {
        // From "Validating webhook deliveries".
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(signature("It's a Secret to Everybody", b"Hello, World!"), expected);
    }

    #[test]
    fn the_current_and_the_previous_secret_are_accepted() {
        assert_eq!(status(&["current"], &[], BODY), 200);
        assert_eq!(status(&["new", "current"], &[], BODY), 200);
        assert_eq!(status(&["new", ""], &[], BODY), 401);
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        let forged = signature("", BODY);
        assert_eq!(status(&[""], &[(SIGNATURE, &forged)], BODY), 401);
        assert_eq!(status(&[], &[(SIGNATURE, &forged)], BODY), 401);
    }

    #[test]
    fn wrong_signatures_are_401() {
        let other_body = signature("current", b"{}");
        let cut = &signature("current", BODY)[..69];
        let long = format!("{}00", signature("current", BODY));
        let bare = signature("current", BODY).replace("sha256=", "");
        for wrong in ["sha256=", "sha256=zz", "sha1=757107ea", other_body.as_str(), cut, &long, &bare] {
            assert_eq!(status(&["current"], &[(SIGNATURE, wrong)], BODY), 401, "{wrong}");
        }
        assert_eq!(status(&["current"], &[], b"{}"), 401);
    }

    #[test]
    fn sha1_alone_is_401_and_no_signature_is_400() {
        assert_eq!(status(&["current"], &[(SIGNATURE, ""), (OLD_SIGNATURE, "sha1=00")], BODY), 401);
        assert_eq!(status(&["current"], &[(SIGNATURE, "")], BODY), 400);
        assert_eq!(status(&["current"], &[(OLD_SIGNATURE, "sha1=00")], BODY), 200);
    }

    #[test]
    fn missing_and_odd_headers_are_400() {
        for changes in [
            [(EVENT, "")],
            [(DELIVERY, "")],
            [(EVENT, "Push!")],
            [(EVENT, &*"a".repeat(65))],
            [(DELIVERY, "x")],
            [(DELIVERY, "72d3162e/../../secrets")],
        ] {
            assert_eq!(status(&["current"], &changes, BODY), 400, "{changes:?}");
        }
    }

    #[test]
    fn a_body_over_the_limit_is_413_before_anything_else() {
        assert_eq!(status(&[], &[(EVENT, "")], &vec![b' '; MAX_BODY + 1]), 413);
        let body = vec![b' '; MAX_BODY];
        assert_eq!(status(&["current"], &[(SIGNATURE, &signature("current", &body))], &body), 200);
    }

    #[test]
    fn a_guid_is_told_apart_without_regard_to_case() {
        let upper = headers(&[(DELIVERY, "72D3162E-CC78-11E3-81AB-4C9367DC0958")]);
        let verified = verify(&["current"], &upper, BODY).expect("genuine");
        assert_eq!(verified.delivery().to_string(), "72d3162e-cc78-11e3-81ab-4c9367dc0958");
        assert_eq!(verified.event(), "ping");
    }
}
