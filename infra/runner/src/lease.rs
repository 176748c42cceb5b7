//! Keeps a lease: renews it, and stops the work before it ends when it cannot be renewed.
//!
//! Only spans of the monotonic clock are compared: a lease began no earlier than its request was sent, so nothing depends on
//! the clocks of two machines agreeing.

use std::time::Duration;

use quillon_core::Sensitive;
use quillon_core::protocol::{HeartbeatRequest, JobRequest, LeaseGrant, Order};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::{CallError, Client};
use crate::stop::{Stop, Stopper};

/// The times of one lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long it lasts unless renewed.
    pub(crate) ttl: Duration,
    /// How often it is renewed.
    pub(crate) heartbeat: Duration,
}

impl Terms {
    /// The terms that a server grants. Zeros of a broken server become the shortest sensible times.
    pub(crate) fn of(grant: &LeaseGrant) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
        Self { ttl: seconds(grant.lease_ttl_s), heartbeat: seconds(grant.heartbeat_s) }
    }

    /// How long after the last renewal the work is stopped: what remains of the lease is for stopping.
    pub(crate) fn fence(self) -> Duration {
        self.ttl * 3 / 4
    }

    /// The pause after a heartbeat that failed: at least three more fit before the fence.
    pub(crate) fn retry(self) -> Duration {
        (self.heartbeat / 4).min(self.ttl / 16)
    }

    /// How long each stage of stopping may take for a fenced job, so that it ends within the lease.
    pub(crate) fn fenced_patience(self) -> (Duration, Duration) {
        (self.ttl / 6, self.ttl / 16)
    }
}

/// A lease in force.
pub(crate) struct Keeper {
    pub(crate) client: Client,
    pub(crate) token: Sensitive<String>,
    pub(crate) request: JobRequest,
    pub(crate) terms: Terms,
    pub(crate) stopper: Stopper,
    /// When the request that was answered with a lease or a renewal was sent.
    pub(crate) renewed: watch::Sender<Instant>,
    /// When the work began.
    pub(crate) began: Instant,
}

impl Keeper {
    /// Renews until the lease is lost or this is dropped.
    pub(crate) async fn renew(&self) {
        let mut pause = self.terms.heartbeat;
        loop {
            tokio::time::sleep(pause).await;
            let sent = Instant::now();
            let request =
                HeartbeatRequest { attempt: self.request.attempt, lease: self.request.lease, elapsed_s: self.began.elapsed().as_secs() };
            // A call that hangs must not use up the time of the next ones.
            let call = tokio::time::timeout(self.terms.ttl / 4, self.client.heartbeat(&self.token, &request));
            let answer = call.await.unwrap_or_else(|_| Err(CallError::Unavailable("no answer in time".to_owned())));
            pause = self.terms.retry();
            match answer {
                Ok(answer) => {
                    self.renewed.send_replace(sent);
                    pause = self.terms.heartbeat;
                    match answer.order {
                        Order::Continue => {}
                        Order::Cancel => self.stopper.raise(Stop::Cancelled),
                    }
                }
                Err(error) if error.ends_job() => {
                    tracing::info!(attempt = %self.request.attempt, "lease lost: {error}");
                    self.stopper.raise(Stop::Gone);
                    return;
                }
                Err(error) => tracing::warn!(attempt = %self.request.attempt, "heartbeat failed: {error}"),
            }
        }
    }

    /// Stops the work when its time is up, when the lease runs out, and when the agent shuts down.
    pub(crate) async fn guard(&self, timeout: Duration, mut shutdown: watch::Receiver<bool>) {
        let mut renewed = self.renewed.subscribe();
        let (mut is_late, mut is_leaving) = (false, false);
        loop {
            let fence = *renewed.borrow_and_update() + self.terms.fence();
            tokio::select! {
                () = tokio::time::sleep_until(fence) => {
                    tracing::warn!(attempt = %self.request.attempt, "the lease could not be renewed, stopping the work");
                    self.stopper.raise(Stop::Fenced);
                    return;
                }
                () = tokio::time::sleep_until(self.began + timeout), if !is_late => {
                    is_late = true;
                    self.stopper.raise(Stop::TimedOut);
                }
                left = shutdown.wait_for(|is_leaving| *is_leaving), if !is_leaving => {
                    // A closed channel means that the agent is gone: that is a shutdown too.
                    drop(left);
                    is_leaving = true;
                    self.stopper.raise(Stop::ShuttingDown);
                }
                changed = renewed.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fenced_job_has_ended_when_its_lease_ends() {
        for (ttl, heartbeat) in [(60, 20), (60, 1), (30, 10), (3, 1), (1, 1), (1, 60)] {
            let terms = Terms { ttl: Duration::from_secs(ttl), heartbeat: Duration::from_secs(heartbeat) };
            let (interrupt, terminate) = terms.fenced_patience();
            assert!(terms.fence() + interrupt + terminate < terms.ttl, "{terms:?}");
            let tries = terms.fence().saturating_sub(terms.heartbeat).as_millis() / terms.retry().as_millis();
            assert!(tries >= 3 || heartbeat >= ttl, "{terms:?}: {tries} tries");
        }
    }
}
