//! Traces: what a Dagger run emitted, and what is read out of it.
//!
//! | file | what it is |
//! |---|---|
//! | [`id`] | trace and span ids |
//! | [`span`] | spans, log records and metric points as they were sent, types kept |
//! | [`hint`] | what Dagger's attributes say about showing a span |
//! | [`marker`] | the markers in error messages that name where an error began |
//! | [`outline`] | all spans of a trace in a few dozen bytes each: who replaces whom, who is whose child |
//! | [`state`] | running, succeeded, failed, lost |
//! | [`insight`] | error origins, checks, tests, the critical path, the flame view |
//! | [`call`] | the API call of a span, as people write it |
//! | [`label`] | who ran what, where and for which commit, from the labels of the CLI |
//! | [`card`] | a trace in a list, folded from batches in any order |
//! | [`visibility`] | who may read a trace |
//! | [`compare`] | what is new, gone, slower or lost its cache against another trace |

pub mod call;
pub mod card;
pub mod compare;
#[cfg(test)]
pub(crate) mod fixture;
pub mod hint;
pub mod id;
pub mod insight;
pub mod label;
pub mod marker;
pub mod outline;
pub mod span;
pub mod state;
pub mod visibility;

pub use id::{SpanId, TraceId};
