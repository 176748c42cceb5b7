//! SQS over SQLite: the operations that Quillon uses, faithful in visibility, FIFO groups, batches, redrive and moves.
//!
//! A message is one row; time comes from the [`Clock`], so visibility and retention can be tested without waiting.
//! What differs from AWS, on purpose: a message move task is done when `StartMessageMoveTask` answers, purging and
//! deleting take effect at once and may be repeated at once, and there is no limit on messages in flight.
//!
//! Reference: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/>.

mod digest;
mod error;
mod ledger;
mod messages;
mod moves;
mod queues;
mod receive;
mod request;
mod send;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use quillon_runtime::Clock;
use tokio::sync::Notify;

use crate::engine::wire::Response;
use error::Refusal;
use ledger::{Ledger, Outcome};
use request::{Operation, QueueAddress};

/// Base of every queue URL; nothing listens there, requests are routed by their target.
pub const QUEUE_URL_BASE: &str = "http://aws.quillon.local/000000000000/";
/// Beginning of every queue ARN.
pub const QUEUE_ARN_BASE: &str = "arn:aws:sqs:us-east-1:000000000000:";

/// Number of bells; queues share one when their names hash alike, which costs a spurious look and nothing else.
const BELLS: usize = 32;

/// The queue service. Clones share their queues.
#[derive(Clone, Debug)]
pub struct Sqs {
    ledger: Arc<Ledger>,
    bells: Arc<[Notify; BELLS]>,
    clock: Clock,
}

impl Sqs {
    /// Opens the queues stored at `path`, or queues in memory that end with this value.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or is not a database of queues.
    pub fn open(path: Option<&Path>, clock: Clock) -> Result<Self, rusqlite::Error> {
        let ledger = Arc::new(Ledger::open(path, clock.clone())?);
        Ok(Self { ledger, bells: Arc::new(std::array::from_fn(|_| Notify::new())), clock })
    }

    /// Makes every message in flight visible again, because whoever received it is gone.
    ///
    /// For the start of a process whose consumers all live in it: AWS would wait for the visibility timeout, which
    /// after a crash only delays the work.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn release_in_flight(&self) -> Result<usize, rusqlite::Error> {
        self.ledger.release_in_flight()
    }

    /// Answers one request of the AWS JSON protocol; a receive with a wait time answers when a message is there.
    pub async fn call(&self, operation: &str, body: Bytes) -> Response {
        let Some(operation) = Operation::parse(operation) else {
            return Refusal::unknown_operation(operation).response();
        };
        match operation {
            Operation::ReceiveMessage => self.receive(body).await,
            other => self.execute(other, body).await.response,
        }
    }

    /// Tries at once, then each time a bell rings or a message may have become visible, until the wait is over.
    async fn receive(&self, body: Bytes) -> Response {
        let queue = match serde_json::from_slice::<QueueAddress>(&body) {
            Ok(address) => address.name().to_owned(),
            Err(error) => return Refusal::malformed(&error).response(),
        };
        let bell = &self.bells[bell_of(&queue)];
        let mut deadline = None;
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            // Registered before looking, so that a message sent in between is not missed.
            rung.as_mut().enable();
            let outcome = self.execute(Operation::ReceiveMessage, body.clone()).await;
            let Some(nothing) = outcome.nothing else { return outcome.response };
            let deadline = *deadline.get_or_insert(nothing.now_ms.saturating_add(nothing.wait_ms));
            if nothing.now_ms >= deadline {
                return outcome.response;
            }
            let look_again = nothing.next_visible_ms.map_or(deadline, |next| next.min(deadline));
            tokio::select! {
                () = rung => {}
                () = self.clock.until(look_again) => {}
            }
        }
    }

    /// Runs one operation and rings for the queues in which it made messages available.
    async fn execute(&self, operation: Operation, body: Bytes) -> Outcome {
        let outcome = if self.ledger.is_durable() {
            let ledger = Arc::clone(&self.ledger);
            let run = tokio::task::spawn_blocking(move || ledger.run(operation, body));
            run.await.unwrap_or_else(|error| Outcome::from(Response::internal(&error)))
        } else {
            self.ledger.run(operation, body)
        };
        for queue in &outcome.filled {
            self.bells[bell_of(queue)].notify_waiters();
        }
        outcome
    }
}

fn bell_of(queue: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    queue.hash(&mut hasher);
    usize::try_from(hasher.finish() % BELLS as u64).unwrap_or(0)
}

/// The URL of a queue.
#[must_use]
pub fn queue_url(name: &str) -> String {
    format!("{QUEUE_URL_BASE}{name}")
}

/// The ARN of a queue.
#[must_use]
pub fn queue_arn(name: &str) -> String {
    format!("{QUEUE_ARN_BASE}{name}")
}

/// The name in a queue's URL or ARN: whatever follows the last separator.
#[must_use]
pub fn queue_name(address: &str) -> &str {
    address.rsplit(['/', ':']).next().unwrap_or(address)
}
