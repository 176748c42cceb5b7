//! Receiving: redrive what was received too often, then hand out what is visible.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};

use super::digest::{self, Attributes};
use super::error::{Failure, Refusal};
use super::ledger::{Nothing, Outcome};
use super::messages::receipt;
use super::queue_arn;
use super::queues::Queue;
use super::request::ReceiveMessage;
use super::send::sequence_number;
use crate::engine::wire::Response;

/// Best effort order: what became visible first.
const STANDARD: &str = "
    SELECT seq, id, body, attributes, trace, grp, dedup, sent, receives, first_received, source FROM message
    WHERE queue = ?1 AND visible <= ?2
    ORDER BY visible, seq LIMIT ?3";

/// Strict order within a group: nothing of a group while any of it is in flight, and nothing behind a delayed message.
const FIFO: &str = "
    SELECT seq, id, body, attributes, trace, grp, dedup, sent, receives, first_received, source FROM message AS m
    WHERE queue = ?1 AND visible <= ?2 AND NOT EXISTS (
        SELECT 1 FROM message AS other
        WHERE other.queue = m.queue AND other.grp = m.grp AND other.visible > ?2
          AND (other.receipt IS NOT NULL OR other.seq < m.seq))
    ORDER BY seq LIMIT ?3";

struct Found {
    seq: i64,
    id: String,
    body: String,
    attributes: String,
    trace: Option<String>,
    group: Option<String>,
    deduplication: Option<String>,
    sent: i64,
    receives: i64,
    first_received: Option<i64>,
    source: Option<String>,
}

impl Found {
    fn of_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            body: row.get(2)?,
            attributes: row.get(3)?,
            trace: row.get(4)?,
            group: row.get(5)?,
            deduplication: row.get(6)?,
            sent: row.get(7)?,
            receives: row.get(8)?,
            first_received: row.get(9)?,
            source: row.get(10)?,
        })
    }
}

pub(super) fn receive(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: ReceiveMessage = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let queue = Queue::require(db, request.queue.name())?;
    let limit = within("MaxNumberOfMessages", request.max_number_of_messages.unwrap_or(1), 1, 10)?;
    let visibility_ms = match request.visibility_timeout {
        Some(seconds) => within("VisibilityTimeout", seconds, 0, 43_200)? * 1000,
        None => queue.visibility_ms(),
    };
    let wait_ms = match request.wait_time_seconds {
        Some(seconds) => within("WaitTimeSeconds", seconds, 0, 20)? * 1000,
        None => queue.wait_ms(),
    };
    queue.expire(db, now)?;
    let filled = redrive(db, &queue, now)?;
    let mut statement = db.prepare_cached(if queue.is_fifo() { FIFO } else { STANDARD })?;
    let found = statement.query_map(params![queue.id, now, limit], Found::of_row)?.collect::<Result<Vec<_>, _>>()?;
    let mut messages = Vec::with_capacity(found.len());
    for message in found {
        let handle = receipt(message.seq);
        db.prepare_cached(
            "UPDATE message SET receives = receives + 1, receipt = ?2, visible = ?3,
                    first_received = coalesce(first_received, ?4)
             WHERE seq = ?1",
        )?
        .execute(params![message.seq, handle, now.saturating_add(visibility_ms), now])?;
        messages.push(render(&queue, &request, &message, &handle, now));
    }
    let nothing = if messages.is_empty() {
        let next_visible_ms = db
            .prepare_cached("SELECT min(visible) FROM message WHERE queue = ?1 AND visible > ?2")?
            .query_row(params![queue.id, now], |row| row.get(0))?;
        Some(Nothing { now_ms: now, wait_ms, next_visible_ms })
    } else {
        None
    };
    let document = if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) };
    Ok(Outcome { response: Response::ok(&document), filled, nothing })
}

fn within(parameter: &str, value: i64, low: i64, high: i64) -> Result<i64, Refusal> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        let reason = format!("Must be >= {low} and <= {high}, if provided.");
        Err(Refusal::value(parameter, &value.to_string(), &reason))
    }
}

/// Moves messages that were received `maxReceiveCount` times to the dead-letter queue; answers its name if any moved.
///
/// A message keeps its identity and, on a standard queue, its age; on a FIFO queue its retention starts anew.
fn redrive(db: &Connection, queue: &Queue, now: i64) -> Result<Vec<String>, Failure> {
    let Some(policy) = queue.redrive() else { return Ok(Vec::new()) };
    let Some(target) = Queue::find(db, policy.target())? else { return Ok(Vec::new()) };
    let moved = db
        .prepare_cached(
            "UPDATE message SET queue = ?4, source = ?5, visible = ?2, receipt = NULL,
                    sent = CASE WHEN ?6 THEN ?2 ELSE sent END
             WHERE queue = ?1 AND visible <= ?2 AND receives >= ?3",
        )?
        .execute(params![queue.id, now, policy.max_receive_count, target.id, queue_arn(&queue.name), queue.is_fifo()])?;
    if moved > 0 {
        tracing::warn!(queue = queue.name, dead_letter_queue = target.name, moved, "messages were given up");
        return Ok(vec![target.name]);
    }
    Ok(Vec::new())
}

fn render(queue: &Queue, request: &ReceiveMessage, message: &Found, handle: &str, now: i64) -> Value {
    let mut document = json!({
        "MessageId": message.id,
        "ReceiptHandle": handle,
        "MD5OfBody": digest::of_body(&message.body),
        "Body": message.body,
    });
    let system = system_attributes(queue, request, message, now);
    if !system.is_empty() {
        document["Attributes"] = json!(system);
    }
    let mut attributes: Attributes = serde_json::from_str(&message.attributes).unwrap_or_default();
    attributes.retain(|name, _| request.message_attribute_names.iter().any(|pattern| names(pattern, name)));
    if let Some(md5) = digest::of_attributes(&attributes) {
        document["MessageAttributes"] = json!(attributes);
        document["MD5OfMessageAttributes"] = json!(md5);
    }
    document
}

/// Whether a requested attribute name (`All`, `.*`, `prefix.*` or a name) covers `name`.
fn names(pattern: &str, name: &str) -> bool {
    match pattern {
        "All" | ".*" => true,
        other => other.strip_suffix(".*").map_or(other == name, |prefix| name.starts_with(prefix)),
    }
}

fn system_attributes(queue: &Queue, request: &ReceiveMessage, message: &Found, now: i64) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::from([
        ("SenderId", "000000000000".to_owned()),
        ("SentTimestamp", message.sent.to_string()),
        ("ApproximateReceiveCount", message.receives.saturating_add(1).to_string()),
        ("ApproximateFirstReceiveTimestamp", message.first_received.unwrap_or(now).to_string()),
    ]);
    let optional = [
        ("MessageGroupId", &message.group),
        ("MessageDeduplicationId", &message.deduplication),
        ("DeadLetterQueueSourceArn", &message.source),
        ("AWSTraceHeader", &message.trace),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            all.insert(name, value.clone());
        }
    }
    if queue.is_fifo() {
        all.insert("SequenceNumber", sequence_number(message.seq));
    }
    let wanted = |name: &str| {
        let mut asked = request.message_system_attribute_names.iter().chain(&request.attribute_names);
        asked.any(|asked| asked == "All" || asked == name)
    };
    all.retain(|name, _| wanted(name));
    all
}
