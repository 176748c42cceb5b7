//! Stripe's webhooks: whether one is genuine, and which customer it is about.
//!
//! The signature is an HMAC-SHA256 over the time, a dot and the raw body; the time is part of it, so that what somebody recorded is
//! worthless after five minutes: <https://docs.stripe.com/webhooks#verify-manually>.

use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::Sha256;

use crate::is_id;

/// How far the time of a signature may be from ours.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Largest body that is read, in bytes. What Stripe sends is some ten kilobytes.
pub const MAX_BODY: usize = 256 * 1024;

/// Longest header that is read.
const MAX_HEADER: usize = 2_048;

/// Most signatures in a header that are looked at: there are several while a secret is replaced.
const MAX_SIGNATURES: usize = 8;

/// Why a request is no webhook that we take; each has one HTTP answer, see [`Rejection::status`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The header is not there, or nothing like one: 400.
    #[error("the header `Stripe-Signature` is missing or damaged; only Stripe's webhooks are taken here")]
    NoSignature,
    /// The body is larger than [`MAX_BODY`]: 413.
    #[error("the body has {0} bytes, at most {MAX_BODY} are read")]
    TooLarge(usize),
    /// The signature was made with another secret, or over other bytes: 401.
    #[error("the signature does not match; the signing secret of the endpoint at Stripe and of this installation differ")]
    BadSignature,
    /// The signature is right and its time is not: 401.
    #[error("the signature is of another time; it was recorded, or a clock is wrong")]
    OtherTime,
    /// The signature is right and the body is no event: 400.
    #[error("the body is not an event of Stripe: {0}")]
    BadBody(String),
}

impl Rejection {
    /// The HTTP status that answers it.
    #[must_use]
    pub fn status(&self) -> http::StatusCode {
        match self {
            Self::NoSignature | Self::BadBody(_) => http::StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => http::StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadSignature | Self::OtherTime => http::StatusCode::UNAUTHORIZED,
        }
    }
}

/// What a genuine webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Stripe's name for the event.
    pub id: String,
    /// What kind of event.
    pub kind: String,
    /// Which customer it is about, if it is about one.
    pub customer: Option<String>,
}

/// Reads a webhook, once its signature is right.
///
/// Several secrets are valid while one is replaced. An empty one is never a secret.
///
/// # Errors
/// Any [`Rejection`].
pub fn read(secrets: &[&str], signature: Option<&str>, body: &[u8], now: Timestamp) -> Result<Notice, Rejection> {
    if body.len() > MAX_BODY {
        return Err(Rejection::TooLarge(body.len()));
    }
    verify(secrets, signature.ok_or(Rejection::NoSignature)?, body, now)?;
    let event: Wire = serde_json::from_slice(body).map_err(|error| Rejection::BadBody(error.to_string()))?;
    // What an event is about has a customer, or is one.
    let about = event.data.object;
    let customer = if about.object.as_deref() == Some("customer") { about.id } else { about.customer };
    let customer = customer.filter(|customer| is_id(customer));
    if !is_id(&event.id) {
        return Err(Rejection::BadBody("it has no id".to_owned()));
    }
    Ok(Notice { id: event.id, kind: event.kind, customer })
}

fn verify(secrets: &[&str], header: &str, body: &[u8], now: Timestamp) -> Result<(), Rejection> {
    let (time, signatures) = parts(header)?;
    let seconds: i64 = time.parse().map_err(|_| Rejection::NoSignature)?;
    let mut is_genuine = false;
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        for signature in &signatures {
            // All of them are tried, so that the time does not say which one matched.
            is_genuine |= mac(secret, time, body).is_some_and(|mac| mac.verify_slice(signature).is_ok());
        }
    }
    if !is_genuine {
        return Err(Rejection::BadSignature);
    }
    let age = now.as_second().saturating_sub(seconds);
    if age.unsigned_abs() > TOLERANCE.as_secs().unsigned_abs() { Err(Rejection::OtherTime) } else { Ok(()) }
}

/// The time as it was signed, and all signatures of the scheme `v1`; others are ignored, as documented.
fn parts(header: &str) -> Result<(&str, Vec<[u8; 32]>), Rejection> {
    if header.len() > MAX_HEADER {
        return Err(Rejection::NoSignature);
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" if time.is_none() && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => time = Some(value),
            "t" => return Err(Rejection::NoSignature),
            "v1" if signatures.len() < MAX_SIGNATURES => {
                let mut signature = [0; 32];
                // A signature of a wrong form is a wrong signature.
                hex::decode_to_slice(value, &mut signature).map_err(|_| Rejection::BadSignature)?;
                signatures.push(signature);
            }
            _ => {}
        }
    }
    match time {
        Some(time) if !signatures.is_empty() => Ok((time, signatures)),
        Some(_) | None => Err(Rejection::NoSignature),
    }
}

/// The header that Stripe would send with a body at a time, for tests and tools.
#[must_use]
pub fn signature(secret: &str, body: &[u8], now: Timestamp) -> String {
    let time = now.as_second().to_string();
    let digest = mac(secret, &time, body).map(|mac| hex::encode(mac.finalize().into_bytes()));
    format!("t={time},v1={}", digest.unwrap_or_default())
}

