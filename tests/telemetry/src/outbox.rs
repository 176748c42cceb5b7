//! Records that wait to be sent, and the requests in which they are.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::call::{Called, Calls};
use super::random::Random;
use super::record::{CLI_VERSION, Ending, Open, Source, hex, number, resource, text, truth};
use super::{Body, Counts, Request};

/// Most spans of one request of the CLI.
const MAX_SPANS: usize = 2_048;
/// Most log records of one request of the CLI.
const MAX_LOGS: usize = 512;
const FLUSH_NS: u64 = 100_000_000;
const METRICS_NS: u64 = 5_000_000_000;

const SCHEMA: &str = "https://opentelemetry.io/schemas/1.40.0";

/// What is sampled while a command runs.
const METRICS: &[(&str, &str)] = &[
    ("dagger.io/metrics.cpustat.usage", "us"),
    ("dagger.io/metrics.memory.current", "byte"),
    ("dagger.io/metrics.iostat.disk.readbytes", "byte"),
    ("dagger.io/metrics.iostat.disk.writebytes", "byte"),
    ("dagger.io/metrics.netstat.rx.bytes", "byte"),
    ("dagger.io/metrics.netstat.tx.bytes", "byte"),
];

/// Records on their way out.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    pub(super) trace: [u8; 16],
    pub(super) random: Random,
    pub(super) labels: Vec<(String, String)>,
    pub(super) counts: Counts,
    /// Whether a request waits until it is full.
    pub(super) is_patient: bool,
    calls: Calls,
    spans: Vec<(Source, &'static str, Span)>,
    logs: Vec<(Source, LogRecord)>,
    points: BTreeMap<(&'static str, &'static str), Vec<NumberDataPoint>>,
    flushed_ns: u64,
    sampled_ns: u64,
}

impl Outbox {
    pub(super) fn new(trace: [u8; 16], random: Random, now_ns: u64) -> Self {
        Self {
            trace,
            random,
            labels: Vec::new(),
            counts: Counts::default(),
            is_patient: false,
            calls: Calls::new(),
            spans: Vec::new(),
            logs: Vec::new(),
            points: BTreeMap::new(),
            flushed_ns: now_ns,
            sampled_ns: now_ns,
        }
    }

    /// Nothing was sent before this.
    pub(super) fn begin_at(&mut self, now_ns: u64) {
        (self.flushed_ns, self.sampled_ns) = (now_ns, now_ns);
    }

    pub(super) fn call(&mut self) -> Called {
        self.calls.call(&mut self.random)
    }

    pub(super) fn failing_call(&mut self) -> Called {
        self.calls.exec(&mut self.random)
    }

    /// A span starts.
    pub(super) fn started(&mut self, open: &Open) {
        self.counts.spans += 1;
        self.span(open, &Ending::Running);
    }

    pub(super) fn span(&mut self, open: &Open, ending: &Ending<'_>) {
        self.counts.records += 1;
        self.spans.push((open.plan.source, open.plan.scope, open.record(&self.trace, ending)));
    }

    pub(super) fn checked(&mut self, passed: bool) {
        self.counts.checks += 1;
        self.counts.failed_checks += u64::from(!passed);
    }

    /// A write of a span; an empty one is its last.
    pub(super) fn log(&mut self, open: &Open, now_ns: u64, stream: i64, body: String) {
        self.counts.logs += 1;
        let mut attributes = vec![number("stdio.stream", stream)];
        if body.is_empty() {
            attributes.push(truth("stdio.eof"));
        }
        let record = LogRecord {
            time_unix_nano: now_ns,
            body: Some(AnyValue { value: Some(any_value::Value::StringValue(body)) }),
            attributes,
            trace_id: self.trace.to_vec(),
            span_id: open.id.to_vec(),
            ..LogRecord::default()
        };
        self.logs.push((open.plan.source, record));
    }

