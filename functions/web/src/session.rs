//! Who is asking: the stored session behind a cookie, whose it is, and the token of its forms.

use http::HeaderMap;
use http::header::USER_AGENT;
use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::session::{LONGEST, Session};
use quillon_runtime::Cookie;
use quillon_secrets::InstanceKey;
use quillon_tenancy::{Error, Tenancy, Viewer, secret};
use url::Url;

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub viewer: Viewer,
    /// Their session.
    pub session: Session,
    secret: Sensitive<String>,
    hash: String,
}

impl SignedIn {
    /// Whoever is behind the cookie of a request, if there is a session of it that is not over.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn of_request(tenancy: &Tenancy, public: &Url, headers: &HeaderMap, now: Timestamp) -> Result<Option<Self>, Error> {
        let found = tenancy.session_among(Cookie::Session.values(public, headers), now).await?;
        let Some((session, value)) = found else { return Ok(None) };
        let viewer = tenancy.viewer(&session).await?;
        Ok(viewer.map(|viewer| Self { viewer, session, secret: Sensitive::new(value.to_owned()), hash: secret::hash(value) }))
    }

    /// The secret of their session.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.secret.expose()
    }

    /// The token of this session's forms.
    #[must_use]
    pub fn form_token(&self, key: &InstanceKey) -> String {
        key.sign("form", &self.hash)
    }

    /// Whether a form's token is of this session, in constant time.
    #[must_use]
    pub fn is_form_token(&self, key: &InstanceKey, token: &str) -> bool {
        key.verify("form", &self.hash, token)
    }
}

/// What a browser calls itself.
#[must_use]
pub fn client_of(headers: &HeaderMap) -> String {
    let client = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if client.is_empty() { "an unnamed browser".to_owned() } else { client.to_owned() }
}

/// The `Set-Cookie` header that begins a session. The browser keeps it for as long as any session lasts: when this one ends
/// is the store's to say.
#[must_use]
pub fn set_cookie(public: &Url, secret: &str) -> String {
    Cookie::Session.set(public, secret, LONGEST.as_secs())
}

/// The `Set-Cookie` header that ends a session.
#[must_use]
pub fn clear_cookie(public: &Url) -> String {
    Cookie::Session.clear(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_closed_to_scripts_and_with_https_to_everybody_else() {
        let public = |text| Url::parse(text).expect("a URL");
        let plain = set_cookie(&public("http://127.0.0.1:8800"), "v");
        assert_eq!(plain, "quillon_session=v; Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax");
        let secure = set_cookie(&public("https://ci.example.com"), "v");
        assert_eq!(secure, "__Host-quillon_session=v; Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax; Secure");
        assert!(clear_cookie(&public("https://ci.example.com")).contains("=; Path=/; Max-Age=0"));
    }
}
