//! Spans for tests of traces, a line each.

use std::sync::Arc;

use super::id::SpanId;
use super::outline::{Outline, Place};
use super::span::{Attributes, Dropped, Link, Resource, Scope, Span, SpanKind, Status, StatusCode, Value};

/// A span id from a number above zero.
pub(crate) fn id(number: u64) -> SpanId {
    SpanId::of_bytes(&number.to_be_bytes()).expect("a number above zero")
}

/// A text as a value.
pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// An outline of records, each at the tail place of its number.
pub(crate) fn outline(spans: impl IntoIterator<Item = SpanBuilder>) -> Outline {
    let mut outline = Outline::new();
    for (place, span) in (0..).zip(spans) {
        outline.upsert(&span.build(), Place::Tail(place));
    }
    outline
}

/// A record under construction; running, without parent, received at 1,000 ms, unless said otherwise.
#[derive(Debug, Clone)]
pub(crate) struct SpanBuilder(Span);

impl From<Span> for SpanBuilder {
    fn from(span: Span) -> Self {
        Self(span)
    }
}

impl SpanBuilder {
    /// A running root that starts at 0 ns.
    pub(crate) fn new(number: u64) -> Self {
        Self(Span {
            id: id(number),
            parent: None,
            flags: 0,
            trace_state: String::new(),
            name: format!("span {number}"),
            kind: SpanKind::Internal,
            start_ns: 0,
            end_ns: None,
            attributes: Attributes::default(),
            events: Vec::new(),
            links: Vec::new(),
            status: Status::default(),
            dropped: Dropped::default(),
            scope: Arc::new(Scope::default()),
            resource: Arc::new(Resource::default()),
            received_ms: 1_000,
        })
    }

    pub(crate) fn under(mut self, parent: u64) -> Self {
        self.0.parent = Some(id(parent));
        self
    }

    pub(crate) fn remote(mut self) -> Self {
        self.0.flags = Span::HAS_REMOTE_PARENT;
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0.name);
        self
    }

    pub(crate) fn started(mut self, start_ns: u64) -> Self {
        self.0.start_ns = start_ns;
        self
    }

    pub(crate) fn ended(mut self, end_ns: u64) -> Self {
        self.0.end_ns = Some(end_ns);
        self
    }

    pub(crate) fn during(self, start_ns: u64, end_ns: u64) -> Self {
        self.started(start_ns).ended(end_ns)
    }

    pub(crate) fn failed(mut self, end_ns: u64, message: &str) -> Self {
        self.0.status = Status { code: StatusCode::Error, message: message.to_owned() };
        self.ended(end_ns)
    }

    pub(crate) fn received(mut self, received_ms: i64) -> Self {
        self.0.received_ms = received_ms;
        self
    }

    pub(crate) fn attributes(mut self, attributes: Vec<(&str, Value)>) -> Self {
        self.0.attributes.0.extend(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self
    }

    pub(crate) fn marked(self, attribute: &str) -> Self {
        self.attributes(vec![(attribute, Value::Bool(true))])
    }

    pub(crate) fn checked(self, name: &str, passed: Option<bool>) -> Self {
        let passed = passed.map(|passed| ("dagger.io/check.passed", Value::Bool(passed)));
        self.named(name).attributes(std::iter::once(("dagger.io/check.name", text(name))).chain(passed).collect())
    }

    pub(crate) fn of_resource(mut self, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        self.0.resource = Arc::new(Resource { attributes: Attributes(attributes), ..Resource::default() });
        self
    }

    pub(crate) fn of_cli(self, labels: &[(&str, &str)]) -> Self {
        let attributes: Vec<_> = std::iter::once(("service.name", "dagger-cli")).chain(labels.iter().copied()).collect();
        self.of_resource(&attributes)
    }

    fn link(mut self, to: u64, attributes: Vec<(&str, String)>) -> Self {
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), Value::Text(value))).collect();
        self.0.links.push(Link {
            trace_id: vec![1; 16],
            span_id: id(to).as_bytes().to_vec(),
            attributes: Attributes(attributes),
            ..Link::default()
        });
        self
    }

    pub(crate) fn blames(self, origin: u64) -> Self {
        self.link(origin, vec![("dagger.io/link.purpose", "error_origin".to_owned())])
    }

    pub(crate) fn waits(self, to: u64, start_ns: u64, end_ns: u64) -> Self {
        self.link(
            to,
            vec![
                ("dagger.io/link.purpose", "wait".to_owned()),
                ("wcprof.wait.start_unix_ns", start_ns.to_string()),
                ("wcprof.wait.end_unix_ns", end_ns.to_string()),
                ("wcprof.wait.reason", "call_exec".to_owned()),
            ],
        )
    }

    pub(crate) fn build(self) -> Span {
        self.0
    }
}
