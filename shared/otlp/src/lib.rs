//! OTLP on the wire and in storage: bytes to what `quillon_core::trace` knows and back, within limits; no I/O.
//!
//! A request comes in as `inflate` → [`decode`] → [`Batch::pack`] and is read back with [`unpack_spans`], [`unpack_logs`] and
//! [`unpack_metrics`]. Spans and log records are never built as values on the way in: each is checked against its schema on the wire and
//! copied field by field as far as the [`Limits`] let it, because a message of two bytes may be a value of three hundred. What is
//! stored is what was sent, types kept.
//!
//! | file | what it is |
//! |---|---|
//! | `wire` | fields of a protobuf message, one after the other |
//! | `sieve` | attributes and values within limits, copied from wire to wire |
//! | `record` | one span or log record, copied from wire to wire |
//! | `request` | a request split by trace |
//! | `lenient` | JSON in any of its spellings |
//! | `metric` | a request of metrics |
//! | `batch` | the records of one trace, and chunks of them |
//! | [`call`] | the API call of a span |
//! | `stored` | chunks back to values |
//! | `convert` | values as the core has them, out of protobuf |
//! | `refuse` | answers to what is not taken in |
//! | [`json`] | OTLP JSON lines |
//! | `scrub` | secrets out of requests |
//! | `split` | a request cut into smaller ones |
//!
//! The wire: <https://opentelemetry.io/docs/specs/otlp/>.

mod batch;
pub mod call;
mod convert;
mod inflate;
pub mod json;
mod lenient;
mod metric;
mod record;
mod refuse;
mod request;
mod scrub;
mod sieve;
mod split;
mod stored;
mod wire;

pub use batch::{Batch, Chunk};
pub use inflate::inflate;
pub use refuse::{Refused, Rejected, answer, response, status};
pub use request::{Decoded, decode};
pub use scrub::Scrubber;
pub use split::split;
pub use stored::{Damaged, unpack_logs, unpack_metrics, unpack_spans};

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans: `POST /v1/traces`.
    Traces,
    /// Log records: `POST /v1/logs`.
    Logs,
    /// Metric points: `POST /v1/metrics`.
    Metrics,
}

impl Signal {
    /// The last part of its path.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }
}

/// How a request is written; its answer is written the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

impl Encoding {
    /// The encoding that a `Content-Type` names; protobuf without one, which is what the CLI sends.
    ///
    /// # Errors
    /// [`Refused::Unsupported`] for any other type.
    pub fn of(content_type: Option<&str>) -> Result<Self, Refused> {
        let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "" | "application/x-protobuf" | "application/protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            _ => Err(Refused::unsupported(format!(
                "the content type `{kind}` is not OTLP; send `application/x-protobuf` or `application/json`"
            ))),
        }
    }

    /// The `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// How much of what is taken in.
///
/// What is over a limit of a request is refused whole (413); of a record, it is left out or cut and counted in the record; the rest
/// of a request whose records are too many is rejected as OTLP partial success.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body as it is sent.
    pub body: usize,
    /// Bytes of a body after decompression.
    pub inflated: usize,
    /// Bytes of a JSON body after decompression: as values it takes many times as much.
    pub inflated_json: usize,
    /// Objects and lists in a JSON body.
    pub json_values: usize,
    /// How many times larger than its compressed form a body over 1 MiB may be.
    pub ratio: usize,
    /// Spans in a request.
    pub spans: usize,
    /// Log records in a request.
    pub logs: usize,
    /// Metric points in a request.
    pub points: usize,
    /// Traces in a request.
    pub traces: usize,
    /// Bytes of a text or byte string in an attribute; a longer text is cut at a character.
    pub text: usize,
    /// Bytes of the body of a log record.
    pub log_body: usize,
    /// Values within one attribute.
    pub values: usize,
    /// How deep lists and maps nest.
    pub depth: usize,
    /// Attributes of a record, a resource or a scope.
    pub attributes: usize,
    /// Attributes of an event or a link.
    pub inner_attributes: usize,
    /// Events of a span.
    pub events: usize,
    /// Links of a span.
    pub links: usize,
    /// Bytes of a name or key.
    pub name: usize,
    /// Bytes of all attributes of a resource or a scope.
    pub resource: usize,
    /// Bytes of a record with its resource and scope, compressed.
    pub record: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 10 * 1024 * 1024,
            inflated: 32 * 1024 * 1024,
            inflated_json: 8 * 1024 * 1024,
            json_values: 400_000,
            ratio: 200,
            spans: 20_000,
            logs: 50_000,
            points: 50_000,
            traces: 256,
            text: 64 * 1024,
            log_body: 256 * 1024,
            values: 4_096,
            depth: 16,
            attributes: 512,
            inner_attributes: 128,
            events: 128,
            links: 256,
            name: 1_024,
            resource: 128 * 1024,
            record: 330 * 1024,
        }
    }
}
