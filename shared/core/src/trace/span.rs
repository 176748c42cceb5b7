//! Spans, log records and metric points as they were sent.
//!
//! Nothing is interpreted here and no type is changed: what was accepted comes back as it was. The model is that of
//! [OTLP](https://opentelemetry.io/docs/specs/otlp/); times are nanoseconds since the epoch.

use std::sync::Arc;

use super::id::SpanId;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A map, in the order of its sender.
    Map(Attributes),
    /// No value.
    Empty,
}

impl Value {
    /// The text of a text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Whether it is `true`.
    #[must_use]
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }
}

/// Named values, in the order of their sender. Of a name that occurs twice the last value counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(pub Vec<(String, Value)>);

impl Attributes {
    /// The value of a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of a name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_text()
    }

    /// Whether a name is `true`.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.value(name).is_some_and(Value::is_true)
    }
}

/// Who emitted a record: the process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resource {
    /// Its attributes; the labels of the CLI are here and nowhere else.
    pub attributes: Attributes,
    /// Attributes that the sender or a limit left out.
    pub dropped_attributes: u32,
    /// What the names of its attributes mean; empty where nobody said.
    pub schema_url: String,
}

/// Who emitted a record: the library.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes that the sender or a limit left out.
    pub dropped_attributes: u32,
    /// What the names in its records mean; empty where nobody said.
    pub schema_url: String,
}

/// What a span is to its parent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Internal.
    Internal,
    /// Serves a request.
    Server,
    /// Makes a request.
    Client,
    /// Sends a message.
    Producer,
    /// Receives a message.
    Consumer,
}

/// How a span ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StatusCode {
    /// Not said.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// With an error.
    Error,
}

/// How a span ended, and what it said about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// How.
    pub code: StatusCode,
    /// The error's text.
    pub message: String,
}

/// Something that happened during a span.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpanEvent {
    /// When.
    pub time_ns: u64,
    /// What.
    pub name: String,
    /// More about it.
    pub attributes: Attributes,
    /// Attributes that the sender or a limit left out.
    pub dropped_attributes: u32,
}

/// A pointer to a span, of this trace or of another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Link {
    /// The trace, bytes as they were sent.
    pub trace_id: Vec<u8>,
    /// The span, bytes as they were sent.
    pub span_id: Vec<u8>,
    /// W3C trace state.
    pub trace_state: String,
    /// Why: `dagger.io/link.purpose` and more.
    pub attributes: Attributes,
    /// Attributes that the sender or a limit left out.
    pub dropped_attributes: u32,
    /// OTLP flags, as they were sent.
    pub flags: u32,
}

/// One record of a span. The same span is sent when it starts, every 30 s while it runs, and when it ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its id.
    pub id: SpanId,
    /// Its parent; none for a root.
    pub parent: Option<SpanId>,
    /// OTLP flags, as they were sent: those of the W3C trace context, and whether the parent is in another process.
    pub flags: u32,
    /// W3C trace state.
    pub trace_state: String,
    /// Its name; may change until it ends.
    pub name: String,
    /// What it is to its parent.
    pub kind: SpanKind,
    /// When it started.
    pub start_ns: u64,
    /// When it ended; none while it runs, which a sender says by an end before the start.
    pub end_ns: Option<u64>,
    /// Its attributes.
    pub attributes: Attributes,
    /// What happened during it.
    pub events: Vec<SpanEvent>,
    /// What it points to.
    pub links: Vec<Link>,
    /// How it ended.
    pub status: Status,
    /// Attributes, events and links that the sender or a limit left out.
    pub dropped: Dropped,
    /// The library.
    pub scope: Arc<Scope>,
    /// The process.
    pub resource: Arc<Resource>,
    /// When this record was taken in, epoch milliseconds; never goes back for one span.
    pub received_ms: i64,
}

impl Span {
    /// The bits of `flags` that say where the parent is: that this is known, and that it is in another process.
    pub const HAS_REMOTE_PARENT: u32 = 0x300;

    /// Whether the parent is said to be in another process.
    #[must_use]
    pub fn has_remote_parent(&self) -> bool {
        self.parent.is_some() && self.flags & Self::HAS_REMOTE_PARENT == Self::HAS_REMOTE_PARENT
    }
}

/// How much of a record was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Attributes.
    pub attributes: u32,
    /// Events.
    pub events: u32,
    /// Links.
    pub links: u32,
}

/// One write of a program, or one line of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// Of which span; none for one of the trace as a whole.
    pub span: Option<SpanId>,
    /// When; where the sender left it out, when it was observed.
    pub time_ns: u64,
    /// When it was observed.
    pub observed_ns: u64,
    /// OTLP severity number.
    pub severity: i32,
    /// The severity in words.
    pub severity_text: String,
    /// What kind of event it tells of; empty where it is an ordinary record.
    pub event_name: String,
    /// The text, or what was sent in its place.
    pub body: Value,
    /// `stdio.stream`, `dagger.io/progress.item` and more.
    pub attributes: Attributes,
    /// Attributes that the sender or a limit left out.
    pub dropped_attributes: u32,
    /// OTLP flags, as they were sent.
    pub flags: u32,
    /// The library.
    pub scope: Arc<Scope>,
    /// The process.
    pub resource: Arc<Resource>,
}

/// One point of a gauge or sum.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricPoint {
    /// Of which span.
    pub span: Option<SpanId>,
    /// The metric's name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// When.
    pub time_ns: u64,
    /// The value.
    pub value: Number,
    /// `dagger.io/metrics.span` and more.
    pub attributes: Attributes,
    /// The process.
    pub resource: Arc<Resource>,
}

/// A number of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Double(f64),
}
