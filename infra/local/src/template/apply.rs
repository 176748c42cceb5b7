//! Makes what a template declares exist in the engines, again and again with the same result.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{Index, Key, Projection, Queue, Secret, SecretValue, Table, Template};
use crate::engine::Engines;
use crate::engine::wire::{Service, random_hex};

/// The environment variables of every function, by its logical id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, BTreeMap<String, String>>);

impl Environment {
    /// The environment variables of a function; empty for one that does not exist.
    #[must_use]
    pub fn of(&self, function: &str) -> BTreeMap<String, String> {
        self.0.get(function).cloned().unwrap_or_default()
    }
}

/// Why a resource cannot be made to exist as declared.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An engine refused an operation.
    #[error("`{resource}` cannot be created or updated: {operation} answered {answer}")]
    Refused {
        /// Logical id.
        resource: String,
        /// The operation.
        operation: &'static str,
        /// The engine's error.
        answer: String,
    },
    /// What is stored has another key than the template declares.
    #[error(
        "the table `{resource}` is stored with another primary key than the template declares: use another data \
         directory, or move its items by hand"
    )]
    KeyChanged {
        /// Logical id.
        resource: String,
    },
}

/// Creates or updates tables, queues and secrets, and answers every function's environment.
///
/// A generated secret is generated once and kept; a given one gets a new version when its value changed.
///
/// # Errors
///
/// If an engine refuses something, or a stored table has another primary key.
pub async fn apply(template: &Template, engines: &Engines) -> Result<Environment, ApplyError> {
    for table in &template.tables {
        apply_table(table, engines).await?;
    }
    for queue in &template.queues {
        apply_queue(queue, engines).await?;
    }
    for secret in &template.secrets {
        apply_secret(secret, engines).await?;
    }
    let functions = template.functions.iter();
    Ok(Environment(functions.map(|function| (function.logical_id.clone(), function.environment.clone())).collect()))
}

/// An engine's answer: a document, or the name of its error and the whole of it.
type Answer = Result<Value, (String, String)>;

async fn ask(engines: &Engines, service: Service, operation: &'static str, request: &Value) -> Answer {
    let (response, _) = engines.run(service, operation, request.to_string().into()).await;
    let document: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if response.is_success() {
        return Ok(document);
    }
    let kind = document["__type"].as_str().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default().to_owned();
    Err((kind, document.to_string()))
}

async fn must(engines: &Engines, service: Service, operation: &'static str, resource: &str, request: &Value) -> Result<Value, ApplyError> {
    let answer = ask(engines, service, operation, request).await;
    answer.map_err(|(_, answer)| ApplyError::Refused { resource: resource.to_owned(), operation, answer })
}

