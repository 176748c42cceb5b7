//! What becomes of the telemetry of a job, and what a job makes of a server that takes none.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quillon_core::attempt::Report;
use quillon_core::id::LeaseId;
use quillon_core::name::Task;
use quillon_core::protocol::Job;
use quillon_otlp::{Encoding, Limits, Signal, decode, json, unpack_logs, unpack_spans};
use serde_json::Value;

use crate::fixture::{Agent, Fixture};
use crate::server::{AGENT_TOKEN, Export, GIT_PASSWORD, Sink, TELEMETRY_TOKEN, job_token};

/// A check that says where its telemetry goes and ends when it is told to.
struct Stage {
    fixture: Fixture,
    lease: LeaseId,
    job: Job,
    said: PathBuf,
    go: PathBuf,
    http: reqwest::Client,
}

impl Stage {
    async fn new(ending: &str) -> Self {
        let fixture = Fixture::new().await;
        fixture.takes_telemetry.set(true);
        let (said, go) = (fixture.path().join("said"), fixture.path().join("go"));
        for path in [&said, &go] {
            assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
        }
        let script =
            format!("echo \"$DAGGER_CLOUD_URL $DAGGER_CLOUD_TOKEN\" >'{}'\nread word <'{}'\n{ending}", said.display(), go.display());
        let head = fixture.push_check(&script);
        let job = fixture.job(&head, "check:hello:one");
        let lease = fixture.offer(job.clone());
        Self { fixture, lease, job, said, go, http: reqwest::Client::new() }
    }

    /// The address and the token that the check was given.
    async fn told(&self) -> (String, String) {
        let said = self.said.clone();
        let said = tokio::task::spawn_blocking(move || fs::read_to_string(said)).await.expect("joined").expect("readable");
        let (address, token) = said.trim().split_once(' ').expect("two words");
        (address.to_owned(), token.to_owned())
    }

    async fn go(&self) {
        let go = self.go.clone();
        tokio::task::spawn_blocking(move || fs::write(go, "go\n")).await.expect("joined").expect("written");
    }

