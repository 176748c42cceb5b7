//! The operator's session: a signed cookie with an end, and the token of its forms.
//!
//! Nothing is stored, so a session ends by its time, or with the instance's key.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use quillon_runtime::Cookie;
use quillon_secrets::InstanceKey;
use url::Url;

/// How long a session lasts.
const LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A session that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    id: String,
}

impl Session {
    /// Begins a session: its id must not be guessable. Gives the value of its cookie too.
    #[must_use]
    pub fn begin(key: &InstanceKey, id: String, now: Timestamp) -> (Self, String) {
        let end = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX).as_second();
        let signed = format!("{end}.{id}");
        let value = format!("{signed}.{}", key.sign("session", &signed));
        (Self { id }, value)
    }

    /// The session of a request, if its cookie is ours and not over.
    #[must_use]
    pub fn of_request(key: &InstanceKey, public: &Url, headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        Cookie::Session.values(public, headers).find_map(|value| Self::verify(key, value, now))
    }

    fn verify(key: &InstanceKey, value: &str, now: Timestamp) -> Option<Self> {
        let (signed, signature) = value.rsplit_once('.')?;
        if !key.verify("session", signed, signature) {
            return None;
        }
        let (end, id) = signed.split_once('.')?;
        let is_alive = now.as_second() < end.parse().ok()?;
        is_alive.then(|| Self { id: id.to_owned() })
    }

    /// The token of this session's forms.
    #[must_use]
    pub fn form_token(&self, key: &InstanceKey) -> String {
        key.sign("form", &self.id)
    }

    /// Whether a form's token is of this session, in constant time.
    #[must_use]
    pub fn is_form_token(&self, key: &InstanceKey, token: &str) -> bool {
        key.verify("form", &self.id, token)
    }
}

/// The `Set-Cookie` header that begins a session.
#[must_use]
pub fn set_cookie(public: &Url, value: &str) -> String {
    Cookie::Session.set(public, value, LIFETIME.as_secs())
}

/// The `Set-Cookie` header that ends a session.
#[must_use]
pub fn clear_cookie(public: &Url) -> String {
    Cookie::Session.clear(public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::COOKIE;
    use quillon_core::Sensitive;

    fn key(text: &str) -> InstanceKey {
        InstanceKey::new(&Sensitive::new(text.to_owned()))
    }

    fn public(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn with_cookie(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(text).expect("a value"))])
    }

    #[test]
    fn a_session_holds_until_its_end_and_under_its_key_only() {
        let public = public("http://127.0.0.1:8800");
        let (session, value) = Session::begin(&key("a"), "nonce".to_owned(), at(1_000));
        let headers = with_cookie(&format!("other=1; quillon_session={value}"));
        assert_eq!(Session::of_request(&key("a"), &public, &headers, at(1_001)), Some(session));
        assert_eq!(Session::of_request(&key("b"), &public, &headers, at(1_001)), None);
        assert_eq!(Session::of_request(&key("a"), &public, &headers, at(1_000 + LIFETIME.as_secs())), None);
    }

    #[test]
    fn forged_cookies_are_nobody() {
        let public = public("http://127.0.0.1:8800");
        let (_, value) = Session::begin(&key("a"), "nonce".to_owned(), at(1_000));
        let (end, rest) = value.split_once('.').expect("parts");
        let (id, signature) = rest.split_once('.').expect("parts");
        let later: i64 = end.parse::<i64>().expect("a number") + 1;
        for forged in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            format!("{later}.{id}.{signature}"),
            format!("{end}.other.{signature}"),
            format!("{end}.{id}."),
            format!("{end}.{id}.{}", "0".repeat(64)),
            format!("{end}.{id}.{}", &signature[..62]),
            format!("{end}.{id}.{}", key("a").sign("form", &format!("{end}.{id}"))),
            format!("{end}.{id}.{signature}{signature}{signature}{signature}"),
            format!("{end}.{id}.é"),
        ] {
            assert_eq!(Session::verify(&key("a"), &forged, at(1_001)), None, "{forged}");
        }
        let planted = with_cookie(&format!("quillon_session=planted; quillon_session={value}"));
        assert!(Session::of_request(&key("a"), &public, &planted, at(1_001)).is_some());
        let wrong_name = with_cookie(&format!("__Host-quillon_session={value}"));
        assert_eq!(Session::of_request(&key("a"), &public, &wrong_name, at(1_001)), None);
    }

    #[test]
    fn a_form_token_serves_its_session_only() {
        let (one, _) = Session::begin(&key("a"), "one".to_owned(), at(0));
        let (other, _) = Session::begin(&key("a"), "other".to_owned(), at(0));
        let token = one.form_token(&key("a"));
        assert!(one.is_form_token(&key("a"), &token));
        assert!(!other.is_form_token(&key("a"), &token) && !one.is_form_token(&key("b"), &token) && !one.is_form_token(&key("a"), ""));
    }

    #[test]
    fn cookies_are_closed_to_scripts_and_with_https_to_everybody_else() {
        let plain = set_cookie(&public("http://127.0.0.1:8800"), "v");
        assert_eq!(plain, "quillon_session=v; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
        let secure = set_cookie(&public("https://ci.example.com"), "v");
        assert_eq!(secure, "__Host-quillon_session=v; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure");
        assert!(clear_cookie(&public("https://ci.example.com")).contains("=; Path=/; Max-Age=0"));
    }
}
