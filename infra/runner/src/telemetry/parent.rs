//! The span that `TRACEPARENT` names. The agent emits it itself, so that what the CLI emits has a root wherever it is read.

use std::sync::Arc;

use jiff::Timestamp;
use quillon_core::attempt::Report;
use quillon_core::name::Task;
use quillon_core::protocol::LeaseGrant;
use quillon_core::text::shorten;
use quillon_core::trace::TraceId;
use quillon_core::trace::span::{Attributes, Dropped, Resource, Scope, Span, SpanKind, Status, StatusCode, Value};
use quillon_otlp::json;

/// The span of a job.
#[derive(Clone)]
pub(super) struct Parent {
    trace: TraceId,
    span: Arc<Span>,
}

impl Parent {
    /// The span of a job that begins now; none when its trace context is not one.
    pub(super) fn new(grant: &LeaseGrant) -> Option<Self> {
        let job = &grant.job;
        let text = |key: &str, value: &dyn std::fmt::Display| (key.to_owned(), Value::Text(value.to_string()));
        let mut resource = vec![
            text("service.name", &"quillon-agent"),
            text("service.version", &env!("CARGO_PKG_VERSION")),
            text("dagger.io/git.remote", &remote(&job.clone_url)),
            text("dagger.io/git.ref", &job.head_sha),
        ];
        if let Some(branch) = job.head_ref.strip_prefix("refs/heads/") {
            resource.push(text("dagger.io/git.branch", &branch));
        }
        let attributes = vec![
            text("quillon.attempt", &grant.attempt),
            text("quillon.module", &job.module),
            ("quillon.execution".to_owned(), Value::Int(i64::from(job.execution))),
        ];
        let name = match &job.task {
            Task::Load => format!("load {}", job.module),
            Task::Check(name) => name.to_string(),
        };
        let span = Span {
            id: job.trace.span_id.parse().ok()?,
            parent: None,
            flags: 0,
            trace_state: String::new(),
            name,
            kind: SpanKind::Internal,
            start_ns: now_ns(),
            end_ns: None,
            attributes: Attributes(attributes),
            events: Vec::new(),
            links: Vec::new(),
            status: Status::default(),
            dropped: Dropped::default(),
            scope: Arc::new(Scope { name: "quillon-agent".to_owned(), ..Scope::default() }),
            resource: Arc::new(Resource { attributes: Attributes(resource), ..Resource::default() }),
            received_ms: 0,
        };
        Some(Self { trace: job.trace.trace_id.parse().ok()?, span: Arc::new(span) })
    }

    /// A request that says that it runs.
    pub(super) fn running(&self) -> Vec<u8> {
        json::traces(self.trace, std::slice::from_ref(&*self.span)).into_bytes()
    }

    /// A request that says how it ended.
    pub(super) fn ended(&self, report: &Report) -> Vec<u8> {
        let span = Span { end_ns: Some(now_ns().max(self.span.start_ns)), status: status(report), ..Span::clone(&self.span) };
        json::traces(self.trace, &[span]).into_bytes()
    }
}

fn status(report: &Report) -> Status {
    let message = match report {
        Report::Passed | Report::Listed { .. } => return Status { code: StatusCode::Ok, message: String::new() },
        Report::Failed { exit_code } => format!("exit code {exit_code}"),
        Report::Errored { message } => shorten(message, 500),
        Report::Conflict { base } => format!("merge conflict with {base}"),
        Report::TimedOut => "timed out".to_owned(),
        // The words by which the CLI's own spans say the same.
        Report::Stopped => "context canceled".to_owned(),
    };
    Status { code: StatusCode::Error, message }
}

/// An address as the CLI's labels have it: host and path, without scheme and `.git`.
fn remote(clone_url: &str) -> &str {
    let (_, rest) = clone_url.split_once("://").unwrap_or(("", clone_url));
    rest.strip_suffix(".git").unwrap_or(rest)
}

#[expect(clippy::disallowed_methods, reason = "a span carries the time of day of the machine that it is of; nothing is decided by it")]
fn now_ns() -> u64 {
    u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_written_as_the_cli_writes_them() {
        for (url, label) in [("https://github.com/acme/api.git", "github.com/acme/api"), ("http://127.0.0.1:1/x", "127.0.0.1:1/x")] {
            assert_eq!(remote(url), label);
        }
    }

    #[test]
    fn only_what_passed_is_well() {
        assert_eq!(status(&Report::Passed).code, StatusCode::Ok);
        assert_eq!(status(&Report::Failed { exit_code: 3 }), Status { code: StatusCode::Error, message: "exit code 3".to_owned() });
        assert_eq!(status(&Report::TimedOut).code, StatusCode::Error);
    }
}
