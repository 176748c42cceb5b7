//! When which status arrived at the forge: seen from its front door, so that nobody has to poll for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use quillon_core::report::AGGREGATE;
use serde_json::Value;
use tokio::sync::watch;

/// The statuses of one commit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// When the first one was stored.
    pub(crate) first: Option<Instant>,
    /// When the aggregate was first stored with a final state.
    pub(crate) over: Option<Instant>,
    /// All of them in order, `context: state`.
    pub(crate) posts: Vec<String>,
}

/// The statuses that arrived.
#[derive(Clone)]
pub(crate) struct Statuses {
    seen: Arc<Mutex<HashMap<String, Seen>>>,
    arrived: Arc<watch::Sender<()>>,
}

impl Statuses {
    pub(crate) fn new() -> Self {
        Self { seen: Arc::default(), arrived: Arc::new(watch::Sender::new(())) }
    }

    /// What arrived for a commit so far.
    pub(crate) fn of(&self, sha: &str) -> Seen {
        self.lock().get(sha).cloned().unwrap_or_default()
    }

    /// What arrived for a commit once its aggregate is final.
    pub(crate) async fn over(&self, sha: &str, patience: Duration) -> anyhow::Result<Seen> {
        let mut arrived = self.arrived.subscribe();
        let wait = async {
            loop {
                let seen = self.of(sha);
                if seen.over.is_some() {
                    return seen;
                }
                if arrived.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, wait).await.with_context(|| format!("{sha} is not over: {:?}", self.of(sha).posts))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, sha: &str, body: &[u8]) {
        let status: Value = serde_json::from_slice(body).unwrap_or_default();
        let (context, state) = (status["context"].as_str().unwrap_or_default(), status["state"].as_str().unwrap_or_default());
        let now = Instant::now();
        let mut all = self.lock();
        let seen = all.entry(sha.to_owned()).or_default();
        seen.first.get_or_insert(now);
        if context == AGGREGATE && state != "pending" {
            seen.over.get_or_insert(now);
        }
        seen.posts.push(format!("{context}: {state}"));
        drop(all);
        self.arrived.send_replace(());
    }
}

/// Lets a request through to the forge, and notes it when it was a status that the forge took.
pub(crate) async fn note(State(statuses): State<Statuses>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let Some((_, sha)) = path.rsplit_once("/statuses/").filter(|_| request.method() == Method::POST) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 64 << 10).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    if response.status() == StatusCode::CREATED {
        statuses.add(sha, &body);
    }
    response
}
