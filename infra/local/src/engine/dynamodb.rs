//! DynamoDB over `dynoxide`: its typed operations behind the AWS JSON protocol.
//!
//! What it does not do: raise transaction conflicts (inject them, see [`super::fault`]), read stale data, keep streams.
//! Expired items stay until [`DynamoDb::sweep_expired`] is called.

use std::path::Path;
use std::sync::Arc;

use dynoxide::types::ConsumedCapacity;
use dynoxide::{Database, DynoxideError};
use quillon_runtime::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::meter::Capacity;
use super::wire::Response;

/// The table service. Clones share their tables.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    durable: bool,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDb").field("durable", &self.durable).finish_non_exhaustive()
    }
}

/// Lets the expiry of items in memory follow our clock; tables in a file follow the machine's.
struct ExpiryClock(Clock);

impl dynoxide::storage_backend::Clock for ExpiryClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now_ms() / 1000).unwrap_or(0)
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium fit into 53 bits")]
    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now_ms() as f64 / 1000.0
    }
}

impl DynamoDb {
    /// Opens the tables stored at `path`, or tables in memory that end with this value.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, its path is not UTF-8, or it is not a database of tables.
    pub fn open(path: Option<&Path>, clock: Clock) -> Result<Self, DynoxideError> {
        let database = match path {
            Some(path) => {
                let text = path
                    .to_str()
                    .ok_or_else(|| DynoxideError::InternalServerError(format!("the path `{}` is not UTF-8", path.display())))?;
                let database = Database::new(text)?;
                // Named for its other use: it sets `PRAGMA synchronous = NORMAL`. A write then survives the death of the
                // process at any moment but does not wait for the disk, which makes it ten times faster (0.2 instead of
                // 2.4 ms). A power failure can take back the last writes; the queues, which do wait, the sweep and the
                // reconciler make up for those as they do for any lost step.
                database.disable_bulk_loading()?;
                database
            }
            None => Database::memory_with_clock(Arc::new(ExpiryClock(clock)))?,
        };
        Ok(Self { database, durable: path.is_some() })
    }

    /// Whether writes wait for a disk, so that callers should not be on an async worker.
    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// The tables themselves, for seeding large benchmarks without the wire format.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Deletes items whose TTL attribute has passed and answers how many. AWS does this within days, we on a timer.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn sweep_expired(&self) -> Result<usize, DynoxideError> {
        self.database.sweep_ttl()
    }

    /// Answers one request of the AWS JSON protocol. Blocks while it waits for the database.
    #[must_use]
    pub fn call(&self, operation: &str, body: &[u8]) -> (Response, Capacity) {
        match self.dispatch(operation, body) {
            Ok(Some((body, capacity))) => (Response { status: 200, query_error: None, body: body.into() }, capacity),
            Ok(None) => {
                let kind = "com.amazon.coral.service#UnknownOperationException";
                (Response::error(400, kind, "not an operation of this engine"), Capacity::default())
            }
            Err(error) => {
                if error.status_code() >= 500 {
                    tracing::error!(cause = %error, operation, "the table engine failed");
                }
                let body = error.to_json().into();
                (Response { status: error.status_code(), query_error: None, body }, Capacity::default())
            }
        }
    }

    fn dispatch(&self, operation: &str, body: &[u8]) -> Result<Option<(Vec<u8>, Capacity)>, DynoxideError> {
        use dynoxide::actions as action;

        let db = &self.database;
        // Every data operation is asked for the capacity it consumed, which the caller sees only if it asked as well.
        macro_rules! data {
            ($method:ident, $request:ty, $axis:ident) => {{
                let mut request: $request = parse(body)?;
                let hidden = request.return_consumed_capacity.as_deref().is_none_or(|mode| mode == "NONE");
                if hidden {
                    request.return_consumed_capacity = Some("TOTAL".to_owned());
                }
                let mut response = db.$method(request)?;
                let units = units(response.consumed_capacity.as_ref());
                if hidden {
                    response.consumed_capacity = None;
                }
                (render(&response)?, Capacity { $axis: units, ..Capacity::default() })
            }};
        }
        macro_rules! control {
            ($method:ident) => {
                (render(&db.$method(parse(body)?)?)?, Capacity::default())
            };
        }
        Ok(Some(match operation {
            "GetItem" => data!(get_item, action::get_item::GetItemRequest, read_units),
            "BatchGetItem" => data!(batch_get_item, action::batch_get_item::BatchGetItemRequest, read_units),
            "Query" => data!(query, action::query::QueryRequest, read_units),
            "Scan" => data!(scan, action::scan::ScanRequest, read_units),
            "TransactGetItems" => {
                data!(transact_get_items, action::transact_get_items::TransactGetItemsRequest, read_units)
            }
            "PutItem" => data!(put_item, action::put_item::PutItemRequest, write_units),
            "UpdateItem" => data!(update_item, action::update_item::UpdateItemRequest, write_units),
            "DeleteItem" => data!(delete_item, action::delete_item::DeleteItemRequest, write_units),
            "BatchWriteItem" => {
                data!(batch_write_item, action::batch_write_item::BatchWriteItemRequest, write_units)
            }
            "TransactWriteItems" => {
                data!(transact_write_items, action::transact_write_items::TransactWriteItemsRequest, write_units)
            }
            "CreateTable" => control!(create_table),
            "DeleteTable" => control!(delete_table),
            "DescribeTable" => control!(describe_table),
            "UpdateTable" => control!(update_table),
            "ListTables" => control!(list_tables),
            "UpdateTimeToLive" => control!(update_time_to_live),
            "DescribeTimeToLive" => control!(describe_time_to_live),
            _ => return Ok(None),
        }))
    }
}

/// Capacity of an answer, whether it is about one table or several.
fn units<C>(capacity: Option<&C>) -> f64
where
    C: AsCapacities,
{
    capacity.map_or(0.0, |capacity| capacity.as_capacities().iter().map(|table| table.capacity_units).sum())
}

trait AsCapacities {
    fn as_capacities(&self) -> &[ConsumedCapacity];
}

impl AsCapacities for ConsumedCapacity {
    fn as_capacities(&self) -> &[ConsumedCapacity] {
        std::slice::from_ref(self)
    }
}

impl AsCapacities for Vec<ConsumedCapacity> {
    fn as_capacities(&self) -> &[ConsumedCapacity] {
        self
    }
}

/// Reads a request; `dynoxide` marks the errors of its own validation inside the parser's message.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        let validation = text.strip_prefix("VALIDATION:").or_else(|| text.strip_prefix("VALIDATION_REQUEST:"));
        match validation {
            Some(message) => DynoxideError::ValidationException(message.to_owned()),
            None => {
                let message = text.strip_prefix("SERIALIZATION:").unwrap_or(text);
                DynoxideError::SerializationException(message.to_owned())
            }
        }
    })
}

fn render<T: Serialize>(response: &T) -> Result<Vec<u8>, DynoxideError> {
    serde_json::to_vec(response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
