//! Reading: one item, many items, a range of an index. Reads of the table are strongly consistent, without exception.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Select};

use crate::Result;
use crate::access::Access;
use crate::error::Error;
use crate::keys::{Attributes, Key, string};
use crate::page::{self, Page, Paged};

/// Most keys of one `BatchGetItem`
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const MAX_BATCH: usize = 100;

/// How often the rest of a batch is asked for before the caller has to.
const BATCH_TRIES: u32 = 8;

/// Which keys a query goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    Table,
    Gsi1,
    Gsi2,
    Gsi3,
    Gsi4,
}

impl Index {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Table => None,
            Self::Gsi1 => Some("gsi1"),
            Self::Gsi2 => Some("gsi2"),
            Self::Gsi3 => Some("gsi3"),
            Self::Gsi4 => Some("gsi4"),
        }
    }

    fn partition_key(self) -> &'static str {
        match self {
            Self::Table => "pk",
            Self::Gsi1 => "gsi1pk",
            Self::Gsi2 => "gsi2pk",
            Self::Gsi3 => "due_pk",
            Self::Gsi4 => "work_pk",
        }
    }

    fn sort_key(self) -> &'static str {
        match self {
            Self::Table => "sk",
            Self::Gsi1 => "gsi1sk",
            Self::Gsi2 => "gsi2sk",
            Self::Gsi3 => "due_at",
            Self::Gsi4 => "work_at",
        }
    }

    /// The keys that a cursor remembers.
    pub(crate) fn cursor_keys(self) -> [&'static str; 4] {
        [self.partition_key(), self.sort_key(), "pk", "sk"]
    }
}

/// A range of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Range<'a> {
    pub(crate) operation: &'static str,
    pub(crate) table: &'a str,
    pub(crate) index: Index,
    pub(crate) partition: String,
    pub(crate) sort: Sort,
    pub(crate) order: Order,
}

/// Which sort keys of a partition are in a range.
#[derive(Debug, Clone)]
pub(crate) enum Sort {
    All,
    Prefix(&'static str),
    Is(String),
    AtMost(AttributeValue),
    /// Both ends belong to it.
    Between(String, String),
}

/// In which direction a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

impl Access {
    /// One item as it is now.
    pub(crate) async fn get(&self, operation: &'static str, table: &str, key: &Key) -> Result<Option<Attributes>> {
        let answer = self.client.get_item().table_name(table).set_key(Some(key.attributes())).consistent_read(true).send().await;
        answer.map(|answer| answer.item).map_err(|error| Error::from_sdk(operation, error))
    }

