//! The requests of SQS, as they come over the wire.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::digest::Attributes;
use super::queue_name;

/// An operation of this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    CreateQueue,
    DeleteQueue,
    PurgeQueue,
    ListQueues,
    GetQueueUrl,
    GetQueueAttributes,
    SetQueueAttributes,
    ListDeadLetterSourceQueues,
    SendMessage,
    SendMessageBatch,
    ReceiveMessage,
    DeleteMessage,
    DeleteMessageBatch,
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch,
    StartMessageMoveTask,
    ListMessageMoveTasks,
    CancelMessageMoveTask,
}

impl Operation {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "CreateQueue" => Self::CreateQueue,
            "DeleteQueue" => Self::DeleteQueue,
            "PurgeQueue" => Self::PurgeQueue,
            "ListQueues" => Self::ListQueues,
            "GetQueueUrl" => Self::GetQueueUrl,
            "GetQueueAttributes" => Self::GetQueueAttributes,
            "SetQueueAttributes" => Self::SetQueueAttributes,
            "ListDeadLetterSourceQueues" => Self::ListDeadLetterSourceQueues,
            "SendMessage" => Self::SendMessage,
            "SendMessageBatch" => Self::SendMessageBatch,
            "ReceiveMessage" => Self::ReceiveMessage,
            "DeleteMessage" => Self::DeleteMessage,
            "DeleteMessageBatch" => Self::DeleteMessageBatch,
            "ChangeMessageVisibility" => Self::ChangeMessageVisibility,
            "ChangeMessageVisibilityBatch" => Self::ChangeMessageVisibilityBatch,
            "StartMessageMoveTask" => Self::StartMessageMoveTask,
            "ListMessageMoveTasks" => Self::ListMessageMoveTasks,
            "CancelMessageMoveTask" => Self::CancelMessageMoveTask,
            _ => return None,
        })
    }

    /// Whether its effect must have reached the disk before it is answered.
    ///
    /// Losing a receive, a delete or a visibility change to a power failure only delivers a message once more, which
    /// consumers expect; losing a message that was accepted would break the promise of the queue.
    pub(super) fn must_be_durable(self) -> bool {
        match self {
            Self::CreateQueue
            | Self::DeleteQueue
            | Self::PurgeQueue
            | Self::SetQueueAttributes
            | Self::SendMessage
            | Self::SendMessageBatch
            | Self::StartMessageMoveTask => true,
            Self::ListQueues
            | Self::GetQueueUrl
            | Self::GetQueueAttributes
            | Self::ListDeadLetterSourceQueues
            | Self::ReceiveMessage
            | Self::DeleteMessage
            | Self::DeleteMessageBatch
            | Self::ChangeMessageVisibility
            | Self::ChangeMessageVisibilityBatch
            | Self::ListMessageMoveTasks
            | Self::CancelMessageMoveTask => false,
        }
    }
}

/// The queue that a request is about.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueAddress {
    queue_url: String,
}

impl QueueAddress {
    pub(super) fn name(&self) -> &str {
        queue_name(&self.queue_url)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    pub(super) queue_name: String,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    pub(super) queue_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    #[serde(default)]
    pub(super) queue_name_prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    #[serde(flatten)]
    pub(super) queue: QueueAddress,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    #[serde(flatten)]
    pub(super) queue: QueueAddress,
    pub(super) attributes: BTreeMap<String, String>,
}

/// A message to send; a batch entry is the same with an id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewMessage {
    pub(super) message_body: String,
    pub(super) delay_seconds: Option<i64>,
    #[serde(default)]
    pub(super) message_attributes: Attributes,
    #[serde(default)]
    pub(super) message_system_attributes: Attributes,
    pub(super) message_deduplication_id: Option<String>,
    pub(super) message_group_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    #[serde(flatten)]
    pub(super) queue: QueueAddress,
    #[serde(flatten)]
    pub(super) message: NewMessage,
}

/// An entry of a batch: an id and what the single operation takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry<T> {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) item: T,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", bound(deserialize = "T: serde::de::DeserializeOwned"))]
pub(super) struct Batch<T> {
    #[serde(flatten)]
    pub(super) queue: QueueAddress,
    #[serde(default = "Vec::new")]
    pub(super) entries: Vec<Entry<T>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    #[serde(flatten)]
    pub(super) queue: QueueAddress,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_system_attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_attribute_names: Vec<String>,
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) visibility_timeout: Option<i64>,
    pub(super) wait_time_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receipt {
    pub(super) receipt_handle: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    #[serde(flatten)]
    pub(super) queue: QueueAddress,
    #[serde(flatten)]
    pub(super) receipt: Receipt,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Visibility {
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeMessageVisibility {
    #[serde(flatten)]
    pub(super) queue: QueueAddress,
    #[serde(flatten)]
    pub(super) visibility: Visibility,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMoveTask {
    pub(super) source_arn: String,
    pub(super) destination_arn: Option<String>,
    pub(super) max_number_of_messages_per_second: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMessageMoveTasks {
    pub(super) source_arn: String,
    pub(super) max_results: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelMessageMoveTask {
    pub(super) task_handle: String,
}
