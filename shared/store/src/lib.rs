//! The tables of Quillon over `aws-sdk-dynamodb`: one file per aggregate, each with its key layout, and one way to read and write.
//!
//! Every item has the same envelope ([`item`]). Every conditional write carries a fresh nonce and, when its condition fails,
//! looks for that nonce in the item that was in its way: the SDK repeats requests whose answer was lost, and such a
//! repetition meets its own success. No request scans a table, none filters what it has read, and every read that
//! something is decided by is strongly consistent; the indexes, which never are, only say where to look.

mod access;
mod agents;
mod attempts;
mod audit;
mod change;
mod ci;
mod commits;
mod compressed;
mod cursors;
mod customers;
mod deliveries;
mod devices;
mod due;
mod error;
mod feeds;
mod heads;
mod installations;
mod invites;
mod item;
mod keys;
mod ledger;
mod logins;
mod members;
mod modules;
mod orgs;
mod outputs;
mod page;
mod people;
mod purge;
mod purge_runs;
mod rates;
mod read;
mod repositories;
mod runs;
mod sessions;
mod sources;
mod tokens;
mod traces;
mod update;
mod write;

use std::sync::Arc;

use access::Access;
use aws_sdk_dynamodb::Client;

pub use due::Due;
pub use error::Error;
pub use heads::{Head, HeadChange, MAX_HEAD_ATTEMPTS, RunChange};
pub use logins::{AccessRecord, RefreshRecord};
pub use members::Admins;
pub use modules::ModuleRecord;
pub use outputs::Output;
pub use page::{Page, Paged};
pub use traces::{ChunkKind, ChunkPage, Head as TraceHead, PartKind, Reserve, Reserved, SealPointer, StoredChunk, TraceStore};

/// What a call of the store gives.
pub type Result<T> = std::result::Result<T, Error>;

/// The names of the tables, but for the one of traces: see [`TraceStore`]. A function names those that it may use; what it asks of
/// one without a name is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// Organizations and what belongs to them.
    pub orgs: String,
    /// Modules and their interfaces.
    pub modules: String,
    /// Commits, runs, attempts.
    pub checks: String,
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a lost write has changed nothing: read again and decide again"]
pub enum Written {
    /// It is stored, by this call or by an earlier transmission of it.
    Done,
    /// Somebody else wrote first; nothing has changed.
    Lost,
}

impl Written {
    /// Whether it is stored.
    #[must_use]
    pub fn is_done(self) -> bool {
        match self {
            Self::Done => true,
            Self::Lost => false,
        }
    }
}

/// The tables but for the one of traces. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    access: Access,
    tables: Arc<Tables>,
}

impl Store {
    /// A store over these tables; nothing is sent until it is used.
    #[must_use]
    pub fn new(client: Client, tables: Tables) -> Self {
        Self { access: Access::new(client), tables: Arc::new(tables) }
    }
}
