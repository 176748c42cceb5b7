//! What issuers publish, [OpenID Connect Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html): kept for an hour.
//!
//! Whoever sends a token can make us ask its issuer, so that happens seldom: a key that an issuer does not have is looked for once a
//! minute, and all requests of one [`Issuers`] together are bounded too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::Error;
use crate::http::{Http, host};
use crate::jwt::{self, Claims, TokenError};

/// How long what an issuer publishes is used before it is read again: so long a key works on after it was taken back.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// How long it serves where the issuer cannot be read again.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// How long nothing is asked again after the issuer was asked: for a key that it does not have, or when it did not answer.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// Most issuers that are remembered.
const MAX_ISSUERS: usize = 64;

/// Most keys of an issuer that are remembered.
const MAX_KEYS: usize = 64;

/// Most issuers that are asked within [`PAUSE`].
const MAX_ASKED: u32 = 30;

/// What issuers publish; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Issuers {
    http: Http,
    known: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<Entry>>>>>,
    asked: Arc<Mutex<(Timestamp, u32)>>,
}

/// What is known of one issuer.
#[derive(Debug, Default)]
struct Entry {
    asked_at: Option<Timestamp>,
    published: Option<Arc<Published>>,
}

/// What one issuer publishes.
#[derive(Debug)]
pub(crate) struct Published {
    read_at: Timestamp,
    /// Where people are sent to sign in.
    pub(crate) authorization: Option<Url>,
    /// Where codes are redeemed.
    pub(crate) token: Option<Url>,
    /// Whether clients show who they are in the header rather than in the form.
    pub(crate) takes_basic: bool,
    keys: Vec<Jwk>,
}

/// The part of the document that is used.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// Keys of kinds that nobody here knows are left out, instead of spoiling the others.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Issuers {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self { http, ..Self::default() }
    }

    /// The client for everything else that an issuer is asked.
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// What an issuer publishes.
    pub(crate) async fn published(&self, issuer: &str, now: Timestamp) -> Result<Arc<Published>, Error> {
        self.published_with(issuer, now, |_| true).await
    }

    /// Verifies signature, time and issuer of a token.
    pub(crate) async fn verify(&self, issuer: &str, token: &str, now: Timestamp) -> Result<Claims, Error> {
        let wrong = |source| Error::Token { host: host_of(issuer), source };
        let head = jwt::head(token).map_err(wrong)?;
        // What needs no key is refused without asking for one.
        if jwt::claimed_issuer(token).map_err(wrong)? != issuer {
            return Err(wrong(TokenError::Issuer));
        }
        let published = self.published_with(issuer, now, |published| jwt::choose(&published.keys, &head).is_some()).await?;
        let key = jwt::choose(&published.keys, &head).ok_or_else(|| wrong(TokenError::UnknownKey))?;
        let claims = jwt::verify(token, &head, key, now).map_err(wrong)?;
        claims.expect_issuer(issuer).map_err(wrong)?;
        Ok(claims)
    }

    /// What an issuer publishes, read again when it is old, or when something is missed in it and nobody looked for a minute.
    async fn published_with(&self, issuer: &str, now: Timestamp, has_it: impl Fn(&Published) -> bool) -> Result<Arc<Published>, Error> {
        let entry = self.entry(issuer);
        // Held while the issuer is asked: those who come meanwhile get the same answer.
        let mut entry = entry.lock().await;
        let is_paused = entry.asked_at.is_some_and(|at| now.duration_since(at) < PAUSE);
        let known = entry.published.as_ref().filter(|known| now.duration_since(known.read_at) < STALE);
        match known {
            Some(known) if is_paused || (now.duration_since(known.read_at) < FRESH && has_it(known)) => return Ok(Arc::clone(known)),
            None if is_paused => return Err(unavailable(issuer, "it did not answer a moment ago".to_owned())),
            Some(_) | None => {}
        }
        self.may_ask(issuer, now)?;
        entry.asked_at = Some(now);
        match (self.read(issuer, now).await, &entry.published) {
            (Ok(published), _) => {
                let published = Arc::new(published);
                entry.published = Some(Arc::clone(&published));
                Ok(published)
            }
            (Err(error), Some(known)) if now.duration_since(known.read_at) < STALE => {
                tracing::warn!("an issuer cannot be read again, what is known serves on: {error}");
                Ok(Arc::clone(known))
            }
            (Err(error), Some(_) | None) => Err(error),
        }
    }

    fn entry(&self, issuer: &str) -> Arc<tokio::sync::Mutex<Entry>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_ISSUERS && !known.contains_key(issuer) {
            // All of them can be read again.
            known.clear();
        }
        Arc::clone(known.entry(issuer.to_owned()).or_default())
    }

    fn may_ask(&self, issuer: &str, now: Timestamp) -> Result<(), Error> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(asked.0) >= PAUSE {
            *asked = (now, 0);
        }
        if asked.1 >= MAX_ASKED {
            return Err(unavailable(issuer, "too many issuers were asked within a minute".to_owned()));
        }
        asked.1 += 1;
        Ok(())
    }

    async fn read(&self, issuer: &str, now: Timestamp) -> Result<Published, Error> {
        let wrong = |what: &str| unavailable(issuer, format!("its `.well-known/openid-configuration` {what}"));
        let base = Url::parse(issuer).map_err(|_| wrong("has no address: the issuer is not a URL"))?;
        let address = crate::http::below(&base, "/.well-known/openid-configuration");
        let document: Document = self.http.get(&address, None).await?.read()?;
        if document.issuer != issuer {
            return Err(wrong("names another issuer"));
        }
        let endpoint = |text: String| safe(&text, &base).ok_or_else(|| wrong("names an address that is not HTTPS"));
        let authorization = document.authorization_endpoint.map(endpoint).transpose()?;
        let token = document.token_endpoint.map(endpoint).transpose()?;
        let keys: KeySet = self.http.get(&endpoint(document.jwks_uri)?, None).await?.read()?;
        let keys = keys.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).take(MAX_KEYS).collect();
        let methods = document.token_endpoint_auth_methods_supported;
        Ok(Published {
            read_at: now,
            authorization,
            token,
            takes_basic: methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")),
            keys,
        })
    }
}

/// An address that is HTTPS, or plain HTTP as its issuer is, which is so in tests only.
fn safe(text: &str, issuer: &Url) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && issuer.scheme() == "http");
    (is_safe && url.has_host()).then_some(url)
}

fn unavailable(issuer: &str, cause: String) -> Error {
    Error::Unavailable { host: host_of(issuer), cause }
}

/// The host of an issuer, for messages.
pub(crate) fn host_of(issuer: &str) -> String {
    Url::parse(issuer).map_or_else(|_| quillon_core::text::shorten(issuer, 80), |url| host(&url))
}
