//! What Dagger's attributes say about showing a span, in one word of bits.
//!
//! The attributes are those of Dagger's telemetry library (`dagger.io/ui.*`, `dagger.io/dag.*`, `dagger.io/cache.*`,
//! `dagger.io/check.*`) and OpenTelemetry's
//! [conventions for tests](https://opentelemetry.io/docs/specs/semconv/registry/attributes/test/). The browser knows the same
//! numbers, so a bit never changes its meaning.

use std::fmt;

use super::marker::without_markers;
use super::span::{Resource, Span, StatusCode, Value};

/// Facts about a span that a list of spans needs, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Flags {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
        }

        const NAMES: &[(Flags, &str)] = &[$((Flags::$name, stringify!($name)),)*];
    };
}

flags! {
    /// It ended with an error, by its status or by the verdict of its test.
    ERROR = 0;
    /// It ended.
    ENDED = 1;
    /// Hidden unless asked for.
    INTERNAL = 2;
    /// Its children stand in its place.
    PASSTHROUGH = 3;
    /// Its children are hidden unless it failed.
    ENCAPSULATE = 4;
    /// It is hidden unless it failed.
    ENCAPSULATED = 5;
    /// It is shown at the top.
    REVEAL = 6;
    /// Nothing is revealed or rolled up past it.
    BOUNDARY = 7;
    /// It shows the logs of everything below it.
    ROLLUP_LOGS = 8;
    /// It shows the progress of everything below it.
    ROLLUP_SPANS = 9;
    /// Its result came from the cache.
    CACHED = 10;
    /// Its result was not in the cache.
    EXECUTED = 11;
    /// It waited for the same call of somebody else.
    JOINED = 12;
    /// Its result is never cached.
    UNCACHED = 13;
    /// Its result still has work to do.
    PENDING = 14;
    /// It could not go on because something that it needs failed.
    BLOCKED = 15;
    /// It was cancelled.
    CANCELED = 16;
    /// It is a check.
    CHECK = 17;
    /// It is a check that did not pass.
    CHECK_FAILED = 18;
    /// It is a test case or a suite of them.
    TEST = 19;
    /// It is a generator.
    GENERATOR = 20;
    /// It is a service.
    SERVICE = 21;
    /// It is a message of a conversation.
    MESSAGE = 22;
    /// An error began here. Kept by the outline.
    ERROR_ORIGIN = 23;
    /// It is an API call.
    CALL = 24;
    /// It has metric points. Kept by the outline.
    METRICS = 25;
    /// The CLI emitted it.
    CLI = 26;
    /// Its parent is said to be in another process.
    REMOTE_PARENT = 27;
    /// It says what it waited for.
    WAITS = 28;
    /// Its process carries labels: who, where, for which commit.
    LABELLED = 29;
    /// It is a check that passed.
    CHECK_PASSED = 30;
    /// Its parent is not in the trace. Kept by the outline.
    ROOT = 31;
}

impl Flags {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// From its bits.
    #[must_use]
    pub const fn of_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without the others.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of the others are among these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether one of the others is among these.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets or clears.
    pub const fn set(&mut self, other: Self, is_set: bool) {
        *self = if is_set { self.with(other) } else { self.without(other) };
    }

    /// Whether it failed by itself: an error that is neither a cancellation nor the failure of something it needs.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.contains(Self::ERROR.with(Self::ENDED)) && !self.intersects(Self::CANCELED.with(Self::BLOCKED))
    }

    /// Whether it is a check that did not pass, by what it says or by how it ended.
    #[must_use]
    pub const fn is_failed_check(self) -> bool {
        self.contains(Self::CHECK) && (self.contains(Self::CHECK_FAILED) || (self.is_failure() && !self.contains(Self::CHECK_PASSED)))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = NAMES.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name);
        formatter.write_str(names.next().unwrap_or("NONE"))?;
        names.try_for_each(|name| write!(formatter, " {name}"))
    }
}