async fn apply_table(table: &Table, engines: &Engines) -> Result<(), ApplyError> {
    let id = &table.logical_id;
    let name = json!({ "TableName": table.name });
    match ask(engines, Service::DynamoDb, "DescribeTable", &name).await {
        Ok(document) => update_table(table, &document["Table"], engines).await?,
        Err((kind, _)) if kind == "ResourceNotFoundException" => {
            let mut request = json!({
                "TableName": table.name,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": definitions(table, &table.indexes),
                "KeySchema": schema(&table.key),
            });
            if !table.indexes.is_empty() {
                request["GlobalSecondaryIndexes"] = table.indexes.iter().map(index_request).collect();
            }
            must(engines, Service::DynamoDb, "CreateTable", id, &request).await?;
        }
        Err((_, answer)) => {
            return Err(ApplyError::Refused { resource: id.clone(), operation: "DescribeTable", answer });
        }
    }
    let ttl = must(engines, Service::DynamoDb, "DescribeTimeToLive", id, &name).await?;
    let enabled = ttl["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED";
    if let Some(attribute) = &table.ttl_attribute
        && !enabled
    {
        let specification = json!({ "Enabled": true, "AttributeName": attribute });
        let request = json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
        must(engines, Service::DynamoDb, "UpdateTimeToLive", id, &request).await?;
    }
    Ok(())
}

/// Adds indexes that are new in the template and removes those that it does not have any more.
async fn update_table(table: &Table, stored: &Value, engines: &Engines) -> Result<(), ApplyError> {
    let id = &table.logical_id;
    let same_key = |stored: &Value, key: &Key| {
        let keys: Vec<_> = stored["KeySchema"].as_array().into_iter().flatten().map(|key| &key["AttributeName"]).collect();
        let mut declared = vec![key.partition.name.as_str()];
        declared.extend(key.sort.as_ref().map(|sort| sort.name.as_str()));
        keys == declared
    };
    if !same_key(stored, &table.key) {
        return Err(ApplyError::KeyChanged { resource: id.clone() });
    }
    let mut updates = Vec::new();
    let stored_indexes = stored["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default();
    let find = |name: &str| table.indexes.iter().find(|index| index.name == name);
    for stored in &stored_indexes {
        let name = stored["IndexName"].as_str().unwrap_or_default();
        if !find(name).is_some_and(|index| same_key(stored, &index.key)) {
            updates.push(json!({ "Delete": { "IndexName": name } }));
        }
    }
    for index in &table.indexes {
        let kept = stored_indexes.iter().any(|stored| stored["IndexName"] == index.name && same_key(stored, &index.key));
        if !kept {
            updates.push(json!({ "Create": index_request(index) }));
        }
    }
    // As on AWS, one index at a time.
    for update in updates {
        let request = json!({
            "TableName": table.name,
            "AttributeDefinitions": definitions(table, &table.indexes),
            "GlobalSecondaryIndexUpdates": [update],
        });
        must(engines, Service::DynamoDb, "UpdateTable", id, &request).await?;
    }
    Ok(())
}

fn schema(key: &Key) -> Value {
    let partition = json!({ "AttributeName": key.partition.name, "KeyType": "HASH" });
    let sort = key.sort.as_ref().map(|sort| json!({ "AttributeName": sort.name, "KeyType": "RANGE" }));
    std::iter::once(partition).chain(sort).collect()
}

/// Every attribute that is part of a key, once.
fn definitions(table: &Table, indexes: &[Index]) -> Value {
    let keys = std::iter::once(&table.key).chain(indexes.iter().map(|index| &index.key));
    let attributes = keys.flat_map(|key| std::iter::once(&key.partition).chain(&key.sort));
    let kinds: BTreeMap<_, _> = attributes.map(|attribute| (&attribute.name, &attribute.kind)).collect();
    kinds.into_iter().map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind })).collect()
}

fn index_request(index: &Index) -> Value {
    let projection = match &index.projection {
        Projection::All => json!({ "ProjectionType": "ALL" }),
        Projection::KeysOnly => json!({ "ProjectionType": "KEYS_ONLY" }),
        Projection::Include(names) => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names }),
    };
    json!({ "IndexName": index.name, "KeySchema": schema(&index.key), "Projection": projection })
}

async fn apply_queue(queue: &Queue, engines: &Engines) -> Result<(), ApplyError> {
    let id = &queue.logical_id;
    let url = json!({ "QueueUrl": queue.url() });
    let exists = ask(engines, Service::Sqs, "GetQueueAttributes", &url).await.is_ok();
    if exists {
        let request = json!({ "QueueUrl": queue.url(), "Attributes": queue.attributes });
        must(engines, Service::Sqs, "SetQueueAttributes", id, &request).await?;
    } else {
        let request = json!({ "QueueName": queue.name, "Attributes": queue.attributes });
        must(engines, Service::Sqs, "CreateQueue", id, &request).await?;
    }
    Ok(())
}

async fn apply_secret(secret: &Secret, engines: &Engines) -> Result<(), ApplyError> {
    let id = &secret.logical_id;
    let service = Service::SecretsManager;
    let stored = ask(engines, service, "GetSecretValue", &json!({ "SecretId": secret.name })).await;
    match (&secret.value, stored) {
        (SecretValue::Generated { .. }, Ok(_)) => {}
        (SecretValue::Given(text), Ok(stored)) if stored["SecretString"] == text.as_str() => {}
        (SecretValue::Given(text), Ok(_)) => {
            let request = json!({ "SecretId": secret.name, "SecretString": text });
            must(engines, service, "PutSecretValue", id, &request).await?;
        }
        (value, Err((kind, _))) if kind == "ResourceNotFoundException" => {
            let text = match value {
                SecretValue::Given(text) => text.clone(),
                SecretValue::Generated { length, member: None } => generate(*length),
                SecretValue::Generated { length, member: Some(member) } => json!({ member: generate(*length) }).to_string(),
            };
            let request = json!({ "Name": secret.name, "SecretString": text });
            must(engines, service, "CreateSecret", id, &request).await?;
        }
        (_, Err((_, answer))) => {
            return Err(ApplyError::Refused { resource: id.clone(), operation: "GetSecretValue", answer });
        }
    }
    Ok(())
}

/// Random letters and digits.
fn generate(length: u32) -> String {
    let length = usize::try_from(length).unwrap_or(32);
    let mut text = random_hex(length.div_ceil(2));
    text.truncate(length);
    text
}
