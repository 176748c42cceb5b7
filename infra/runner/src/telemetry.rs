//! The telemetry of a job: what the CLI emits, without the secrets that the job was given, and the span that all of it hangs under.
//!
//! The CLI is told to send to a listener of the agent on the loopback interface, with a token that is good for nothing else. What arrives is
//! answered at once, scrubbed, and passed on with the credential of the job, which the CLI never sees. Nothing here can change what comes
//! of a job: telemetry that cannot be delivered is dropped and said so in the agent's log.
//!
//! | file | what it is |
//! |---|---|
//! | `listener` | what the CLI talks to |
//! | `outbox` | what waits to be sent, bounded |
//! | `sender` | passes it on, again and again where that helps |
//! | `parent` | the span that `TRACEPARENT` names |

mod listener;
mod outbox;
mod parent;
mod sender;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use quillon_core::Sensitive;
use quillon_core::attempt::Report;
use quillon_core::protocol::LeaseGrant;
use quillon_otlp::{Encoding, Scrubber, Signal};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::config::Timings;
use outbox::Outbox;
use parent::Parent;

/// How often a span that runs is sent again, so that readers know that somebody is still there. The CLI does the same.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The telemetry of one job.
pub(crate) struct Telemetry {
    shared: Arc<Shared>,
    parent: Parent,
    /// Where the CLI sends to.
    address: String,
    /// What the CLI shows there.
    token: String,
    /// How long the end of a job waits for what is not sent yet.
    flush: Duration,
    /// Ends once everything is sent and nothing more comes.
    sender: JoinSet<()>,
    /// The listener and the heartbeat, which go on until they are stopped.
    others: JoinSet<()>,
}

/// What the listener, the heartbeat and the sender share.
struct Shared {
    outbox: Outbox,
    secrets: RwLock<(Vec<Sensitive<String>>, Scrubber)>,
}

impl Shared {
    /// Takes in a request that is not compressed.
    fn take(&self, signal: Signal, encoding: Encoding, mut bytes: Vec<u8>) {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner).1.scrub(&mut bytes);
        self.outbox.push(signal, encoding, bytes);
    }

    fn hide(&self, more: impl IntoIterator<Item = Sensitive<String>>) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.0.extend(more);
        secrets.1 = Scrubber::new(secrets.0.iter().map(|secret| secret.expose().as_str()));
    }
}

impl Telemetry {
    /// Starts to take telemetry in, when the server wants it and the machine has a port for it.
    ///
    /// `agent` is the agent's own credential: it is scrubbed like those of the job.
    pub(crate) async fn start(client: &Client, timings: &Timings, grant: &LeaseGrant, agent: &Sensitive<String>) -> Option<Self> {
        let granted = Sensitive::new(grant.telemetry.as_ref()?.token.clone());
        let shared = Arc::new(Shared { outbox: Outbox::default(), secrets: RwLock::new((Vec::new(), Scrubber::new([]))) });
        shared.hide([granted.clone(), agent.clone(), Sensitive::new(grant.job_token.clone())]);
        let token = format!("dag_{}", uuid::Uuid::new_v4().simple());
        let (mut sender, mut others) = (JoinSet::new(), JoinSet::new());
        let address = match listener::start(Arc::clone(&shared), &token, &mut others).await {
            Ok(address) => address,
            Err(error) => {
                tracing::warn!(attempt = %grant.attempt, "goes on without telemetry, no port of this machine can be used: {error}");
                return None;
            }
        };
        let parent = Parent::new(grant)?;
        shared.take(Signal::Traces, Encoding::Json, parent.running());
        sender.spawn(sender::run(Arc::clone(&shared), client.clone(), granted, timings.clone(), grant.attempt));
        others.spawn(heartbeat(Arc::clone(&shared), parent.clone()));
        Some(Self { shared, parent, address, token, flush: timings.flush, sender, others })
    }

    /// The variables that make the CLI send here.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 2] {
        [("DAGGER_CLOUD_URL", &self.address), ("DAGGER_CLOUD_TOKEN", &self.token)]
    }

    /// Scrubs one more secret from now on.
    pub(crate) fn hide(&self, secret: &str) {
        self.shared.hide([Sensitive::new(secret.to_owned())]);
    }

    /// Ends the span and sends what is left, for a bounded time. Without a report the span stays open: the next execution goes on with it.
    pub(crate) async fn finish(mut self, report: Option<&Report>) {
        if let Some(report) = report {
            self.shared.take(Signal::Traces, Encoding::Json, self.parent.ended(report));
        }
        self.others.shutdown().await;
        self.shared.outbox.close();
        // An agent that leaves is not held up for the telemetry of what is done again elsewhere.
        let patience = if report.is_some() { self.flush } else { self.flush / 10 };
        let is_sent = tokio::time::timeout(patience, self.sender.join_next()).await.is_ok();
        self.sender.shutdown().await;
        let (left, dropped) = self.shared.outbox.lost();
        if !is_sent || dropped > 0 {
            tracing::warn!("telemetry could not be delivered whole: {left} bytes were left at the end, {dropped} dropped before");
        }
    }
}

async fn heartbeat(shared: Arc<Shared>, parent: Parent) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        shared.take(Signal::Traces, Encoding::Json, parent.running());
    }
}
