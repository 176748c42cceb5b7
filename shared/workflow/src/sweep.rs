//! The sweep: applies the passing of time to whatever is overdue. The only recovery path there is.

use std::time::Duration;

use jiff::Timestamp;
use quillon_core::attempt::{Event, REMINDER, later};
use quillon_core::message::EventMessage;
use quillon_core::run::{Run, RunKey, RunState};
use quillon_core::text::with_causes;
use quillon_store::{Due, Written};

use crate::{Error, Workflow};

/// How many overdue things one page of the index gives.
const PAGE: u32 = 100;

/// Most pages of one sweep: the next one begins where this one ended, because what was looked at is no longer due.
const MAX_PAGES: usize = 20;

/// What a sweep found; in a healthy system little more than reminders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Overdue attempts.
    pub attempts: usize,
    /// Overdue runs.
    pub runs: usize,
    /// Overdue things that could not be dealt with; they stay overdue.
    pub failed: usize,
}

impl Workflow {
    /// Looks at everything that is overdue.
    ///
    /// # Errors
    /// When the index cannot be read; one thing that fails does not keep the others waiting.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for _ in 0..MAX_PAGES {
            let page = self.store.due(now, PAGE).await?;
            let failed_before = swept.failed;
            for due in &page {
                let outcome = match due {
                    Due::Attempt(key) => {
                        swept.attempts += 1;
                        self.tick_attempt(key, now).await
                    }
                    Due::Run(key) => {
                        swept.runs += 1;
                        self.tick_run(key, now).await
                    }
                };
                if let Err(error) = outcome {
                    swept.failed += 1;
                    tracing::error!("the sweep could not deal with {due:?}: {}", with_causes(&error));
                }
            }
            let is_stuck = swept.failed > failed_before;
            if page.len() < PAGE as usize || is_stuck {
                break;
            }
        }
        Ok(swept)
    }

    async fn tick_attempt(&self, key: &quillon_core::attempt::AttemptKey, now: Timestamp) -> Result<(), Error> {
        match self.store.attempt_by_key(key).await? {
            Some(attempt) => self.apply(attempt.id, &Event::Tick, now, "sweep").await.map(drop),
            None => Ok(()),
        }
    }

    async fn tick_run(&self, key: &RunKey, now: Timestamp) -> Result<(), Error> {
        let Some(mut run) = self.store.run(key).await? else { return Ok(()) };
        match run.due_at {
            Some(due_at) if due_at <= now => {}
            // The index lags behind: somebody has dealt with it.
            Some(_) | None => return Ok(()),
        }
        run.due_at = Some(later(now, REMINDER));
        run.version += 1;
        match self.store.save_run(&run).await? {
            Written::Done => self.remind(&run).await,
            Written::Lost => Ok(()),
        }
    }

    async fn remind(&self, run: &Run) -> Result<(), Error> {
        match run.state {
            RunState::Waiting { .. } => {
                for asked_by in run.refs.iter().filter(|asked_by| asked_by.pull().is_some()) {
                    let message = EventMessage::Look {
                        installation: run.installation,
                        repository: run.key.commit.repository,
                        reference: asked_by.reference.clone(),
                    };
                    self.queues.send_event(&message, "sweep", Duration::ZERO).await?;
                }
            }
            RunState::Open
            | RunState::Conflict { .. }
            | RunState::NoModule
            | RunState::TooManyModules { .. }
            | RunState::ForkRefused
            | RunState::Stopped { .. } => {}
        }
        Ok(self.queues.send_status(&run.key.commit, "sweep").await?)
    }
}