fn mac(secret: &str, time: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length; the constructor's error cannot happen.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: About,
}

#[derive(Deserialize)]
struct About {
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    customer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_current";
    const BODY: &[u8] =
        br#"{"id":"evt_1","object":"event","type":"invoice.paid","data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1"}}}"#;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn now() -> Timestamp {
        at(1_767_600_000)
    }

    fn status(secrets: &[&str], header: &str, body: &[u8]) -> u16 {
        read(secrets, Some(header), body, now()).map_or_else(|rejection| rejection.status().as_u16(), |_| 200)
    }

    #[test]
    fn a_genuine_event_names_its_customer() {
        let notice = read(&[SECRET], Some(&signature(SECRET, BODY, now())), BODY, now()).expect("genuine");
        assert_eq!(notice, Notice { id: "evt_1".into(), kind: "invoice.paid".into(), customer: Some("cus_1".into()) });
    }

    /// The digest is of OpenSSL: `printf '1614556800.{}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn the_signature_is_the_published_one() {
        let header = signature("whsec_test", b"{}", at(1_614_556_800));
        assert_eq!(header, "t=1614556800,v1=6bd5ebbc9cbce4fe6d9c728ba6c962ae7ec5510179f82646471f20bba89e7ffd");
    }

    #[test]
    fn any_of_several_signatures_and_secrets_will_do() {
        let good = signature(SECRET, BODY, now());
        let (time, digest) = good.split_once(',').expect("two parts");
        let other = signature("whsec_old", BODY, now());
        let (_, other) = other.split_once(',').expect("two parts");
        assert_eq!(status(&[SECRET], &format!("{time},{other},{digest},v0=6ffbb59b"), BODY), 200);
        assert_eq!(status(&["whsec_new", SECRET], &good, BODY), 200);
        assert_eq!(status(&["whsec_new", ""], &good, BODY), 401);
        assert_eq!(status(&[SECRET], &format!("{time},v0={}", &digest[3..]), BODY), 400);
    }

    #[test]
    fn forged_ones_are_refused() {
        let good = signature(SECRET, BODY, now());
        let (time, digest) = good.split_once(',').expect("two parts");
        assert_eq!(status(&[SECRET], &good, b"{}"), 401);
        assert_eq!(status(&[SECRET], &format!("t=1767600001,{digest}"), BODY), 401);
        assert_eq!(status(&[SECRET], &format!("{time},{}", &digest[..60]), BODY), 401);
        assert_eq!(status(&[""], &signature("", BODY, now()), BODY), 401);
        assert_eq!(status(&[], &good, BODY), 401);
        let many: String = (0..20).map(|_| format!(",v1={}", "0".repeat(64))).collect();
        assert_eq!(status(&[SECRET], &format!("{time}{many},{digest}"), BODY), 401);
        for damaged in ["", "t=", time, digest, "t=x,v1=00", &format!("{time},t=2,{digest}"), &format!("t=-1,{digest}"), &"x".repeat(9_999)]
        {
            assert_eq!(status(&[SECRET], damaged, BODY), 400, "{damaged}");
        }
        assert_eq!(read(&[SECRET], None, BODY, now()), Err(Rejection::NoSignature));
    }

    #[test]
    fn a_recorded_one_is_worthless_after_five_minutes() {
        let sent = |offset: i64| status(&[SECRET], &signature(SECRET, BODY, at(1_767_600_000 + offset)), BODY);
        assert_eq!((sent(-300), sent(-301)), (200, 401));
        assert_eq!((sent(300), sent(301)), (200, 401));
        assert_eq!(status(&[SECRET], &format!("t={},v1={}", i64::MAX, "0".repeat(64)), BODY), 401);
    }

    #[test]
    fn a_body_is_read_after_its_signature_only() {
        let signed = |body: &[u8]| read(&[SECRET], Some(&signature(SECRET, body, now())), body, now());
        assert!(matches!(signed(b"{"), Err(Rejection::BadBody(_))));
        assert!(matches!(signed(br#"{"id":"../x","type":"t","data":{"object":{}}}"#), Err(Rejection::BadBody(_))));
        assert_eq!(signed(&vec![b' '; MAX_BODY + 1]), Err(Rejection::TooLarge(MAX_BODY + 1)));
        let customer = |object: &str| {
            let body = format!(r#"{{"id":"evt_1","type":"t","data":{{"object":{object}}}}}"#);
            signed(body.as_bytes()).expect("an event").customer
        };
        assert_eq!(customer(r#"{"object":"customer","id":"cus_9"}"#).as_deref(), Some("cus_9"));
        assert_eq!(customer(r#"{"object":"price","id":"price_1"}"#), None);
        assert_eq!(customer(r#"{"object":"invoice","customer":null}"#), None);
        assert_eq!(customer(r##"{"object":"invoice","customer":"CUS#1"}"##), None);
    }
}
