//! The front door of the local system: one listener for the template's routes, the embedded forge and the control endpoint.
//!
//! Whoever can open a socket on this machine can come here, a page in a browser included: the `Host` must be ours (a name that
//! was rebound to this address is not), and whatever changes something must not come from a page of somebody else.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::StreamExt;
use quillon_core::name::RepositoryName;
use quillon_forge::{AccountKind, Forge, ForgeError, Selection};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

use super::{System, bodies, stopped};
use crate::engine::server::{AccessKey, router as engines};

/// The origins that a browser may come from, and the hosts that it may have asked for.
#[derive(Debug, Clone)]
pub struct Origins(BTreeSet<String>);

impl Origins {
    /// The public address, and the loopback names where the listener is on loopback.
    #[must_use]
    pub fn new(public_url: &Url, listen: std::net::SocketAddr) -> Self {
        let mut hosts = BTreeSet::new();
        hosts.insert(authority(public_url));
        if listen.ip().is_loopback() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{}", listen.port())));
        }
        Self(hosts)
    }

    /// Whether a `Host` header is ours.
    #[must_use]
    pub fn has_host(&self, host: &str) -> bool {
        self.0.contains(&host.to_ascii_lowercase())
    }

    /// Whether an `Origin` header is ours; `null` never is.
    #[must_use]
    pub fn has_origin(&self, origin: &str) -> bool {
        Url::parse(origin).is_ok_and(|origin| self.0.contains(&authority(&origin)))
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// The front door, before it is opened.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// What is behind it.
    pub system: Arc<System>,
    /// Who may come in.
    pub origins: Origins,
    /// The embedded forge, mounted at `/forge`.
    pub forge: Option<Forge>,
    /// The key of the control endpoint, `/control/v1/aws`.
    pub control: AccessKey,
}

impl Gateway {
    /// Serves until `stop` becomes true; open requests are answered first, and answers that stream end there.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: watch::Receiver<bool>) -> std::io::Result<()> {
        axum::serve(listener, self.router(stop.clone())).with_graceful_shutdown(stopped(stop)).await
    }

    fn router(self, stop: watch::Receiver<bool>) -> Router {
        let mut router = Router::new()
            .nest_service("/control/v1/aws", engines(self.system.cloud().engines().clone(), self.control.clone()))
            .fallback(invoke)
            .with_state((Arc::clone(&self.system), stop));
        if let Some(forge) = &self.forge {
            let control = Router::new().route("/control/v1/repositories", post(adopt)).with_state((forge.clone(), self.control));
            router = router.nest_service("/forge", forge.router()).merge(control);
        }
        router.layer(middleware::from_fn_with_state(self.origins, guard))
    }
}

/// Refuses rebound names and other people's pages.
async fn guard(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    match refusal(&origins, &request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

fn refusal(origins: &Origins, request: &Request) -> Option<(StatusCode, String)> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).or_else(|| request.uri().authority().map(axum::http::uri::Authority::as_str)).unwrap_or_default();
    if !origins.has_host(host) {
        let why = format!("`{host}` is not an address of this server: set QUILLON_PUBLIC_URL to the address that it is reached at");
        return Some((StatusCode::MISDIRECTED_REQUEST, why));
    }
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let is_foreign = !is_reading && text(header::ORIGIN).is_some_and(|origin| !origins.has_origin(origin));
    is_foreign.then(|| (StatusCode::FORBIDDEN, "this comes from a page of another site".to_owned()))
}

#[derive(Deserialize)]
struct Adoption {
    repository: RepositoryName,
}

/// Makes a repository exist in the embedded forge, with the App installed on its owner, for `quillon push`.
async fn adopt(State((forge, key)): State<(Forge, AccessKey)>, headers: HeaderMap, body: Bytes) -> Response {
    if !quillon_runtime::bearer(&headers).is_some_and(|token| key.is_id(token)) {
        return (StatusCode::UNAUTHORIZED, "the control endpoint needs the key of the data directory").into_response();
    }
    let Ok(Adoption { repository }) = serde_json::from_slice(&body) else {
        return (StatusCode::BAD_REQUEST, "expected `{\"repository\": \"owner/name\"}`").into_response();
    };
    match make_repository(&forge, &repository).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

async fn make_repository(forge: &Forge, name: &RepositoryName) -> Result<(), ForgeError> {
    if forge.find_repository(&name.to_string()).is_some() {
        return Ok(());
    }
    let account = match forge.account(name.owner()) {
        Some(account) => account,
        None => forge.create_account(name.owner(), AccountKind::Organization)?,
    };
    if !forge.installations().iter().any(|installation| installation.account == account.id) {
        forge.install(account.id, Selection::All)?;
    }
    forge.create_repository(account.id, name.name(), true).await.map(drop)
}

type Invoked = (Arc<System>, watch::Receiver<bool>);

async fn invoke(State((system, stop)): State<Invoked>, request: Request<Body>) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let (body, _room) = match bodies::take(body).await {
        Ok(taken) => taken,
        Err(refused) => return Ok(refused.into_response()),
    };
    let answer = system.http_streamed(axum::http::Request::from_parts(parts, body)).await;
    Ok(answer.map(|body| match body {
        quillon_runtime::Body::Whole(bytes) => Body::from(bytes),
        // Dropped with the connection. A server that stops waits for its connections, and a tail has no end of its own.
        quillon_runtime::Body::Stream(pieces) => Body::from_stream(pieces.take_until(Box::pin(stopped(stop))).map(Ok::<_, Infallible>)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(public: &str, listen: &str) -> Origins {
        Origins::new(&public.parse().expect("a url"), listen.parse().expect("an address"))
    }

    #[test]
    fn loopback_names_are_ours_only_on_loopback() {
        let local = origins("http://127.0.0.1:8800", "127.0.0.1:8800");
        assert!(local.has_host("localhost:8800") && local.has_host("127.0.0.1:8800"));
        assert!(!local.has_host("evil.example:8800") && !local.has_host("localhost") && !local.has_host(""));
        let public = origins("https://ci.example.com", "0.0.0.0:8800");
        assert!(public.has_host("ci.example.com") && public.has_host("CI.example.com"));
        assert!(!public.has_host("localhost:8800"));
    }

    #[test]
    fn other_origins_and_opaque_ones_are_not_ours() {
        let public = origins("https://ci.example.com", "0.0.0.0:8800");
        assert!(public.has_origin("https://ci.example.com"));
        for origin in ["https://evil.example", "null", "", "https://ci.example.com.evil.example"] {
            assert!(!public.has_origin(origin), "{origin}");
        }
    }
}