    /// Many items as they are now, by key; those that do not exist are absent.
    pub(crate) async fn get_many(&self, operation: &'static str, table: &str, keys: &[Key]) -> Result<HashMap<Key, Attributes>> {
        // The same key twice in one request is an error.
        let unique: Vec<&Key> = keys.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = HashMap::with_capacity(unique.len());
        for batch in unique.chunks(MAX_BATCH) {
            let mut wanted: Vec<Attributes> = batch.iter().map(|key| key.attributes()).collect();
            let mut tries = 0;
            while !wanted.is_empty() {
                if tries == BATCH_TRIES {
                    return Err(Error::transient(operation, format!("{} of {} items stayed unread", wanted.len(), batch.len())));
                }
                pause(tries).await;
                tries += 1;
                let request = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
                let request = request.map_err(|error| Error::unstorable(&operation, error))?;
                let answer = self.client.batch_get_item().request_items(table, request).send().await;
                let answer = answer.map_err(|error| Error::from_sdk(operation, error))?;
                for item in answer.responses.and_then(|mut tables| tables.remove(table)).unwrap_or_default() {
                    if let Some(key) = Key::of(&item) {
                        found.insert(key, item);
                    }
                }
                // What does not fit into 16 MB, or is throttled, comes back as a rest.
                wanted = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table)).map(|rest| rest.keys).unwrap_or_default();
            }
        }
        Ok(found)
    }

    /// The items of a range, at most `limit` of them.
    pub(crate) async fn range(&self, range: &Range<'_>, limit: Option<usize>) -> Result<Vec<Attributes>> {
        self.range_after(range, limit, None).await
    }

    async fn range_after(&self, range: &Range<'_>, limit: Option<usize>, start: Option<Attributes>) -> Result<Vec<Attributes>> {
        let mut items = Vec::new();
        let mut start = start;
        loop {
            let missing = limit.map(|limit| limit.saturating_sub(items.len()));
            if missing == Some(0) {
                return Ok(items);
            }
            let size = missing.map(|missing| i32::try_from(missing).unwrap_or(i32::MAX));
            let answer = self.query(range).set_limit(size).set_exclusive_start_key(start).send().await;
            let answer = answer.map_err(|error| Error::from_sdk(range.operation, error))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// The beginning of a range, as much as one request reads (1 MB), and whether that was all.
    pub(crate) async fn beginning(&self, range: &Range<'_>) -> Result<(Vec<Attributes>, bool)> {
        let answer = self.query(range).send().await.map_err(|error| Error::from_sdk(range.operation, error))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.is_none()))
    }

    /// The primary keys of a range.
    pub(crate) async fn keys(&self, range: &Range<'_>) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        let mut start = None;
        loop {
            let query = self.query(range).projection_expression("pk, sk").set_exclusive_start_key(start);
            let answer = query.send().await.map_err(|error| Error::from_sdk(range.operation, error))?;
            keys.extend(answer.items.unwrap_or_default().iter().filter_map(Key::of));
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(keys);
            }
        }
    }

    /// One page of a range with text keys.
    pub(crate) async fn page(&self, range: &Range<'_>, page: &Page) -> Result<Paged<Attributes>> {
        let prefix = match &range.sort {
            Sort::Prefix(prefix) => prefix,
            Sort::All | Sort::Is(_) | Sort::AtMost(_) | Sort::Between(..) => "",
        };
        let start = page.after.as_deref().map(|text| page::start_key(text, range.index, &range.partition, prefix)).transpose()?;
        // One more than wanted says whether there is a next page without asking for it.
        let mut items = self.range_after(range, Some(page.size() + 1), start).await?;
        let has_more = items.len() > page.size();
        items.truncate(page.size());
        let next = if has_more { items.last().and_then(|item| page::cursor(range.index, item)) } else { None };
        Ok(Paged { items, next })
    }

    /// How many items are in a range.
    pub(crate) async fn count(&self, range: &Range<'_>) -> Result<usize> {
        let mut count = 0;
        let mut start = None;
        loop {
            let answer = self.query(range).select(Select::Count).set_exclusive_start_key(start).send().await;
            let answer = answer.map_err(|error| Error::from_sdk(range.operation, error))?;
            count += usize::try_from(answer.count).unwrap_or(0);
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    fn query(&self, range: &Range<'_>) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(range.table)
            .set_index_name(range.index.name().map(str::to_owned))
            // An index refuses consistent reads; the table is never read without.
            .consistent_read(range.index == Index::Table)
            .scan_index_forward(range.order == Order::Ascending)
            .expression_attribute_names("#partition", range.index.partition_key())
            .expression_attribute_values(":partition", string(&range.partition));
        match &range.sort {
            Sort::All => query.key_condition_expression("#partition = :partition"),
            Sort::Prefix(prefix) => query
                .key_condition_expression("#partition = :partition AND begins_with(#sort, :sort)")
                .expression_attribute_names("#sort", range.index.sort_key())
                .expression_attribute_values(":sort", string(*prefix)),
            Sort::Is(value) => query
                .key_condition_expression("#partition = :partition AND #sort = :sort")
                .expression_attribute_names("#sort", range.index.sort_key())
                .expression_attribute_values(":sort", string(value)),
            Sort::AtMost(most) => query
                .key_condition_expression("#partition = :partition AND #sort <= :sort")
                .expression_attribute_names("#sort", range.index.sort_key())
                .expression_attribute_values(":sort", most.clone()),
            Sort::Between(first, last) => query
                .key_condition_expression("#partition = :partition AND #sort BETWEEN :first AND :last")
                .expression_attribute_names("#sort", range.index.sort_key())
                .expression_attribute_values(":first", string(first))
                .expression_attribute_values(":last", string(last)),
        }
    }
}

/// Waits before the next try: not at all before the first, then twice as long each time, at most a second.
pub(crate) async fn pause(tries: u32) {
    if tries > 0 {
        let milliseconds = 10_u64.saturating_mul(1 << tries.min(7));
        tokio::time::sleep(Duration::from_millis(milliseconds.min(1_000))).await;
    }
}
