//! Changing attributes of one item in place: counters that many writers add to at once, and flags under a condition.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure};

use crate::Result;
use crate::access::Access;
use crate::error::Error;
use crate::item;
use crate::keys::{Attributes, Key, string};
use crate::read::pause;
use crate::write::{CONFLICT_TRIES, fresh_nonce, some};

/// What must be true of one attribute for an update to happen. A name may be a path, `map.field`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// It is there.
    Has(&'static str),
    /// It is not there.
    Lacks(&'static str),
    /// It is equal.
    Is(&'static str, AttributeValue),
    /// It is not there, or equal.
    LacksOrIs(&'static str, AttributeValue),
    /// It is not there, or less.
    LacksOrLess(&'static str, AttributeValue),
}

/// A change of one item, which comes into being when there is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Update {
    /// Attributes that get a value.
    pub(crate) set: Vec<(&'static str, AttributeValue)>,
    /// Attributes that get a value if they have none.
    pub(crate) set_once: Vec<(&'static str, AttributeValue)>,
    /// Numbers that something is added to; what is not there counts as 0.
    pub(crate) add: Vec<(&'static str, AttributeValue)>,
    /// Attributes that go.
    pub(crate) remove: Vec<&'static str>,
    /// All of them must hold.
    pub(crate) tests: Vec<Test>,
    /// Whether a repetition of this change by the SDK must be told from somebody else's: it then leaves a nonce, and the
    /// change itself must make its tests fail.
    pub(crate) is_once: bool,
}

/// What became of an update.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Updated {
    /// The item as it is now.
    Done(Attributes),
    /// A test did not hold; the item as it is, if there is one.
    Lost(Option<Attributes>),
}

/// An update in the words of a request, with a placeholder for every name, because hundreds of words are reserved
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>).
#[derive(Debug, Default, PartialEq)]
struct Words {
    update: String,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: Attributes,
}

impl Words {
    fn name(&mut self, path: &str) -> String {
        let parts: Vec<String> = path.split('.').map(|part| format!("#{part}")).collect();
        for part in path.split('.') {
            self.names.insert(format!("#{part}"), part.to_owned());
        }
        parts.join(".")
    }

    fn value(&mut self, value: &AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value.clone());
        placeholder
    }

    fn of(update: &Update, nonce: Option<&str>) -> Self {
        let mut words = Self::default();
        let mut clauses: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let nonce = nonce.map(|nonce| ("nonce", string(nonce)));
        for (name, value) in update.set.iter().chain(nonce.as_ref()) {
            let text = format!("{} = {}", words.name(name), words.value(value));
            clauses.entry("SET").or_default().push(text);
        }
        for (name, value) in &update.set_once {
            let (name, value) = (words.name(name), words.value(value));
            clauses.entry("SET").or_default().push(format!("{name} = if_not_exists({name}, {value})"));
        }
        for (name, value) in &update.add {
            let text = format!("{} {}", words.name(name), words.value(value));
            clauses.entry("ADD").or_default().push(text);
        }
        for name in &update.remove {
            let text = words.name(name);
            clauses.entry("REMOVE").or_default().push(text);
        }
        let clauses: Vec<String> = clauses.into_iter().map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        words.update = clauses.join(" ");
        let tests: Vec<String> = update.tests.iter().map(|test| words.test(test)).collect();
        words.condition = (!tests.is_empty()).then(|| tests.join(" AND "));
        words
    }

    fn test(&mut self, test: &Test) -> String {
        match test {
            Test::Has(name) => format!("attribute_exists({})", self.name(name)),
            Test::Lacks(name) => format!("attribute_not_exists({})", self.name(name)),
            Test::Is(name, value) => format!("{} = {}", self.name(name), self.value(value)),
            Test::LacksOrIs(name, value) => {
                let (name, value) = (self.name(name), self.value(value));
                format!("(attribute_not_exists({name}) OR {name} = {value})")
            }
            Test::LacksOrLess(name, value) => {
                let (name, value) = (self.name(name), self.value(value));
                format!("(attribute_not_exists({name}) OR {name} < {value})")
            }
        }
    }
}

impl Access {
    /// Changes an item if all tests hold.
    pub(crate) async fn update(&self, operation: &'static str, table: &str, key: &Key, update: &Update) -> Result<Updated> {
        let nonce = update.is_once.then(fresh_nonce);
        let words = Words::of(update, nonce.as_deref());
        let mut tries = 0;
        loop {
            let request = self
                .client
                .update_item()
                .table_name(table)
                .set_key(Some(key.attributes()))
                .update_expression(&words.update)
                .set_condition_expression(words.condition.clone())
                .set_expression_attribute_names(some(words.names.clone()))
                .set_expression_attribute_values(some(words.values.clone()))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(OnFailure::AllOld);
            let error = match request.send().await {
                Ok(answer) => return Ok(Updated::Done(answer.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failure)) => {
                    let stored = failure.item().cloned();
                    let is_own = nonce.is_some() && stored.as_ref().and_then(item::nonce) == nonce.as_deref();
                    return Ok(match stored {
                        Some(stored) if is_own => Updated::Done(stored),
                        stored => Updated::Lost(stored),
                    });
                }
                Some(UpdateItemError::TransactionConflictException(_)) if tries < CONFLICT_TRIES => {
                    tries += 1;
                    pause(tries).await;
                }
                Some(_) | None => return Err(Error::from_sdk(operation, error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::number;

    #[test]
    fn an_update_spells_no_name_and_no_value() {
        let update = Update {
            set: vec![("last", number(1))],
            set_once: vec![("first", number(2))],
            add: vec![("seq", number(3))],
            remove: vec!["due_at"],
            tests: vec![Test::Lacks("deleted_at"), Test::LacksOrLess("records", number(4)), Test::Is("seal.generation", number(5))],
            is_once: true,
        };
        let words = Words::of(&update, Some("n"));
        assert_eq!(words.update, "ADD #seq :v3 REMOVE #due_at SET #last = :v0, #nonce = :v1, #first = if_not_exists(#first, :v2)");
        let condition =
            "attribute_not_exists(#deleted_at) AND (attribute_not_exists(#records) OR #records < :v4) AND #seal.#generation = :v5";
        assert_eq!(words.condition.as_deref(), Some(condition));
        assert_eq!((words.names.len(), words.values.len()), (9, 6));
        assert_eq!(words.values[":v1"], string("n"));
    }
}
