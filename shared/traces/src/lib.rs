//! Traces: append, open, read, search, seal, delete. Telemetry of one run of Dagger, from the batches of its senders to what a
//! reader asks for.
//!
//! Writing appends chunks and reads nothing. Reading merges: what is *sealed*, up to some number of the sequence, and the *tail*
//! of chunks behind it. Sealing may happen at any time, to a running trace too: it writes a new generation of parts that says the
//! same in less, points readers at it, and only then deletes what it replaces. So every accepted record comes back exactly once,
//! the newest version of it, whatever is sealed and whoever dies half-way.
//!
//! | file | what it is |
//! |---|---|
//! | `append` | a batch into the table, and what it says about its trace onto the card |
//! | `snapshot` | all of a trace at one moment: outline, tree, where its records are |
//! | `open` | a snapshot, read for the first time or brought up to date |
//! | `sequence` | which chunks may be read now |
//! | `source` | decoded chunks and parts, cached |
//! | `spans`, `logs`, `metrics` | records |
//! | `search`, `export` | texts in a trace, and all of it as OTLP JSON lines |
//! | `seal` | a new generation of parts |
//! | `sealed` | what parts look like |
//! | `list`, `manage` | cards in lists, and what people do to a trace |
//! | `cache`, `weight` | what is kept in memory, and how many bytes that is |

mod append;
mod cache;
mod cursor;
mod error;
mod export;
mod list;
mod logs;
mod manage;
mod metrics;
mod open;
mod seal;
mod sealed;
mod search;
mod sequence;
mod snapshot;
mod source;
mod spans;
mod weight;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use quillon_core::id::OrgId;
use quillon_core::retention::Retention;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::Card;
use quillon_store::TraceStore;

pub use append::Appended;
pub use error::{Error, Result};
pub use export::Export;
pub use list::{CardView, Filter};
pub use logs::{LogPage, Logs};
pub use seal::Sealed;
pub use search::{Found, Hit, Query, Where};
pub use snapshot::Snapshot;

use cache::Cache;
use source::{Source, SourceKey};

/// Most records of spans, logs and metrics that a trace takes in, repetitions among them. A span is sent twice or more.
pub const MAX_RECORDS: u64 = 16_000_000;

/// Most compressed bytes that a trace takes in.
pub const MAX_BYTES: u64 = 4 << 30;

/// How many loads of different traces run beside each other; two of one trace never do.
const LANES: usize = 16;

/// How many traces are sealed beside each other: each holds an outline in memory, which may be of two million spans.
const SEALERS: usize = 2;

/// Telemetry in the table of traces. Cheap to clone; clones share what they have read.
#[derive(Debug, Clone)]
pub struct Traces {
    store: TraceStore,
    shared: Arc<Shared>,
    /// How long new telemetry is kept.
    retention: Retention,
}

/// Which trace of which org.
type Of = (OrgId, TraceId);

#[derive(Debug)]
struct Shared {
    snapshots: Mutex<Cache<Of, Arc<Snapshot>>>,
    sources: Mutex<Cache<SourceKey, Source>>,
    cards: Mutex<Cache<Of, Arc<Card>>>,
    lanes: [tokio::sync::Mutex<()>; LANES],
    sealers: tokio::sync::Semaphore,
}

impl Traces {
    /// Traces in a table, of which about `cache_bytes` of what was read are kept in memory.
    #[must_use]
    pub fn new(store: TraceStore, cache_bytes: usize) -> Self {
        let part = cache_bytes / 16;
        let shared = Shared {
            // A trace of a million spans is read page by page: alone it may be larger than what many may be together.
            snapshots: Mutex::new(Cache::new(part * 10).with_one_of(part * 20)),
            sources: Mutex::new(Cache::new(part * 5)),
            cards: Mutex::new(Cache::new(part)),
            lanes: Default::default(),
            sealers: tokio::sync::Semaphore::new(SEALERS),
        };
        Self { store, shared: Arc::new(shared), retention: Retention::default() }
    }

    /// Waits until nobody else loads this trace.
    async fn lane(&self, of: Of) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0);
        self.shared.lanes[lane].lock().await
    }

    /// Forgets what was read of a trace.
    fn forget(&self, of: Of) {
        lock(&self.shared.snapshots).remove(&of);
        lock(&self.shared.cards).remove(&of);
    }
}

/// A cache stays usable when a thread that held it panicked: an entry is in it or not.
fn lock<T>(cache: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}
