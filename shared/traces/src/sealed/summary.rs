//! What a reader of a sealed trace has to know before it reads anything else: how records lie in its parts.

use super::{Damaged, compress, expand};

/// The records of a part of logs.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Segment {
    /// How many.
    #[prost(uint32, tag = "1")]
    pub(crate) records: u32,
    /// The earliest.
    #[prost(uint64, tag = "2")]
    pub(crate) first_ns: u64,
    /// The latest.
    #[prost(uint64, tag = "3")]
    pub(crate) last_ns: u64,
}

/// A batch that may be sent again.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Receipt {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) digest: Vec<u8>,
    #[prost(int64, tag = "2")]
    pub(crate) at_ms: i64,
}

/// The parts of a generation.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Summary {
    /// How many spans each part has.
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) spans: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) logs: Vec<Segment>,
    /// How many points each part has.
    #[prost(uint32, repeated, tag = "3")]
    pub(crate) metrics: Vec<u32>,
    /// How many numbers of the sequence were passed without a chunk.
    #[prost(uint64, tag = "4")]
    pub(crate) passed: u64,
    /// Batches of logs and metrics that were taken in lately.
    #[prost(message, repeated, tag = "5")]
    pub(crate) receipts: Vec<Receipt>,
}

impl Summary {
    pub(crate) fn pack(&self) -> Result<Vec<u8>, Damaged> {
        compress(self)
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Result<Self, Damaged> {
        expand(bytes)
    }
}
