//! Telemetry of a made-up `dagger` command, put where ingest puts it.

use quillon_core::attempt::Attempt;
use quillon_core::id::OrgId;
use quillon_core::trace::card::Claim;
use quillon_otlp::{Encoding, Limits, Signal};
use serde_json::{Value, json};

use crate::world::World;

/// The trace of these tests.
pub(crate) const TRACE: &str = "0123456789abcdef0123456789abcdef";

/// A span of [`TRACE`] in OTLP's JSON; times are seconds after the world began.
#[derive(Clone)]
pub(crate) struct SpanText(Value);

/// A span with this last digit of its id, below another one.
pub(crate) fn span(id: u64, parent: Option<u64>, name: &str) -> SpanText {
    let mut span = json!({
        "traceId": TRACE,
        "spanId": span_id(id),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": nanoseconds(id),
        "endTimeUnixNano": nanoseconds(100),
        "attributes": [],
        "status": { "code": 1 },
    });
    if let Some(parent) = parent {
        span["parentSpanId"] = json!(span_id(parent));
    }
    SpanText(span)
}

impl SpanText {
    /// The same, still running.
    pub(crate) fn running(mut self) -> Self {
        self.0["endTimeUnixNano"] = json!("0");
        self.0["status"] = json!({});
        self
    }

    /// The same with a field of OTLP.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.0[field] = value;
        self
    }

    /// The same with an attribute more.
    pub(crate) fn is(mut self, name: &str, value: Value) -> Self {
        if let Some(attributes) = self.0["attributes"].as_array_mut() {
            attributes.push(json!({ "key": name, "value": value }));
        }
        self
    }
}

/// The id of a span.
pub(crate) fn span_id(id: u64) -> String {
    format!("{:016x}", 0xa000 + id)
}

/// Seconds after the world began, as OTLP writes a time.
pub(crate) fn nanoseconds(seconds: u64) -> String {
    ((1_800_000_000 + seconds) * 1_000_000_000 + 7).to_string()
}

/// A sender that has a token of an org, and no more.
fn by_token(org: OrgId) -> Claim {
    Claim { org, attempt: None, repository: None }
}

impl World {
    /// Takes spans in, as those of a CLI in a working directory of `acme/hello`.
    pub(crate) async fn take_spans(&self, org: OrgId, spans: &[SpanText]) {
        let labels =
            [("service.name", "dagger-cli"), ("dagger.io/git.remote", "github.com/acme/hello"), ("dagger.io/git.ref", &"a".repeat(40))];
        let labels: Vec<Value> = labels.iter().map(|(key, text)| json!({ "key": key, "value": { "stringValue": text } })).collect();
        let spans: Vec<&Value> = spans.iter().map(|span| &span.0).collect();
        let scope = json!({ "name": "dagger.io/cli", "version": "v1" });
        let body =
            json!({ "resourceSpans": [{ "resource": { "attributes": labels }, "scopeSpans": [{ "scope": scope, "spans": spans }] }] });
        self.take(&by_token(org), Signal::Traces, &body).await;
    }

    /// Takes a span in that the agent of an attempt sends.
    pub(crate) async fn take_span_of(&self, attempt: &Attempt, span: &SpanText) {
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span.0] }] }] });
        let claim = Claim { org: attempt.org, attempt: Some(attempt.id), repository: Some(attempt.key.run.commit.repository) };
        self.take(&claim, Signal::Traces, &body).await;
    }

    /// Takes log records in: span, seconds, text.
    pub(crate) async fn take_logs(&self, org: OrgId, records: &[(Option<u64>, u64, &str)]) {
        let record = |(span, seconds, text): &(Option<u64>, u64, &str)| {
            let mut record = json!({
                "traceId": TRACE,
                "timeUnixNano": nanoseconds(*seconds),
                "body": { "stringValue": text },
                "attributes": [{ "key": "stdio.stream", "value": { "intValue": "1" } }],
            });
            if let Some(span) = span {
                record["spanId"] = json!(span_id(*span));
            }
            record
        };
        let records: Vec<Value> = records.iter().map(record).collect();
        self.take(&by_token(org), Signal::Logs, &json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] })).await;
    }

    async fn take(&self, claim: &Claim, signal: Signal, body: &Value) {
        let now = self.clock.now();
        let decoded =
            quillon_otlp::decode(signal, Encoding::Json, body.to_string().as_bytes(), &Limits::default(), now).expect("telemetry");
        assert_eq!(decoded.rejected.count, 0, "{}", decoded.rejected.reason);
        for batch in &decoded.batches {
            self.deps.traces.append(claim, batch, now).await.expect("a table");
        }
    }
}
