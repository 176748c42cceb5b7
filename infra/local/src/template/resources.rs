//! The closed list of resource types: what each is called and what of it matters locally.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::{Path, TemplateError};
use super::evaluate::{Names, Scope, Value};
use super::fields::Fields;
use super::model::{
    DeadLetter, Event, EventSource, Function, Index, Key, KeyAttribute, Projection, Queue, Secret, SecretValue, Table, Template,
};
use super::node::Node;
use crate::engine::policy::{Effect, Statement, table_arn};
use crate::engine::{secrets, sqs};

/// A resource type that exists here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Function,
    HttpApi,
    Queue,
    Table,
    Secret,
    /// Watches the others; nothing to do locally.
    Alarm,
    /// Where logs go; locally they go to the terminal.
    LogGroup,
    /// Files beside the code of functions; locally the functions are in this process and need none.
    Layer,
}

impl Kind {
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, TemplateError> {
        match text {
            "AWS::Serverless::Function" => Ok(Self::Function),
            "AWS::Serverless::HttpApi" => Ok(Self::HttpApi),
            "AWS::SQS::Queue" => Ok(Self::Queue),
            "AWS::DynamoDB::Table" => Ok(Self::Table),
            "AWS::SecretsManager::Secret" => Ok(Self::Secret),
            "AWS::CloudWatch::Alarm" => Ok(Self::Alarm),
            "AWS::Logs::LogGroup" => Ok(Self::LogGroup),
            "AWS::Serverless::LayerVersion" => Ok(Self::Layer),
            _ => Err(path.key("Type").error(format!(
                "`{text}` is a resource type that is not supported; supported are AWS::Serverless::Function, \
                 AWS::Serverless::HttpApi, AWS::SQS::Queue, AWS::DynamoDB::Table, AWS::SecretsManager::Secret, \
                 AWS::CloudWatch::Alarm, AWS::Logs::LogGroup, AWS::Serverless::LayerVersion"
            ))),
        }
    }
}

/// What a resource answers to `Ref` and `GetAtt`; without a name of its own it is called by its logical id.
pub(super) fn names(scope: &Scope, logical_id: &str, kind: Kind, properties: &Node, path: &Path) -> Result<Names, TemplateError> {
    let property = |name: &str| -> Result<Option<String>, TemplateError> {
        let Node::Map(entries) = properties else { return Ok(None) };
        let found = entries.iter().find(|(key, _)| key == name);
        found.map(|(_, node)| scope.text(node, &path.key("Properties").key(name))).transpose()
    };
    let named = |name: &str| Ok::<_, TemplateError>(property(name)?.unwrap_or_else(|| logical_id.to_owned()));
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:000000000000:{rest}");
    Ok(match kind {
        Kind::Function => {
            let name = named("FunctionName")?;
            Names { attributes: BTreeMap::from([("Arn", arn("lambda", &format!("function:{name}")))]), reference: name }
        }
        Kind::HttpApi => Names {
            attributes: BTreeMap::from([("ApiEndpoint", format!("https://{logical_id}.execute-api.amazonaws.com"))]),
            reference: logical_id.to_owned(),
        },
        Kind::Queue => {
            let fifo = property("FifoQueue")?.is_some_and(|value| value == "true");
            let name = match property("QueueName")? {
                Some(name) => name,
                None if fifo => format!("{logical_id}.fifo"),
                None => logical_id.to_owned(),
            };
            Names {
                reference: sqs::queue_url(&name),
                attributes: BTreeMap::from([("Arn", sqs::queue_arn(&name)), ("QueueUrl", sqs::queue_url(&name)), ("QueueName", name)]),
            }
        }
        Kind::Table => {
            let name = named("TableName")?;
            Names { attributes: BTreeMap::from([("Arn", table_arn(&name))]), reference: name }
        }
        Kind::Secret => {
            let arn = secrets::secret_arn(&named("Name")?);
            Names { reference: arn.clone(), attributes: BTreeMap::from([("Id", arn)]) }
        }
        Kind::Alarm => {
            let name = named("AlarmName")?;
            Names { attributes: BTreeMap::from([("Arn", arn("cloudwatch", &format!("alarm:{name}")))]), reference: name }
        }
        Kind::LogGroup => {
            let name = named("LogGroupName")?;
            Names { attributes: BTreeMap::from([("Arn", arn("logs", &format!("log-group:{name}")))]), reference: name }
        }
        Kind::Layer => Names { reference: arn("lambda", &format!("layer:{}:1", named("LayerName")?)), attributes: BTreeMap::new() },
    })
}

