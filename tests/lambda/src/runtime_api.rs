//! The HTTP API that a function process polls for its events.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. One invocation at a time, as in a sandbox of Lambda.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

/// Largest answer of a function, in bytes.
const MAX_ANSWER: usize = 6 * 1024 * 1024;

/// What a function said to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was handled.
    Response(Value),
    /// The invocation failed: `errorMessage` and `errorType` are members.
    Error(Value),
}

impl Answer {
    /// Whether the invocation failed.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// The response of an invocation that must not fail.
    #[must_use]
    pub fn response(self) -> Value {
        match self {
            Self::Response(value) => value,
            Self::Error(error) => panic!("the invocation failed: {error}"),
        }
    }

    /// The status of an HTTP answer, and its body.
    #[must_use]
    pub fn http(self) -> (u64, String) {
        let answer = self.response();
        let status = answer["statusCode"].as_u64().unwrap_or_else(|| panic!("not an answer of an HTTP function: {answer}"));
        (status, answer["body"].as_str().unwrap_or_default().to_owned())
    }

    /// The messages of a batch that failed.
    #[must_use]
    pub fn failed_messages(self) -> Vec<String> {
        let answer = self.response();
        let failures = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("not an answer to a batch: {answer}"));
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// A Runtime API on loopback. Clones are the same one.
#[derive(Debug, Clone)]
pub struct RuntimeApi {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    /// ARN of the function.
    arn: String,
    send: mpsc::UnboundedSender<Invocation>,
    receive: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    /// Who waits for the answer to which request.
    waiting: PlainMutex<BTreeMap<String, oneshot::Sender<Answer>>>,
    count: AtomicU64,
    /// When the process asked for an event for the first time.
    ready: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    number: u64,
    deadline_ms: i64,
    event: String,
}

impl RuntimeApi {
    /// Listens on a free port of loopback, for a function of this ARN.
    pub async fn open(arn: &str) -> Self {
        let (send, receive) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            arn: arn.to_owned(),
            send,
            receive: Mutex::new(receive),
            waiting: PlainMutex::default(),
            count: AtomicU64::new(0),
            ready: watch::Sender::new(None),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = router(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shared, address }
    }

    /// `AWS_LAMBDA_RUNTIME_API`: host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Completes when the process has asked for its first event: its init phase is over. Says when that was.
    pub async fn ready(&self) -> Instant {
        let mut ready = self.shared.ready.subscribe();
        let at = ready.wait_for(Option::is_some).await.expect("the sender lives in `self`");
        at.expect("was waited for")
    }

    /// Hands an event to the process and waits for its answer.
    pub async fn invoke(&self, event: &Value, deadline_ms: i64) -> Answer {
        let number = self.shared.count.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        let (answered, answer) = oneshot::channel();
        self.shared.waiting().insert(id.clone(), answered);
        let invocation = Invocation { id, number, deadline_ms, event: event.to_string() };
        self.shared.send.send(invocation).expect("the receiver lives in `self`");
        answer.await.expect("the sender lives in `self` until it is used")
    }
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(shared)
}

/// Long poll: the connection is held until there is an event.
async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.ready.send_if_modified(|ready| {
        let is_first = ready.is_none();
        ready.get_or_insert_with(Instant::now);
        is_first
    });
    let Some(invocation) = shared.receive.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", invocation.id),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", shared.arn.clone()),
        ("lambda-runtime-trace-id", format!("Root=1-00000000-{0:024x};Parent={0:016x};Sampled=0", invocation.number)),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, invocation.event).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, request: Request) -> Response {
    let Some(answered) = shared.waiting().remove(&id) else { return unknown(&id) };
    let (status, answer) = match document(request.into_body()).await {
        Ok(value) => (StatusCode::ACCEPTED, Answer::Response(value)),
        Err((status, kind, message)) => (status, Answer::Error(json!({ "errorType": kind, "errorMessage": message }))),
    };
    // Whoever invoked may have given up.
    let _ = answered.send(answer);
    said(status)
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, headers: HeaderMap, request: Request) -> Response {
    let Some(answered) = shared.waiting().remove(&id) else { return unknown(&id) };
    let mut value =
        document(request.into_body()).await.unwrap_or_else(|(_, kind, message)| json!({ "errorType": kind, "errorMessage": message }));
    if let Some(kind) = headers.get("lambda-runtime-function-error-type").and_then(|kind| kind.to_str().ok())
        && value["errorType"].is_null()
    {
        value["errorType"] = kind.into();
    }
    let _ = answered.send(Answer::Error(value));
    said(StatusCode::ACCEPTED)
}

/// The process is about to end; its log says why, and [`crate::Sandbox`] shows that.
async fn init_error() -> Response {
    said(StatusCode::ACCEPTED)
}

async fn document(body: Body) -> Result<Value, (StatusCode, &'static str, String)> {
    let bytes = to_bytes(body, MAX_ANSWER).await.map_err(|_| {
        let message = format!("the answer is larger than {MAX_ANSWER} bytes, which is all that Lambda takes");
        (StatusCode::PAYLOAD_TOO_LARGE, "Function.ResponseSizeTooLarge", message)
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| (StatusCode::BAD_REQUEST, "Runtime.InvalidResponse", format!("the answer is not JSON: {error}")))
}

fn said(status: StatusCode) -> Response {
    (status, axum::Json(json!({ "status": "OK" }))).into_response()
}

fn unknown(id: &str) -> Response {
    let body = json!({ "errorType": "InvalidRequestID", "errorMessage": format!("no invocation `{id}` waits for an answer") });
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}
