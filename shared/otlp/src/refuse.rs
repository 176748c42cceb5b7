//! Answers: what was taken in, what was not and why, in the encoding of the request.

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use serde_json::json;

use crate::record::Reason;
use crate::wire::{Malformed, cut};
use crate::{Encoding, Signal};

/// Longest message about a request, in bytes.
const MAX_MESSAGE: usize = 500;

/// How many different reasons are told.
const MAX_REASONS: usize = 5;

/// Why a request is not taken in at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not OTLP; the same request never will be.
    #[error("{0}")]
    Malformed(String),
    /// It is too large.
    #[error("the body has {bytes} bytes or more, at most {most} are taken; send smaller batches")]
    TooLarge {
        /// How many bytes were seen.
        bytes: usize,
        /// How many there may be.
        most: usize,
    },
    /// Its content type or encoding is not known.
    #[error("{0}")]
    Unsupported(String),
    /// There is more to take in than can be at the moment.
    #[error("too much telemetry at the moment; try again in {retry_after_s} s")]
    Busy {
        /// For the header `Retry-After`, in seconds.
        retry_after_s: u32,
    },
}

impl Refused {
    pub(crate) fn too_large(bytes: usize, most: usize) -> Self {
        Self::TooLarge { bytes, most }
    }

    pub(crate) fn unsupported(message: String) -> Self {
        Self::Unsupported(cut(&message, MAX_MESSAGE).to_owned())
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooLarge { .. } => 413,
            Self::Unsupported(_) => 415,
            Self::Busy { .. } => 429,
        }
    }

    /// The [code](https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto) that says the same.
    fn code(&self) -> i32 {
        match self {
            Self::Malformed(_) | Self::Unsupported(_) => 3,
            Self::TooLarge { .. } | Self::Busy { .. } => 8,
        }
    }
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(format!("the body is not OTLP protobuf: {malformed}"))
    }
}

/// [`google.rpc.Status`](https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto), which OTLP wants as the body of every
/// error.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The HTTP status and body that refuse a request.
#[must_use]
pub fn response(refused: &Refused, encoding: Encoding) -> (u16, Vec<u8>) {
    (refused.status(), status(refused.code(), &refused.to_string(), encoding))
}

/// The body of an error: a [code](https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto) and a message.
#[must_use]
pub fn status(code: i32, message: &str, encoding: Encoding) -> Vec<u8> {
    let message = cut(message, MAX_MESSAGE).to_owned();
    match encoding {
        Encoding::Protobuf => Status { code, message }.encode_to_vec(),
        Encoding::Json => json!({"code": code, "message": message}).to_string().into_bytes(),
    }
}

/// What of a request was not taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many records.
    pub count: u64,
    /// Why, with the number of records for each of the first few reasons.
    pub reason: String,
}

impl Rejected {
    /// Takes in what a later step did not take in.
    pub fn add(&mut self, count: u64, reason: &str) {
        if count == 0 {
            return;
        }
        self.count = self.count.saturating_add(count);
        let separator = if self.reason.is_empty() { "" } else { "; " };
        self.reason = cut(&format!("{}{separator}{reason} ({count})", self.reason), MAX_MESSAGE).to_owned();
    }
}

/// Counts what is not taken in, by reason.
#[derive(Debug, Default)]
pub(crate) struct Rejections(Vec<(Reason, u64)>);

impl Rejections {
    pub(crate) fn add(&mut self, reason: Reason) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.0.push((reason, 1)),
        }
    }

    pub(crate) fn finish(self) -> Rejected {
        let count = self.0.iter().map(|(_, count)| count).sum();
        let told: Vec<String> = self.0.iter().take(MAX_REASONS).map(|(reason, count)| format!("{reason} ({count})")).collect();
        Rejected { count, reason: told.join("; ") }
    }
}

/// The body that accepts a request, with what was not taken in of it.
///
/// Says nothing where all was taken in: exporters report any message as an error of theirs.
#[must_use]
pub fn answer(signal: Signal, encoding: Encoding, rejected: &Rejected) -> Vec<u8> {
    let count = i64::try_from(rejected.count).unwrap_or(i64::MAX);
    let error_message = rejected.reason.clone();
    match (encoding, count) {
        (Encoding::Protobuf, 0) => Vec::new(),
        (Encoding::Json, 0) => b"{}".to_vec(),
        (Encoding::Json, _) => {
            let field = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Logs => "rejectedLogRecords",
                Signal::Metrics => "rejectedDataPoints",
            };
            json!({"partialSuccess": {field: count.to_string(), "errorMessage": error_message}}).to_string().into_bytes()
        }
        (Encoding::Protobuf, _) => match signal {
            Signal::Traces => {
                let partial_success = Some(ExportTracePartialSuccess { rejected_spans: count, error_message });
                ExportTraceServiceResponse { partial_success }.encode_to_vec()
            }
            Signal::Logs => {
                let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records: count, error_message });
                ExportLogsServiceResponse { partial_success }.encode_to_vec()
            }
            Signal::Metrics => {
                let partial_success = Some(ExportMetricsPartialSuccess { rejected_data_points: count, error_message });
                ExportMetricsServiceResponse { partial_success }.encode_to_vec()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_a_status_in_both_encodings() {
        for (refused, http, code) in [
            (Refused::Malformed("no".to_owned()), 400, 3),
            (Refused::too_large(2, 1), 413, 8),
            (Refused::unsupported("no".to_owned()), 415, 3),
            (Refused::Busy { retry_after_s: 3 }, 429, 8),
        ] {
            let (status, body) = response(&refused, Encoding::Protobuf);
            let read = Status::decode(&body[..]).expect("a status");
            assert_eq!((status, read.code, read.message), (http, code, refused.to_string()));
            let (status, body) = response(&refused, Encoding::Json);
            let read: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!((status, read), (http, json!({"code": code, "message": refused.to_string()})));
        }
    }

    #[test]
    fn messages_do_not_grow_with_the_request() {
        let (_, body) = response(&Refused::Malformed("é".repeat(100_000)), Encoding::Protobuf);
        assert!(body.len() < 600);
        let mut rejected = Rejected::default();
        for _ in 0..1_000 {
            rejected.add(2, "the trace is full");
        }
        assert!(rejected.count == 2_000 && rejected.reason.len() <= MAX_MESSAGE);
        assert_eq!(rejected.reason.find("the trace is full (2); the trace"), Some(0));
    }

    #[test]
    fn a_partial_success_counts() {
        let mut rejections = Rejections::default();
        ["a", "b", "a", "c", "d", "e", "f"].into_iter().for_each(|reason| rejections.add(reason));
        let rejected = rejections.finish();
        assert_eq!(rejected, Rejected { count: 7, reason: "a (2); b (1); c (1); d (1); e (1)".to_owned() });
        let read = ExportTraceServiceResponse::decode(&answer(Signal::Traces, Encoding::Protobuf, &rejected)[..]).expect("a response");
        assert_eq!(read.partial_success.expect("partial").rejected_spans, 7);
        let read: serde_json::Value = serde_json::from_slice(&answer(Signal::Logs, Encoding::Json, &rejected)).expect("JSON");
        assert_eq!(read["partialSuccess"]["rejectedLogRecords"], "7");
        assert_eq!(answer(Signal::Metrics, Encoding::Protobuf, &Rejected::default()), b"");
        assert_eq!(answer(Signal::Metrics, Encoding::Json, &Rejected::default()), b"{}");
    }
}
