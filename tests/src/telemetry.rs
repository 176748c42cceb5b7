//! Telemetry in scenarios: exporters that send it as Dagger's do, and a reader that reads it back without any cache.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use quillon::cloud::Due;
use quillon_core::id::{AttemptId, OrgId, TokenId};
use quillon_core::org::{Org, OrgName, Scope, Token};
use quillon_core::trace::{SpanId, TraceId};
use quillon_store::{TraceStore, Written};
use quillon_traces::{LogPage, Traces};
use serde_json::json;

use crate::World;
use crate::world::instance_key;

/// How often an exporter sends a batch again that was not taken for now.
const MAX_SENDS: usize = 5;

/// One request of an exporter.
#[derive(Debug, Clone)]
pub struct Export {
    /// Where to: `/v1/traces`, `/v1/logs` or `/v1/metrics`.
    pub path: &'static str,
    /// The protobuf.
    pub body: Bytes,
}

/// What a reader sees of a trace: one line per span, log record and metric point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// By id: name, parent, times, attributes.
    pub spans: Vec<String>,
    /// In the order of reading: span, stream, body.
    pub logs: Vec<String>,
    /// By span: name and value.
    pub metrics: Vec<String>,
}

/// A trace id of scenarios.
#[must_use]
pub fn trace_id(number: u8) -> TraceId {
    TraceId::of_bytes(&[number; 16]).expect("not zero")
}

/// A span id of scenarios.
#[must_use]
pub fn span_id(number: u8) -> SpanId {
    SpanId::of_bytes(&[number; 8]).expect("not zero")
}

fn value(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn attribute(key: &str, said: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: value(said), ..KeyValue::default() }
}

fn text(key: &str, said: &str) -> KeyValue {
    attribute(key, Value::StringValue(said.to_owned()))
}

fn resource(labels: &[(&str, &str)]) -> Option<Resource> {
    Some(Resource { attributes: labels.iter().map(|(key, said)| text(key, said)).collect(), ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "dagger.io/cli".to_owned(), ..InstrumentationScope::default() })
}

const ENGINE: [(&str, &str); 1] = [("service.name", "dagger-engine")];

/// A run of the CLI that starts, says three lines, measures something and ends: five exports, in the order in which they are sent.
#[must_use]
pub fn run_of(trace: TraceId, git_remote: &str, started: Timestamp) -> Vec<Export> {
    let start = u64::try_from(started.as_nanosecond()).expect("after 1970");
    let second = 1_000_000_000;
    let cli = [("service.name", "dagger-cli"), ("dagger.io/git.remote", git_remote), ("dagger.io/git.branch", "main")];
    let span = |id: u8, parent: Option<u8>, name: &str, from: u64, to: Option<u64>, attributes: Vec<KeyValue>| Span {
        trace_id: trace.as_bytes().to_vec(),
        span_id: span_id(id).as_bytes().to_vec(),
        parent_span_id: parent.map(|parent| span_id(parent).as_bytes().to_vec()).unwrap_or_default(),
        name: name.to_owned(),
        start_time_unix_nano: start + from * second,
        end_time_unix_nano: to.map_or(0, |to| start + to * second),
        attributes,
        ..Span::default()
    };
    let typed = || {
        vec![
            attribute("bool", Value::BoolValue(false)),
            attribute("int", Value::IntValue(-7)),
            attribute("double", Value::DoubleValue(0.5)),
            attribute("bytes", Value::BytesValue(vec![0, 255])),
            attribute("list", Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(Value::StringValue("a".into())) }] })),
        ]
    };
    let spans = |labels: &[(&str, &str)], spans: Vec<Span>| Export {
        path: "/v1/traces",
        body: ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: resource(labels),
                scope_spans: vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }],
                ..ResourceSpans::default()
            }],
        }
        .encode_to_vec()
        .into(),
    };
    let records = (0..3_u64).map(|line| LogRecord {
        time_unix_nano: start + second + line,
        body: value(Value::StringValue(format!("line {line}\n"))),
        attributes: vec![attribute("stdio.stream", Value::IntValue(1))],
        trace_id: trace.as_bytes().to_vec(),
        span_id: span_id(2).as_bytes().to_vec(),
        ..LogRecord::default()
    });
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(&ENGINE),
            scope_logs: vec![ScopeLogs { scope: scope(), log_records: records.collect(), ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    };
    let point = NumberDataPoint {
        time_unix_nano: start + second,
        value: Some(number_data_point::Value::AsInt(4_096)),
        attributes: vec![text("dagger.io/metrics.trace", &trace.to_string()), text("dagger.io/metrics.span", &span_id(2).to_string())],
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: "memory".to_owned(),
        unit: "By".to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points: vec![point] })),
        ..Metric::default()
    };
    let metrics = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(&ENGINE),
            scope_metrics: vec![ScopeMetrics { scope: scope(), metrics: vec![metric], ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    };
    vec![
        spans(&cli, vec![span(1, None, "dagger call test", 0, None, vec![])]),
        spans(&ENGINE, vec![span(2, Some(1), "withExec", 1, None, typed())]),
        Export { path: "/v1/logs", body: logs.encode_to_vec().into() },
        Export { path: "/v1/metrics", body: metrics.encode_to_vec().into() },
        spans(
            &cli,
            vec![
                span(2, Some(1), "withExec", 1, Some(2), typed()),
                span(3, Some(2), "a child", 1, Some(2), vec![]),
                span(1, None, "dagger call test", 0, Some(3), vec![]),
            ],
        ),
    ]
}

