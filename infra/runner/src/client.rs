//! The server as the agent calls it: every call has a timeout, every answer is one of few kinds.

use std::time::Duration;

use quillon_core::Sensitive;
use quillon_core::protocol::{
    EnrollAnswer, EnrollRequest, GitCredential, HeartbeatAnswer, HeartbeatRequest, JobRequest, LeaseGrant, LeaseRequest, ResultRequest,
};
use reqwest::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

/// Why a call did not do what it should, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The credential is not accepted: enrol again, or drop the job.
    #[error("the server does not accept the credential")]
    Unauthorized,
    /// The lease is somebody else's: drop the job.
    #[error("the lease is gone")]
    Gone,
    /// The server will never take this request.
    #[error("the server refused with status {status}: {message}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// Beginning of the answer.
        message: String,
    },
    /// Try again later.
    #[error("the server cannot be reached: {0}")]
    Unavailable(String),
}

impl CallError {
    /// Whether a job that meets this error is no longer this agent's.
    pub(crate) fn ends_job(&self) -> bool {
        match self {
            Self::Unauthorized | Self::Gone => true,
            Self::Rejected { .. } | Self::Unavailable(_) => false,
        }
    }
}

/// Why telemetry was not taken, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The server will never take it.
    #[error("the server refused with status {0}")]
    Refused(u16),
    /// Try again later.
    #[error("{cause}")]
    Later {
        /// When the server said.
        after: Option<Duration>,
        /// What happened.
        cause: String,
    },
}

/// A connection to one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    base: String,
    timeout: Duration,
}

impl Client {
    /// Calls will go below `<server>/runner/v1/`.
    pub(crate) fn new(server: &Url, timeout: Duration) -> Result<Self, CallError> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("quillon-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| CallError::Unavailable(chain(&error)))?;
        let server = server.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, base: format!("{server}/runner/v1"), server, timeout })
    }

    /// Passes on telemetry that is compressed with gzip.
    pub(crate) async fn export(
        &self,
        signal: &str,
        content_type: &str,
        token: &Sensitive<String>,
        body: Vec<u8>,
    ) -> Result<(), ExportError> {
        let request = self.http.post(format!("{}/v1/{signal}", self.server)).timeout(self.timeout).bearer_auth(token.expose());
        let request = request.header(header::CONTENT_TYPE, content_type).header(header::CONTENT_ENCODING, "gzip").body(body);
        let response = request.send().await.map_err(|error| ExportError::Later { after: None, cause: chain(&error) })?;
        let status = response.status();
        let is_passing = status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        if is_passing {
            let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(ExportError::Later { after: after.map(Duration::from_secs), cause: status.to_string() });
        }
        if status.is_success() { Ok(()) } else { Err(ExportError::Refused(status.as_u16())) }
    }

    pub(crate) async fn enroll(&self, request: &EnrollRequest) -> Result<EnrollAnswer, CallError> {
        self.post("enroll", None, request, self.timeout).await.and_then(wanted)
    }

    /// Asks for work; nothing after about `wait` when there is none.
    pub(crate) async fn lease(&self, token: &Sensitive<String>, wait: Duration) -> Result<Option<LeaseGrant>, CallError> {
        let request = LeaseRequest { wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) };
        self.post("lease", Some(token), &request, self.timeout + wait).await
    }

    pub(crate) async fn heartbeat(&self, token: &Sensitive<String>, request: &HeartbeatRequest) -> Result<HeartbeatAnswer, CallError> {
        self.post("heartbeat", Some(token), request, self.timeout).await.and_then(wanted)
    }

    pub(crate) async fn git_credential(&self, token: &Sensitive<String>, request: &JobRequest) -> Result<GitCredential, CallError> {
        self.post("git-credential", Some(token), request, self.timeout).await.and_then(wanted)
    }

    pub(crate) async fn release(&self, token: &Sensitive<String>, request: &JobRequest) -> Result<(), CallError> {
        self.post::<serde_json::Value>("release", Some(token), request, self.timeout).await.map(drop)
    }

    pub(crate) async fn result(&self, token: &Sensitive<String>, request: &ResultRequest) -> Result<(), CallError> {
        self.post::<serde_json::Value>("result", Some(token), request, self.timeout).await.map(drop)
    }

    /// Posts JSON; an answer without content is `None`.
    async fn post<A: DeserializeOwned>(
        &self,
        call: &str,
        token: Option<&Sensitive<String>>,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<Option<A>, CallError> {
        let unavailable = |error: reqwest::Error| CallError::Unavailable(chain(&error));
        let mut request = self.http.post(format!("{}/{call}", self.base)).timeout(timeout).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        let response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        match status {
            StatusCode::NO_CONTENT => Ok(None),
            status if status.is_success() => {
                let bytes = response.bytes().await.map_err(unavailable)?;
                if bytes.is_empty() {
                    return Ok(None);
                }
                // An answer that cannot be read may come from a proxy in between: that passes.
                serde_json::from_slice(&bytes).map(Some).map_err(|error| CallError::Unavailable(format!("unreadable answer: {error}")))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(CallError::Unauthorized),
            StatusCode::CONFLICT => Err(CallError::Gone),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(CallError::Unavailable(status.to_string())),
            status if status.is_client_error() => {
                let message = response.text().await.unwrap_or_default();
                Err(CallError::Rejected { status: status.as_u16(), message: quillon_core::text::first_line(&message, 200) })
            }
            status => Err(CallError::Unavailable(status.to_string())),
        }
    }
}

fn wanted<A>(answer: Option<A>) -> Result<A, CallError> {
    answer.ok_or_else(|| CallError::Unavailable("empty answer".to_owned()))
}

/// An error with its causes; the outermost of an HTTP client says nothing by itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
