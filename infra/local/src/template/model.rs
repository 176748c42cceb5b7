//! The template as typed values: what exists, under which names, wired to what.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::expression::Expression;
use crate::engine::policy::Statement;

/// A template with its parameters filled in.
#[derive(Clone, Debug)]
pub struct Template {
    /// Declared parameters.
    pub parameters: Vec<Parameter>,
    /// Functions, in the order of the file.
    pub functions: Vec<Function>,
    /// Queues, dead-letter queues before the queues that name them.
    pub queues: Vec<Queue>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// Outputs by name.
    pub outputs: BTreeMap<String, String>,
}

impl Template {
    /// The function with this logical id.
    #[must_use]
    pub fn function(&self, logical_id: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.logical_id == logical_id)
    }

    /// The queue with this logical id.
    #[must_use]
    pub fn queue(&self, logical_id: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.logical_id == logical_id)
    }

    /// The queue with this ARN.
    #[must_use]
    pub fn queue_by_arn(&self, arn: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.arn() == arn)
    }

    /// The table with this logical id.
    #[must_use]
    pub fn table(&self, logical_id: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.logical_id == logical_id)
    }

    /// The secret with this logical id.
    #[must_use]
    pub fn secret(&self, logical_id: &str) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.logical_id == logical_id)
    }
}

/// A declared parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether a value must be given.
    pub required: bool,
    /// Whether its value is a secret.
    pub no_echo: bool,
    /// What it is for.
    pub description: String,
}

/// A Lambda function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name in the template.
    pub logical_id: String,
    /// The package and binary that it runs.
    pub crate_name: String,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Memory in MB.
    pub memory_mb: u32,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// What invokes it.
    pub events: Vec<Event>,
    /// What it may do.
    pub statements: Vec<Statement>,
}

/// Something that invokes a function.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name within the function.
    pub name: String,
    /// What it is.
    pub source: EventSource,
}

/// What can invoke a function.
#[derive(Clone, Debug)]
pub enum EventSource {
    /// A route of the HTTP API.
    HttpApi {
        /// Upper case; `None` for any method.
        method: Option<String>,
        /// With variables as `{name}` and a greedy one as `{name+}`; `None` for `$default`.
        path: Option<String>,
    },
    /// A queue.
    Sqs {
        /// The queue's ARN.
        queue_arn: String,
        /// Messages per invocation at most.
        batch_size: u32,
        /// Whether the function names the messages that failed; otherwise a batch fails or succeeds as a whole.
        report_batch_item_failures: bool,
        /// Concurrent invocations at most, if limited.
        maximum_concurrency: Option<u32>,
    },
    /// A schedule.
    Schedule {
        /// When.
        expression: Expression,
        /// The event, JSON text.
        input: String,
    },
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name in the template.
    pub logical_id: String,
    /// Its physical name.
    pub name: String,
    /// Attributes of `CreateQueue`, the redrive policy included.
    pub attributes: BTreeMap<String, String>,
    /// Where messages go that were received too often.
    pub dead_letter: Option<DeadLetter>,
}

impl Queue {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        crate::engine::sqs::queue_arn(&self.name)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        crate::engine::sqs::queue_url(&self.name)
    }

    /// Whether it is a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.attributes.get("FifoQueue").is_some_and(|value| value == "true")
    }

    /// How long a received message stays hidden.
    #[must_use]
    pub fn visibility_timeout(&self) -> Duration {
        let seconds = self.attributes.get("VisibilityTimeout").and_then(|value| value.parse().ok());
        Duration::from_secs(seconds.unwrap_or(30))
    }
}

/// A redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// ARN of the dead-letter queue.
    pub queue_arn: String,
    /// Receives after which a message goes there.
    pub max_receive_count: u32,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the template.
    pub logical_id: String,
    /// Its physical name.
    pub name: String,
    /// Its primary key.
    pub key: Key,
    /// Its global secondary indexes.
    pub indexes: Vec<Index>,
    /// The attribute that says when an item expires.
    pub ttl_attribute: Option<String>,
}

/// The key of a table or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The partition key.
    pub partition: KeyAttribute,
    /// The sort key.
    pub sort: Option<KeyAttribute>,
}

/// An attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// `S`, `N` or `B`.
    pub kind: String,
}

/// A global secondary index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// Which attributes it copies.
    pub projection: Projection,
}

/// The attributes that an index copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projection {
    /// All.
    All,
    /// Only keys.
    KeysOnly,
    /// Keys and these.
    Include(Vec<String>),
}

/// A secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its name in the template.
    pub logical_id: String,
    /// Its physical name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Where its value comes from.
    pub value: SecretValue,
}

/// Where the value of a secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// The template, usually from a parameter.
    Given(String),
    /// Random text of this many characters, generated once.
    Generated {
        /// Its length.
        length: u32,
        /// The member of a JSON object that it becomes; by itself it is the whole value.
        member: Option<String>,
    },
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(***)"),
            Self::Generated { length, .. } => f.debug_struct("Generated").field("length", length).finish_non_exhaustive(),
        }
    }
}
