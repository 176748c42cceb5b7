//! Spans under way, and the records that are sent of them.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode};

/// The process that emits a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The CLI.
    Cli,
    /// The engine.
    Engine,
    /// A module's own runtime.
    Module,
}

/// What a span is before it starts.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) scope: &'static str,
    pub(super) attributes: Vec<KeyValue>,
    /// Attributes that are known only at its end.
    pub(super) ending: Vec<KeyValue>,
}

impl Plan {
    pub(super) fn new(source: Source, scope: &'static str, name: impl Into<String>) -> Self {
        let attributes = if source == Source::Engine { vec![truth("wcprof.engine_span")] } else { Vec::new() };
        Self { name: name.into(), source, scope, attributes, ending: Vec::new() }
    }

    pub(super) fn with(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    pub(super) fn ending_with(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.ending.extend(attributes);
        self
    }
}

/// A span that has started and not ended.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) plan: Plan,
    pub(super) id: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    pub(super) is_remote: bool,
    pub(super) start_ns: u64,
    /// The child in which its call was executed, and when that started and ended.
    pub(super) executed: Option<([u8; 8], u64, u64)>,
}

/// An error on its way up.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// Where it began.
    pub(super) origin: [u8; 8],
    pub(super) message: String,
}

/// How a span ends.
pub(super) enum Ending<'a> {
    /// Not yet.
    Running,
    /// Without a status, as spans of libraries do.
    Unset(u64),
    /// Well.
    Ok(u64),
    /// With an error that began elsewhere, or here.
    Failed(u64, &'a Failure, Blame),
}

/// How a failed span says where its error began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// Not at all.
    Nobody,
    /// By a link.
    Link,
    /// By a marker in its message.
    Marker,
}

impl Open {
    /// The record of its present state.
    pub(super) fn record(&self, trace: &[u8; 16], ending: &Ending<'_>) -> Span {
        const HAS_REMOTE: u32 = 0x100;
        const IS_REMOTE: u32 = 0x200;
        const SAMPLED: u32 = 1;
        let mut span = Span {
            trace_id: trace.to_vec(),
            span_id: self.id.to_vec(),
            parent_span_id: self.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
            flags: SAMPLED | HAS_REMOTE | if self.is_remote { IS_REMOTE } else { 0 },
            name: self.plan.name.clone(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: self.start_ns,
            attributes: self.plan.attributes.clone(),
            ..Span::default()
        };
        let status = |code: StatusCode, message: String| Some(Status { message, code: code.into() });
        match *ending {
            Ending::Running => return span,
            Ending::Unset(end_ns) => span.end_time_unix_nano = end_ns,
            Ending::Ok(end_ns) => {
                span.end_time_unix_nano = end_ns;
                span.status = status(StatusCode::Ok, String::new());
            }
            Ending::Failed(end_ns, failure, blame) => {
                span.end_time_unix_nano = end_ns;
                let message = match blame {
                    Blame::Nobody | Blame::Link => failure.message.clone(),
                    Blame::Marker => format!("{} [traceparent:{}-{}]", failure.message, hex(trace), hex(&failure.origin)),
                };
                span.status = status(StatusCode::Error, message);
                if blame == Blame::Link {
                    span.links.push(link(trace, &failure.origin, vec![text("dagger.io/link.purpose", "error_origin")]));
                }
                if failure.origin == self.id {
                    span.events.push(exception(end_ns, &failure.message));
                }
            }
        }
        // A call that failed returned nothing.
        let has_result = !matches!(ending, Ending::Failed(..));
        let known = self.plan.ending.iter().filter(|attribute| has_result || attribute.key != "dagger.io/dag.output");
        span.attributes.extend(known.cloned());
        if let Some((child, start_ns, end_ns)) = self.executed {
            let wait = vec![
                text("dagger.io/link.purpose", "wait"),
                text("wcprof.wait.reason", "call_exec"),
                text("wcprof.wait.start_unix_ns", start_ns.to_string()),
                text("wcprof.wait.end_unix_ns", end_ns.to_string()),
            ];
            span.links.insert(0, link(trace, &child, wait));
        }
        span
    }
}

fn link(trace: &[u8; 16], span: &[u8; 8], attributes: Vec<KeyValue>) -> Link {
    Link { trace_id: trace.to_vec(), span_id: span.to_vec(), attributes, flags: 0x100, ..Link::default() }
}

fn exception(time_ns: u64, message: &str) -> Event {
    let attributes = vec![text("exception.type", "*core.ExecError"), text("exception.message", message), number("exit.code", 1)];
    Event { time_unix_nano: time_ns, name: "exception".to_owned(), attributes, ..Event::default() }
}

/// Bytes as lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A text as an attribute.
pub(super) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// A whole number as an attribute.
pub(super) fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

/// True or false as an attribute.
pub(super) fn boolean(key: &str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

/// True as an attribute.
pub(super) fn truth(key: &str) -> KeyValue {
    boolean(key, true)
}

/// Texts as an attribute.
pub(super) fn texts(key: &str, values: impl IntoIterator<Item = String>) -> KeyValue {
    let values = values.into_iter().map(|value| AnyValue { value: Some(Value::StringValue(value)) }).collect();
    attribute(key, Value::ArrayValue(ArrayValue { values }))
}

/// The resource of a process; `labels` are the CLI's.
pub(super) fn resource(source: Source, labels: &[(String, String)]) -> Resource {
    let attributes = match source {
        Source::Cli => std::iter::once(text("service.name", "dagger-cli"))
            .chain(std::iter::once(text("service.version", CLI_VERSION)))
            .chain(std::iter::once(text("os.type", "linux")))
            .chain(labels.iter().map(|(name, value)| text(name, value.as_str())))
            .collect(),
        Source::Engine => vec![
            text("service.name", "dagger-engine"),
            text("service.version", CLI_VERSION),
            text("host.name", "engine-0"),
            text("dagger.io/engine.name", "engine-0"),
        ],
        Source::Module => vec![
            text("service.name", "shop"),
            text("telemetry.sdk.language", "go"),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.version", "1.43.0"),
        ],
    };
    Resource { attributes, ..Resource::default() }
}

/// The version that the CLI and the engine say.
pub(super) const CLI_VERSION: &str = "v1.0.0-beta.11";
