//! One request to Stripe: its headers, its bounds, and what its errors mean.

use std::time::Duration;

use quillon_core::Sensitive;
use quillon_core::text::{shorten, with_causes};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{Error, Stripe, VERSION};

/// How long one request may take, the connection included. A person waits, and an HTTP API waits 30 s for a function.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Largest answer that is read; a hundred subscriptions are about 400 KB.
const MAX_ANSWER: usize = 2 * 1024 * 1024;

/// How often a request is sent again while the same one is still being worked on.
const TRIES: u32 = 5;

/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(300);

/// Longest part of a cause.
const MAX_CAUSE: usize = 300;

impl Stripe {
    /// Sends a form. The same fields with the same `wish` happen once within a day
    /// (<https://docs.stripe.com/api/idempotent_requests>); without a wish as often as they are sent.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &Sensitive<String>,
        fields: &[(&str, &str)],
        wish: Option<&str>,
    ) -> Result<T, Error> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        // Stripe refuses a known key with other fields, so they are part of it.
        let idempotency_key = wish.map(|wish| hex::encode(Sha256::digest(format!("{path}\n{wish}\n{body}"))));
        let mut tries = 1;
        loop {
            let request = self.client().await?.post(self.at(path));
            let mut request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.clone());
            if let Some(idempotency_key) = &idempotency_key {
                request = request.header("Idempotency-Key", idempotency_key);
            }
            match answer(request, key).await? {
                Answer::Busy if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Answer::Busy => return Err(Error::Unavailable("it is still working on the same request".to_owned())),
                Answer::Read(body) => return parsed(&body),
            }
        }
    }

    /// Reads something.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str, key: &Sensitive<String>, query: &[(&str, &str)]) -> Result<T, Error> {
        let mut url = self.at(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        match answer(self.client().await?.get(url), key).await? {
            Answer::Read(body) => parsed(&body),
            Answer::Busy => Err(Error::Unavailable("it is busy".to_owned())),
        }
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The client, made with the first request: to read the certificate authorities takes longer than the rest of a start.
    async fn client(&self) -> Result<&Client, Error> {
        let build = || {
            let client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
            client.user_agent(concat!("quillon/", env!("CARGO_PKG_VERSION"))).build()
        };
        self.client.get_or_try_init(|| async { build() }).await.map_err(|error| Error::Unavailable(with_causes(&error)))
    }
}

enum Answer {
    /// What it says, where it says yes.
    Read(Vec<u8>),
    /// The same request is being worked on.
    Busy,
}

async fn answer(request: RequestBuilder, key: &Sensitive<String>) -> Result<Answer, Error> {
    let failed = |error: reqwest::Error| Error::Unavailable(shorten(&with_causes(&error.without_url()), MAX_CAUSE));
    let request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose())).header("Stripe-Version", VERSION);
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let request_id = response.headers().get("request-id").and_then(|value| value.to_str().ok()).map(plain);
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(Error::Malformed(format!("it is larger than {MAX_ANSWER} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    if status.is_success() {
        return Ok(Answer::Read(body));
    }
    let no = serde_json::from_slice::<Wire>(&body).map(|wire| wire.error).unwrap_or_default();
    if status == StatusCode::CONFLICT && no.code.as_deref() == Some("idempotency_key_in_use") {
        return Ok(Answer::Busy);
    }
    let cause = no.describe(status, request_id.as_deref());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::CONFLICT {
        return Err(Error::Unavailable(cause));
    }
    Err(Error::Refused(cause))
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Malformed(shorten(&error.to_string(), MAX_CAUSE)))
}

/// An error of Stripe: <https://docs.stripe.com/api/errors>.
#[derive(Deserialize)]
struct Wire {
    error: WireError,
}

#[derive(Default, Deserialize)]
struct WireError {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    param: Option<String>,
}

impl WireError {
    /// What it says, without its message: that may quote what was sent.
    fn describe(&self, status: StatusCode, request: Option<&str>) -> String {
        let mut text = format!("it answered {}", status.as_u16());
        for (name, value) in [("", &self.kind), (" code", &self.code), (" param", &self.param)] {
            if let Some(value) = value {
                text += &format!("{name} `{}`", plain(value));
            }
        }
        if let Some(request) = request {
            text += &format!(" (request `{request}`)");
        }
        shorten(&text, MAX_CAUSE)
    }
}

/// A word that others sent, as it may stand in a message.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '[' | ']' | '.')).take(80).collect()
}