impl World {
    /// A token of an org for telemetry; the org is made where there is none.
    pub async fn telemetry_token(&self, org: &str) -> String {
        let store = self.system.store();
        let now = self.clock.now();
        let name: OrgName = org.parse().expect("a name");
        let known = store.org_by_name(&name).await.expect("a table");
        let org = match known {
            Some(org) => org,
            None => {
                let id = OrgId::derived(1, &[name.as_str()]);
                let org = Org::new(id, name.clone(), now);
                assert_eq!(store.create_org(&org).await.expect("a table"), Written::Done);
                org
            }
        };
        let text = format!("dag_{name}_telemetry");
        let id = TokenId::derived(1, &[name.as_str()]);
        let token = Token::new(id, &org, "telemetry".to_owned(), vec![Scope::TelemetryWrite], String::new(), now);
        let hash = quillon_tenancy::secret::hash(&text);
        assert_eq!(store.create_token(&token, &hash).await.expect("a table"), Written::Done);
        text
    }

    /// The token of a job for its telemetry, as its agent gets it.
    pub async fn job_token(&self, attempt: AttemptId) -> String {
        let attempt = self.system.store().attempt(attempt).await.expect("a table").expect("an attempt");
        let key = instance_key(&self.system).await;
        let (repository, now) = (attempt.key.run.commit.repository, self.clock.now());
        quillon_secrets::telemetry::mint(&key, attempt.org, attempt.id, repository, 600, now).expose().clone()
    }

    /// The id of an org.
    pub async fn org_named(&self, name: &str) -> OrgId {
        let org = self.system.store().org_by_name(&name.parse().expect("a name")).await.expect("a table");
        org.unwrap_or_else(|| panic!("there is no org `{name}`")).id
    }

    /// Sends one request once; status and body of the answer.
    pub async fn export(&self, token: &str, export: &Export) -> (u16, Bytes) {
        let request = Request::post(export.path)
            .header("host", "quillon.test")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/x-protobuf")
            .body(export.body.clone())
            .expect("a request");
        let answer = self.system.http(request).await;
        (answer.status().as_u16(), answer.into_body())
    }

    /// Sends requests one after the other, each until it is taken, as an exporter does.
    pub async fn export_all(&self, token: &str, exports: &[Export]) {
        for export in exports {
            let mut sends = 0;
            loop {
                let (status, body) = self.export(token, export).await;
                sends += 1;
                match status {
                    200 => break,
                    429 | 503 if sends < MAX_SENDS => {}
                    _ => panic!("{} answered {status}: {}", export.path, String::from_utf8_lossy(&body)),
                }
            }
        }
    }

    /// The table of traces, past every policy.
    pub fn trace_store(&self) -> TraceStore {
        let cloud = self.system.cloud();
        let table = cloud.template().table("TracesTable").expect("a table of traces").name.clone();
        TraceStore::new(cloud.engines().dynamodb_client(), table)
    }

    /// Traces as somebody sees them who has read nothing before.
    pub fn traces(&self) -> Traces {
        Traces::new(self.trace_store(), 1 << 20)
    }

    /// Everything that can be read of a trace; none when there is no such trace.
    pub async fn read_trace(&self, org: OrgId, trace: TraceId) -> Option<Read> {
        let traces = self.traces();
        let snapshot = traces.open(org, trace, self.clock.now()).await.expect("a trace")?;
        let rows: Vec<u32> = (0..u32::try_from(snapshot.outline.len()).expect("few")).collect();
        let mut read = Read::default();
        for span in traces.spans(&snapshot, &rows).await.expect("spans") {
            let mut line = format!("{} `{}` in {:?}, {} to {:?}", span.id, span.name, span.parent, span.start_ns, span.end_ns);
            write!(line, ", {:?} by {:?}", span.attributes.0, span.resource.attributes.text("service.name")).expect("a text");
            read.spans.push(line);
            let points = traces.metrics(&snapshot, span.id).await.expect("metrics");
            read.metrics.extend(points.iter().map(|point| format!("{} {} {:?}", span.id, point.name, point.value)));
        }
        let mut page = LogPage::first(2);
        loop {
            let logs = traces.logs(&snapshot, None, true, &page).await.expect("logs");
            read.logs.extend(logs.items.iter().map(|record| format!("{:?} {:?} {:?}", record.span, record.body, record.attributes.0)));
            if logs.next.is_none() {
                break;
            }
            page.after = logs.next;
        }
        read.spans.sort();
        read.metrics.sort();
        Some(read)
    }

    /// How many items of each kind the table has about a trace: the first part of their sort keys.
    pub async fn trace_items(&self, org: OrgId, trace: TraceId) -> BTreeMap<String, usize> {
        let cloud = self.system.cloud();
        let table = cloud.template().table("TracesTable").expect("a table of traces").name.clone();
        let key = aws_sdk_dynamodb::types::AttributeValue::S(format!("T#{org}#{trace}"));
        let query = cloud.engines().dynamodb_client().query().table_name(table).key_condition_expression("pk = :pk");
        let found = query.expression_attribute_values(":pk", key).send().await.expect("items");
        let mut items = BTreeMap::new();
        for item in found.items() {
            let sort = item["sk"].as_s().expect("a text");
            *items.entry(sort.split('#').next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        items
    }

    /// Lets minutes pass, one after the other, as the sealer would see them.
    pub async fn pass_sealing_minutes(&mut self, minutes: u32) {
        for _ in 0..minutes {
            self.advance(Duration::from_secs(60));
            // A run that fails is repeated by the next one, as the schedule would.
            let _ = self.fire_sealer().await;
            self.drain().await;
        }
    }

    /// Fires the schedule of the sealer.
    pub async fn fire_sealer(&self) -> Result<(), String> {
        let input = json!({ "schedule": "seal" }).to_string();
        self.system.fire(&Due { function: "Sealer".to_owned(), name: "seal".to_owned(), input }).await
    }
}
