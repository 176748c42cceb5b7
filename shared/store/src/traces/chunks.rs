//! Chunks: telemetry as it came in, compressed, in the order of its arrival.
//!
//! | attribute | what it is |
//! |---|---|
//! | `k` | `s` spans, `l` log records, `m` metric points |
//! | `n` | how many records |
//! | `d` | digest of the payload: a batch that was sent again has the same |
//! | `at` | when it was taken in, epoch milliseconds |
//! | `b` | the records, in the form of `quillon-otlp` |

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;

use super::{TraceStore, partition};
use crate::Result;
use crate::error::Error;
use crate::item::{self, Item, Kind, Place};
use crate::keys::{Attributes, Key, number, string, text};
use crate::read::Sort;

/// What the records of a chunk are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// Records of spans.
    Spans,
    /// Log records.
    Logs,
    /// Points of metrics.
    Metrics,
}

impl ChunkKind {
    fn word(self) -> &'static str {
        match self {
            Self::Spans => "s",
            Self::Logs => "l",
            Self::Metrics => "m",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        [Self::Spans, Self::Logs, Self::Metrics].into_iter().find(|kind| kind.word() == word)
    }
}

/// A chunk as it lies in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// Its place in the trace, as reserved.
    pub seq: u64,
    /// What its records are.
    pub kind: ChunkKind,
    /// How many they are.
    pub records: u32,
    /// Digest of the payload.
    pub digest: [u8; 16],
    /// When it was taken in, epoch milliseconds.
    pub at_ms: i64,
    /// The records, at most 350 KB.
    pub bytes: Vec<u8>,
}

/// Some chunks of a trace, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkPage {
    /// The chunks.
    pub chunks: Vec<StoredChunk>,
    /// Whether there are none behind them now.
    pub is_end: bool,
}

/// The sort key of a chunk; ten digits, so that keys sort as numbers do.
fn sort(seq: u64) -> String {
    format!("C#{seq:010}")
}

fn decode(attributes: &Attributes) -> Result<StoredChunk> {
    let key = item::check(Kind::TraceChunk, attributes)?;
    let missing = |name: &str| Error::corrupt(&key, format!("its `{name}` is missing or damaged"));
    let digits = |name: &str| attributes.get(name).and_then(|value| value.as_n().ok());
    let digest = binary(attributes, "d").ok_or_else(|| missing("d"))?;
    Ok(StoredChunk {
        seq: key.sk.strip_prefix("C#").and_then(|digits| digits.parse().ok()).ok_or_else(|| missing("sk"))?,
        kind: text(attributes, "k").and_then(ChunkKind::of_word).ok_or_else(|| missing("k"))?,
        records: digits("n").and_then(|text| text.parse().ok()).ok_or_else(|| missing("n"))?,
        digest: digest.as_slice().try_into().map_err(|_| missing("d"))?,
        at_ms: digits("at").and_then(|text| text.parse().ok()).ok_or_else(|| missing("at"))?,
        bytes: binary(attributes, "b").ok_or_else(|| missing("b"))?,
    })
}

/// A binary attribute of an item.
pub(super) fn binary(attributes: &Attributes, name: &str) -> Option<Vec<u8>> {
    attributes.get(name).and_then(|value| value.as_b().ok()).map(|blob| blob.clone().into_inner())
}

pub(super) fn blob(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

impl TraceStore {
    /// Puts a chunk under a sequence number that was reserved for it.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn put_chunk(&self, org: OrgId, trace: TraceId, chunk: &StoredChunk, expires_at: Timestamp) -> Result<()> {
        let own = vec![
            ("k", string(chunk.kind.word())),
            ("n", number(chunk.records)),
            ("d", blob(&chunk.digest)),
            ("at", number(chunk.at_ms)),
            ("b", blob(&chunk.bytes)),
        ];
        let key = Key::new(partition(org, trace), sort(chunk.seq));
        let item = Item::flat(Kind::TraceChunk, key, own, &Place { expires_at: Some(expires_at), ..Place::nowhere() });
        self.access.put("put a chunk of a trace", &self.table, item).await
    }

    /// The chunks behind a sequence number, as many as one request reads (1 MB).
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn chunks(&self, org: OrgId, trace: TraceId, after: u64) -> Result<ChunkPage> {
        let sort = Sort::Between(sort(after.saturating_add(1)), sort(9_999_999_999));
        let range = self.of_trace("read the chunks of a trace", org, trace, sort);
        let (items, is_end) = self.access.beginning(&range).await?;
        Ok(ChunkPage { chunks: items.iter().map(decode).collect::<Result<_>>()?, is_end })
    }

    /// Deletes the chunks up to a sequence number; may end half-way, and can be repeated.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn delete_chunks(&self, org: OrgId, trace: TraceId, through: u64) -> Result<()> {
        let range = self.of_trace("delete chunks of a trace", org, trace, Sort::Between(sort(0), sort(through)));
        let keys = self.access.keys(&range).await?;
        self.access.delete_many(range.operation, &self.table, &keys).await
    }
}
