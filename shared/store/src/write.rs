//! Writing: one item or many at once, under conditions, and never mistaking one's own success for somebody else's.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, DeleteRequest, Put, ReturnValuesOnConditionCheckFailure as OnFailure,
    TransactWriteItem, WriteRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::access::Access;
use crate::error::{Answer, Error, is_transient_code};
use crate::item::{self, BODY, Item, Kind, Place};
use crate::keys::{Attributes, Key, string};
use crate::read::pause;
use crate::{Result, Written};

/// How often a write in conflict with somebody's transaction is tried before the caller has to.
pub(crate) const CONFLICT_TRIES: u32 = 5;

/// Most requests of one `BatchWriteItem`
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
const MAX_BATCH: usize = 25;

/// Most parts of one transaction
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub(crate) const MAX_TRANSACTION: usize = 100;

/// How often the rest of a batch is sent before the caller has to.
const BATCH_TRIES: u32 = 8;

/// How often a read-change-write is begun again when somebody was faster.
pub(crate) const CHANGE_TRIES: u32 = 5;

/// What must be true of the stored item for a write to happen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// It is the one that was read, with this nonce.
    Unchanged(String),
    /// This field of its value is equal.
    Is(&'static str, AttributeValue),
    /// There is none, or this field of its value is at most this.
    AbsentOrAtMost(&'static str, AttributeValue),
    /// There is none, or it lacks this attribute.
    Lacks(&'static str),
}

/// A condition in the words of a request.
struct Expression {
    text: &'static str,
    names: HashMap<String, String>,
    values: Attributes,
}

impl Condition {
    /// See <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html>.
    fn expression(&self) -> Expression {
        let field = |name: &str| HashMap::from([("#body".to_owned(), BODY.to_owned()), ("#field".to_owned(), name.to_owned())]);
        let value = |value: &AttributeValue| Attributes::from([(":value".to_owned(), value.clone())]);
        match self {
            Self::Absent => Expression { text: "attribute_not_exists(pk)", names: HashMap::new(), values: Attributes::new() },
            Self::Present => Expression { text: "attribute_exists(pk)", names: HashMap::new(), values: Attributes::new() },
            Self::Unchanged(nonce) => Expression { text: "nonce = :value", names: HashMap::new(), values: value(&string(nonce)) },
            Self::Is(name, wanted) => Expression { text: "#body.#field = :value", names: field(name), values: value(wanted) },
            Self::AbsentOrAtMost(name, most) => {
                Expression { text: "attribute_not_exists(pk) OR #body.#field <= :value", names: field(name), values: value(most) }
            }
            Self::Lacks(name) => Expression {
                text: "attribute_not_exists(#field)",
                names: HashMap::from([("#field".to_owned(), (*name).to_owned())]),
                values: Attributes::new(),
            },
        }
    }
}

/// One part of a transaction.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Put {
        table: String,
        item: Item,
        condition: Option<Condition>,
    },
    Delete {
        table: String,
        key: Key,
        condition: Option<Condition>,
    },
    /// Changes nothing; the transaction fails unless the condition holds.
    Check {
        table: String,
        key: Key,
        condition: Condition,
    },
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transacted {
    /// All of it is stored.
    Done,
    /// None of it is stored, because the conditions of these parts did not hold.
    Lost(Vec<usize>),
}

impl From<Transacted> for Written {
    fn from(transacted: Transacted) -> Self {
        match transacted {
            Transacted::Done => Self::Done,
            Transacted::Lost(_) => Self::Lost,
        }
    }
}

impl Access {
    /// Replaces an item, whatever was there.
    pub(crate) async fn put(&self, operation: &'static str, table: &str, item: Item) -> Result<()> {
        // Without a condition there is nothing to lose.
        self.send_put(operation, table, item, None).await.map(|_written| ())
    }

    /// Replaces an item if a condition holds.
    pub(crate) async fn put_if(&self, operation: &'static str, table: &str, item: Item, condition: &Condition) -> Result<Written> {
        self.send_put(operation, table, item, Some(condition)).await
    }

    async fn send_put(&self, operation: &'static str, table: &str, mut item: Item, condition: Option<&Condition>) -> Result<Written> {
        if !self.along.is_empty() {
            let put = Action::Put { table: table.to_owned(), item, condition: condition.cloned() };
            return self.transact(operation, vec![put]).await.map(Written::from);
        }
        let nonce = fresh_nonce();
        item::sign(&mut item.attributes, &nonce);
        let mut tries = 0;
        loop {
            let mut request = self.client.put_item().table_name(table).set_item(Some(item.attributes.clone()));
            if let Some(condition) = condition {
                let expression = condition.expression();
                request = request
                    .condition_expression(expression.text)
                    .set_expression_attribute_names(some(expression.names))
                    .set_expression_attribute_values(some(expression.values))
                    .return_values_on_condition_check_failure(OnFailure::AllOld);
            }
            let error = match request.send().await {
                Ok(_) => return Ok(Written::Done),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failure)) => {
                    let is_own = failure.item().and_then(item::nonce) == Some(nonce.as_str());
                    return Ok(if is_own { Written::Done } else { Written::Lost });
                }
                Some(PutItemError::TransactionConflictException(_)) if tries < CONFLICT_TRIES => {
                    tries += 1;
                    pause(tries).await;
                }
                Some(_) | None => return Err(Error::from_sdk(operation, error)),
            }
        }
    }

    /// Deletes an item that is there; `Lost` when it is not.
    pub(crate) async fn take_out(&self, operation: &'static str, table: &str, key: Key) -> Result<Written> {
        let delete = Action::Delete { table: table.to_owned(), key, condition: Some(Condition::Present) };
        self.transact(operation, vec![delete]).await.map(Written::from)
    }

    /// Deletes an item, if it is there. Nothing goes along with it.
    pub(crate) async fn delete(&self, operation: &'static str, table: &str, key: &Key) -> Result<()> {
        let answer = self.client.delete_item().table_name(table).set_key(Some(key.attributes())).send().await;
        answer.map(|_| ()).map_err(|error| Error::from_sdk(operation, error))
    }

    /// Deletes many items of a table, those that are there; may end half-way, and can be repeated. No key twice. Nothing goes along.
    pub(crate) async fn delete_many(&self, operation: &'static str, table: &str, keys: &[Key]) -> Result<()> {
        for batch in keys.chunks(MAX_BATCH) {
            let mut wanted: Vec<WriteRequest> = batch.iter().map(deletion).collect::<Result<_>>()?;
            let mut tries = 0;
            while !wanted.is_empty() {
                if tries == BATCH_TRIES {
                    return Err(Error::transient(operation, format!("{} of {} items stayed", wanted.len(), batch.len())));
                }
                pause(tries).await;
                tries += 1;
                let answer = self.client.batch_write_item().request_items(table, wanted).send().await;
                let answer = answer.map_err(|error| Error::from_sdk(operation, error))?;
                wanted = answer.unprocessed_items.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Writes several items, and what goes along, or none of them. At most 100, no item twice.
    pub(crate) async fn transact(&self, operation: &'static str, actions: Vec<Action>) -> Result<Transacted> {
        let nonce = fresh_nonce();
        let actions = actions.into_iter().chain(self.along.iter().cloned());
        let parts: Vec<TransactWriteItem> = actions.map(|action| part(action, &nonce)).collect::<Result<_>>()?;
        let mut tries = 0;
        loop {
            // The nonce is the token too: DynamoDB answers a repetition within ten minutes with the first success.
            let request = self.client.transact_write_items().set_transact_items(Some(parts.clone())).client_request_token(&nonce);
            let error = match request.send().await {
                Ok(_) => return Ok(Transacted::Done),
                Err(error) => error,
            };
            let verdict = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => judge(cancelled.cancellation_reasons(), &nonce),
                Some(other) if other.code().is_some_and(is_transient_code) => Verdict::Again(other.to_string()),
                Some(_) | None => return Err(Error::from_sdk(operation, error)),
            };
            match verdict {
                Verdict::Own => return Ok(Transacted::Done),
                Verdict::Lost(parts) => return Ok(Transacted::Lost(parts)),
                Verdict::Again(reason) if tries == CONFLICT_TRIES => return Err(Error::transient(operation, reason)),
                Verdict::Again(_) => {
                    tries += 1;
                    pause(tries).await;
                }
                Verdict::Refused(answer) => return Err(Error::Refused { operation, source: Box::new(answer) }),
            }
        }
    }

    /// Reads a value, changes it, and writes it if nobody was faster; begins again if somebody was.
    ///
    /// `change` gets the stored value and says what it shall be; with `None` nothing is written and the answer is `Lost`.
    pub(crate) async fn rewrite<T: DeserializeOwned + Serialize>(
        &self,
        operation: &'static str,
        table: &str,
        kind: Kind,
        key: &Key,
        mut change: impl FnMut(Option<T>) -> Option<(T, Place)>,
    ) -> Result<Written> {
        for _ in 0..CHANGE_TRIES {
            let stored = self.get(operation, table, key).await?;
            let condition = match stored.as_ref().map(item::nonce) {
                None => Condition::Absent,
                Some(Some(nonce)) => Condition::Unchanged(nonce.to_owned()),
                Some(None) => return Err(Error::corrupt(key, "it has no nonce")),
            };
            let stored = stored.map(|attributes| item::decode::<T>(kind, attributes)).transpose()?;
            let Some((next, place)) = change(stored) else { return Ok(Written::Lost) };
            let item = Item::new(kind, key.clone(), &next, &place)?;
            match self.put_if(operation, table, item, &condition).await? {
                Written::Done => return Ok(Written::Done),
                Written::Lost => {}
            }
        }
        Err(Error::transient(operation, format!("`{key}` changed {CHANGE_TRIES} times while it was being written")))
    }
}

/// A map, unless it is empty: requests refuse empty ones.
pub(crate) fn some<V>(map: HashMap<String, V>) -> Option<HashMap<String, V>> {
    (!map.is_empty()).then_some(map)
}

pub(crate) fn fresh_nonce() -> String {
    Uuid::new_v4().to_string()
}

fn deletion(key: &Key) -> Result<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(key.attributes())).build();
    let delete = delete.map_err(|error| Error::unstorable(key, error))?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

