//! What every AWS JSON service has in common: a target, a JSON body, an answer.

use bytes::Bytes;
use serde::Serialize;

/// One of the embedded services, named by the prefix of its `X-Amz-Target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Tables.
    DynamoDb,
    /// Queues.
    Sqs,
    /// Secrets.
    SecretsManager,
}

impl Service {
    /// Splits an `X-Amz-Target` into its service and operation; `None` if it names neither of ours.
    #[must_use]
    pub fn of_target(target: &str) -> Option<(Self, &str)> {
        let (prefix, operation) = target.rsplit_once('.')?;
        let service = match prefix {
            "DynamoDB_20120810" => Self::DynamoDb,
            "AmazonSQS" => Self::Sqs,
            "secretsmanager" => Self::SecretsManager,
            _ => return None,
        };
        Some((service, operation))
    }

    /// The name that endpoints and bills use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
            Self::SecretsManager => "secretsmanager",
        }
    }
}

/// An AWS JSON answer, ready for any transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Value of `x-amzn-query-error`, by which SQS clients recognise a modelled error.
    pub query_error: Option<String>,
    /// The JSON document.
    pub body: Bytes,
}

impl Response {
    /// A success with `document` as its body.
    pub fn ok(document: &impl Serialize) -> Self {
        match serde_json::to_vec(document) {
            Ok(body) => Self { status: 200, query_error: None, body: body.into() },
            Err(error) => Self::internal(&error),
        }
    }

    /// An error with the `__type` that the SDK turns into a modelled error.
    #[must_use]
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        let document = serde_json::json!({ "__type": kind, "message": message });
        Self { status, query_error: None, body: document.to_string().into() }
    }

    /// A failure of the engine itself (disk full, damaged file); logged here, opaque to the caller.
    pub fn internal(cause: &(impl std::error::Error + ?Sized)) -> Self {
        tracing::error!(cause = %cause, "an embedded AWS engine failed");
        Self::error(500, "InternalFailure", "the embedded engine failed, its log names the cause")
    }

    /// Whether the call succeeded.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Random lower-case hexadecimal text of `bytes` bytes, for identifiers and handles.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes];
    if aws_lc_rs::rand::fill(&mut buffer).is_err() {
        // Keys are made of this: going on with predictable ones would be worse than not going on.
        tracing::error!("the random number generator failed");
        std::process::abort();
    }
    hex::encode(buffer)
}

/// A random identifier in the shape of a UUID, as AWS uses for messages and versions.
pub(crate) fn random_uuid() -> String {
    let hex = random_hex(16);
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_names_service_and_operation() {
        assert_eq!(Service::of_target("AmazonSQS.SendMessage"), Some((Service::Sqs, "SendMessage")));
        assert_eq!(Service::of_target("DynamoDB_20120810.PutItem"), Some((Service::DynamoDb, "PutItem")));
        assert_eq!(Service::of_target("TrentService.Encrypt"), None);
        assert_eq!(Service::of_target(""), None);
    }

    #[test]
    fn random_identifiers_differ_and_look_like_uuids() {
        let one = random_uuid();
        assert_eq!(one.len(), 36);
        assert_eq!(one.matches('-').count(), 4);
        assert_ne!(one, random_uuid());
    }
}
