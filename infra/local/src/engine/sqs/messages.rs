//! Deleting received messages and changing how long they stay hidden.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use super::error::{Failure, Refusal};
use super::ledger::Outcome;
use super::queues::Queue;
use super::request::{Batch, ChangeMessageVisibility, DeleteMessage, Receipt, Visibility};
use super::send::{check_entries, each};
use crate::engine::wire::{Response, random_hex};

/// A new receipt handle for the message `seq`.
pub(super) fn receipt(seq: i64) -> String {
    BASE64.encode(format!("{seq}.{}", random_hex(16)))
}

/// The message that a receipt handle belongs to.
fn message_of(handle: &str) -> Result<i64, Refusal> {
    let bytes = BASE64.decode(handle).map_err(|_| Refusal::receipt(handle))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Refusal::receipt(handle))?;
    let (seq, _) = text.split_once('.').ok_or_else(|| Refusal::receipt(handle))?;
    seq.parse().map_err(|_| Refusal::receipt(handle))
}

pub(super) fn delete(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: DeleteMessage = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let queue = Queue::require(db, request.queue.name())?;
    delete_one(db, &queue, &request.receipt, now)?;
    Ok(Outcome { filled: unlocked(queue), ..Response::ok(&json!({})).into() })
}

pub(super) fn delete_batch(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: Batch<Receipt> = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let queue = Queue::require(db, request.queue.name())?;
    check_entries(&request.entries)?;
    let outcome = each(&request.entries, |receipt| {
        delete_one(db, &queue, receipt, now)?;
        Ok(json!({}))
    })?;
    Ok(Outcome { filled: unlocked(queue), ..outcome })
}

/// Deleting a message of a FIFO queue unlocks its group, so whoever waits should look again.
fn unlocked(queue: Queue) -> Vec<String> {
    if queue.is_fifo() { vec![queue.name] } else { Vec::new() }
}

/// An outdated handle deletes nothing: silently on a standard queue, as an error on a FIFO queue.
fn delete_one(db: &Connection, queue: &Queue, receipt: &Receipt, now: i64) -> Result<(), Failure> {
    let handle = &receipt.receipt_handle;
    let seq = message_of(handle)?;
    if queue.is_fifo()
        && let Some((current, visible)) = in_flight(db, queue, seq)?
        && (current.as_deref() != Some(handle) || visible <= now)
    {
        return Err(Refusal::value("ReceiptHandle", handle, "The receipt handle has expired.").into());
    }
    db.prepare_cached("DELETE FROM message WHERE seq = ?1 AND queue = ?2 AND receipt = ?3")?.execute(params![seq, queue.id, handle])?;
    Ok(())
}

/// The current handle of a message and when it becomes visible; `None` if it is not in this queue any more.
fn in_flight(db: &Connection, queue: &Queue, seq: i64) -> Result<Option<(Option<String>, i64)>, Failure> {
    let mut statement = db.prepare_cached("SELECT receipt, visible FROM message WHERE seq = ?1 AND queue = ?2")?;
    Ok(statement.query_row(params![seq, queue.id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

pub(super) fn change_visibility(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: ChangeMessageVisibility = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let queue = Queue::require(db, request.queue.name())?;
    change_one(db, &queue, &request.visibility, now)?;
    Ok(Outcome { filled: vec![queue.name], ..Response::ok(&json!({})).into() })
}

pub(super) fn change_visibility_batch(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: Batch<Visibility> = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let queue = Queue::require(db, request.queue.name())?;
    check_entries(&request.entries)?;
    let outcome = each(&request.entries, |visibility| {
        change_one(db, &queue, visibility, now)?;
        Ok(json!({}))
    })?;
    Ok(Outcome { filled: vec![queue.name], ..outcome })
}

fn change_one(db: &Connection, queue: &Queue, change: &Visibility, now: i64) -> Result<(), Failure> {
    let handle = &change.receipt_handle;
    let seq = message_of(handle)?;
    let seconds = change.visibility_timeout.ok_or_else(|| Refusal::missing("VisibilityTimeout"))?;
    if !(0..=43_200).contains(&seconds) {
        let reason = "Must be between 0 and 43200";
        return Err(Refusal::value("VisibilityTimeout", &seconds.to_string(), reason).into());
    }
    let Some((current, visible)) = in_flight(db, queue, seq)? else {
        let reason = "Message does not exist or is not available for visibility timeout change.";
        return Err(Refusal::value("ReceiptHandle", handle, reason).into());
    };
    if current.as_deref() != Some(handle) || visible <= now {
        return Err(Refusal::not_in_flight().into());
    }
    db.prepare_cached("UPDATE message SET visible = ?2 WHERE seq = ?1")?.execute(params![seq, now.saturating_add(seconds * 1000)])?;
    Ok(())
}
