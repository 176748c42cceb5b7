//! After a load: one attempt for every check that it listed.

use jiff::Timestamp;
use quillon_core::attempt::{Attempt, Event};
use quillon_core::name::Task;
use quillon_core::rerun;

use crate::{Error, Workflow};

impl Workflow {
    /// Writes the attempts that a load in `Expanding` asks for, then ends the load.
    ///
    /// Can be repeated from any point: attempts that exist stay as they are, and the load ends only after all of them do.
    pub(crate) async fn expand(&self, load: Attempt, now: Timestamp, cause: &str) -> Result<Attempt, Error> {
        let commit = self.store.commit(&load.key.run.commit).await?;
        let Some(run) = commit.run(&load.key.run) else { return Ok(load) };
        let wanted = rerun::expand(run, &load, &commit.latest(&load.key.run), now);
        self.store.create_attempts(&wanted).await?;
        let Some(applied) = self.apply(load.id, &Event::Expanded, now, cause).await? else { return Ok(load) };
        if let Some(cancel) = applied.attempt.cancel() {
            // The load was stopped while its checks were being written: they go with it.
            self.stop_checks_of(&applied.attempt, cancel.clone(), now, cause).await?;
        }
        Ok(applied.attempt)
    }

    async fn stop_checks_of(
        &self,
        load: &Attempt,
        cancel: quillon_core::attempt::Cancel,
        now: Timestamp,
        cause: &str,
    ) -> Result<(), Error> {
        let commit = self.store.commit(&load.key.run.commit).await?;
        let latest = commit.latest(&load.key.run);
        let is_of_load = |attempt: &&&Attempt| {
            attempt.key.module == load.key.module && attempt.key.task != Task::Load && attempt.load_number == load.key.number
        };
        for check in latest.iter().filter(is_of_load).filter(|attempt| !attempt.is_terminal()) {
            self.apply(check.id, &Event::CancelRequested(cancel.clone()), now, cause).await?;
        }
        Ok(())
    }
}
