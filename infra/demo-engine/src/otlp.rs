//! The exporter: batches of spans and logs as OTLP over HTTP, protobuf.
//!
//! See <https://opentelemetry.io/docs/specs/otlp/#otlphttp>. Errors never reach the checks: what a server does not take after
//! a few tries is dropped.

use std::time::Duration;

use base64::Engine as _;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Environment;

/// How long records are collected before they are sent.
const BATCH_TIME: Duration = Duration::from_millis(100);

/// Most records per request.
const BATCH_SIZE: usize = 512;

/// How often a request is tried.
const TRIES: u32 = 3;

/// What is exported.
pub(crate) enum Record {
    /// A span that has just begun or ended.
    Span(Span),
    /// A piece of output.
    Log(LogRecord),
}

/// Where to, and with what.
pub(crate) struct Target {
    base: String,
    authorization: String,
}

impl Target {
    /// The server of `DAGGER_CLOUD_URL` with the token of `DAGGER_CLOUD_TOKEN`; nothing unless both are set.
    pub(crate) fn from_environment(environment: &Environment) -> Option<Self> {
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let (base, token) = (set("DAGGER_CLOUD_URL")?, set("DAGGER_CLOUD_TOKEN")?);
        let credential = base64::engine::general_purpose::STANDARD.encode(format!("{token}:"));
        Some(Self { base: base.trim_end_matches('/').to_owned(), authorization: format!("Basic {credential}") })
    }
}

/// Sends batches to a target.
pub(crate) struct Exporter {
    target: Target,
    resource: Resource,
    client: reqwest::Client,
}

impl Exporter {
    /// An exporter for one resource; nothing when the machine cannot speak HTTP at all.
    pub(crate) fn new(target: Target, attributes: Vec<KeyValue>) -> Option<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().ok()?;
        Some(Self { target, resource: Resource { attributes, ..Resource::default() }, client })
    }

    /// Sends until the queue is closed and empty.
    pub(crate) async fn run(self, mut queue: mpsc::Receiver<Record>) {
        while let Some(first) = queue.recv().await {
            let mut batch = vec![first];
            let until = Instant::now() + BATCH_TIME;
            while batch.len() < BATCH_SIZE {
                match tokio::time::timeout_at(until, queue.recv()).await {
                    Ok(Some(record)) => batch.push(record),
                    Ok(None) | Err(_) => break,
                }
            }
            self.send(batch).await;
        }
    }

    async fn send(&self, batch: Vec<Record>) {
        let (mut spans, mut logs) = (Vec::new(), Vec::new());
        for record in batch {
            match record {
                Record::Span(span) => spans.push(span),
                Record::Log(log) => logs.push(log),
            }
        }
        if !spans.is_empty() {
            let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
            let resource_spans = vec![ResourceSpans { resource: Some(self.resource.clone()), scope_spans, ..ResourceSpans::default() }];
            self.post("/v1/traces", ExportTraceServiceRequest { resource_spans }.encode_to_vec()).await;
        }
        if !logs.is_empty() {
            let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records: logs, ..ScopeLogs::default() }];
            let resource_logs = vec![ResourceLogs { resource: Some(self.resource.clone()), scope_logs, ..ResourceLogs::default() }];
            self.post("/v1/logs", ExportLogsServiceRequest { resource_logs }.encode_to_vec()).await;
        }
    }

    async fn post(&self, path: &str, body: Vec<u8>) {
        for _ in 0..TRIES {
            let request = self.client.post(format!("{}{path}", self.target.base));
            let request = request.header("content-type", "application/x-protobuf").header("authorization", &self.target.authorization);
            let pause = match request.body(body.clone()).send().await {
                Ok(response) if matches!(response.status().as_u16(), 429 | 502 | 503 | 504) => retry_after(&response),
                Ok(_) => return,
                Err(_) => Duration::from_millis(200),
            };
            tokio::time::sleep(pause).await;
        }
    }
}

fn retry_after(response: &reqwest::Response) -> Duration {
    let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1)).min(Duration::from_secs(2))
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "dagger.io/cli".to_owned(), ..InstrumentationScope::default() }
}
