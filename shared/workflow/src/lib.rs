//! The one write path: load, decide, save, send. Reruns, cancellations, the expansion of a load, and the sweep go through it.
//!
//! Order inside every step: a conditional write to the table, then hints to the queues. A crash in between loses hints only;
//! they are derived again from what is stored, by a repetition of the step or by [`Workflow::sweep`].

mod cancel;
mod expand;
mod rerun;
mod sweep;

use quillon_core::attempt::{Attempt, Command, Event, decide};
use quillon_core::id::AttemptId;
use quillon_queue::Queues;
use quillon_store::{Store, Written};

pub use rerun::RerunError;
pub use sweep::Swept;

use jiff::Timestamp;

/// How often a step is decided again after somebody else wrote first. Deciding is pure, so again is cheap; more losses in
/// a row than this mean that something is wrong.
const MAX_DECISIONS: usize = 12;

/// Why a step did not happen. All of it is worth another try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table refused or could not be reached.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// A hint could not be sent; what it hints at is stored.
    #[error(transparent)]
    Queue(#[from] quillon_queue::Error),
    /// Somebody else wrote first, again and again.
    #[error("`{0}` was changed by others {MAX_DECISIONS} times in a row")]
    Contended(String),
}

/// The write path over a store and the queues.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// Where the truth is.
    pub store: Store,
    /// Where hints go.
    pub queues: Queues,
}

/// What came of an event.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The attempt as it is stored now.
    pub attempt: Attempt,
    /// Whether this event changed it.
    pub changed: bool,
}

impl Workflow {
    /// Applies an event to an attempt; none when there is no such attempt.
    ///
    /// # Errors
    /// When the table or a queue cannot be used, or others write faster.
    pub async fn apply(&self, id: AttemptId, event: &Event, now: Timestamp, cause: &str) -> Result<Option<Applied>, Error> {
        for _ in 0..MAX_DECISIONS {
            let Some(attempt) = self.store.attempt(id).await? else { return Ok(None) };
            if let Some(applied) = self.apply_to(&attempt, event, now, cause).await? {
                return Ok(Some(applied));
            }
        }
        Err(Error::Contended(id.to_string()))
    }

    /// Applies an event to an attempt as it was read; none when somebody else has written since.
    async fn apply_to(&self, attempt: &Attempt, event: &Event, now: Timestamp, cause: &str) -> Result<Option<Applied>, Error> {
        let decision = decide(attempt, event, now);
        let changed = decision.next.seq != attempt.seq;
        if changed {
            match self.store.save_attempt(&decision.next).await? {
                Written::Done => log(attempt, &decision.next, cause),
                Written::Lost => return Ok(None),
            }
        }
        let mut attempt = decision.next;
        for command in decision.commands {
            match command {
                Command::Admit => self.queues.send_dispatch(attempt.org, cause).await?,
                Command::Offer => self.queues.send_offer(attempt.key.run.lane.trust, cause).await?,
                Command::Report => self.queues.send_status(&attempt.key.run.commit, cause).await?,
                // The expansion ends with a transition of its own, so it comes back here once, not for ever.
                Command::Expand => attempt = Box::pin(self.expand(attempt, now, cause)).await?,
            }
        }
        Ok(Some(Applied { attempt, changed }))
    }
}

fn log(before: &Attempt, after: &Attempt, cause: &str) {
    tracing::info!(
        attempt.id = %after.id,
        attempt.number = after.key.number,
        attempt.task = %after.key.task,
        run.id = %after.run,
        vcs.repository.id = %after.key.run.commit.repository,
        vcs.ref.head.revision = %after.key.run.commit.sha,
        cause,
        "attempt {} went from {} to {}",
        after.id,
        word(before),
        word(after),
    );
}

fn word(attempt: &Attempt) -> &'static str {
    quillon_core::run::Phase::of(&attempt.state).word()
}
