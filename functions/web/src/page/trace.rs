//! The pages of traces as plain data: the list, one trace, two beside each other, how to send them.

pub mod compare;
pub mod detail;
pub mod filter;
pub mod list;
pub mod origin;
pub mod reason;
pub mod setup;
pub mod sharing;

use jiff::Timestamp;
use quillon_core::trace::hint::Flags;
use quillon_core::trace::state::TraceState;

use super::state::State;

/// What Dagger hides of a tree is no part of the way to a span.
const UNTOLD: Flags = Flags::INTERNAL.with(Flags::PASSTHROUGH);

/// The state of a trace, or of one of its spans, in a sign and a word.
#[must_use]
pub fn state_of(state: TraceState) -> State {
    match state {
        TraceState::Running => State { key: "running", word: "running" },
        TraceState::Succeeded => State { key: "success", word: "succeeded" },
        TraceState::Failed => State { key: "failure", word: "failed" },
        TraceState::Lost => State { key: "error", word: "lost" },
        TraceState::Canceled => State { key: "cancelled", word: "cancelled" },
    }
}

/// A time in milliseconds since the epoch; what no calendar has becomes its nearest end.
#[must_use]
pub fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(if milliseconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// A duration in words.
#[must_use]
pub fn took(milliseconds: i64) -> String {
    quillon_core::text::duration(Timestamp::UNIX_EPOCH, at(milliseconds.max(0)))
}

/// How long a span took, in words: below ten seconds with a tenth, as two spans are told apart by less than a second.
#[must_use]
pub fn span_took(nanoseconds: u64) -> String {
    let milliseconds = i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX);
    match milliseconds {
        1_000..10_000 => format!("{}.{}s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => took(milliseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_spans_are_told_apart() {
        for (milliseconds, text) in
            [(0, "0ms"), (999, "999ms"), (1_000, "1.0s"), (1_790, "1.7s"), (9_999, "9.9s"), (10_000, "10s"), (75_000, "1m15s")]
        {
            assert_eq!(span_took(milliseconds * 1_000_000), text);
        }
    }
}
