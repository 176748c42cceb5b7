//! The SQS entry point: batches are handled message by message, and only what failed comes back.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::FutureExt;
use lambda_runtime::{LambdaEvent, service_fn};
use quillon_core::message::{self, Envelope};
use serde::de::DeserializeOwned;
use tracing::Instrument;

/// A message that was not handled; it comes back after the queue's visibility timeout, and ends in its dead-letter queue.
#[derive(Debug)]
pub struct Failure {
    cause: String,
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { cause: quillon_core::text::with_causes(&error) }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.cause)
    }
}

/// Serves batches of a queue until the sandbox ends.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn serve<M, F, A>(handle: F) -> Result<(), lambda_runtime::Error>
where
    M: DeserializeOwned + Clone + PartialEq,
    F: Fn(Envelope<M>) -> A,
    A: Future<Output = Result<(), Failure>>,
{
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| {
        let answer = drain(event.payload, &handle);
        async { Ok::<_, lambda_runtime::Error>(answer.await) }
    }))
    .await
}

/// Serves batches of a queue, and the events of schedules: `{"schedule": "<name>"}`.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn serve_or_schedule<M, F, A, S, B>(handle: F, tick: S) -> Result<(), lambda_runtime::Error>
where
    M: DeserializeOwned + Clone + PartialEq,
    F: Fn(Envelope<M>) -> A,
    A: Future<Output = Result<(), Failure>>,
    S: Fn(String) -> B,
    B: Future<Output = Result<(), Failure>>,
{
    #[derive(serde::Deserialize)]
    struct Scheduled {
        schedule: String,
    }
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde_json::Value>| async {
        let payload = event.payload;
        if payload.get("Records").is_some() {
            let batch: SqsEvent = serde_json::from_value(payload)?;
            return Ok(serde_json::to_value(drain(batch, &handle).await)?);
        }
        let Scheduled { schedule } = serde_json::from_value(payload)?;
        // A failed schedule is an error of the invocation: Lambda tries it twice more, and the alarm sees it.
        tick(schedule).await.map_err(|failure| lambda_runtime::Error::from(failure.cause))?;
        Ok::<_, lambda_runtime::Error>(serde_json::Value::Null)
    }))
    .await
}

/// Handles a batch and names the messages that failed.
///
/// Messages of one FIFO group run one after the other, and stop at the group's first failure; everything else runs side by
/// side. A panic fails its message only. Equal messages of one group that arrive together are one: a message is a hint to
/// look, and one look serves them all.
pub async fn drain<M, F, A>(event: SqsEvent, handle: &F) -> SqsBatchResponse
where
    M: DeserializeOwned + Clone + PartialEq,
    F: Fn(Envelope<M>) -> A,
    A: Future<Output = Result<(), Failure>>,
{
    let mut fifo: BTreeMap<String, Vec<SqsMessage>> = BTreeMap::new();
    for (index, record) in event.records.into_iter().enumerate() {
        let group = match (record.attributes.get("MessageGroupId"), record.attributes.get("SequenceNumber")) {
            // A standard queue's group is for fairness only; a FIFO message has a sequence number too.
            (Some(group), Some(_)) => format!("g{group}"),
            (Some(_) | None, _) => format!("m{index}"),
        };
        fifo.entry(group).or_default().push(record);
    }
    let groups = fifo.into_values().map(|records| in_order(records, handle));
    let failures = futures::future::join_all(groups).await;
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures
        .into_iter()
        .flatten()
        .map(|item_identifier| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = item_identifier;
            failure
        })
        .collect();
    response
}

async fn in_order<M, F, A>(records: Vec<SqsMessage>, handle: &F) -> Vec<String>
where
    M: DeserializeOwned + Clone + PartialEq,
    F: Fn(Envelope<M>) -> A,
    A: Future<Output = Result<(), Failure>>,
{
    let mut failed = Vec::new();
    let mut seen = Vec::new();
    for record in records {
        let id = record.message_id.clone().unwrap_or_default();
        // What follows a failure in its group would overtake it.
        if !failed.is_empty() || !succeeds(&record, handle, &mut seen).await {
            failed.push(id);
        }
    }
    failed
}