/// The flags that one record says; those that the outline keeps are not among them.
#[must_use]
pub fn flags(span: &Span) -> Flags {
    let mut flags = Flags::NONE;
    let mut cache = Cache::default();
    let (mut is_rpc, mut is_failed_test) = (false, false);
    for (name, value) in &span.attributes.0 {
        if let Some(name) = name.strip_prefix("dagger.io/") {
            read(&mut flags, &mut cache, name, value);
        } else {
            match name.as_str() {
                "rpc.service" => is_rpc = true,
                "test.case.name" | "test.suite.name" => flags.set(Flags::TEST, true),
                "test.case.result.status" => is_failed_test |= value.as_text() == Some("fail"),
                "test.suite.run.status" => is_failed_test |= matches!(value.as_text(), Some("failure" | "aborted" | "timed_out")),
                _ => {}
            }
        }
    }
    if cache.is_understood {
        flags.set(cache.outcome, true);
    }
    if is_rpc {
        flags.set(Flags::ENCAPSULATE, true);
    }
    let is_ended = span.end_ns.is_some();
    let is_error = span.status.code == StatusCode::Error;
    flags.set(Flags::ENDED, is_ended);
    flags.set(Flags::ERROR, is_error || (is_ended && is_failed_test && flags.contains(Flags::TEST)));
    if is_error && without_markers(&span.status.message).trim_end().ends_with("context canceled") {
        flags.set(Flags::CANCELED, true);
    }
    flags.set(Flags::REMOTE_PARENT, span.has_remote_parent());
    flags.set(Flags::WAITS, span.links.iter().any(|link| link.attributes.text(LINK_PURPOSE) == Some(WAIT)));
    with_resource(flags, &span.resource)
}

/// The name of the attribute that says what a link is for.
pub(super) const LINK_PURPOSE: &str = "dagger.io/link.purpose";
/// The purpose of a link to a span that this one waited for.
pub(super) const WAIT: &str = "wait";
/// The purpose of a link to the span where an error began.
pub(super) const ERROR_ORIGIN: &str = "error_origin";

/// What the cache's evidence says; it is read only in the version of its contract that we know.
#[derive(Default)]
struct Cache {
    is_understood: bool,
    outcome: Flags,
}

/// Reads one attribute by its name after `dagger.io/`.
fn read(flags: &mut Flags, cache: &mut Cache, name: &str, value: &Value) {
    let is_true = value.is_true();
    match name {
        "ui.internal" => flags.set(Flags::INTERNAL, is_true),
        "ui.passthrough" => flags.set(Flags::PASSTHROUGH, is_true),
        "ui.encapsulate" => flags.set(Flags::ENCAPSULATE, is_true),
        "ui.encapsulated" => flags.set(Flags::ENCAPSULATED, is_true),
        "ui.reveal" => flags.set(Flags::REVEAL, is_true),
        "ui.boundary" => flags.set(Flags::BOUNDARY, is_true),
        "ui.rollup.logs" => flags.set(Flags::ROLLUP_LOGS, is_true),
        "ui.rollup.spans" => flags.set(Flags::ROLLUP_SPANS, is_true),
        "ui.message" => flags.set(Flags::MESSAGE, true),
        "dag.call" => flags.set(Flags::CALL, true),
        "dag.cached" => flags.set(Flags::CACHED, is_true),
        "dag.pending" => flags.set(Flags::PENDING, is_true),
        "dag.blocked" => flags.set(Flags::BLOCKED, is_true),
        "dag.canceled" => flags.set(Flags::CANCELED, is_true),
        "check.name" => flags.set(Flags::CHECK, true),
        "check.passed" => {
            flags.set(Flags::CHECK_PASSED, is_true);
            flags.set(Flags::CHECK_FAILED, *value == Value::Bool(false));
        }
        "generator.name" => flags.set(Flags::GENERATOR, true),
        "service.name" => flags.set(Flags::SERVICE, true),
        "cache.contract" => cache.is_understood = value.as_text() == Some("1"),
        "cache.outcome" => {
            cache.outcome = match value.as_text() {
                Some("hit") => Flags::CACHED,
                Some("executed") => Flags::EXECUTED,
                Some("joined") => Flags::JOINED,
                Some("uncached") => Flags::UNCACHED,
                _ => Flags::NONE,
            }
        }
        _ => {}
    }
}

