//! A model of the runner API with leases that a test can cancel, lose and break, and a git server that wants a credential.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use quillon_core::id::{AgentId, LeaseId};
use quillon_core::protocol::{
    EnrollAnswer, EnrollRequest, GitCredential, HeartbeatAnswer, HeartbeatRequest, JobRequest, LeaseGrant, LeaseRequest, Order,
    ResultRequest,
};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;

pub(crate) const ENROLMENT: &str = "enrol-secret-0";
pub(crate) const AGENT_TOKEN: &str = "agent-secret-1";
pub(crate) const GIT_PASSWORD: &str = "git-secret-2";
pub(crate) const TELEMETRY_TOKEN: &str = "telemetry-secret-4";

/// How a lease answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Continue,
    Cancel,
    /// 409 to everything.
    Gone,
    /// 503 to heartbeats.
    Deaf,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) offers: VecDeque<LeaseGrant>,
    pub(crate) moods: BTreeMap<LeaseId, Mood>,
    pub(crate) results: Vec<ResultRequest>,
    pub(crate) released: Vec<LeaseId>,
    pub(crate) heartbeats: usize,
    pub(crate) enrolled: Vec<EnrollRequest>,
    pub(crate) git_requests: usize,
    /// How many of the next calls of a kind answer 503.
    pub(crate) outages: BTreeMap<&'static str, usize>,
    pub(crate) refusals: BTreeMap<&'static str, StatusCode>,
    pub(crate) exports: Vec<Export>,
    pub(crate) sink: Sink,
    /// How often somebody tried to export.
    pub(crate) tries: usize,
}

/// Telemetry that was taken in.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) signal: String,
    pub(crate) token: String,
    pub(crate) content_type: String,
    /// As it was before compression.
    pub(crate) bytes: Vec<u8>,
}

/// How telemetry is answered.
#[derive(Clone, Copy, Default)]
pub(crate) enum Sink {
    #[default]
    Take,
    Refuse(StatusCode),
    Never,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    model: Arc<Mutex<Model>>,
    changed: watch::Sender<()>,
    repositories: PathBuf,
}

