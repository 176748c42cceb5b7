//! Queues and their attributes.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Deserialize;
use serde_json::json;

use super::error::{Failure, Refusal};
use super::ledger::Outcome;
use super::request::{CreateQueue, GetQueueAttributes, GetQueueUrl, ListQueues, QueueAddress, SetQueueAttributes};
use super::{queue_arn, queue_name, queue_url};
use crate::engine::wire::Response;

/// Largest message and largest batch, in bytes of bodies and attributes (1 MiB).
pub(super) const MAX_BYTES: usize = 1_048_576;

/// A queue as the database knows it. Attributes that were never set have AWS's defaults.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) id: i64,
    pub(super) name: String,
    attributes: BTreeMap<String, String>,
    created: i64,
    modified: i64,
}

/// Where messages go that were received too often without being deleted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Redrive {
    dead_letter_target_arn: String,
    #[serde(deserialize_with = "number_or_text")]
    pub(super) max_receive_count: i64,
}

impl Redrive {
    /// The name of the dead-letter queue.
    pub(super) fn target(&self) -> &str {
        queue_name(&self.dead_letter_target_arn)
    }
}

fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(i64),
        Text(String),
    }
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => Ok(number),
        NumberOrText::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

impl Queue {
    /// Finds a queue by name.
    pub(super) fn find(db: &Connection, name: &str) -> Result<Option<Self>, Failure> {
        let mut statement = db.prepare_cached("SELECT id, name, attributes, created, modified FROM queue WHERE name = ?1")?;
        Ok(statement.query_row([name], Self::of_row).optional()?)
    }

    /// Finds a queue by name, or refuses the request.
    pub(super) fn require(db: &Connection, name: &str) -> Result<Self, Failure> {
        Ok(Self::find(db, name)?.ok_or_else(Refusal::no_queue)?)
    }

