//! The `SQLite` file under the forge: one row per thing, so that a write costs the same with ten statuses and ten million.
//!
//! Write-ahead logging with `synchronous = NORMAL` keeps every committed write through the death of the process. The
//! file is opened exclusively: a second process is refused instead of working on old memory.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    ForgeError,
    model::{DeliveryOutcome, DeliveryRecord, Status},
};

/// Attempts to deliver that are kept; older ones than [`DELIVERY_DAYS`] go earlier.
const DELIVERIES_KEPT: u64 = 20_000;
/// Days for which a delivery can be read and redelivered.
const DELIVERY_DAYS: i64 = 3;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS document(kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY(kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ref(repository INTEGER NOT NULL, name TEXT NOT NULL, sha TEXT NOT NULL, PRIMARY KEY(repository, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS status(
  id INTEGER PRIMARY KEY AUTOINCREMENT, repository INTEGER NOT NULL, sha TEXT NOT NULL, context TEXT NOT NULL COLLATE NOCASE,
  state TEXT NOT NULL, description TEXT, target_url TEXT, created_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS status_of ON status(repository, sha, context);
CREATE TABLE IF NOT EXISTS delivery(
  id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL, event TEXT NOT NULL, action TEXT, installation INTEGER,
  repository INTEGER, redelivery INTEGER NOT NULL, created_at TEXT NOT NULL, delivered_at TEXT, duration_ms INTEGER,
  status_code INTEGER, status TEXT, body BLOB NOT NULL, request TEXT, response TEXT);
CREATE INDEX IF NOT EXISTS delivery_of ON delivery(guid);
CREATE INDEX IF NOT EXISTS delivery_open ON delivery(id) WHERE delivered_at IS NULL;
";

/// What is written when a delivery was attempted.
pub(crate) struct Attempted {
    pub(crate) outcome: DeliveryOutcome,
    /// Headers that were sent, as JSON.
    pub(crate) request: String,
    /// Headers and body of the answer, as JSON.
    pub(crate) response: String,
}

/// Which attempts to list.
pub(crate) struct DeliveryPage {
    pub(crate) before: Option<u64>,
    pub(crate) limit: usize,
    pub(crate) success: Option<bool>,
}

pub(crate) struct Storage {
    connection: Connection,
}

impl Storage {
    pub(crate) fn open(path: &Path) -> Result<Storage, ForgeError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_millis(500))?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Storage { connection })
    }

    pub(crate) fn batch(&self, sql: &'static str) -> Result<(), ForgeError> {
        Ok(self.connection.execute_batch(sql)?)
    }

    pub(crate) fn put<T: Serialize>(&self, kind: &'static str, id: &str, body: &T) -> Result<(), ForgeError> {
        let body = serde_json::to_string(body)?;
        let mut statement =
            self.connection.prepare_cached("INSERT INTO document VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = excluded.body")?;
        statement.execute(params![kind, id, body])?;
        Ok(())
    }

    pub(crate) fn remove(&self, kind: &'static str, id: &str) -> Result<(), ForgeError> {
        self.connection.prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2")?.execute(params![kind, id])?;
        Ok(())
    }

    pub(crate) fn all<T: DeserializeOwned>(&self, kind: &'static str) -> Result<Vec<(String, T)>, ForgeError> {
        let mut statement = self.connection.prepare_cached("SELECT id, body FROM document WHERE kind = ?1 ORDER BY id")?;
        let rows = statement.query_map([kind], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, body) = row?;
            Ok((id, serde_json::from_str(&body)?))
        })
        .collect()
    }

    pub(crate) fn refs(&self) -> Result<Vec<(u64, String, String)>, ForgeError> {
        let mut statement = self.connection.prepare_cached("SELECT repository, name, sha FROM ref")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn put_ref(&self, repository: u64, name: &str, sha: Option<&str>) -> Result<(), ForgeError> {
        match sha {
            Some(sha) => self
                .connection
                .prepare_cached("INSERT INTO ref VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET sha = excluded.sha")?
                .execute(params![repository, name, sha])?,
            None => {
                self.connection.prepare_cached("DELETE FROM ref WHERE repository = ?1 AND name = ?2")?.execute(params![repository, name])?
            }
        };
        Ok(())
    }

    pub(crate) fn forget_repository(&self, repository: u64) -> Result<(), ForgeError> {
        self.connection.execute("DELETE FROM ref WHERE repository = ?1", [repository])?;
        self.connection.execute("DELETE FROM status WHERE repository = ?1", [repository])?;
        Ok(())
    }

    pub(crate) fn add_status(&self, repository: u64, status: &Status) -> Result<u64, ForgeError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO status(repository, sha, context, state, description, target_url, created_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        statement.execute(params![
            repository,
            status.sha,
            status.context,
            status.state,
            status.description,
            status.target_url,
            status.created_at.to_string()
        ])?;
        Ok(self.connection.last_insert_rowid().unsigned_abs())
    }

    pub(crate) fn count_statuses(&self, repository: u64, sha: &str, context: &str) -> Result<u64, ForgeError> {
        let mut statement =
            self.connection.prepare_cached("SELECT count(*) FROM status WHERE repository = ?1 AND sha = ?2 AND context = ?3")?;
        Ok(statement.query_row(params![repository, sha, context], |row| row.get(0))?)
    }

    /// All statuses of a commit, oldest first.
    pub(crate) fn statuses(&self, repository: u64, sha: &str) -> Result<Vec<Status>, ForgeError> {
        self.read_statuses(
            "SELECT id, sha, context, state, description, target_url, created_at FROM status
             WHERE repository = ?1 AND sha = ?2 ORDER BY id",
            repository,
            sha,
        )
    }

    /// The newest status of each context of a commit, oldest context first.
    pub(crate) fn latest_statuses(&self, repository: u64, sha: &str) -> Result<Vec<Status>, ForgeError> {
        self.read_statuses(
            "SELECT id, sha, context, state, description, target_url, created_at FROM status
             WHERE id IN (SELECT max(id) FROM status WHERE repository = ?1 AND sha = ?2 GROUP BY context) ORDER BY id",
            repository,
            sha,
        )
    }

    fn read_statuses(&self, sql: &str, repository: u64, sha: &str) -> Result<Vec<Status>, ForgeError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![repository, sha], |row| {
            Ok(Status {
                id: row.get(0)?,
                sha: row.get(1)?,
                context: row.get(2)?,
                state: row.get(3)?,
                description: row.get(4)?,
                target_url: row.get(5)?,
                created_at: timestamp(row.get(6)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn add_delivery(&self, record: &DeliveryRecord, body: &[u8]) -> Result<u64, ForgeError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO delivery(guid, event, action, installation, repository, redelivery, created_at, body)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        statement.execute(params![
            record.guid,
            record.event,
            record.action,
            record.installation,
            record.repository,
            record.redelivery,
            record.created_at.to_string(),
            body
        ])?;
        let id = self.connection.last_insert_rowid().unsigned_abs();
        if id.is_multiple_of(256) {
            let horizon = record.created_at.as_second() - DELIVERY_DAYS * 86_400;
            let horizon = Timestamp::from_second(horizon).unwrap_or(Timestamp::MIN).to_string();
            self.connection.execute(
                "DELETE FROM delivery WHERE delivered_at IS NOT NULL AND (id <= ?1 OR created_at < ?2)",
                params![id.saturating_sub(DELIVERIES_KEPT), horizon],
            )?;
        }
        Ok(id)
    }

    pub(crate) fn finish_delivery(&self, id: u64, attempted: &Attempted) -> Result<(), ForgeError> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE delivery SET delivered_at = ?2, duration_ms = ?3, status_code = ?4, status = ?5, request = ?6, response = ?7
             WHERE id = ?1",
        )?;
        let outcome = &attempted.outcome;
        statement.execute(params![
            id,
            outcome.delivered_at.to_string(),
            outcome.duration_ms,
            outcome.status_code,
            outcome.status,
            attempted.request,
            attempted.response
        ])?;
        Ok(())
    }

    pub(crate) fn delivery(&self, id: u64) -> Result<Option<(DeliveryRecord, Bytes)>, ForgeError> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS}, body FROM delivery WHERE id = ?1"))?;
        let read = |row: &Row<'_>| Ok((delivery(row)?, Bytes::from(row.get::<_, Vec<u8>>("body")?)));
        Ok(statement.query_row([id], read).optional()?)
    }

    /// The stored JSON of the request headers and of the answer.
    pub(crate) fn exchange(&self, id: u64) -> Result<Option<(String, String)>, ForgeError> {
        let mut statement =
            self.connection.prepare_cached("SELECT request, response FROM delivery WHERE id = ?1 AND delivered_at IS NOT NULL")?;
        Ok(statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// The newest attempt with this GUID.
    pub(crate) fn delivery_by_guid(&self, guid: &str) -> Result<Option<(DeliveryRecord, Bytes)>, ForgeError> {
        let mut statement =
            self.connection.prepare_cached(&format!("SELECT {COLUMNS}, body FROM delivery WHERE guid = ?1 ORDER BY id DESC LIMIT 1"))?;
        let read = |row: &Row<'_>| Ok((delivery(row)?, Bytes::from(row.get::<_, Vec<u8>>("body")?)));
        Ok(statement.query_row([guid], read).optional()?)
    }

    /// All kept attempts, oldest first.
    pub(crate) fn deliveries(&self) -> Result<Vec<DeliveryRecord>, ForgeError> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM delivery ORDER BY id"))?;
        let rows = statement.query_map([], delivery)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Attempts that were not made yet, oldest first.
    pub(crate) fn open_deliveries(&self) -> Result<Vec<u64>, ForgeError> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM delivery WHERE delivered_at IS NULL ORDER BY id")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One page of the attempts that were made, newest first.
    pub(crate) fn delivery_page(&self, page: &DeliveryPage) -> Result<Vec<DeliveryRecord>, ForgeError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM delivery WHERE delivered_at IS NOT NULL AND id < ?1
             AND (?2 IS NULL OR (status_code BETWEEN 200 AND 399) = ?2) ORDER BY id DESC LIMIT ?3"
        ))?;
        let before = page.before.unwrap_or(u64::MAX).min(i64::MAX.unsigned_abs());
        let rows = statement.query_map(params![before, page.success, page.limit], delivery)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

const COLUMNS: &str =
    "id, guid, event, action, installation, repository, redelivery, created_at, delivered_at, duration_ms, status_code, status";

fn delivery(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    let delivered_at: Option<String> = row.get("delivered_at")?;
    let outcome = match delivered_at {
        None => None,
        Some(at) => Some(DeliveryOutcome {
            delivered_at: timestamp(at),
            duration_ms: row.get("duration_ms")?,
            status_code: row.get("status_code")?,
            status: row.get("status")?,
        }),
    };
    Ok(DeliveryRecord {
        id: row.get("id")?,
        guid: row.get("guid")?,
        event: row.get("event")?,
        action: row.get("action")?,
        installation: row.get("installation")?,
        repository: row.get("repository")?,
        redelivery: row.get("redelivery")?,
        created_at: timestamp(row.get("created_at")?),
        outcome,
    })
}

/// Reads a date that this file wrote.
fn timestamp(text: String) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}
