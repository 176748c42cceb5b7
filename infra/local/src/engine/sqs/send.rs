//! Sending, one message or a batch.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::digest::{self, Attributes};
use super::error::{Failure, Refusal};
use super::ledger::Outcome;
use super::queues::{MAX_BYTES, Queue};
use super::request::{Batch, Entry, NewMessage, SendMessage};
use crate::engine::wire::{Response, random_uuid};

/// How long a deduplication id is remembered.
const DEDUPLICATION_MS: i64 = 5 * 60 * 1000;
/// First part of every sequence number, so that they have the 20 digits of AWS.
const SEQUENCE_BASE: i64 = 1_000_000_000_000_000_000;

/// What the sender of a message is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_system_attributes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

/// The sequence number of a row of a FIFO queue: 20 digits, growing.
pub(super) fn sequence_number(seq: i64) -> String {
    format!("{:020}", SEQUENCE_BASE.saturating_add(seq))
}

pub(super) fn one(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: SendMessage = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let queue = Queue::require(db, request.queue.name())?;
    let sent = send(db, &queue, now, &request.message)?;
    let mut outcome = Outcome::from(Response::ok(&sent));
    outcome.filled.push(queue.name);
    Ok(outcome)
}

pub(super) fn batch(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: Batch<NewMessage> = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let queue = Queue::require(db, request.queue.name())?;
    check_entries(&request.entries)?;
    let total: usize = request.entries.iter().map(|entry| size(&entry.item)).sum();
    if total > MAX_BYTES {
        return Err(Refusal::batch_length(MAX_BYTES, total).into());
    }
    let outcome = each(&request.entries, |message| {
        let sent = send(db, &queue, now, message)?;
        Ok(serde_json::to_value(sent).unwrap_or_default())
    })?;
    Ok(Outcome { filled: vec![queue.name], ..outcome })
}

/// What every batch must fulfil before any of its entries is looked at.
pub(super) fn check_entries<T>(entries: &[Entry<T>]) -> Result<(), Refusal> {
    if entries.is_empty() {
        return Err(Refusal::batch_empty());
    }
    if entries.len() > 10 {
        return Err(Refusal::batch_size(entries.len()));
    }
    let mut seen = HashSet::new();
    for entry in entries {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if entry.id.is_empty() || entry.id.len() > 80 || !entry.id.chars().all(legal) {
            return Err(Refusal::batch_id());
        }
        if !seen.insert(entry.id.as_str()) {
            return Err(Refusal::batch_ids(&entry.id));
        }
    }
    Ok(())
}

/// Runs a batch entry by entry; a refused entry fails alone.
pub(super) fn each<T>(entries: &[Entry<T>], mut run: impl FnMut(&T) -> Result<serde_json::Value, Failure>) -> Result<Outcome, Failure> {
    let mut successful = Vec::new();
    let mut failed = Vec::new();
    for entry in entries {
        match run(&entry.item) {
            Ok(mut result) => {
                result["Id"] = json!(entry.id);
                successful.push(result);
            }
            Err(Failure::Refused(refusal)) => failed.push(json!({
                "Id": entry.id,
                "SenderFault": true,
                "Code": refusal.code(),
                "Message": refusal.message(),
            })),
            Err(Failure::Broken(error)) => return Err(Failure::Broken(error)),
        }
    }
    Ok(Response::ok(&json!({ "Successful": successful, "Failed": failed })).into())
}

fn send(db: &Connection, queue: &Queue, now: i64, message: &NewMessage) -> Result<Sent, Failure> {
    check(queue, message)?;
    let mut sent = Sent {
        message_id: random_uuid(),
        md5_of_body: digest::of_body(&message.message_body),
        md5_of_attributes: digest::of_attributes(&message.message_attributes),
        md5_of_system_attributes: digest::of_attributes(&message.message_system_attributes),
        sequence_number: None,
    };
    let deduplication = if queue.is_fifo() { Some(deduplication_id(queue, message)?) } else { None };
    if let Some(id) = &deduplication
        && let Some((id, seq)) = duplicate_of(db, queue, now, id, message)?
    {
        sent.message_id = id;
        sent.sequence_number = Some(sequence_number(seq));
        return Ok(sent);
    }
    let delay = message.delay_seconds.map_or_else(|| queue.delay_ms(), |seconds| seconds * 1000);
    db.prepare_cached(
        "INSERT INTO message (queue, id, body, attributes, trace, grp, dedup, sent, visible)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        queue.id,
        sent.message_id,
        message.message_body,
        json!(message.message_attributes).to_string(),
        message.message_system_attributes.get("AWSTraceHeader").and_then(|trace| trace.string_value.as_deref()),
        message.message_group_id,
        deduplication,
        now,
        now.saturating_add(delay),
    ])?;
    if let Some(id) = &deduplication {
        let seq = db.last_insert_rowid();
        db.prepare_cached("INSERT OR REPLACE INTO duplicate (queue, key, until, id, seq) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
            params![queue.id, deduplication_key(queue, id, message), now.saturating_add(DEDUPLICATION_MS), sent.message_id, seq],
        )?;
        sent.sequence_number = Some(sequence_number(seq));
    }
    Ok(sent)
}

