//! Errors of SQS as its JSON protocol spells them.
//!
//! Since SQS moved from the query protocol to JSON, clients recognise a modelled error by the *query* code in the
//! header `x-amzn-query-error`, not by `__type`; both are sent.

use crate::engine::wire::Response;

/// A refusal that the caller can understand.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    code: &'static str,
    shape: &'static str,
    message: String,
}

/// Why an operation had no effect.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request is wrong or asks for something that does not exist.
    Refused(Refusal),
    /// The database failed.
    Broken(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Refusal {
    fn new(code: &'static str, shape: &'static str, message: impl Into<String>) -> Self {
        Self { code, shape, message: message.into() }
    }

    /// The query code, which is also the `Code` of a failed batch entry.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn response(&self) -> Response {
        let mut response = Response::error(400, &format!("com.amazonaws.sqs#{}", self.shape), &self.message);
        response.query_error = Some(format!("{};Sender", self.code));
        response
    }

    pub(super) fn no_queue() -> Self {
        Self::new("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "The specified queue does not exist.")
    }

    pub(super) fn value(parameter: &str, value: &str, reason: &str) -> Self {
        let shown: String = value.chars().take(100).collect();
        let message = format!("Value {shown} for parameter {parameter} is invalid. Reason: {reason}");
        Self::new("InvalidParameterValue", "InvalidParameterValueException", message)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        let message = format!("The request must contain the parameter {parameter}.");
        Self::new("MissingParameter", "MissingRequiredParameterException", message)
    }

    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        Self::new("MalformedInput", "SerializationException", error.to_string())
    }

    pub(super) fn unknown_operation(operation: &str) -> Self {
        let shown: String = operation.chars().take(100).collect();
        Self::new("InvalidAction", "UnknownOperationException", format!("`{shown}` is not an operation of this engine"))
    }

    pub(super) fn queue_exists(attribute: &str) -> Self {
        let message = format!("A queue already exists with the same name and a different value for attribute {attribute}");
        Self::new("QueueAlreadyExists", "QueueNameExists", message)
    }

    pub(super) fn attribute_name(name: &str) -> Self {
        let shown: String = name.chars().take(100).collect();
        Self::new("InvalidAttributeName", "InvalidAttributeName", format!("Unknown Attribute {shown}."))
    }

    pub(super) fn attribute_value(name: &str) -> Self {
        let message = format!("Invalid value for the parameter {name}.");
        Self::new("InvalidAttributeValue", "InvalidAttributeValue", message)
    }

    pub(super) fn contents() -> Self {
        let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
                       #xE000 to #xFFFD | #x10000 to #x10FFFF";
        Self::new("InvalidMessageContents", "InvalidMessageContents", message)
    }

    pub(super) fn receipt(handle: &str) -> Self {
        let shown: String = handle.chars().take(100).collect();
        let message = format!("The input receipt handle \"{shown}\" is not a valid receipt handle.");
        Self::new("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", message)
    }

    pub(super) fn not_in_flight() -> Self {
        let message = "The specified message is not in flight.";
        Self::new("AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight", message)
    }

    pub(super) fn batch_empty() -> Self {
        let message = "There should be at least one entry in the request.";
        Self::new("AWS.SimpleQueueService.EmptyBatchRequest", "EmptyBatchRequest", message)
    }

    pub(super) fn batch_size(entries: usize) -> Self {
        let message = format!("Maximum number of entries per request are 10. You have sent {entries}.");
        let code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest";
        Self::new(code, "TooManyEntriesInBatchRequest", message)
    }

    pub(super) fn batch_ids(id: &str) -> Self {
        let message = format!("Id {id} repeated.");
        Self::new("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "BatchEntryIdsNotDistinct", message)
    }

    pub(super) fn batch_id() -> Self {
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                       It can be at most 80 letters long.";
        Self::new("AWS.SimpleQueueService.InvalidBatchEntryId", "InvalidBatchEntryId", message)
    }

    pub(super) fn batch_length(limit: usize, sent: usize) -> Self {
        let message = format!("Batch requests cannot be longer than {limit} bytes. You have sent {sent} bytes.");
        Self::new("AWS.SimpleQueueService.BatchRequestTooLong", "BatchRequestTooLong", message)
    }

    pub(super) fn no_resource(message: &str) -> Self {
        Self::new("ResourceNotFoundException", "ResourceNotFoundException", message)
    }

    pub(super) fn unsupported(message: &str) -> Self {
        Self::new("AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation", message)
    }
}
