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
use quillon_core::trace::state::TraceState;

use super::state::State;

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