fn part(action: Action, nonce: &str) -> Result<TransactWriteItem> {
    match action {
        Action::Put { table, mut item, condition } => {
            item::sign(&mut item.attributes, nonce);
            let mut put = Put::builder().table_name(table).set_item(Some(item.attributes));
            if let Some(condition) = condition {
                let expression = condition.expression();
                put = put
                    .condition_expression(expression.text)
                    .set_expression_attribute_names(some(expression.names))
                    .set_expression_attribute_values(some(expression.values))
                    .return_values_on_condition_check_failure(OnFailure::AllOld);
            }
            let put = put.build().map_err(|error| Error::unstorable(&item.key, error))?;
            Ok(TransactWriteItem::builder().put(put).build())
        }
        Action::Delete { table, key, condition } => {
            let mut delete = Delete::builder().table_name(table).set_key(Some(key.attributes()));
            if let Some(condition) = condition {
                let expression = condition.expression();
                delete = delete
                    .condition_expression(expression.text)
                    .set_expression_attribute_names(some(expression.names))
                    .set_expression_attribute_values(some(expression.values))
                    .return_values_on_condition_check_failure(OnFailure::AllOld);
            }
            let delete = delete.build().map_err(|error| Error::unstorable(&key, error))?;
            Ok(TransactWriteItem::builder().delete(delete).build())
        }
        Action::Check { table, key, condition } => {
            let expression = condition.expression();
            let check = ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(key.attributes()))
                .condition_expression(expression.text)
                .set_expression_attribute_names(some(expression.names))
                .set_expression_attribute_values(some(expression.values))
                .return_values_on_condition_check_failure(OnFailure::AllOld)
                .build();
            let check = check.map_err(|error| Error::unstorable(&key, error))?;
            Ok(TransactWriteItem::builder().condition_check(check).build())
        }
    }
}

