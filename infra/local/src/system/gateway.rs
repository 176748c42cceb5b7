//! The front door of the local system: one listener for the template's routes, the embedded forge and the control endpoint.
//!
//! Whoever can open a socket on this machine can come here, a page in a browser included: the `Host` must be ours (a name that
//! was rebound to this address is not), and whatever changes something must not come from a page of somebody else.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
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
use url::{Host, Url};

use super::{System, bodies, people, stopped};
use crate::engine::server::{AccessKey, router as engines};

/// Where a request says which addresses it came through.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The origins that a browser may come from, and the hosts that it may have asked for.
#[derive(Debug, Clone)]
pub struct Origins {
    hosts: BTreeSet<String>,
    /// Whether the public address is served by a proxy on this machine.
    is_proxied: bool,
}

impl Origins {
    /// The public address, and the loopback names where the listener is on loopback.
    #[must_use]
    pub fn new(public_url: &Url, listen: SocketAddr) -> Self {
        let mut hosts = BTreeSet::new();
        hosts.insert(authority(public_url));
        if listen.ip().is_loopback() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{}", listen.port())));
        }
        Self { hosts, is_proxied: listen.ip().is_loopback() && !is_loopback(public_url) }
    }

    /// Whether a `Host` header is ours.
    #[must_use]
    pub fn has_host(&self, host: &str) -> bool {
        self.hosts.contains(&host.to_ascii_lowercase())
    }

    /// Whether an `Origin` header is ours; `null` never is.
    #[must_use]
    pub fn has_origin(&self, origin: &str) -> bool {
        Url::parse(origin).is_ok_and(|origin| self.hosts.contains(&authority(&origin)))
    }

    /// Adds whom the listener sees to the addresses that a request says it came through, as API Gateway does: only the last
    /// one is believed. A proxy of this machine has added its own client, and itself would say nothing.
    fn note_source(&self, peer: IpAddr, headers: &mut HeaderMap) {
        if self.is_proxied && peer.is_loopback() && headers.contains_key(FORWARDED_FOR) {
            return;
        }
        let given = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let all = given.map(str::to_owned).chain([peer.to_canonical().to_string()]).collect::<Vec<_>>().join(", ");
        if let Ok(value) = HeaderValue::from_str(&all) {
            headers.insert(FORWARDED_FOR, value);
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
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
        let service = self.router(stop.clone()).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(stopped(stop)).await
    }

    fn router(self, stop: watch::Receiver<bool>) -> Router {
        let mut router = Router::new()
            .nest_service("/control/v1/aws", engines(self.system.cloud().engines().clone(), self.control.clone()))
            .fallback(invoke)
            .with_state(Behind { system: Arc::clone(&self.system), origins: self.origins.clone(), stop });
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
    people::join(forge, &account)?;
    if !forge.installations().iter().any(|installation| installation.account == account.id) {
        forge.install(account.id, Selection::All)?;
    }
    forge.create_repository(account.id, name.name(), true).await.map(drop)
}

#[derive(Clone)]
struct Behind {
    system: Arc<System>,
    origins: Origins,
    stop: watch::Receiver<bool>,
}

async fn invoke(
    State(Behind { system, origins, stop }): State<Behind>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Result<Response, Infallible> {
    let (mut parts, body) = request.into_parts();
    origins.note_source(peer.ip(), &mut parts.headers);
    let (body, _room) = match bodies::take(body).await {
        Ok(taken) => taken,
        Err(refused) => return Ok(refused.answer(parts.headers.get(header::ACCEPT))),
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
    fn only_the_address_that_was_seen_is_believed() {
        let local = origins("http://127.0.0.1:8800", "127.0.0.1:8800");
        let open = origins("https://ci.example.com", "0.0.0.0:8800");
        let proxied = origins("https://ci.example.com", "127.0.0.1:8800");
        for (origins, peer, given, believed) in [
            (&local, "127.0.0.1", None, "127.0.0.1"),
            (&local, "127.0.0.1", Some("6.6.6.6"), "127.0.0.1"),
            (&open, "203.0.113.7", Some("6.6.6.6"), "203.0.113.7"),
            (&open, "::ffff:203.0.113.7", None, "203.0.113.7"),
            (&proxied, "127.0.0.1", Some("6.6.6.6, 203.0.113.7"), "203.0.113.7"),
            (&proxied, "127.0.0.1", None, "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(given.map(|given| (header::HeaderName::from_static(FORWARDED_FOR), HeaderValue::from_static(given))));
            origins.note_source(peer.parse().expect("an address"), &mut headers);
            assert_eq!(quillon_runtime::guard::source_address(&headers).as_deref(), Some(believed), "{peer} {given:?}");
        }
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
