//! Reruns that people ask for.

use jiff::Timestamp;
use quillon_core::attempt::{Attempt, later};
use quillon_core::id::AttemptId;
use quillon_core::name::Task;
use quillon_core::rerun::{self, Refusal};
use quillon_core::run::{Phase, RunKey};
use quillon_store::Written;

use crate::{Error, MAX_DECISIONS, Workflow};

/// Why a load was not run again.
#[derive(Debug, thiserror::Error)]
pub enum RerunError {
    /// There is nothing to rerun; says why, for people.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such attempt.
    #[error("there is no check `{0}`")]
    Unknown(AttemptId),
    /// Worth another try.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<quillon_store::Error> for RerunError {
    fn from(error: quillon_store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Workflow {
    /// Runs checks again. Those that are unknown, unfinished or outdated are left out, as the CLI expects.
    ///
    /// # Errors
    /// When the table or a queue cannot be used.
    pub async fn rerun(&self, ids: &[AttemptId], actor: &str, clean_slate: bool, now: Timestamp) -> Result<Vec<Attempt>, Error> {
        let mut made = Vec::new();
        for id in ids {
            match self.rerun_one(*id, actor, clean_slate, now).await {
                Ok(attempt) => made.push(attempt),
                Err(RerunError::Refused(_) | RerunError::Unknown(_)) => {}
                Err(RerunError::Failed(error)) => return Err(error),
            }
        }
        Ok(made)
    }

    /// Runs a failed load again.
    ///
    /// # Errors
    /// When it is not a load, did not fail, or the table or a queue cannot be used.
    pub async fn rerun_load(&self, id: AttemptId, actor: &str, now: Timestamp) -> Result<Attempt, RerunError> {
        let attempt = self.store.attempt(id).await?.ok_or(RerunError::Unknown(id))?;
        match &attempt.key.task {
            Task::Load => self.rerun_one(id, actor, false, now).await,
            Task::Check(name) => Err(Refusal::NotALoad(name.to_string()).into()),
        }
    }

    /// The newest attempts of a run that did not succeed: what "rerun failed" means.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn failed(&self, run: &RunKey) -> Result<Vec<AttemptId>, Error> {
        let commit = self.store.commit(&run.commit).await?;
        let is_failed = |attempt: &&Attempt| match Phase::of(&attempt.state) {
            Phase::Failure | Phase::Error | Phase::Cancelled => true,
            Phase::Queued | Phase::Running | Phase::Success => false,
        };
        Ok(commit.latest(run).into_iter().filter(is_failed).map(|attempt| attempt.id).collect())
    }

    async fn rerun_one(&self, id: AttemptId, actor: &str, clean_slate: bool, now: Timestamp) -> Result<Attempt, RerunError> {
        let attempt = self.store.attempt(id).await?.ok_or(RerunError::Unknown(id))?;
        let commit = self.store.commit(&attempt.key.run.commit).await?;
        let latest = commit.latest(&attempt.key.run);
        let newest = latest.into_iter().find(|newest| newest.key.module == attempt.key.module && newest.key.task == attempt.key.task);
        let newest = newest.unwrap_or(&attempt);
        if newest.id != id {
            return Err(Refusal::NotNewest(attempt.key.task.label().to_owned()).into());
        }
        let next = rerun::rerun(newest, actor, clean_slate, now)?;
        // Before the attempt: a run that was settled must be watched again, or a lost hint would leave GitHub behind.
        self.watch(&next.key.run, now).await?;
        self.store.create_attempts(std::slice::from_ref(&next)).await?;
        self.queues.send_dispatch(next.org, "rerun").await.map_err(Error::from)?;
        self.queues.send_status(&next.key.run.commit, "rerun").await.map_err(Error::from)?;
        // Of two people who click at once, one made it: both get the attempt that is stored.
        Ok(self.store.attempt_by_key(&next.key).await?.unwrap_or(next))
    }

    /// Puts a run back under the eyes of the sweep.
    async fn watch(&self, key: &RunKey, now: Timestamp) -> Result<(), Error> {
        for _ in 0..MAX_DECISIONS {
            let Some(mut run) = self.store.run(key).await? else { return Ok(()) };
            if run.due_at.is_some() {
                return Ok(());
            }
            run.due_at = Some(later(now, quillon_core::attempt::REMINDER));
            run.version += 1;
            match self.store.save_run(&run).await? {
                Written::Done => return Ok(()),
                Written::Lost => {}
            }
        }
        Err(Error::Contended(format!("run {}", key.lane)))
    }
}