impl Server {
    pub(crate) async fn start(repositories: &Path) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = format!("http://{}", listener.local_addr().expect("address"));
        let server = Self { address, model: Arc::default(), changed: watch::Sender::new(()), repositories: repositories.to_owned() };
        let app = Router::new()
            .route("/runner/v1/enroll", post(enroll))
            .route("/runner/v1/lease", post(lease))
            .route("/runner/v1/heartbeat", post(heartbeat))
            .route("/runner/v1/git-credential", post(git_credential))
            .route("/runner/v1/release", post(release))
            .route("/runner/v1/result", post(result))
            .route("/v1/{signal}", post(export))
            .route("/git/{*path}", any(git))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    /// Changes or reads the model.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut Model) -> T) -> T {
        let value = action(&mut self.lock());
        self.changed.send_replace(());
        value
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the model gives an answer.
    pub(crate) async fn until<T>(&self, what: &str, mut question: impl FnMut(&Model) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        let wait = async {
            loop {
                if let Some(answer) = question(&self.lock()) {
                    return answer;
                }
                changes.changed().await.expect("the server lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// Waits for the result of a lease.
    pub(crate) async fn result(&self, lease: LeaseId) -> ResultRequest {
        self.until("a result", |model| model.results.iter().find(|result| result.lease == lease).cloned()).await
    }

    pub(crate) fn offer(&self, grant: LeaseGrant) -> LeaseId {
        let lease = grant.lease;
        self.with(|model| {
            model.moods.insert(lease, Mood::Continue);
            model.offers.push_back(grant);
        });
        lease
    }

    pub(crate) fn mood(&self, lease: LeaseId, mood: Mood) {
        self.with(|model| model.moods.insert(lease, mood));
    }

    /// The answer of a broken server, when the test asked for one.
    fn broken(&self, call: &'static str) -> Option<Response> {
        self.with(|model| {
            if let Some(status) = model.refusals.get(call) {
                return Some(status.into_response());
            }
            let left = model.outages.get_mut(call).filter(|left| **left > 0)?;
            *left -= 1;
            Some(StatusCode::SERVICE_UNAVAILABLE.into_response())
        })
    }

    fn mood_of(&self, headers: &HeaderMap, lease: LeaseId) -> Result<Mood, StatusCode> {
        if bearer(headers) != job_token(lease) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        match self.lock().moods.get(&lease) {
            Some(Mood::Gone) | None => Err(StatusCode::CONFLICT),
            Some(mood) => Ok(*mood),
        }
    }
}

pub(crate) fn job_token(lease: LeaseId) -> String {
    format!("job-secret-{lease}")
}

fn bearer(headers: &HeaderMap) -> String {
    let value = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.strip_prefix("Bearer ").unwrap_or_default().to_owned()
}

async fn enroll(State(server): State<Server>, Json(request): Json<EnrollRequest>) -> Response {
    if let Some(response) = server.broken("enroll") {
        return response;
    }
    if request.token != ENROLMENT || server.with(|model| !model.enrolled.is_empty()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    server.with(|model| model.enrolled.push(request));
    Json(EnrollAnswer { agent: AgentId::from_parts(1, 1), token: AGENT_TOKEN.to_owned() }).into_response()
}

async fn lease(State(server): State<Server>, headers: HeaderMap, Json(request): Json<LeaseRequest>) -> Response {
    if let Some(response) = server.broken("lease") {
        return response;
    }
    if bearer(&headers) != AGENT_TOKEN {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut changes = server.changed.subscribe();
    let offer = async {
        loop {
            let offer = server.lock().offers.pop_front();
            if let Some(grant) = offer {
                return grant;
            }
            changes.changed().await.expect("the server lives");
        }
    };
    match tokio::time::timeout(Duration::from_millis(request.wait_ms), offer).await {
        Ok(grant) => Json(grant).into_response(),
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn heartbeat(State(server): State<Server>, headers: HeaderMap, Json(request): Json<HeartbeatRequest>) -> Response {
    let order = match server.mood_of(&headers, request.lease) {
        Ok(Mood::Continue | Mood::Gone) => Order::Continue,
        Ok(Mood::Cancel) => Order::Cancel,
        Ok(Mood::Deaf) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(status) => return status.into_response(),
    };
    server.with(|model| model.heartbeats += 1);
    Json(HeartbeatAnswer { order, lease_until: jiff::Timestamp::UNIX_EPOCH }).into_response()
}

async fn git_credential(State(server): State<Server>, headers: HeaderMap, Json(request): Json<JobRequest>) -> Response {
    if let Some(response) = server.broken("git-credential") {
        return response;
    }
    match server.mood_of(&headers, request.lease) {
        Ok(_) => Json(GitCredential { username: "x-access-token".to_owned(), password: GIT_PASSWORD.to_owned() }).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn release(State(server): State<Server>, headers: HeaderMap, Json(request): Json<JobRequest>) -> Response {
    match server.mood_of(&headers, request.lease) {
        Ok(_) => server.with(|model| model.released.push(request.lease)),
        Err(status) => return status.into_response(),
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn result(State(server): State<Server>, headers: HeaderMap, Json(request): Json<ResultRequest>) -> Response {
    if let Some(response) = server.broken("result") {
        return response;
    }
    match server.mood_of(&headers, request.lease) {
        Ok(_) => server.with(|model| model.results.push(request)),
        Err(status) => return status.into_response(),
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn export(State(server): State<Server>, UrlPath(signal): UrlPath<String>, headers: HeaderMap, body: Bytes) -> Response {
    let sink = server.with(|model| {
        model.tries += 1;
        model.sink
    });
    match sink {
        Sink::Take => {}
        Sink::Refuse(status) => return (status, [("retry-after", "0")]).into_response(),
        Sink::Never => return std::future::pending().await,
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!(header("content-encoding"), "gzip");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut bytes).expect("gzip");
    let export = Export { signal, token: bearer(&headers), content_type: header("content-type"), bytes };
    server.with(|model| model.exports.push(export));
    StatusCode::OK.into_response()
}

/// `git http-backend` as a CGI program, behind Basic authentication.
async fn git(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    server.with(|model| model.git_requests += 1);
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if header("authorization") != format!("Basic {}", basic(GIT_PASSWORD)) {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"git\"")]).into_response();
    }
    let body: Bytes = axum::body::to_bytes(body, 8 * 1024 * 1024).await.expect("body");
    let mut command = tokio::process::Command::new("git");
    command.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command.env("GIT_PROJECT_ROOT", &server.repositories).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("PATH_INFO", parts.uri.path().trim_start_matches("/git")).env("QUERY_STRING", parts.uri.query().unwrap_or_default());
    command.env("REQUEST_METHOD", parts.method.as_str()).env("CONTENT_TYPE", header("content-type"));
    command.env("HTTP_CONTENT_ENCODING", header("content-encoding")).env("CONTENT_LENGTH", body.len().to_string());
    command.env("GIT_PROTOCOL", header("git-protocol"));
    let mut child = command.spawn().expect("git http-backend");
    let mut stdin = child.stdin.take().expect("piped");
    let write = tokio::spawn(async move { stdin.write_all(&body).await });
    let output = child.wait_with_output().await.expect("answer");
    write.await.expect("joined").expect("written");
    let split = output.stdout.windows(4).position(|window| window == b"\r\n\r\n").expect("headers");
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output.stdout[..split]).lines() {
        let (name, value) = line.split_once(": ").expect("header");
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap_or("500")),
            name => response.header(name, value),
        };
    }
    response.body(output.stdout[split + 4..].to_vec().into()).expect("response")
}

pub(crate) fn basic(password: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{password}"))
}