/// Reads a resource into the template.
pub(super) fn read(
    template: &mut Template,
    logical_id: &str,
    kind: Kind,
    properties: Fields,
    metadata: Value,
) -> Result<(), TemplateError> {
    let logical_id = logical_id.to_owned();
    match kind {
        Kind::Function => template.functions.push(function(logical_id, properties, metadata)?),
        Kind::Queue => template.queues.push(queue(logical_id, properties)?),
        Kind::Table => template.tables.push(table(logical_id, properties)?),
        Kind::Secret => template.secrets.push(secret(logical_id, properties)?),
        Kind::HttpApi | Kind::Alarm | Kind::LogGroup | Kind::Layer => {}
    }
    Ok(())
}

/// What AWS would refuse at deployment, or this executor cannot do.
pub(super) fn check(template: &Template) -> Result<(), TemplateError> {
    let mut routes = BTreeSet::new();
    for function in &template.functions {
        let path = Path::root("Resources").key(&function.logical_id).key("Properties.Events");
        for event in &function.events {
            let path = path.key(&event.name);
            if let EventSource::HttpApi { method, path: route } = &event.source
                && !routes.insert((method, route))
            {
                return Err(path.error("is a route that another event has already"));
            }
            let EventSource::Sqs { queue_arn, batch_size, .. } = &event.source else { continue };
            let queue = template.queue_by_arn(queue_arn);
            let queue = queue.ok_or_else(|| path.error("names a queue that is not in the template"))?;
            if queue.visibility_timeout() < function.timeout {
                return Err(path.error("names a queue whose visibility timeout is shorter than the function's timeout"));
            }
            if !(1..=10).contains(batch_size) {
                return Err(path.key("BatchSize").error("must be from 1 to 10"));
            }
        }
    }
    for queue in &template.queues {
        if let Some(dead_letter) = &queue.dead_letter
            && template.queue_by_arn(&dead_letter.queue_arn).is_none()
        {
            let path = Path::root("Resources").key(&queue.logical_id).key("Properties.RedrivePolicy");
            return Err(path.error("names a dead-letter queue that is not in the template"));
        }
    }
    Ok(())
}

fn function(logical_id: String, mut properties: Fields, metadata: Value) -> Result<Function, TemplateError> {
    let path = Path::root("Resources").key(&logical_id).key("Metadata");
    let mut metadata = Fields::of(metadata, &path)?;
    let method = metadata.require("BuildMethod")?;
    if method != "rust-cargolambda" {
        return Err(path.key("BuildMethod").error("must be rust-cargolambda"));
    }
    let mut build = metadata.map("BuildProperties")?;
    let crate_name = build.require("Binary")?;
    build.finish(&["Flags"])?;
    metadata.finish(&[])?;

    let mut variables = properties.map("Environment")?;
    let environment = variables.texts_by_name("Variables")?.into_iter().collect();
    variables.finish(&[])?;
    let memory_mb = properties.number("MemorySize")?.unwrap_or(128);
    let timeout = Duration::from_secs(u64::from(properties.number("Timeout")?.unwrap_or(3)));
    let events = properties.map("Events")?.rest().into_iter().map(|(name, path, value)| event(name, &path, value));
    let events = events.collect::<Result<Vec<_>, _>>()?;
    let mut statements = Vec::new();
    for (path, policy) in properties.list("Policies")? {
        let mut policy = Fields::of(policy, &path)?;
        for (path, value) in policy.list("Statement")? {
            statements.push(statement(Fields::of(value, &path)?)?);
        }
        policy.finish(&["Version"])?;
    }
    properties.finish(&[
        "Architectures",
        "CodeUri",
        "Description",
        "FunctionName",
        "Handler",
        "Layers",
        "LoggingConfig",
        "ReservedConcurrentExecutions",
        "Runtime",
        "Tags",
        "Tracing",
    ])?;
    Ok(Function { logical_id, crate_name, environment, memory_mb, timeout, events, statements })
}

