//! What the CLI talks to: OTLP on the loopback interface, answered at once, and nothing else.
//!
//! An answer of 429 or 503 would make the CLI wait for half a minute at its end, so it never gets one. It could also be the code of a
//! commit that talks: bodies are bounded, few are read at a time, and nothing is passed on that is not for one of the three paths.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quillon_otlp::{Encoding, Limits, Refused, Signal, inflate, response, split};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Shared;
use super::outbox::MAX_REQUEST;

/// How many bodies are read at a time.
const READERS: usize = 4;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Listener {
    shared: Arc<Shared>,
    /// What the CLI makes of its token: the user of Basic authentication.
    authorization: Arc<str>,
    readers: Arc<Semaphore>,
}

/// Listens on a port of its own; says where.
pub(super) async fn start(shared: Arc<Shared>, token: &str, tasks: &mut JoinSet<()>) -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let authorization = format!("Basic {}", STANDARD.encode(format!("{token}:"))).into();
    let state = Listener { shared, authorization, readers: Arc::new(Semaphore::new(READERS)) };
    let app = Router::new().route("/v1/{signal}", any(export)).with_state(state);
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::warn!("telemetry is no longer taken in: {error}");
        }
    });
    Ok(address)
}

async fn export(State(listener): State<Listener>, Path(signal): Path<String>, headers: HeaderMap, request: Request) -> Response {
    let known = [Signal::Traces, Signal::Logs, Signal::Metrics].into_iter().find(|known| known.name() == signal);
    let Some(signal) = known.filter(|_| request.method() == Method::POST) else { return StatusCode::NOT_FOUND.into_response() };
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if header(header::AUTHORIZATION) != Some(&listener.authorization) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let encoding = match Encoding::of(header(header::CONTENT_TYPE)) {
        Ok(encoding) => encoding,
        Err(refused) => return refuse(&refused, Encoding::Protobuf),
    };
    match read(&listener, header(header::CONTENT_ENCODING), encoding, request).await {
        Ok(requests) => requests.into_iter().for_each(|bytes| listener.shared.take(signal, encoding, bytes)),
        Err(refused) => return refuse(&refused, encoding),
    }
    ([(header::CONTENT_TYPE, encoding.content_type())], if encoding == Encoding::Json { "{}" } else { "" }).into_response()
}

/// The body, decompressed and cut into pieces that a server takes.
async fn read(listener: &Listener, compression: Option<&str>, encoding: Encoding, request: Request) -> Result<Vec<Vec<u8>>, Refused> {
    let limits = Limits::default();
    let _reader = listener.readers.acquire().await;
    let body = tokio::time::timeout(PATIENCE, axum::body::to_bytes(request.into_body(), limits.body)).await;
    let body = match body {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(Refused::TooLarge { bytes: limits.body, most: limits.body }),
        Err(_) => return Err(Refused::Malformed("the body did not arrive in time".to_owned())),
    };
    let bytes = inflate(&body, compression, &limits)?;
    match encoding {
        Encoding::Protobuf => split(&bytes, MAX_REQUEST),
        Encoding::Json => Ok(vec![bytes.into_owned()]),
    }
}

fn refuse(refused: &Refused, encoding: Encoding) -> Response {
    let (status, body) = response(refused, encoding);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, [(header::CONTENT_TYPE, encoding.content_type())], body).into_response()
}
