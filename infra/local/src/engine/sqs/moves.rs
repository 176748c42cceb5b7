//! Message move tasks: redriving a dead-letter queue.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::error::{Failure, Refusal};
use super::ledger::Outcome;
use super::queues::{Queue, sources_of};
use super::request::{CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask};
use super::{queue_arn, queue_name};
use crate::engine::wire::{Response, random_uuid};

/// Tasks that are remembered per source queue.
const REMEMBERED_TASKS: i64 = 10;

/// Moves every visible message at once, so a task is complete (or failed) when it is answered.
pub(super) fn start(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: StartMessageMoveTask = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let missing = || Refusal::no_resource("The resource that you specified for the SourceArn parameter doesn't exist.");
    let source = Queue::find(db, queue_name(&request.source_arn))?.ok_or_else(missing)?;
    if sources_of(db, &source.name)?.is_empty() {
        return Err(Refusal::unsupported("Source queue must be configured as a Dead Letter Queue.").into());
    }
    let mut filled = Vec::new();
    let (moved, reason) = match &request.destination_arn {
        Some(arn) => {
            let missing = || Refusal::no_resource("The resource that you specified for the DestinationArn parameter doesn't exist.");
            let destination = Queue::find(db, queue_name(arn))?.ok_or_else(missing)?;
            if destination.is_fifo() != source.is_fifo() {
                return Err(Refusal::unsupported("Source and destination must be of the same queue type.").into());
            }
            let moved = move_all(db, &source, &destination, None, now)?;
            filled.push(destination.name);
            (moved, None)
        }
        None => move_home(db, &source, now, &mut filled)?,
    };
    let task = random_uuid();
    let handle = BASE64.encode(json!({ "taskId": task, "sourceArn": request.source_arn }).to_string());
    db.execute(
        "INSERT INTO move_task (handle, source, destination, rate, status, moved, started, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            handle,
            source.name,
            request.destination_arn,
            request.max_number_of_messages_per_second,
            if reason.is_none() { "COMPLETED" } else { "FAILED" },
            moved,
            now,
            reason
        ],
    )?;
    db.execute(
        "DELETE FROM move_task WHERE source = ?1 AND rowid NOT IN
             (SELECT rowid FROM move_task WHERE source = ?1 ORDER BY rowid DESC LIMIT ?2)",
        params![source.name, REMEMBERED_TASKS],
    )?;
    Ok(Outcome { filled, ..Response::ok(&json!({ "TaskHandle": handle })).into() })
}

/// Moves each message to the queue that it came from; messages that were sent to the dead-letter queue itself stay.
fn move_home(db: &Connection, source: &Queue, now: i64, filled: &mut Vec<String>) -> Result<(i64, Option<&'static str>), Failure> {
    let mut statement = db.prepare_cached("SELECT DISTINCT source FROM message WHERE queue = ?1 AND visible <= ?2")?;
    let homes = statement.query_map(params![source.id, now], |row| row.get::<_, Option<String>>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut moved = 0;
    let mut reason = None;
    for home in homes {
        let destination = match &home {
            Some(arn) => Queue::find(db, queue_name(arn))?,
            None => None,
        };
        match destination {
            Some(destination) => {
                moved += move_all(db, source, &destination, home.as_deref(), now)?;
                filled.push(destination.name);
            }
            None => reason = Some("CouldNotDetermineMessageSource"),
        }
    }
    Ok((moved, reason))
}

/// Moves visible messages (those that came from `home`, if given). A moved message is a new message: its count, age
/// and place in the order start anew.
fn move_all(db: &Connection, source: &Queue, destination: &Queue, home: Option<&str>, now: i64) -> Result<i64, Failure> {
    let mut statement =
        db.prepare_cached("SELECT seq FROM message WHERE queue = ?1 AND visible <= ?2 AND (?3 IS NULL OR source = ?3) ORDER BY seq")?;
    let rows = statement.query_map(params![source.id, now, home], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut moved = 0;
    for seq in rows {
        db.prepare_cached(
            "INSERT INTO message (queue, id, body, attributes, trace, grp, dedup, sent, visible)
             SELECT ?2, ?3, body, attributes, trace, grp, dedup, ?4, ?4 FROM message WHERE seq = ?1",
        )?
        .execute(params![seq, destination.id, random_uuid(), now])?;
        db.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([seq])?;
        moved += 1;
    }
    Ok(moved)
}

pub(super) fn list(db: &Connection, body: &[u8]) -> Result<Outcome, Failure> {
    let request: ListMessageMoveTasks = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let limit = request.max_results.unwrap_or(1).clamp(1, REMEMBERED_TASKS);
    let mut statement = db.prepare_cached(
        "SELECT destination, rate, status, moved, started, reason FROM move_task
         WHERE source = ?1 ORDER BY rowid DESC LIMIT ?2",
    )?;
    let source = queue_name(&request.source_arn);
    let tasks = statement
        .query_map(params![source, limit], |row| {
            let mut task = json!({
                "Status": row.get::<_, String>(2)?,
                "SourceArn": queue_arn(source),
                "ApproximateNumberOfMessagesMoved": row.get::<_, i64>(3)?,
                "StartedTimestamp": row.get::<_, i64>(4)?,
            });
            let optional: [(&str, Option<Value>); 3] = [
                ("DestinationArn", row.get::<_, Option<String>>(0)?.map(Value::from)),
                ("MaxNumberOfMessagesPerSecond", row.get::<_, Option<i64>>(1)?.map(Value::from)),
                ("FailureReason", row.get::<_, Option<String>>(5)?.map(Value::from)),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    task[name] = value;
                }
            }
            Ok(task)
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Response::ok(&json!({ "Results": tasks })).into())
}

/// A task is never active here, so there is nothing that could be cancelled.
pub(super) fn cancel(db: &Connection, body: &[u8]) -> Result<Outcome, Failure> {
    let request: CancelMessageMoveTask = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let known = db.prepare_cached("SELECT 1 FROM move_task WHERE handle = ?1")?.exists([&request.task_handle])?;
    let refusal =
        if known { Refusal::unsupported("Only active tasks can be cancelled.") } else { Refusal::no_resource("Task does not exist.") };
    Err(refusal.into())
}
