//! What a function may do, checked at every call as IAM would check it.
//!
//! The statements come from `template.yaml`. So a function that needs more than the template grants fails on one machine
//! and in every test, not first on AWS. The part of IAM that is here: `Action`, `Resource` and `NotResource` with `*`, and
//! that a denial outweighs every grant.

use serde_json::Value;

use super::secrets::secret_arn;
use super::sqs::{queue_arn, queue_name};
use super::wire::{Response, Service};

/// A statement of a function's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `Allow` or `Deny`.
    pub effect: Effect,
    /// Actions, such as `sqs:SendMessage`.
    pub actions: Vec<String>,
    /// ARNs.
    pub resources: Vec<String>,
    /// Whether it is about everything but `resources`.
    pub all_but: bool,
}

/// Whether a statement allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows.
    Allow,
    /// Denies, whatever another statement allows.
    Deny,
}

impl Statement {
    fn covers(&self, action: &str, resource: &str) -> bool {
        let resources = self.resources.iter().any(|pattern| matches(pattern, resource));
        self.actions.iter().any(|pattern| matches(pattern, action)) && resources != self.all_but
    }
}

/// Everything that one function may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its logical id, for messages.
    pub function: String,
    /// Its statements.
    pub statements: Vec<Statement>,
}

impl Policy {
    /// Refuses a call that the policy does not allow; `None` if it allows it.
    pub(super) fn refuse(&self, service: Service, operation: &str, body: &[u8]) -> Option<Response> {
        let request = serde_json::from_slice(body).unwrap_or_default();
        let needed = needs(service, operation, &request);
        let (action, resource) = needed.into_iter().find(|(action, resource)| !self.allows(action, resource))?;
        let function = &self.function;
        tracing::error!(function, action, resource, "the template does not allow this");
        let message = format!("the policy of `{function}` in template.yaml does not allow {action} on {resource}");
        let mut response = Response::error(400, "com.amazon.coral.service#AccessDeniedException", &message);
        if service == Service::Sqs {
            response.query_error = Some("AccessDenied;Sender".to_owned());
        }
        Some(response)
    }

    /// Whether an action on a resource is granted and not denied.
    #[must_use]
    pub fn allows(&self, action: &str, resource: &str) -> bool {
        let covered = |effect| {
            let mut statements = self.statements.iter().filter(|statement| statement.effect == effect);
            statements.any(|statement| statement.covers(action, resource))
        };
        covered(Effect::Allow) && !covered(Effect::Deny)
    }
}

/// The actions that a call consists of, each with its resource.
fn needs(service: Service, operation: &str, request: &Value) -> Vec<(String, String)> {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    match service {
        Service::DynamoDb => table_needs(operation, request),
        Service::Sqs => {
            let action = operation.strip_suffix("Batch").unwrap_or(operation);
            let address = ["QueueUrl", "QueueName", "SourceArn"].map(text).into_iter().find(|text| !text.is_empty());
            vec![(format!("sqs:{action}"), queue_arn(queue_name(address.unwrap_or("*"))))]
        }
        Service::SecretsManager => {
            let id = if text("SecretId").is_empty() { text("Name") } else { text("SecretId") };
            let arn = if id.starts_with("arn:") { id.to_owned() } else { secret_arn(id) };
            vec![(format!("secretsmanager:{operation}"), arn)]
        }
    }
}

fn table_needs(operation: &str, request: &Value) -> Vec<(String, String)> {
    let arn = |table: &Value| {
        let table = table.as_str().unwrap_or("*");
        if table.starts_with("arn:") { table.to_owned() } else { table_arn(table) }
    };
    match operation {
        // A transaction needs what its actions need, not a permission of its own.
        "TransactWriteItems" | "TransactGetItems" => {
            let actions = request["TransactItems"].as_array().into_iter().flatten();
            let actions = actions.filter_map(Value::as_object).flatten().map(|(kind, action)| {
                let permission = if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
                (format!("dynamodb:{permission}"), arn(&action["TableName"]))
            });
            actions.collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = request["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(table, _)| (format!("dynamodb:{operation}"), arn(&Value::from(table.as_str())))).collect()
        }
        _ => {
            let mut resource = arn(&request["TableName"]);
            if let Some(index) = request["IndexName"].as_str() {
                resource = format!("{resource}/index/{index}");
            }
            vec![(format!("dynamodb:{operation}"), resource)]
        }
    }
}

/// The ARN of a table.
#[must_use]
pub fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:us-east-1:000000000000:table/{name}")
}

/// Whether a pattern with any number of `*` covers a text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    // The shortest match of `*` first; patterns are short and come from the template.
    (0..=rest.len()).filter(|index| rest.is_char_boundary(*index)).any(|index| matches(tail, &rest[index..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(statements: &[(Effect, &str, &str, bool)]) -> Policy {
        let statement = |(effect, action, resource, all_but): &(Effect, &str, &str, bool)| Statement {
            effect: *effect,
            actions: vec![(*action).to_owned()],
            resources: vec![(*resource).to_owned()],
            all_but: *all_but,
        };
        Policy { function: "Function".into(), statements: statements.iter().map(statement).collect() }
    }

    #[test]
    fn a_wildcard_covers_any_text() {
        assert!(matches("sqs:*", "sqs:SendMessage") && matches("*", "") && matches("a*c*", "abcd"));
        assert!(!matches("sqs:Send", "sqs:SendMessage") && !matches("a*c", "abcd"));
    }

    #[test]
    fn nothing_is_allowed_that_is_not_granted_and_a_denial_outweighs_a_grant() {
        let granted = policy(&[(Effect::Allow, "sqs:SendMessage", "a", false)]);
        assert!(granted.allows("sqs:SendMessage", "a"));
        assert!(!granted.allows("sqs:SendMessage", "b") && !granted.allows("sqs:DeleteMessage", "a"));
        let denied = policy(&[(Effect::Allow, "sqs:*", "*", false), (Effect::Deny, "sqs:ReceiveMessage", "own", true)]);
        assert!(denied.allows("sqs:ReceiveMessage", "own") && !denied.allows("sqs:ReceiveMessage", "other"));
        assert!(denied.allows("sqs:SendMessage", "other"));
    }

    #[test]
    fn a_transaction_needs_what_its_actions_need() {
        let request = json!({ "TransactItems": [
            { "Put": { "TableName": "Runs" } }, { "ConditionCheck": { "TableName": "Orgs" } }, { "Update": { "TableName": "Runs" } },
        ] });
        let needed = needs(Service::DynamoDb, "TransactWriteItems", &request);
        let expected = [("PutItem", "Runs"), ("ConditionCheckItem", "Orgs"), ("UpdateItem", "Runs")];
        assert_eq!(needed, expected.map(|(action, table)| (format!("dynamodb:{action}"), table_arn(table))));
    }

    #[test]
    fn an_index_is_a_resource_of_its_own() {
        let needed = needs(Service::DynamoDb, "Query", &json!({ "TableName": "Runs", "IndexName": "gsi1" }));
        assert_eq!(needed, [("dynamodb:Query".to_owned(), table_arn("Runs") + "/index/gsi1")]);
    }

    #[test]
    fn a_batch_needs_the_permission_of_its_single_action() {
        let url = json!({ "QueueUrl": "http://aws.quillon.local/000000000000/Events" });
        assert_eq!(needs(Service::Sqs, "SendMessageBatch", &url), [("sqs:SendMessage".to_owned(), queue_arn("Events"))]);
    }
}
