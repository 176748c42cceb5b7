//! Spans and logs of a run in the form of the real CLI: every span is sent twice, at its start with no end time and at its end.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::SpanKind, status::StatusCode};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Environment;
use crate::otlp::{Exporter, Record, Target};

/// Most records that wait to be sent; more are dropped, a slow server never slows a check.
const QUEUE: usize = 16_384;

/// How long the end of a run waits for its telemetry.
const FLUSH: Duration = Duration::from_secs(5);

/// Which output of a process a log record comes from.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn number(self) -> i64 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

/// A span that has not ended.
pub(crate) struct Running(Span);

/// The telemetry of one trace; does nothing unless the environment names a server and a token.
pub(crate) struct Telemetry {
    trace_id: Vec<u8>,
    parent: Vec<u8>,
    exporter: Option<(mpsc::Sender<Record>, JoinHandle<()>)>,
}

impl Telemetry {
    /// Begins a trace, or continues the one of `TRACEPARENT`. `resource` is asked only when something will be sent.
    pub(crate) async fn start(environment: &Environment, resource: impl AsyncFnOnce() -> Vec<KeyValue>) -> Self {
        let (trace_id, parent) =
            environment.get("TRACEPARENT").and_then(|header| parse_traceparent(header)).unwrap_or_else(|| (random(16), Vec::new()));
        let exporter = match Target::from_environment(environment) {
            Some(target) => {
                let (sender, receiver) = mpsc::channel(QUEUE);
                let exporter = Exporter::new(target, resource().await);
                exporter.map(|exporter| (sender, tokio::spawn(exporter.run(receiver))))
            }
            None => None,
        };
        Self { trace_id, parent, exporter }
    }

    /// Starts a span under another one, or under the trace's parent.
    pub(crate) fn span(&self, name: &str, parent: Option<&Running>, attributes: Vec<KeyValue>) -> Running {
        let span = Span {
            trace_id: self.trace_id.clone(),
            span_id: random(8),
            parent_span_id: parent.map_or_else(|| self.parent.clone(), |parent| parent.0.span_id.clone()),
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: unix_nanos(),
            attributes,
            ..Span::default()
        };
        self.send(Record::Span(span.clone()));
        Running(span)
    }

    /// Ends a span.
    pub(crate) fn end(&self, span: Running, result: &Result<(), String>, attributes: Vec<KeyValue>) {
        let mut span = span.0;
        span.end_time_unix_nano = unix_nanos().max(span.start_time_unix_nano);
        span.attributes.extend(attributes);
        span.status = Some(match result {
            Ok(()) => Status { code: StatusCode::Ok.into(), message: String::new() },
            Err(message) => Status { code: StatusCode::Error.into(), message: message.clone() },
        });
        self.send(Record::Span(span));
    }

    /// Records what a process wrote, a record per read.
    pub(crate) fn log(&self, span: &Running, stream: Stream, bytes: &[u8]) {
        self.record(span, String::from_utf8_lossy(bytes).into_owned(), vec![number("stdio.stream", stream.number())]);
    }

    /// Records that a process writes no more.
    pub(crate) fn end_of_stream(&self, span: &Running) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.record(span, String::new(), vec![number("stdio.stream", stream.number()), flag("stdio.eof", true)]);
        }
    }

    /// Sends what is left, for a few seconds at most.
    pub(crate) async fn finish(self) {
        if let Some((sender, worker)) = self.exporter {
            drop(sender);
            let _ = tokio::time::timeout(FLUSH, worker).await;
        }
    }

    fn record(&self, span: &Running, body: String, attributes: Vec<KeyValue>) {
        let now = unix_nanos();
        self.send(Record::Log(LogRecord {
            time_unix_nano: now,
            observed_time_unix_nano: now,
            body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
            attributes,
            trace_id: span.0.trace_id.clone(),
            span_id: span.0.span_id.clone(),
            ..LogRecord::default()
        }));
    }

    fn send(&self, record: Record) {
        if let Some((sender, _)) = &self.exporter {
            // A full queue loses records rather than time.
            let _ = sender.try_send(record);
        }
    }
}

/// A text attribute.
pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// A boolean attribute.
pub(crate) fn flag(key: &str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

/// An attribute of any kind.
pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Trace id and span id of a [W3C `traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header).
fn parse_traceparent(header: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut parts = header.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let is_valid = version.len() == 2 && trace.len() == 32 && span.len() == 16;
    let (trace, span) = (unhex(trace)?, unhex(span)?);
    (is_valid && trace.iter().any(|byte| *byte != 0) && span.iter().any(|byte| *byte != 0)).then_some((trace, span))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect::<Option<_>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn random(count: usize) -> Vec<u8> {
    uuid::Uuid::new_v4().as_bytes()[..count.min(16)].to_vec()
}

#[expect(clippy::disallowed_methods, reason = "a program of its own for which telemetry carries the time of day; nothing is decided by it")]
fn unix_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_adopted_only_when_it_is_whole() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (trace, span) = parse_traceparent(header).expect("valid");
        assert_eq!((trace[0], span[7]), (0x0a, 0x31));
        for text in ["", "00-zz-11-01", &header.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), &header[..40], "00-é-é-é"]
        {
            assert_eq!(parse_traceparent(text), None, "{text}");
        }
    }
}
