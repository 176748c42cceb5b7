//! Requests to providers: ten seconds, bounded bodies, no redirects.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quillon_core::Sensitive;
use quillon_core::text::with_causes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Certificate, Client, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use url::Url;

use crate::Error;

/// How long a provider may take, the connection included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is kept for the next request: a function is frozen between two, and its connections die meanwhile.
const IDLE: Duration = Duration::from_secs(5);

/// Largest answer that is read; a page of a hundred installations of GitHub is about 200 KB.
const MAX_ANSWER: usize = 1024 * 1024;

/// How this program calls itself; GitHub answers nobody who does not.
const USER_AGENT: &str = concat!("quillon/", env!("CARGO_PKG_VERSION"));

/// What was refused or happened, in a few words.
const MAX_CAUSE: usize = 200;

/// Makes requests; clones share their connections.
///
/// The client is made with the first request: reading the certificate authorities takes longer than everything else that a function
/// does when it starts.
#[derive(Debug, Clone, Default)]
pub struct Http {
    trust: Option<PathBuf>,
    client: Arc<OnceCell<Client>>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) host: String,
    status: StatusCode,
    /// Whether it is about too many requests, which GitHub says with 403 too
    /// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>).
    is_limited: bool,
    body: Vec<u8>,
}

impl Http {
    /// Connects to nothing.
    ///
    /// `trust` is a PEM file with the certificate authorities of the web, where those that the process trusts are too few for that. One
    /// that is not there counts as none.
    #[must_use]
    pub fn new(trust: Option<PathBuf>) -> Self {
        Self { trust, client: Arc::default() }
    }

    /// Reads an address.
    pub(crate) async fn get(&self, url: &Url, bearer: Option<&Sensitive<String>>) -> Result<Answer, Error> {
        let mut request = self.client(url).await?.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.expose()));
        }
        answer(url, request).await
    }

    /// Sends a form, with client credentials in the header where they go there.
    pub(crate) async fn form(&self, url: &Url, fields: &[(&str, &str)], basic: Option<&Sensitive<String>>) -> Result<Answer, Error> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client(url).await?.post(url.clone()).header(ACCEPT, "application/json");
        let mut request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, format!("Basic {}", basic.expose()));
        }
        answer(url, request).await
    }

    async fn client(&self, url: &Url) -> Result<&Client, Error> {
        self.client.get_or_try_init(|| async { build(self.trust.as_ref()) }).await.map_err(|cause| unavailable(url, cause))
    }
}

fn build(trust: Option<&PathBuf>) -> Result<Client, String> {
    let client = Client::builder().timeout(TIMEOUT).pool_idle_timeout(IDLE).user_agent(USER_AGENT);
    let client = client.redirect(reqwest::redirect::Policy::none());
    let client = match trust.map(std::fs::read) {
        Some(Ok(pem)) => {
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| with_causes(&error))?;
            client.tls_certs_only(authorities)
        }
        Some(Err(_)) | None => client,
    };
    client.build().map_err(|error| with_causes(&error))
}

async fn answer(url: &Url, request: reqwest::RequestBuilder) -> Result<Answer, Error> {
    // The address may hold a secret in its query: it never stands in an error.
    let failed = |error: reqwest::Error| unavailable(url, with_causes(&error.without_url()));
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let headers = response.headers();
    let is_spent = headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0") || headers.contains_key("retry-after");
    let is_limited = status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::FORBIDDEN && is_spent);
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(unavailable(url, format!("its answer is larger than {MAX_ANSWER} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer { host: host(url), status, is_limited, body })
}

impl Answer {
    /// What it says, where it says yes.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if !self.status.is_success() {
            return Err(self.no());
        }
        self.parsed()
    }

    /// What it says, whatever its status.
    pub(crate) fn parsed<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // The words of the parser may quote what it read.
        serde_json::from_slice(&self.body).map_err(|_| Error::Unavailable {
            host: self.host.clone(),
            cause: format!("its answer ({}) cannot be read", self.status.as_u16()),
        })
    }

    /// Whether what was asked for is not there, or not for us to see.
    pub(crate) fn is_hidden(&self) -> bool {
        self.status == StatusCode::NOT_FOUND || (self.status == StatusCode::FORBIDDEN && !self.is_limited)
    }

    /// The error of an answer that says no, by whose turn it is.
    pub(crate) fn no(&self) -> Error {
        let (host, code) = (self.host.clone(), self.status.as_u16());
        if self.status.is_server_error() || self.is_limited {
            return Error::Unavailable { host, cause: format!("it answered {code}") };
        }
        let word = self.error_word().map(|word| format!(" `{word}`")).unwrap_or_default();
        Error::Refused { host, cause: format!("it answered {code}{word}") }
    }

    /// The `error` of an OAuth error ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    pub(crate) fn error_word(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Wire {
            error: String,
        }
        serde_json::from_slice::<Wire>(&self.body).ok().map(|wire| word(&wire.error))
    }
}

/// A word that others sent, as it may stand in a message: short, and nothing but letters, digits and what joins them.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ')).take(60).collect()
}

fn unavailable(url: &Url, cause: impl Into<String>) -> Error {
    Error::Unavailable { host: host(url), cause: quillon_core::text::shorten(&cause.into(), MAX_CAUSE) }
}

/// The host of an address, with its port where it is not the usual one.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The address of a path below a base.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}