/// What a cancelled transaction means.
#[derive(Debug)]
enum Verdict {
    /// It had succeeded before.
    Own,
    /// The conditions of these parts did not hold.
    Lost(Vec<usize>),
    /// Somebody else was at the same items, or it was throttled.
    Again(String),
    /// It can never succeed.
    Refused(Answer),
}

fn judge(reasons: &[CancellationReason], nonce: &str) -> Verdict {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    if reasons.iter().any(|reason| failed(reason) && reason.item().and_then(item::nonce) == Some(nonce)) {
        return Verdict::Own;
    }
    let lost: Vec<usize> = reasons.iter().enumerate().filter(|(_, reason)| failed(reason)).map(|(index, _)| index).collect();
    if !lost.is_empty() {
        return Verdict::Lost(lost);
    }
    let others: Vec<&CancellationReason> = reasons.iter().filter(|reason| !matches!(reason.code(), None | Some("None"))).collect();
    let words: Vec<&str> = others.iter().filter_map(|reason| reason.code()).collect();
    match others.iter().find(|reason| !reason.code().is_some_and(is_transient_code)) {
        Some(reason) => Verdict::Refused(Answer {
            code: reason.code().unwrap_or("no error code").to_owned(),
            message: reason.message().unwrap_or("no message").to_owned(),
        }),
        None => Verdict::Again(format!("the transaction was cancelled: {}", words.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str, nonce: Option<&str>) -> CancellationReason {
        let item = nonce.map(|nonce| Attributes::from([("nonce".to_owned(), string(nonce))]));
        CancellationReason::builder().code(code).set_item(item).build()
    }

    #[test]
    fn a_cancelled_transaction_is_judged_by_all_its_reasons() {
        let none = || reason("None", None);
        let failed = |nonce| reason("ConditionalCheckFailed", Some(nonce));
        let conflict = || reason("TransactionConflict", None);
        assert!(matches!(judge(&[none(), failed("mine")], "mine"), Verdict::Own));
        assert!(matches!(judge(&[none(), failed("theirs"), conflict()], "mine"), Verdict::Lost(parts) if parts == [1]));
        assert!(matches!(judge(&[failed("theirs"), failed("mine")], "mine"), Verdict::Own));
        assert!(matches!(judge(&[none(), conflict()], "mine"), Verdict::Again(_)));
        assert!(matches!(judge(&[conflict(), reason("ValidationError", None)], "mine"), Verdict::Refused(_)));
        assert!(matches!(judge(&[], "mine"), Verdict::Again(_)));
    }
}
