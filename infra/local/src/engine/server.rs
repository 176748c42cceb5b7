//! The loopback transport: the same services over HTTP, for function processes and the operator.
//!
//! Whoever can open a socket on this machine can reach it, the code of a checked repository included. So every request
//! must be signed by the one random access key of this server; anything else is refused before it is read.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response as HttpResponse};
use tokio::net::TcpListener;

use super::connector::attempt_of;
use super::fault::Caller;
use super::policy::Policy;
use super::wire::{Response, random_hex};
use super::{Call, Engines};

/// Largest request of any of the services: DynamoDB's 16 MB.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// The credentials that open the loopback server.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// `AWS_ACCESS_KEY_ID`: 128 random bits, and what the server compares.
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`: any value makes a signature, the server does not verify it.
    pub secret: String,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessKey(***)")
    }
}

impl AccessKey {
    /// A new random key.
    #[must_use]
    pub fn random() -> Self {
        Self { id: random_hex(16), secret: random_hex(16) }
    }

    /// Whether an `Authorization` header was made with this key; takes the same time for every wrong one.
    fn signed(&self, headers: &HeaderMap) -> bool {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credential = authorization
            .and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 "))
            .and_then(|value| value.split(',').find_map(|field| field.trim().strip_prefix("Credential=")))
            .and_then(|scope| scope.split('/').next());
        credential.is_some_and(|id| self.is_id(id))
    }

    /// Whether a text is this key's id, in a time that does not depend on how much of it is right.
    #[must_use]
    pub fn is_id(&self, text: &str) -> bool {
        verify_slices_are_equal(text.as_bytes(), self.id.as_bytes()).is_ok()
    }
}

/// Serves the engines on `listener` until the future is dropped.
///
/// All services share the address `/`: a client needs `AWS_ENDPOINT_URL` and the two halves of `key`.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(listener: TcpListener, engines: Engines, key: AccessKey) -> Result<(), std::io::Error> {
    axum::serve(listener, router(engines, key)).await
}

/// Like [`serve`], for the process of a function that may do what its policy allows and nothing else.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve_for(listener: TcpListener, engines: Engines, key: AccessKey, policy: Policy) -> Result<(), std::io::Error> {
    axum::serve(listener, guarded(engines, key, Some(Arc::new(policy)))).await
}

/// The server as a router, to be mounted under any path.
pub fn router(engines: Engines, key: AccessKey) -> Router {
    guarded(engines, key, None)
}

fn guarded(engines: Engines, key: AccessKey, policy: Option<Arc<Policy>>) -> Router {
    Router::new().fallback(handle).with_state((engines, key, policy))
}

type Guarded = (Engines, AccessKey, Option<Arc<Policy>>);

async fn handle(State((engines, key, policy)): State<Guarded>, request: Request<Body>) -> HttpResponse {
    if !key.signed(request.headers()) {
        let kind = "UnrecognizedClientException";
        return http(Response::error(403, kind, "The security token included in the request is invalid."));
    }
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return http(Response::error(413, "RequestEntityTooLarge", "the request is longer than 16 MB"));
    };
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let call = Call {
        caller: Caller::Sdk,
        target: text("x-amz-target").unwrap_or_default().to_owned(),
        invocation: text("amz-sdk-invocation-id").map(str::to_owned),
        attempt: attempt_of(text("amz-sdk-request")),
        body,
        policy,
    };
    http(engines.call(call).await)
}

fn http(response: Response) -> HttpResponse {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Some(error) = response.query_error.and_then(|error| error.try_into().ok()) {
        headers.insert("x-amzn-query-error", error);
    }
    (status, headers, response.body).into_response()
}
