//! The one writer of the queue database: schema, transactions and group commit.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use quillon_runtime::Clock;
use rusqlite::{Connection, Savepoint, TransactionBehavior};

use super::error::Failure;
use super::request::Operation;
use super::{messages, moves, queues, receive, send};
use crate::engine::wire::Response;

/// Rows of `message` live in exactly one queue; moving one to its dead-letter queue changes `queue` and keeps its order.
/// `receipt` is set while a message is, or was last, in flight. Times are milliseconds since the Unix epoch.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        attributes TEXT NOT NULL,
        created INTEGER NOT NULL,
        modified INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS message (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        queue INTEGER NOT NULL REFERENCES queue (id) ON DELETE CASCADE,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        trace TEXT,
        grp TEXT,
        dedup TEXT,
        sent INTEGER NOT NULL,
        visible INTEGER NOT NULL,
        receives INTEGER NOT NULL DEFAULT 0,
        first_received INTEGER,
        receipt TEXT,
        source TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS message_visible ON message (queue, visible);
    CREATE INDEX IF NOT EXISTS message_sent ON message (queue, sent);
    CREATE INDEX IF NOT EXISTS message_group ON message (queue, grp, visible) WHERE grp IS NOT NULL;
    CREATE TABLE IF NOT EXISTS duplicate (
        queue INTEGER NOT NULL REFERENCES queue (id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        until INTEGER NOT NULL,
        id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (queue, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS duplicate_until ON duplicate (until);
    CREATE TABLE IF NOT EXISTS move_task (
        handle TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        destination TEXT,
        rate INTEGER,
        status TEXT NOT NULL,
        moved INTEGER NOT NULL,
        started INTEGER NOT NULL,
        reason TEXT
    ) STRICT;
";

/// What an operation answered and which queues it filled.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) response: Response,
    /// Names of queues in which a message became available.
    pub(super) filled: Vec<String>,
    /// Set when a receive found no message.
    pub(super) nothing: Option<Nothing>,
}

/// A receive that found no message, and what to wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nothing {
    pub(super) now_ms: i64,
    pub(super) wait_ms: i64,
    /// When the first message that is hidden now becomes visible.
    pub(super) next_visible_ms: Option<i64>,
}

impl From<Response> for Outcome {
    fn from(response: Response) -> Self {
        Self { response, filled: Vec::new(), nothing: None }
    }
}

struct Job {
    operation: Operation,
    body: Bytes,
    reply: SyncSender<Outcome>,
}

struct Writer {
    connection: Connection,
    /// Whether a commit waits for the disk, as `PRAGMA synchronous` is set now.
    synchronous: bool,
}

/// The queue database. One thread at a time works for all that wait: it runs their jobs in one transaction, so that
/// they share one wait for the disk.
pub(super) struct Ledger {
    clock: Clock,
    durable: bool,
    waiting: Mutex<Vec<Job>>,
    writer: Mutex<Writer>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("durable", &self.durable).finish_non_exhaustive()
    }
}

impl Ledger {
    pub(super) fn open(path: Option<&Path>, clock: Clock) -> Result<Self, rusqlite::Error> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "foreign_keys", true)?;
        if path.is_some() {
            connection.pragma_update(None, "journal_mode", "WAL")?;
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        let writer = Mutex::new(Writer { connection, synchronous: true });
        Ok(Self { clock, durable: path.is_some(), waiting: Mutex::default(), writer })
    }

    /// Whether commits wait for a disk, so that callers should not be on an async worker.
    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// Runs one operation, together with those that arrived while the previous ones were written.
    pub(super) fn run(&self, operation: Operation, body: Bytes) -> Outcome {
        let (reply, answer) = sync_channel(1);
        lock(&self.waiting).push(Job { operation, body, reply });
        let mut writer = lock(&self.writer);
        // Whoever held the writer before may have done this job already.
        if let Ok(outcome) = answer.try_recv() {
            return outcome;
        }
        let jobs = std::mem::take(&mut *lock(&self.waiting));
        let outcomes = match self.work(&mut writer, &jobs) {
            Ok(outcomes) => outcomes,
            Err(error) => jobs.iter().map(|_| Outcome::from(Response::internal(&error))).collect(),
        };
        for (job, outcome) in jobs.iter().zip(outcomes) {
            // The receiver is alive: its thread is waiting for the writer, or is this one.
            let _ = job.reply.send(outcome);
        }
        drop(writer);
        answer.recv().unwrap_or_else(|error| Outcome::from(Response::internal(&error)))
    }

    pub(super) fn release_in_flight(&self) -> Result<usize, rusqlite::Error> {
        let writer = lock(&self.writer);
        let now = self.clock.now_ms();
        let sql = "UPDATE message SET visible = ?1 WHERE receipt IS NOT NULL AND visible > ?1";
        writer.connection.execute(sql, [now])
    }

    fn work(&self, writer: &mut Writer, jobs: &[Job]) -> Result<Vec<Outcome>, rusqlite::Error> {
        let synchronous = self.durable && jobs.iter().any(|job| job.operation.must_be_durable());
        if self.durable && writer.synchronous != synchronous {
            let mode = if synchronous { "FULL" } else { "NORMAL" };
            writer.connection.pragma_update(None, "synchronous", mode)?;
            writer.synchronous = synchronous;
        }
        let mut transaction = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            let mut step = transaction.savepoint()?;
            match dispatch(&step, job.operation, &job.body, self.clock.now_ms()) {
                Ok(outcome) => {
                    step.commit()?;
                    outcomes.push(outcome);
                }
                Err(Failure::Refused(refusal)) => {
                    step.rollback()?;
                    drop(step);
                    outcomes.push(refusal.response().into());
                }
                Err(Failure::Broken(error)) => {
                    step.rollback()?;
                    drop(step);
                    outcomes.push(Response::internal(&error).into());
                }
            }
        }
        transaction.commit()?;
        Ok(outcomes)
    }
}

fn dispatch(db: &Savepoint<'_>, operation: Operation, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    match operation {
        Operation::CreateQueue => queues::create(db, body, now),
        Operation::DeleteQueue => queues::delete(db, body),
        Operation::PurgeQueue => queues::purge(db, body),
        Operation::ListQueues => queues::list(db, body),
        Operation::GetQueueUrl => queues::url(db, body),
        Operation::GetQueueAttributes => queues::attributes(db, body, now),
        Operation::SetQueueAttributes => queues::set_attributes(db, body, now),
        Operation::ListDeadLetterSourceQueues => queues::sources(db, body),
        Operation::SendMessage => send::one(db, body, now),
        Operation::SendMessageBatch => send::batch(db, body, now),
        Operation::ReceiveMessage => receive::receive(db, body, now),
        Operation::DeleteMessage => messages::delete(db, body, now),
        Operation::DeleteMessageBatch => messages::delete_batch(db, body, now),
        Operation::ChangeMessageVisibility => messages::change_visibility(db, body, now),
        Operation::ChangeMessageVisibilityBatch => messages::change_visibility_batch(db, body, now),
        Operation::StartMessageMoveTask => moves::start(db, body, now),
        Operation::ListMessageMoveTasks => moves::list(db, body),
        Operation::CancelMessageMoveTask => moves::cancel(db, body),
    }
}

/// A poisoned lock only means that another thread panicked; SQLite has rolled its transaction back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