    async fn post(&self, address: &str, token: &str, path: &str, body: Vec<u8>) -> u16 {
        let request = self.http.post(format!("{address}{path}")).basic_auth(token, Some(""));
        let request = request.header("content-type", "application/x-protobuf").body(body);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// The newest record of the agent's own span.
    async fn own_span(&self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let find = |exports: &[Export]| {
            let own = exports.iter().filter(|export| export.content_type == "application/json");
            own.map(|export| serde_json::from_slice::<Value>(&export.bytes).expect("JSON")).find(|request| is_wanted(request))
        };
        let request = self.fixture.server.until("the span of the agent", |model| find(&model.exports)).await;
        assert_eq!(request["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "quillon-agent");
        request["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone()
    }
}

/// A request with one log record.
fn logs(text: &str) -> Vec<u8> {
    let varint = |mut value: usize| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push((value & 0x7F) as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2][..], &varint(bytes.len()), bytes].concat();
    let body = field(5, &field(1, text.as_bytes()));
    let record = [body, field(9, &[1; 16]), field(10, &[2; 8])].concat();
    field(1, &field(2, &field(2, &record)))
}

fn texts(export: &Export) -> Vec<String> {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let decoded = decode(Signal::Logs, Encoding::Protobuf, &export.bytes, &Limits::default(), now).expect("OTLP");
    let chunks = decoded.batches.iter().flat_map(|batch| batch.pack(1, 350_000));
    let logs = chunks.flat_map(|chunk| unpack_logs(&chunk.bytes).expect("a chunk"));
    logs.map(|log| log.body.as_text().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn what_the_cli_sends_arrives_without_secrets_under_a_span_of_the_agent() {
    let stage = Stage::new("exit 3").await;
    let agent = stage.fixture.agent();
    let (address, token) = stage.told().await;
    assert!(address.starts_with("http://127.0.0.1:") && token.starts_with("dag_"), "{address} {token}");

    let running = stage.own_span(|_| true).await;
    assert_eq!((running["name"].as_str(), running.get("endTimeUnixNano")), (Some("hello:one"), None));
    let trace = &stage.job.trace;
    assert_eq!((running["traceId"].as_str(), running["spanId"].as_str()), (Some(&*trace.trace_id), Some(&*trace.span_id)));
    assert_eq!(running.get("parentSpanId"), None);

    let job_token = job_token(stage.lease);
    let secrets = [GIT_PASSWORD, AGENT_TOKEN, TELEMETRY_TOKEN, &job_token];
    for secret in secrets {
        let text = format!("plain {secret}, encoded {}", STANDARD.encode(format!("x-access-token:{secret}")));
        assert_eq!(stage.post(&address, &token, "/v1/logs", logs(&text)).await, 200);
    }
    stage.go().await;
    assert_eq!(stage.fixture.server.result(stage.lease).await.report, Report::Failed { exit_code: 3 });

    let ended = stage.own_span(|request| request.to_string().contains("endTimeUnixNano")).await;
    assert_eq!((ended["status"]["code"].as_i64(), ended["status"]["message"].as_str()), (Some(2), Some("exit code 3")));
    assert_eq!(ended["startTimeUnixNano"], running["startTimeUnixNano"]);
    agent.stop().await;
    let exports = stage.fixture.server.with(|model| model.exports.clone());
    let texts: Vec<String> = exports.iter().filter(|export| export.signal == "logs").flat_map(texts).collect();
    assert_eq!(texts.len(), secrets.len());
    for (text, secret) in texts.iter().zip(secrets) {
        assert!(text.starts_with(&format!("plain {}, encoded ", "*".repeat(secret.len()))), "{text}");
        let encoded = text.rsplit(' ').next().expect("a word");
        let decoded = String::from_utf8(STANDARD.decode(encoded).expect("still base64")).expect("still text");
        assert!(decoded.starts_with("x-access-token:") && !decoded.contains(&secret[2..secret.len() - 2]), "{decoded}");
    }
    assert!(exports.iter().all(|export| export.token == TELEMETRY_TOKEN));
}

#[tokio::test]
async fn the_listener_is_for_telemetry_of_its_own_job_and_nothing_else() {
    let stage = Stage::new("exit 0").await;
    let agent = stage.fixture.agent();
    let (address, token) = stage.told().await;
    for (user, path, body, status) in [
        (&*token, "/v1/traces", Vec::new(), 200),
        ("dag_other", "/v1/traces", Vec::new(), 401),
        ("", "/v1/logs", Vec::new(), 401),
        (TELEMETRY_TOKEN, "/v1/logs", Vec::new(), 401),
        (&token, "/query", Vec::new(), 404),
        (&token, "/v1/engines", Vec::new(), 404),
        (&token, "/v1/traces/x", Vec::new(), 404),
        (&token, "/v1/logs", vec![0; 11 * 1024 * 1024], 413),
        (&token, "/v1/logs", vec![0x0A; 2 * 1024 * 1024], 400),
    ] {
        assert_eq!(stage.post(&address, user, path, body).await, status, "{user} {path}");
    }
    let got = stage.http.get(format!("{address}/v1/traces")).basic_auth(&token, Some("")).send().await.expect("an answer");
    assert_eq!(got.status(), StatusCode::NOT_FOUND);
    stage.go().await;
    assert_eq!(stage.fixture.server.result(stage.lease).await.report, Report::Passed);
    agent.stop().await;
    assert!(stage.http.get(address).send().await.is_err(), "the port is closed with the job");
}

#[tokio::test]
async fn a_server_that_takes_no_telemetry_changes_nothing() {
    for sink in [
        Sink::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
        Sink::Refuse(StatusCode::SERVICE_UNAVAILABLE),
        Sink::Refuse(StatusCode::TOO_MANY_REQUESTS),
        Sink::Refuse(StatusCode::UNAUTHORIZED),
        Sink::Never,
    ] {
        let stage = Stage::new("echo out; exit 0").await;
        stage.fixture.server.with(|model| model.sink = sink);
        let mut config = stage.fixture.config();
        // As long as a test would wait for anything: what does not wait for it is done before.
        config.timings.flush = Duration::from_secs(3_600);
        config.timings.call = Duration::from_secs(3_600);
        let running = tokio::spawn(Box::pin(quillon_runner::run(config, std::future::pending())));
        let (address, token) = stage.told().await;
        for _ in 0..20 {
            assert_eq!(stage.post(&address, &token, "/v1/logs", logs("text")).await, 200);
        }
        stage.go().await;
        let result = stage.fixture.server.result(stage.lease).await;
        assert_eq!((result.report, result.output.as_str()), (Report::Passed, "out\n"));
        stage.fixture.server.with(|model| assert!(model.exports.is_empty() && model.tries > 0));
        running.abort();
    }
}

#[tokio::test]
async fn telemetry_waits_for_a_server_that_comes_back() {
    let stage = Stage::new("exit 0").await;
    stage.fixture.server.with(|model| model.sink = Sink::Refuse(StatusCode::TOO_MANY_REQUESTS));
    let agent = stage.fixture.agent();
    let (address, token) = stage.told().await;
    assert_eq!(stage.post(&address, &token, "/v1/logs", logs("one")).await, 200);
    stage.fixture.server.until("tries", |model| (model.tries >= 3).then_some(())).await;
    stage.fixture.server.with(|model| model.sink = Sink::Take);
    assert_eq!(stage.post(&address, &token, "/v1/logs", logs("two")).await, 200);
    stage.go().await;
    assert_eq!(stage.fixture.server.result(stage.lease).await.report, Report::Passed);
    agent.stop().await;
    let exports = stage.fixture.server.with(|model| model.exports.clone());
    let texts: Vec<String> = exports.iter().filter(|export| export.signal == "logs").flat_map(texts).collect();
    assert_eq!(texts, ["one", "two"]);
}

#[tokio::test]
async fn an_end_that_cannot_be_told_is_given_up() {
    let stage = Stage::new("exit 0").await;
    stage.fixture.server.with(|model| model.sink = Sink::Never);
    let mut config = stage.fixture.config();
    config.timings.flush = Duration::from_millis(20);
    config.jobs = 1;
    let agent = Agent::start(config);
    let _ = stage.told().await;
    stage.go().await;
    assert_eq!(stage.fixture.server.result(stage.lease).await.report, Report::Passed);
    // The only slot is free again.
    stage.fixture.takes_telemetry.set(false);
    let next = stage.fixture.offer(stage.fixture.job(&stage.fixture.push_check("env"), "check:hello:one"));
    let result = stage.fixture.server.result(next).await;
    assert!(!result.output.contains("DAGGER_CLOUD"), "without a right to send there is nowhere to: {}", result.output);
    agent.stop().await;
}

#[tokio::test]
async fn an_unfinished_job_leaves_its_span_open() {
    let stage = Stage::new("exit 0").await;
    let agent = stage.fixture.agent();
    let _ = stage.told().await;
    let _ = stage.own_span(|_| true).await;
    agent.stop().await;
    stage.fixture.server.with(|model| {
        assert_eq!(model.released, [stage.lease]);
        let own = model.exports.iter().filter(|export| export.signal == "traces");
        assert!(own.into_iter().all(|export| !String::from_utf8_lossy(&export.bytes).contains("endTimeUnixNano")));
    });
}

#[tokio::test]
async fn a_load_is_a_span_of_its_module() {
    let fixture = Fixture::new().await;
    fixture.takes_telemetry.set(true);
    let head = fixture.push_check("true");
    let job = fixture.job(&head, "load");
    assert_eq!(job.task, Task::Load);
    let lease = fixture.offer(job);
    let agent = fixture.agent();
    assert!(matches!(fixture.server.result(lease).await.report, Report::Listed { .. }));
    agent.stop().await;
    let exports = fixture.server.with(|model| model.exports.clone());
    let mut spans = Vec::new();
    for export in exports.iter().filter(|export| export.signal == "traces") {
        let decoded = decode(Signal::Traces, Encoding::Json, &export.bytes, &Limits::default(), jiff::Timestamp::UNIX_EPOCH).expect("OTLP");
        for chunk in decoded.batches.iter().flat_map(|batch| batch.pack(1, 350_000)) {
            unpack_spans(&chunk.bytes, 0, |span| spans.push(span)).expect("a chunk");
        }
    }
    let last = spans.last().expect("a span");
    assert_eq!((last.name.as_str(), last.end_ns.is_some()), ("load .", true));
    assert_eq!(last.resource.attributes.text("dagger.io/git.branch"), Some("main"));
    let trace = "1".repeat(32).parse().expect("an id");
    assert!(json::traces(trace, &spans).contains("quillon.attempt"));
}