/// Adds what the process of a span says.
fn with_resource(mut flags: Flags, resource: &Resource) -> Flags {
    for (name, value) in &resource.attributes.0 {
        if name == "service.name" {
            flags.set(Flags::CLI, value.as_text() == Some("dagger-cli"));
        } else if let Some(label) = name.strip_prefix("dagger.io/") {
            const LABELS: [&str; 4] = ["client.", "git.", "vcs.", "ci"];
            if LABELS.iter().any(|prefix| label.starts_with(prefix)) {
                flags.set(Flags::LABELLED, true);
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, text};

    #[test]
    fn every_bit_has_one_meaning() {
        let all = NAMES.iter().fold(0, |bits, (flag, _)| bits ^ flag.bits());
        assert_eq!(all, u32::MAX);
        assert_eq!(NAMES.len(), 32);
        assert_eq!(format!("{:?}", Flags::CHECK.with(Flags::ENDED)), "ENDED CHECK");
        assert_eq!(format!("{:?}", Flags::NONE), "NONE");
    }

    #[test]
    fn hints_are_read_as_dagger_sends_them() {
        let bool = |value| Value::Bool(value);
        for (attributes, expected) in [
            (vec![], Flags::NONE),
            (
                vec![("dagger.io/ui.internal", bool(true)), ("dagger.io/ui.passthrough", bool(true))],
                Flags::INTERNAL.with(Flags::PASSTHROUGH),
            ),
            (vec![("dagger.io/ui.internal", bool(true)), ("dagger.io/ui.internal", bool(false))], Flags::NONE),
            (vec![("dagger.io/ui.internal", text("true"))], Flags::NONE),
            (vec![("rpc.service", text("moby.buildkit.v1.Control"))], Flags::ENCAPSULATE),
            (vec![("dagger.io/check.name", text("go:lint"))], Flags::CHECK),
            (
                vec![("dagger.io/check.name", text("go:lint")), ("dagger.io/check.passed", bool(true))],
                Flags::CHECK.with(Flags::CHECK_PASSED),
            ),
            (
                vec![("dagger.io/check.name", text("go:lint")), ("dagger.io/check.passed", bool(false))],
                Flags::CHECK.with(Flags::CHECK_FAILED),
            ),
            (vec![("dagger.io/dag.call", text("AA==")), ("dagger.io/dag.cached", bool(true))], Flags::CALL.with(Flags::CACHED)),
            (vec![("dagger.io/cache.outcome", text("hit")), ("dagger.io/cache.contract", text("1"))], Flags::CACHED),
            (vec![("dagger.io/cache.outcome", text("executed")), ("dagger.io/cache.contract", text("1"))], Flags::EXECUTED),
            (vec![("dagger.io/cache.outcome", text("hit")), ("dagger.io/cache.contract", text("2"))], Flags::NONE),
            (vec![("test.case.name", text("TestX"))], Flags::TEST),
        ] {
            let span = SpanBuilder::new(1).attributes(attributes).build();
            assert_eq!(flags(&span), expected);
        }
    }

    #[test]
    fn a_test_fails_by_its_verdict() {
        let verdict =
            |status| SpanBuilder::new(1).attributes(vec![("test.case.name", text("TestX")), ("test.case.result.status", text(status))]);
        assert!(flags(&verdict("fail").ended(9).build()).is_failure());
        assert!(!flags(&verdict("pass").ended(9).build()).is_failure());
        assert!(!flags(&verdict("fail").build()).is_failure());
    }

    #[test]
    fn an_interrupted_call_is_cancelled_and_not_failed() {
        for message in ["context canceled", "Post \"http://dagger/query\": context canceled\n"] {
            let flags = flags(&SpanBuilder::new(1).failed(9, message).build());
            assert!(flags.contains(Flags::CANCELED.with(Flags::ERROR)) && !flags.is_failure());
        }
        assert!(flags(&SpanBuilder::new(1).failed(9, "context canceled: really?").build()).is_failure());
    }

    #[test]
    fn the_process_says_whether_it_is_the_cli() {
        let cli = flags(&SpanBuilder::new(1).of_cli(&[("dagger.io/git.ref", "abc")]).build());
        assert_eq!(cli, Flags::CLI.with(Flags::LABELLED));
        let engine = flags(&SpanBuilder::new(1).of_resource(&[("service.name", "dagger-engine"), ("dagger.io/engine.name", "vm")]).build());
        assert_eq!(engine, Flags::NONE);
    }
}