async fn succeeds<M, F, A>(record: &SqsMessage, handle: &F, seen: &mut Vec<M>) -> bool
where
    M: DeserializeOwned + Clone + PartialEq,
    F: Fn(Envelope<M>) -> A,
    A: Future<Output = Result<(), Failure>>,
{
    let id = record.message_id.as_deref().unwrap_or_default();
    let span = tracing::info_span!("message", messaging.message.id = id);
    let envelope: Envelope<M> = match message::decode(record.body.as_deref().unwrap_or_default()) {
        Ok(envelope) => envelope,
        Err(problem) => {
            let problem = Failure::from(problem);
            tracing::error!(parent: &span, "message cannot be read, it will end in the dead-letter queue: {problem}");
            return false;
        }
    };
    if seen.contains(&envelope.message) {
        return true;
    }
    seen.push(envelope.message.clone());
    let outcome = AssertUnwindSafe(handle(envelope).instrument(span.clone())).catch_unwind().await;
    match outcome {
        Ok(Ok(())) => true,
        Ok(Err(failure)) => {
            tracing::warn!(parent: &span, "message failed, it comes back: {failure}");
            false
        }
        Err(_) => {
            tracing::error!(parent: &span, "handling the message panicked, it comes back");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_core::id::OrgId;
    use quillon_core::message::{DispatchMessage, VERSION};

    fn message(id: &str, body: &str, group: Option<&str>) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message.body = Some(body.to_owned());
        if let Some(group) = group {
            message.attributes.insert("MessageGroupId".to_owned(), group.to_owned());
            message.attributes.insert("SequenceNumber".to_owned(), "1".to_owned());
        }
        message
    }

    fn admit(cause: &str) -> String {
        let message = DispatchMessage::Admit { org: OrgId::from_parts(1, 1) };
        serde_json::to_string(&Envelope { v: VERSION, message, cause: cause.to_owned(), traceparent: None }).expect("serializes")
    }

    async fn failed(records: Vec<SqsMessage>) -> Vec<String> {
        let mut event = SqsEvent::default();
        event.records = records;
        let handle = async |envelope: Envelope<DispatchMessage>| match envelope.cause.as_str() {
            "panic" => panic!("as asked"),
            "fail" => Err(Failure { cause: "as asked".to_owned() }),
            _ => Ok(()),
        };
        drain(event, &handle).await.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    #[tokio::test]
    async fn only_what_failed_comes_back() {
        let records = vec![
            message("good", &admit("ok"), None),
            message("bad", &admit("fail"), None),
            message("panics", &admit("panic"), None),
            message("rubbish", "{}", None),
        ];
        assert_eq!(failed(records).await, ["bad", "panics", "rubbish"]);
    }

    #[tokio::test]
    async fn equal_hints_of_one_group_are_handled_once() {
        let mut event = SqsEvent::default();
        event.records = (0..3).map(|number| message(&format!("m{number}"), &admit("ok"), Some("a"))).collect();
        let handled = std::sync::atomic::AtomicUsize::new(0);
        let handle = async |_: Envelope<DispatchMessage>| {
            handled.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        };
        assert!(drain(event, &handle).await.batch_item_failures.is_empty());
        assert_eq!(handled.into_inner(), 1);
    }

    #[tokio::test]
    async fn nothing_overtakes_a_failure_in_its_fifo_group() {
        let records =
            vec![message("a1", &admit("fail"), Some("a")), message("b1", &admit("ok"), Some("b")), message("a2", &admit("ok"), Some("a"))];
        assert_eq!(failed(records).await, ["a1", "a2"]);
    }
}