    fn of_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let text: String = row.get(2)?;
        let attributes = serde_json::from_str(&text)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into()))?;
        Ok(Self { id: row.get(0)?, name: row.get(1)?, attributes, created: row.get(3)?, modified: row.get(4)? })
    }

    /// Whether messages are ordered within their group.
    pub(super) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }

    fn number(&self, name: &str, default: i64) -> i64 {
        self.attributes.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    fn flag(&self, name: &str) -> bool {
        self.attributes.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn visibility_ms(&self) -> i64 {
        self.number("VisibilityTimeout", 30) * 1000
    }

    pub(super) fn retention_ms(&self) -> i64 {
        self.number("MessageRetentionPeriod", 345_600) * 1000
    }

    pub(super) fn delay_ms(&self) -> i64 {
        self.number("DelaySeconds", 0) * 1000
    }

    pub(super) fn wait_ms(&self) -> i64 {
        self.number("ReceiveMessageWaitTimeSeconds", 0) * 1000
    }

    pub(super) fn max_bytes(&self) -> usize {
        usize::try_from(self.number("MaximumMessageSize", 1_048_576)).unwrap_or(MAX_BYTES)
    }

    pub(super) fn deduplicates_by_content(&self) -> bool {
        self.flag("ContentBasedDeduplication")
    }

    /// Whether two groups may use the same deduplication id.
    pub(super) fn deduplicates_per_group(&self) -> bool {
        self.attributes.get("DeduplicationScope").is_some_and(|scope| scope == "messageGroup")
    }

    pub(super) fn redrive(&self) -> Option<Redrive> {
        serde_json::from_str(self.attributes.get("RedrivePolicy")?).ok()
    }

    /// Deletes what has been kept for longer than the retention period.
    pub(super) fn expire(&self, db: &Connection, now: i64) -> Result<(), Failure> {
        db.prepare_cached("DELETE FROM message WHERE queue = ?1 AND sent < ?2")?
            .execute(params![self.id, now.saturating_sub(self.retention_ms())])?;
        Ok(())
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    Ok(serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?)
}

pub(super) fn create(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: CreateQueue = parse(body)?;
    let name = request.queue_name;
    let stem = name.strip_suffix(".fifo").unwrap_or(&name);
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if stem.is_empty() || name.len() > 80 || !stem.chars().all(legal) {
        let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(Refusal::value("QueueName", &name, reason).into());
    }
    let wants_fifo = request.attributes.get("FifoQueue").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if wants_fifo != name.ends_with(".fifo") {
        let reason = "The name of a FIFO queue can only end with `.fifo`, and only with FifoQueue set to true";
        return Err(Refusal::value("QueueName", &name, reason).into());
    }
    validate(db, &name, &request.attributes)?;
    if let Some(existing) = Queue::find(db, &name)? {
        let differs = request.attributes.iter().find(|(key, value)| {
            existing.attributes.get(*key).is_some_and(|stored| stored != *value) || !existing.attributes.contains_key(*key)
        });
        if let Some((attribute, _)) = differs {
            return Err(Refusal::queue_exists(attribute).into());
        }
    } else {
        db.execute(
            "INSERT INTO queue (name, attributes, created, modified) VALUES (?1, ?2, ?3, ?3)",
            params![name, json!(request.attributes).to_string(), now],
        )?;
    }
    Ok(Response::ok(&json!({ "QueueUrl": queue_url(&name) })).into())
}

pub(super) fn delete(db: &Connection, body: &[u8]) -> Result<Outcome, Failure> {
    let queue = Queue::require(db, parse::<QueueAddress>(body)?.name())?;
    db.execute("DELETE FROM queue WHERE id = ?1", [queue.id])?;
    Ok(Response::ok(&json!({})).into())
}

pub(super) fn purge(db: &Connection, body: &[u8]) -> Result<Outcome, Failure> {
    let queue = Queue::require(db, parse::<QueueAddress>(body)?.name())?;
    db.execute("DELETE FROM message WHERE queue = ?1", [queue.id])?;
    Ok(Response::ok(&json!({})).into())
}

pub(super) fn list(db: &Connection, body: &[u8]) -> Result<Outcome, Failure> {
    let request: ListQueues = parse(body)?;
    let mut statement = db.prepare_cached("SELECT name FROM queue ORDER BY name LIMIT 1000")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let urls: Vec<_> = names.iter().filter(|name| name.starts_with(&request.queue_name_prefix)).map(|name| queue_url(name)).collect();
    Ok(Response::ok(&json!({ "QueueUrls": urls })).into())
}

pub(super) fn url(db: &Connection, body: &[u8]) -> Result<Outcome, Failure> {
    let queue = Queue::require(db, &parse::<GetQueueUrl>(body)?.queue_name)?;
    Ok(Response::ok(&json!({ "QueueUrl": queue_url(&queue.name) })).into())
}

pub(super) fn attributes(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: GetQueueAttributes = parse(body)?;
    let queue = Queue::require(db, request.queue.name())?;
    queue.expire(db, now)?;
    let (visible, in_flight, delayed): (i64, i64, i64) = db
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE visible <= ?2),
                    count(*) FILTER (WHERE visible > ?2 AND receipt IS NOT NULL),
                    count(*) FILTER (WHERE visible > ?2 AND receipt IS NULL)
             FROM message WHERE queue = ?1",
        )?
        .query_row(params![queue.id, now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut all: BTreeMap<&str, String> = BTreeMap::from([
        ("VisibilityTimeout", (queue.visibility_ms() / 1000).to_string()),
        ("MessageRetentionPeriod", (queue.retention_ms() / 1000).to_string()),
        ("DelaySeconds", (queue.delay_ms() / 1000).to_string()),
        ("ReceiveMessageWaitTimeSeconds", (queue.wait_ms() / 1000).to_string()),
        ("MaximumMessageSize", queue.max_bytes().to_string()),
        ("QueueArn", queue_arn(&queue.name)),
        ("CreatedTimestamp", (queue.created / 1000).to_string()),
        ("LastModifiedTimestamp", (queue.modified / 1000).to_string()),
        ("ApproximateNumberOfMessages", visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
    ]);
    for (name, value) in &queue.attributes {
        all.insert(name, value.clone());
    }
    for name in &request.attribute_names {
        let settable = SETTABLE.iter().any(|(known, _)| known == name);
        if name != "All" && !settable && !all.contains_key(name.as_str()) {
            return Err(Refusal::attribute_name(name).into());
        }
    }
    if !request.attribute_names.iter().any(|name| name == "All") {
        all.retain(|name, _| request.attribute_names.iter().any(|wanted| wanted == name));
    }
    Ok(Response::ok(&json!({ "Attributes": all })).into())
}

pub(super) fn set_attributes(db: &Connection, body: &[u8], now: i64) -> Result<Outcome, Failure> {
    let request: SetQueueAttributes = parse(body)?;
    let mut queue = Queue::require(db, request.queue.name())?;
    if let Some(value) = request.attributes.get("FifoQueue")
        && value.eq_ignore_ascii_case("true") != queue.is_fifo()
    {
        return Err(Refusal::attribute_value("FifoQueue").into());
    }
    validate(db, &queue.name, &request.attributes)?;
    for (name, value) in request.attributes {
        if value.is_empty() {
            queue.attributes.remove(&name);
        } else {
            queue.attributes.insert(name, value);
        }
    }
    db.execute(
        "UPDATE queue SET attributes = ?2, modified = ?3 WHERE id = ?1",
        params![queue.id, json!(queue.attributes).to_string(), now],
    )?;
    Ok(Response::ok(&json!({})).into())
}

pub(super) fn sources(db: &Connection, body: &[u8]) -> Result<Outcome, Failure> {
    let queue = Queue::require(db, parse::<QueueAddress>(body)?.name())?;
    let urls: Vec<_> = sources_of(db, &queue.name)?.iter().map(|name| queue_url(name)).collect();
    Ok(Response::ok(&json!({ "queueUrls": urls })).into())
}

/// Names of the queues whose dead-letter queue is `name`.
pub(super) fn sources_of(db: &Connection, name: &str) -> Result<Vec<String>, Failure> {
    let mut statement = db.prepare_cached("SELECT id, name, attributes, created, modified FROM queue ORDER BY name")?;
    let queues = statement.query_map([], Queue::of_row)?.collect::<Result<Vec<_>, _>>()?;
    Ok(queues.into_iter().filter(|queue| queue.redrive().is_some_and(|redrive| redrive.target() == name)).map(|queue| queue.name).collect())
}

/// What an attribute may be set to.
enum Domain {
    /// A number in this range.
    Number(i64, i64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Kept and answered, without effect here.
    Text,
    /// Names another queue.
    Redrive,
}

const SETTABLE: &[(&str, Domain)] = &[
    ("DelaySeconds", Domain::Number(0, 900)),
    ("MaximumMessageSize", Domain::Number(1024, 1_048_576)),
    ("MessageRetentionPeriod", Domain::Number(60, 1_209_600)),
    ("ReceiveMessageWaitTimeSeconds", Domain::Number(0, 20)),
    ("VisibilityTimeout", Domain::Number(0, 43_200)),
    ("RedrivePolicy", Domain::Redrive),
    ("RedriveAllowPolicy", Domain::Text),
    ("Policy", Domain::Text),
    ("KmsMasterKeyId", Domain::Text),
    ("KmsDataKeyReusePeriodSeconds", Domain::Number(60, 86_400)),
    ("SqsManagedSseEnabled", Domain::Flag),
    ("FifoQueue", Domain::Flag),
    ("ContentBasedDeduplication", Domain::Flag),
    ("DeduplicationScope", Domain::Word(&["queue", "messageGroup"])),
    ("FifoThroughputLimit", Domain::Word(&["perQueue", "perMessageGroupId"])),
];

fn validate(db: &Connection, queue: &str, attributes: &BTreeMap<String, String>) -> Result<(), Failure> {
    const FIFO_ONLY: [&str; 3] = ["ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];
    for (name, value) in attributes {
        let domain = SETTABLE.iter().find(|(known, _)| known == name).map(|(_, domain)| domain);
        let domain = domain.ok_or_else(|| Refusal::attribute_name(name))?;
        if FIFO_ONLY.contains(&name.as_str()) && !queue.ends_with(".fifo") {
            return Err(Refusal::attribute_name(name).into());
        }
        let legal = match domain {
            Domain::Number(low, high) => value.parse::<i64>().is_ok_and(|number| (*low..=*high).contains(&number)),
            Domain::Flag => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
            Domain::Word(words) => words.contains(&value.as_str()),
            Domain::Text => true,
            Domain::Redrive => value.is_empty() || redrive_is_legal(db, queue, value)?,
        };
        if !legal {
            return Err(Refusal::attribute_value(name).into());
        }
    }
    Ok(())
}

/// A dead-letter queue must exist and be of the same kind as its source.
fn redrive_is_legal(db: &Connection, queue: &str, policy: &str) -> Result<bool, Failure> {
    let Ok(redrive) = serde_json::from_str::<Redrive>(policy) else { return Ok(false) };
    let target = redrive.target();
    Ok((1..=1000).contains(&redrive.max_receive_count)
        && target.ends_with(".fifo") == queue.ends_with(".fifo")
        && Queue::find(db, target)?.is_some())
}
