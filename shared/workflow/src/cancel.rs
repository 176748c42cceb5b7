//! Stopping work: by people, and because a head moved on.

use jiff::Timestamp;
use quillon_core::attempt::{Attempt, Cancel, CancelReason, Event};
use quillon_core::id::AttemptId;
use quillon_core::lane::Lane;
use quillon_core::run::{CommitKey, Run, RunState};
use quillon_store::Written;

use crate::{Error, MAX_DECISIONS, Workflow};

impl Workflow {
    /// Asks for the end of attempts; those that are over stay as they are. Gives back those that this call stopped.
    ///
    /// # Errors
    /// When the table or a queue cannot be used.
    pub async fn cancel(&self, ids: &[AttemptId], reason: &CancelReason, now: Timestamp) -> Result<Vec<Attempt>, Error> {
        let mut stopped = Vec::new();
        for id in ids {
            let event = Event::CancelRequested(Cancel { reason: reason.clone(), at: now });
            if let Some(applied) = self.apply(*id, &event, now, "cancel").await?
                && applied.changed
            {
                stopped.push(applied.attempt);
            }
        }
        Ok(stopped)
    }

    /// Stops everything unfinished of a commit, or of one of its lanes.
    ///
    /// # Errors
    /// When the table or a queue cannot be used.
    pub async fn cancel_commit(&self, key: &CommitKey, lane: Option<&Lane>, reason: &CancelReason, now: Timestamp) -> Result<(), Error> {
        let commit = self.store.commit(key).await?;
        for run in commit.runs.iter().filter(|run| lane.is_none_or(|lane| run.key.lane == *lane)) {
            self.stop_waiting(run, reason, now).await?;
            // A load that expands meanwhile stops its checks itself, so one pass is enough.
            let unfinished: Vec<AttemptId> =
                commit.latest(&run.key).iter().filter(|attempt| !attempt.is_terminal()).map(|attempt| attempt.id).collect();
            self.cancel(&unfinished, reason, now).await?;
        }
        Ok(())
    }

    async fn stop_waiting(&self, run: &Run, reason: &CancelReason, now: Timestamp) -> Result<(), Error> {
        let mut current = Some(run.clone());
        for _ in 0..MAX_DECISIONS {
            let Some(mut run) = current else { return Ok(()) };
            match run.state {
                RunState::Waiting { .. } => {}
                RunState::Open
                | RunState::Conflict { .. }
                | RunState::NoModule
                | RunState::TooManyModules { .. }
                | RunState::ForkRefused
                | RunState::Stopped { .. } => return Ok(()),
            }
            run.state = RunState::Stopped { cancel: Cancel { reason: reason.clone(), at: now } };
            run.due_at = Some(now);
            run.version += 1;
            match self.store.save_run(&run).await? {
                Written::Done => return Ok(self.queues.send_status(&run.key.commit, "cancel").await?),
                Written::Lost => current = self.store.run(&run.key).await?,
            }
        }
        Err(Error::Contended(run.id.to_string()))
    }
}
