//! Event source mappings: from a queue to a function and back, as the Lambda service does it.
//!
//! Reference: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>. A message that failed is
//! left alone: it becomes visible again when its visibility timeout is over.

use std::collections::HashSet;
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures::FutureExt as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::engine::fault::Caller;
use crate::engine::wire::Service;
use crate::engine::{Call, Engines};
use crate::template::{EventSource, Template};

/// Concurrent invocations of one function on one machine, whatever the template allows.
const LOCAL_CONCURRENCY: usize = 8;
/// How long a poll waits for a message.
const LONG_POLL_S: u32 = 20;
/// Pause after a poll that failed, so that a broken engine is not asked in a tight loop.
const PAUSE: Duration = Duration::from_millis(500);

/// Reads a queue for a function.
#[derive(Clone, Debug)]
pub struct Mapping {
    engines: Engines,
    /// Logical id of the function.
    pub function: String,
    /// Name of the queue.
    pub queue: String,
    queue_url: String,
    queue_arn: String,
    batch_size: u32,
    report_batch_item_failures: bool,
    concurrency: usize,
    timeout: Duration,
}

/// Messages that were received and have to be answered for.
struct Batch {
    event: SqsEvent,
    /// Message id and receipt handle, in order.
    receipts: Vec<(String, String)>,
}

impl Mapping {
    /// All mappings of a template.
    #[must_use]
    pub fn of(template: &Template, engines: &Engines) -> Vec<Self> {
        let mut mappings = Vec::new();
        for function in &template.functions {
            for event in &function.events {
                let EventSource::Sqs { queue_arn, batch_size, report_batch_item_failures, maximum_concurrency } = &event.source else {
                    continue;
                };
                let Some(queue) = template.queue_by_arn(queue_arn) else { continue };
                let allowed = maximum_concurrency.and_then(|limit| usize::try_from(limit).ok());
                mappings.push(Self {
                    engines: engines.clone(),
                    function: function.logical_id.clone(),
                    queue: queue.name.clone(),
                    queue_url: queue.url(),
                    queue_arn: queue_arn.clone(),
                    batch_size: *batch_size,
                    report_batch_item_failures: *report_batch_item_failures,
                    concurrency: allowed.unwrap_or(LOCAL_CONCURRENCY).min(LOCAL_CONCURRENCY),
                    timeout: function.timeout,
                });
            }
        }
        mappings
    }

    /// Processes one batch if there is one, without waiting; answers how many messages it had.
    pub async fn step<H, F, E>(&self, handler: H) -> usize
    where
        H: FnOnce(SqsEvent) -> F,
        F: Future<Output = Result<SqsBatchResponse, E>>,
        E: Display,
    {
        match self.receive(0).await {
            Ok(Some(batch)) => {
                let received = batch.receipts.len();
                self.process(batch, handler).await;
                received
            }
            Ok(None) => 0,
            Err(error) => {
                tracing::warn!(queue = self.queue, error, "a queue could not be read");
                0
            }
        }
    }