fn deduplication_id(queue: &Queue, message: &NewMessage) -> Result<String, Refusal> {
    match &message.message_deduplication_id {
        Some(id) => Ok(id.clone()),
        None if queue.deduplicates_by_content() => Ok(hex::encode(Sha256::digest(message.message_body.as_bytes()))),
        None => Err(Refusal::value(
            "MessageDeduplicationId",
            "null",
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
             explicitly",
        )),
    }
}

fn deduplication_key(queue: &Queue, id: &str, message: &NewMessage) -> String {
    match &message.message_group_id {
        Some(group) if queue.deduplicates_per_group() => json!([group, id]).to_string(),
        Some(_) | None => id.to_owned(),
    }
}

/// The message that was accepted under the same deduplication id within the last five minutes, even if it is deleted
/// by now.
fn duplicate_of(db: &Connection, queue: &Queue, now: i64, id: &str, message: &NewMessage) -> Result<Option<(String, i64)>, Failure> {
    db.prepare_cached("DELETE FROM duplicate WHERE until <= ?1")?.execute([now])?;
    let mut statement = db.prepare_cached("SELECT id, seq FROM duplicate WHERE queue = ?1 AND key = ?2")?;
    let key = deduplication_key(queue, id, message);
    Ok(statement.query_row(params![queue.id, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Bytes that count against the limits: the body, and name, type and value of every attribute.
fn size(message: &NewMessage) -> usize {
    let attributes: usize = message
        .message_attributes
        .iter()
        .map(|(name, attribute)| name.len() + attribute.data_type.len() + attribute.bytes().map_or(0, |bytes| bytes.len()))
        .sum();
    message.message_body.len() + attributes
}

fn check(queue: &Queue, message: &NewMessage) -> Result<(), Refusal> {
    if message.message_body.is_empty() {
        return Err(Refusal::missing("MessageBody"));
    }
    let bytes = size(message);
    if bytes > queue.max_bytes() {
        let reason = format!("One or more parameters are invalid. Reason: Message must be shorter than {} bytes.", queue.max_bytes());
        return Err(Refusal::value("MessageBody", &format!("of {bytes} bytes"), &reason));
    }
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    if !message.message_body.chars().all(legal) {
        return Err(Refusal::contents());
    }
    check_attributes(&message.message_attributes)?;
    if let Some(name) = message.message_system_attributes.keys().find(|name| *name != "AWSTraceHeader") {
        return Err(Refusal::value("MessageSystemAttributes", name, "Message system attribute name is invalid."));
    }
    if let Some(seconds) = message.delay_seconds {
        if queue.is_fifo() {
            let reason = "The request include parameter that is not valid for this queue type";
            return Err(Refusal::value("DelaySeconds", &seconds.to_string(), reason));
        }
        if !(0..=900).contains(&seconds) {
            return Err(Refusal::value("DelaySeconds", &seconds.to_string(), "DelaySeconds must be >= 0 and <= 900."));
        }
    }
    check_id("MessageGroupId", message.message_group_id.as_deref())?;
    check_id("MessageDeduplicationId", message.message_deduplication_id.as_deref())?;
    if queue.is_fifo() && message.message_group_id.is_none() {
        return Err(Refusal::missing("MessageGroupId"));
    }
    if !queue.is_fifo()
        && let Some(id) = &message.message_deduplication_id
    {
        let reason = "The request includes a parameter that is not valid for this queue type.";
        return Err(Refusal::value("MessageDeduplicationId", id, reason));
    }
    Ok(())
}

fn check_id(parameter: &str, id: Option<&str>) -> Result<(), Refusal> {
    let Some(id) = id else { return Ok(()) };
    if id.is_empty() || id.len() > 128 || !id.chars().all(|c| c.is_ascii_graphic()) {
        let reason = format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
        return Err(Refusal::value(parameter, id, &reason));
    }
    Ok(())
}

fn check_attributes(attributes: &Attributes) -> Result<(), Refusal> {
    if attributes.len() > 10 {
        let count = attributes.len().to_string();
        return Err(Refusal::value("MessageAttributes", &count, "A message can have at most 10 attributes."));
    }
    for (name, attribute) in attributes {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let reserved = name.to_ascii_lowercase().starts_with("aws.") || name.to_ascii_lowercase().starts_with("amazon.");
        if name.is_empty() || name.len() > 256 || reserved || !name.chars().all(legal) {
            return Err(Refusal::value("MessageAttributes", name, "The message attribute name is invalid."));
        }
        let kind = attribute.data_type.split('.').next().unwrap_or_default();
        let fits = match kind {
            "String" => attribute.string_value.is_some(),
            "Number" => attribute.string_value.as_ref().is_some_and(|value| value.parse::<f64>().is_ok()),
            "Binary" => attribute.binary_value.is_some(),
            _ => false,
        };
        let filled = attribute.bytes().is_some_and(|bytes| !bytes.is_empty());
        if !fits || !filled {
            let reason = format!("The message attribute '{name}' must have a type and a non-empty value that fits it.");
            return Err(Refusal::value("MessageAttributes", &attribute.data_type, &reason));
        }
    }
    Ok(())
}