    pub(super) fn sample(&mut self, span: [u8; 8], now_ns: u64, nth: u64) {
        for &(name, unit) in METRICS {
            let jitter = self.random.below(4_096);
            let point = NumberDataPoint {
                attributes: vec![text("dagger.io/metrics.trace", hex(&self.trace)), text("dagger.io/metrics.span", hex(&span))],
                time_unix_nano: now_ns,
                value: Some(number_data_point::Value::AsInt(i64::try_from((nth + 1) * 65_536 + jitter).unwrap_or(i64::MAX))),
                ..NumberDataPoint::default()
            };
            self.counts.points += 1;
            self.points.entry((name, unit)).or_default().push(point);
        }
    }

    /// Whether something is due.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        let is_waiting = !self.is_patient && now_ns.saturating_sub(self.flushed_ns) >= FLUSH_NS;
        is_waiting || self.spans.len() >= MAX_SPANS || self.logs.len() >= MAX_LOGS
    }

    /// Sends what there is.
    pub(super) fn flush(&mut self, now_ns: u64, is_last: bool, out: &mut VecDeque<Request>) {
        self.flushed_ns = now_ns;
        let at = Timestamp::from_nanosecond(i128::from(now_ns)).unwrap_or(Timestamp::MAX);
        while !self.spans.is_empty() {
            let part: Vec<_> = self.spans.drain(..self.spans.len().min(MAX_SPANS)).collect();
            out.push_back(Request { at, body: Body::Traces(self.traces(part)) });
        }
        while !self.logs.is_empty() {
            let part: Vec<_> = self.logs.drain(..self.logs.len().min(MAX_LOGS)).collect();
            out.push_back(Request { at, body: Body::Logs(self.written(part)) });
        }
        if !self.points.is_empty() && (is_last || now_ns.saturating_sub(self.sampled_ns) >= METRICS_NS) {
            self.sampled_ns = now_ns;
            out.push_back(Request { at, body: Body::Metrics(self.metrics()) });
        }
    }

    fn traces(&self, spans: Vec<(Source, &'static str, Span)>) -> ExportTraceServiceRequest {
        let mut sources: BTreeMap<Source, BTreeMap<&str, Vec<Span>>> = BTreeMap::new();
        for (source, scope, span) in spans {
            sources.entry(source).or_default().entry(scope).or_default().push(span);
        }
        let resource_spans = sources.into_iter().map(|(source, scopes)| ResourceSpans {
            resource: Some(resource(source, &self.labels)),
            scope_spans: scopes
                .into_iter()
                .map(|(name, spans)| ScopeSpans { scope: Some(scope(name)), spans, schema_url: SCHEMA.to_owned() })
                .collect(),
            schema_url: SCHEMA.to_owned(),
        });
        ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
    }

    fn written(&self, records: Vec<(Source, LogRecord)>) -> ExportLogsServiceRequest {
        let mut sources: BTreeMap<Source, Vec<LogRecord>> = BTreeMap::new();
        for (source, record) in records {
            sources.entry(source).or_default().push(record);
        }
        let resource_logs = sources.into_iter().map(|(source, log_records)| ResourceLogs {
            resource: Some(resource(source, &self.labels)),
            scope_logs: vec![ScopeLogs { scope: Some(scope("dagger.io/core")), log_records, schema_url: String::new() }],
            schema_url: SCHEMA.to_owned(),
        });
        ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
    }

    fn metrics(&mut self) -> ExportMetricsServiceRequest {
        let metrics = std::mem::take(&mut self.points).into_iter().map(|((name, unit), data_points)| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            data: Some(metric::Data::Gauge(Gauge { data_points })),
            ..Metric::default()
        });
        let scope_metrics =
            vec![ScopeMetrics { scope: Some(scope("dagger.io/core")), metrics: metrics.collect(), schema_url: String::new() }];
        let resource = Some(resource(Source::Engine, &self.labels));
        ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics { resource, scope_metrics, schema_url: SCHEMA.to_owned() }] }
    }
}

fn scope(name: &str) -> InstrumentationScope {
    InstrumentationScope { name: name.to_owned(), version: CLI_VERSION.to_owned(), ..InstrumentationScope::default() }
}
