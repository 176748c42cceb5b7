//! Hints on queues: typed sends, and agents' wake-ups.
//!
//! A message is never state, so a lost one costs time and nothing else; see `quillon_core::message`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use quillon_core::id::OrgId;
use quillon_core::message::{DispatchMessage, Envelope, EventMessage, OfferMessage, SealMessage, StatusMessage, VERSION};
use quillon_core::run::CommitKey;
use quillon_core::trace::TraceId;
use quillon_core::trust::Trust;
use serde::Serialize;

/// Longest delay that SQS takes per message.
const MAX_DELAY: Duration = Duration::from_secs(900);

/// Where the queues are. A function has the URLs of those that it may use.
#[derive(Debug, Clone, Default)]
pub struct QueueUrls {
    /// Read by the scheduler.
    pub events: Option<String>,
    /// Read by the dispatcher.
    pub dispatch: Option<String>,
    /// Read by the reporter, FIFO.
    pub status: Option<String>,
    /// Wakes agents.
    pub offers: Option<String>,
    /// Read by the sealer.
    pub seal: Option<String>,
}

/// Why a hint could not be sent or received. All of it is worth another try, except a queue that was never configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This function was not given the queue.
    #[error("no URL of the `{0}` queue is configured for this function")]
    NotConfigured(&'static str),
    /// SQS refused or could not be reached.
    #[error("cannot {action} the `{queue}` queue: {cause}")]
    Transient {
        /// What was tried.
        action: &'static str,
        /// Where.
        queue: &'static str,
        /// The SDK's chain of causes.
        cause: String,
    },
    /// A message that does not serialize: a bug.
    #[error("a message for the `{queue}` queue does not serialize")]
    Unserializable {
        /// Where it should have gone.
        queue: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Sends hints.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    urls: QueueUrls,
}

impl Queues {
    /// Makes no call.
    #[must_use]
    pub fn new(client: Client, urls: QueueUrls) -> Self {
        Self { client, urls }
    }

    /// Sends something for the scheduler to look at, `delay` later (at most 15 minutes).
    ///
    /// # Errors
    /// When SQS does not take it.
    pub async fn send_event(&self, message: &EventMessage, cause: &str, delay: Duration) -> Result<(), Error> {
        let delay = i32::try_from(delay.min(MAX_DELAY).as_secs()).unwrap_or(0);
        self.send("events", self.urls.events.as_ref(), message, cause, |send| if delay == 0 { send } else { send.delay_seconds(delay) })
            .await
    }

    /// Tells the dispatcher that something of an org waits or made room.
    ///
    /// # Errors
    /// When SQS does not take it.
    pub async fn send_dispatch(&self, org: OrgId, cause: &str) -> Result<(), Error> {
        self.send("dispatch", self.urls.dispatch.as_ref(), &DispatchMessage::Admit { org }, cause, |send| send).await
    }

    /// Tells the reporter to look at a commit; one commit at a time, in the order of sending.
    ///
    /// # Errors
    /// When SQS does not take it.
    pub async fn send_status(&self, commit: &CommitKey, cause: &str) -> Result<(), Error> {
        let message = StatusMessage::Report { repository: commit.repository, sha: commit.sha.clone() };
        let group = format!("{}-{}", commit.repository, commit.sha);
        // Deduplication would swallow a hint that is sent again on purpose within five minutes.
        let unique = unique_id();
        self.send("status", self.urls.status.as_ref(), &message, cause, |send| {
            send.message_group_id(group).message_deduplication_id(unique)
        })
        .await
    }

    /// Tells the sealer to look at a trace.
    ///
    /// # Errors
    /// When SQS does not take it.
    pub async fn send_seal(&self, org: OrgId, trace: TraceId, cause: &str) -> Result<(), Error> {
        self.send("seal", self.urls.seal.as_ref(), &SealMessage::Seal { org, trace }, cause, |send| send).await
    }

    /// Wakes one waiting agent.
    ///
    /// # Errors
    /// When SQS does not take it.
    pub async fn send_offer(&self, trust: Trust, cause: &str) -> Result<(), Error> {
        self.send("offers", self.urls.offers.as_ref(), &OfferMessage::Offer { trust }, cause, |send| send).await
    }

    /// Waits until something is offered, at most `wait` (20 seconds are SQS's limit). Says whether a hint came.
    ///
    /// # Errors
    /// When SQS cannot be asked.
    pub async fn wait_for_offer(&self, wait: Duration) -> Result<bool, Error> {
        let url = self.urls.offers.as_ref().ok_or(Error::NotConfigured("offers"))?;
        let seconds = i32::try_from(wait.as_secs().min(20)).unwrap_or(20);
        let received = self.client.receive_message().queue_url(url).max_number_of_messages(1).wait_time_seconds(seconds).send().await;
        let received = received.map_err(|error| transient("receive from", "offers", error))?;
        let Some(receipt) = received.messages().first().and_then(|message| message.receipt_handle()) else { return Ok(false) };
        let deleted = self.client.delete_message().queue_url(url).receipt_handle(receipt).send().await;
        deleted.map_err(|error| transient("delete from", "offers", error))?;
        Ok(true)
    }

    async fn send<M: Serialize>(
        &self,
        queue: &'static str,
        url: Option<&String>,
        message: &M,
        cause: &str,
        options: impl FnOnce(
            aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder,
        ) -> aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder,
    ) -> Result<(), Error> {
        let url = url.ok_or(Error::NotConfigured(queue))?;
        let envelope = Envelope { v: VERSION, message, cause: cause.to_owned(), traceparent: None };
        let body = serde_json::to_string(&envelope).map_err(|source| Error::Unserializable { queue, source })?;
        let sent = options(self.client.send_message().queue_url(url).message_body(body)).send().await;
        sent.map(drop).map_err(|error| transient("send to", queue, error))
    }
}

fn transient<E, R>(action: &'static str, queue: &'static str, error: SdkError<E, R>) -> Error
where
    E: std::error::Error + 'static,
    R: std::fmt::Debug,
{
    Error::Transient { action, queue, cause: DisplayErrorContext(&error).to_string() }
}

/// A text that no other send of any process uses.
fn unique_id() -> String {
    static SENT: AtomicU64 = AtomicU64::new(0);
    let sent = SENT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}{sent:x}", process_nonce())
}

fn process_nonce() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    static NONCE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    // `RandomState` is seeded by the operating system; a process id alone would repeat across Lambda sandboxes.
    *NONCE.get_or_init(|| RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deduplication_ids_differ() {
        assert_ne!(unique_id(), unique_id());
    }
}