fn event(name: String, path: &Path, value: Value) -> Result<Event, TemplateError> {
    let mut fields = Fields::of(value, path)?;
    let kind = fields.require("Type")?;
    let mut properties = fields.map("Properties")?;
    fields.finish(&[])?;
    let source = match kind.as_str() {
        "HttpApi" => {
            let method = properties.text("Method")?.map(|method| method.to_ascii_uppercase());
            let route = properties.text("Path")?.filter(|path| path != "$default");
            properties.finish(&["ApiId"])?;
            EventSource::HttpApi { method: method.filter(|method| method != "ANY"), path: route }
        }
        "SQS" => {
            let queue_arn = properties.require("Queue")?;
            let batch_size = properties.number("BatchSize")?.unwrap_or(10);
            let responses = properties.texts("FunctionResponseTypes")?;
            let mut scaling = properties.map("ScalingConfig")?;
            let maximum_concurrency = scaling.number("MaximumConcurrency")?;
            scaling.finish(&[])?;
            properties.finish(&["Enabled"])?;
            let report_batch_item_failures = responses.iter().any(|kind| kind == "ReportBatchItemFailures");
            EventSource::Sqs { queue_arn, batch_size, report_batch_item_failures, maximum_concurrency }
        }
        "Schedule" => {
            let path = properties.path("Schedule");
            let expression = properties.require("Schedule")?;
            let expression = expression.parse().map_err(|error| path.error(format!("is wrong: {error}")))?;
            let input = properties.require("Input")?;
            properties.finish(&["Description", "Enabled", "Name", "RetryPolicy"])?;
            EventSource::Schedule { expression, input }
        }
        _ => {
            return Err(path
                .key("Type")
                .error(format!("`{kind}` is an event type that is not supported; supported are HttpApi, SQS, Schedule")));
        }
    };
    Ok(Event { name, source })
}

fn statement(mut fields: Fields) -> Result<Statement, TemplateError> {
    let effect = match fields.require("Effect")?.as_str() {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        _ => return Err(fields.path("Effect").error("must be Allow or Deny")),
    };
    let actions = fields.texts("Action")?;
    let resources = fields.texts("Resource")?;
    let others = fields.texts("NotResource")?;
    let all_but = !others.is_empty();
    if resources.is_empty() != all_but {
        return Err(fields.path("Resource").error("or NotResource must be given, and only one of them"));
    }
    fields.finish(&["Sid"])?;
    Ok(Statement { effect, actions, resources: if all_but { others } else { resources }, all_but })
}

fn queue(logical_id: String, mut properties: Fields) -> Result<Queue, TemplateError> {
    const ATTRIBUTES: [&str; 10] = [
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "DelaySeconds",
        "FifoQueue",
        "FifoThroughputLimit",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "ReceiveMessageWaitTimeSeconds",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    ];
    let mut attributes = BTreeMap::new();
    // These have the same name in CloudFormation and in the API.
    for name in ATTRIBUTES {
        if let Some(value) = properties.text(name)? {
            attributes.insert(name.to_owned(), value);
        }
    }
    let fifo = attributes.get("FifoQueue").is_some_and(|value| value == "true");
    if !fifo {
        attributes.remove("FifoQueue");
    }
    let name = match properties.text("QueueName")? {
        Some(name) => name,
        None if fifo => format!("{logical_id}.fifo"),
        None => logical_id.clone(),
    };
    let mut policy = properties.map("RedrivePolicy")?;
    let target = policy.text("deadLetterTargetArn")?;
    let count = policy.number("maxReceiveCount")?;
    policy.finish(&[])?;
    let dead_letter = match (target, count) {
        (Some(queue_arn), Some(max_receive_count)) => Some(DeadLetter { queue_arn, max_receive_count }),
        (None, None) => None,
        _ => {
            let path = properties.path("RedrivePolicy");
            return Err(path.error("must have deadLetterTargetArn and maxReceiveCount"));
        }
    };
    if let Some(DeadLetter { queue_arn, max_receive_count }) = &dead_letter {
        let policy = serde_json::json!({ "deadLetterTargetArn": queue_arn, "maxReceiveCount": max_receive_count });
        attributes.insert("RedrivePolicy".to_owned(), policy.to_string());
    }
    properties.finish(&["Tags"])?;
    Ok(Queue { logical_id, name, attributes, dead_letter })
}