    /// Processes batches as they come, several at once, until `stop` completes; then finishes those under way.
    ///
    /// An invocation that takes longer than the function's timeout is dropped and its batch counts as failed.
    pub async fn run<H, F, E>(self, handler: H, stop: impl Future<Output = ()>)
    where
        H: Fn(SqsEvent) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<SqsBatchResponse, E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(self.concurrency));
        let mut invocations = JoinSet::new();
        tokio::pin!(stop);
        loop {
            while invocations.try_join_next().is_some() {}
            let next = async {
                // A permit first: a message that is received must not wait for its turn.
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, self.receive(LONG_POLL_S).await)
            };
            let (permit, received) = tokio::select! {
                () = &mut stop => break,
                next = next => next,
            };
            match received {
                Ok(Some(batch)) => {
                    let mapping = self.clone();
                    let handler = handler.clone();
                    invocations.spawn(async move {
                        let process = mapping.process(batch, handler);
                        if tokio::time::timeout(mapping.timeout, process).await.is_err() {
                            tracing::error!(function = mapping.function, "an invocation timed out");
                        }
                        drop(permit);
                    });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(queue = self.queue, error, "a queue could not be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        while invocations.join_next().await.is_some() {}
    }

    async fn receive(&self, wait_s: u32) -> Result<Option<Batch>, String> {
        let request = json!({
            "QueueUrl": self.queue_url,
            "MaxNumberOfMessages": self.batch_size,
            "WaitTimeSeconds": wait_s,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let document = self.call("ReceiveMessage", &request).await?;
        let messages = document["Messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        if messages.is_empty() {
            return Ok(None);
        }
        let text = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_owned();
        let receipts = messages.iter().map(|message| (text(message, "MessageId"), text(message, "ReceiptHandle"))).collect();
        let records: Vec<_> = messages.iter().map(|message| self.record(message)).collect();
        let event = serde_json::from_value(json!({ "Records": records })).map_err(|error| error.to_string())?;
        Ok(Some(Batch { event, receipts }))
    }

    /// A received message as Lambda presents it.
    fn record(&self, message: &Value) -> Value {
        let attributes = message["MessageAttributes"].as_object().into_iter().flatten().map(|(name, attribute)| {
            let attribute = json!({
                "stringValue": attribute["StringValue"],
                "binaryValue": attribute["BinaryValue"],
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": attribute["DataType"],
            });
            (name.clone(), attribute)
        });
        json!({
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "md5OfBody": message["MD5OfBody"],
            "md5OfMessageAttributes": message["MD5OfMessageAttributes"],
            "attributes": message["Attributes"],
            "messageAttributes": attributes.collect::<serde_json::Map<_, _>>(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.queue_arn,
            "awsRegion": crate::engine::connector::REGION,
        })
    }

    /// Invokes the function and deletes what it did not report as failed.
    async fn process<H, F, E>(&self, batch: Batch, handler: H)
    where
        H: FnOnce(SqsEvent) -> F,
        F: Future<Output = Result<SqsBatchResponse, E>>,
        E: Display,
    {
        let Batch { event, receipts } = batch;
        // The call itself is inside, so that a panic before the first await fails the batch as well.
        let invocation = AssertUnwindSafe(async { handler(event).await }).catch_unwind().await;
        let done = match invocation {
            Ok(Ok(response)) => self.successes(&receipts, &response),
            Ok(Err(error)) => {
                tracing::error!(function = self.function, %error, "an invocation failed");
                Vec::new()
            }
            Err(_) => {
                tracing::error!(function = self.function, "an invocation panicked");
                Vec::new()
            }
        };
        if done.is_empty() {
            return;
        }
        let entries: Vec<_> =
            done.iter().enumerate().map(|(index, handle)| json!({ "Id": index.to_string(), "ReceiptHandle": handle })).collect();
        let request = json!({ "QueueUrl": self.queue_url, "Entries": entries });
        if let Err(error) = self.call("DeleteMessageBatch", &request).await {
            tracing::warn!(queue = self.queue, error, "messages were processed but not deleted");
        }
    }

    /// Receipts of the messages that succeeded. A response that names a message of no batch fails the whole batch.
    fn successes<'a>(&self, receipts: &'a [(String, String)], response: &SqsBatchResponse) -> Vec<&'a str> {
        let mut failed = HashSet::new();
        if self.report_batch_item_failures {
            for failure in &response.batch_item_failures {
                let id = failure.item_identifier.as_str();
                if !receipts.iter().any(|(known, _)| known == id) {
                    tracing::error!(function = self.function, id, "an unknown message was reported as failed");
                    return Vec::new();
                }
                failed.insert(id);
            }
        }
        let succeeded = receipts.iter().filter(|(id, _)| !failed.contains(id.as_str()));
        succeeded.map(|(_, handle)| handle.as_str()).collect()
    }

    async fn call(&self, operation: &str, request: &Value) -> Result<Value, String> {
        let call = Call {
            caller: Caller::Mapping,
            target: format!("AmazonSQS.{operation}"),
            invocation: None,
            attempt: 1,
            body: request.to_string().into(),
            policy: None,
        };
        let response = self.engines.call(call).await;
        let document: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if response.is_success() { Ok(document) } else { Err(format!("{}: {document}", Service::Sqs.name())) }
    }
}