fn table(logical_id: String, mut properties: Fields) -> Result<Table, TemplateError> {
    let name = properties.text("TableName")?.unwrap_or_else(|| logical_id.clone());
    let mut kinds = BTreeMap::new();
    for (path, value) in properties.list("AttributeDefinitions")? {
        let mut definition = Fields::of(value, &path)?;
        kinds.insert(definition.require("AttributeName")?, definition.require("AttributeType")?);
        definition.finish(&[])?;
    }
    let key = key(&mut properties, &kinds)?;
    let mut indexes = Vec::new();
    for (path, value) in properties.list("GlobalSecondaryIndexes")? {
        let mut index = Fields::of(value, &path)?;
        let name = index.require("IndexName")?;
        let key = self::key(&mut index, &kinds)?;
        let mut projection = index.map("Projection")?;
        let included = projection.texts("NonKeyAttributes")?;
        let projection_type = projection.require("ProjectionType")?;
        let kind_path = projection.path("ProjectionType");
        projection.finish(&[])?;
        let projection = match projection_type.as_str() {
            "ALL" => Projection::All,
            "KEYS_ONLY" => Projection::KeysOnly,
            "INCLUDE" => Projection::Include(included),
            _ => return Err(kind_path.error("must be ALL, KEYS_ONLY or INCLUDE")),
        };
        index.finish(&[])?;
        indexes.push(Index { name, key, projection });
    }
    let mut ttl = properties.map("TimeToLiveSpecification")?;
    let attribute = ttl.text("AttributeName")?;
    let ttl_attribute = if ttl.flag("Enabled")?.unwrap_or(false) { attribute } else { None };
    ttl.finish(&[])?;
    let path = properties.path("BillingMode");
    if properties.text("BillingMode")?.as_deref() != Some("PAY_PER_REQUEST") {
        return Err(path.error("must be PAY_PER_REQUEST"));
    }
    properties.finish(&["DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "SSESpecification", "Tags"])?;
    Ok(Table { logical_id, name, key, indexes, ttl_attribute })
}

fn key(fields: &mut Fields, kinds: &BTreeMap<String, String>) -> Result<Key, TemplateError> {
    let schema = fields.path("KeySchema");
    let mut partition = None;
    let mut sort = None;
    for (path, value) in fields.list("KeySchema")? {
        let mut element = Fields::of(value, &path)?;
        let name = element.require("AttributeName")?;
        let kind = kinds.get(&name).cloned();
        let kind = kind.ok_or_else(|| path.error(format!("names `{name}`, which AttributeDefinitions lacks")))?;
        let attribute = KeyAttribute { name, kind };
        match element.require("KeyType")?.as_str() {
            "HASH" => partition = Some(attribute),
            "RANGE" => sort = Some(attribute),
            _ => return Err(path.key("KeyType").error("must be HASH or RANGE")),
        }
        element.finish(&[])?;
    }
    Ok(Key { partition: partition.ok_or_else(|| schema.error("must have a HASH key"))?, sort })
}

fn secret(logical_id: String, mut properties: Fields) -> Result<Secret, TemplateError> {
    let name = properties.text("Name")?.unwrap_or_else(|| logical_id.clone());
    let given = properties.text("SecretString")?;
    let generated = properties.take("GenerateSecretString");
    let path = properties.path("GenerateSecretString");
    let value = match (given, generated) {
        (Some(text), None) => SecretValue::Given(text),
        (None, Some(value)) => {
            let mut fields = Fields::of(value, &path)?;
            let length = fields.number("PasswordLength")?.unwrap_or(32);
            if !(1..=4096).contains(&length) {
                return Err(path.key("PasswordLength").error("must be from 1 to 4096"));
            }
            let object = fields.text("SecretStringTemplate")?;
            let member = fields.text("GenerateStringKey")?;
            if object.as_deref().is_some_and(|object| object != "{}") || object.is_some() != member.is_some() {
                let problem = "must be `{}`, and GenerateStringKey be given with it";
                return Err(path.key("SecretStringTemplate").error(problem));
            }
            fields.finish(&["ExcludePunctuation"])?;
            SecretValue::Generated { length, member }
        }
        _ => return Err(path.error("or SecretString must be given, and only one of them")),
    };
    properties.finish(&["Description", "KmsKeyId", "Tags"])?;
    let arn = secrets::secret_arn(&name);
    Ok(Secret { logical_id, name, arn, value })
}
