//! The summary of a run, a projection of its attempts, and when the sweep has to look at the run again.

use jiff::Timestamp;
use quillon_core::attempt::{REMINDER, later};
use quillon_core::commit::Commit;
use quillon_core::run::{Run, RunKey};
use quillon_core::text::shorten;
use quillon_store::Written;

use crate::{Deps, Error};

/// How often a run is read again because somebody else saved it first.
const MAX_SAVES: usize = 5;

/// Saves what changed of the runs of a commit; false when somebody else saved one first and all has to be read again.
///
/// A run leaves the sweep's index once its work is over and GitHub knows.
pub(crate) async fn project(deps: &Deps, commit: &Commit, is_settled: bool, now: Timestamp) -> Result<bool, Error> {
    for run in &commit.runs {
        let summary = run.summarize(&commit.latest(&run.key));
        let due_at = match (is_settled && commit.is_over(run), run.due_at) {
            (true, _) => None,
            (false, Some(due_at)) => Some(due_at),
            (false, None) => Some(later(now, REMINDER)),
        };
        if summary == run.summary && due_at == run.due_at {
            continue;
        }
        let projected = Run { summary, due_at, version: run.version + 1, ..run.clone() };
        match deps.store.save_run(&projected).await? {
            Written::Done => {}
            Written::Lost => return Ok(false),
        }
    }
    Ok(true)
}

/// Leaves a run to the sweep until a time.
pub(crate) async fn postpone(deps: &Deps, key: &RunKey, due_at: Timestamp) -> Result<(), Error> {
    change(deps, key, |run| run.due_at = Some(due_at)).await
}

/// Remembers that GitHub cannot be told about a run, and why, so that it is not tried for ever.
pub(crate) async fn give_up(deps: &Deps, key: &RunKey, why: &str) -> Result<(), Error> {
    tracing::warn!(run.lane = %key.lane, "statuses of {} cannot be posted: {why}", key.commit.sha);
    change(deps, key, |run| run.unreportable = Some(shorten(why, 300))).await
}

async fn change(deps: &Deps, key: &RunKey, edit: impl Fn(&mut Run)) -> Result<(), Error> {
    for _ in 0..MAX_SAVES {
        let Some(mut run) = deps.store.run(key).await? else { return Ok(()) };
        edit(&mut run);
        run.version += 1;
        match deps.store.save_run(&run).await? {
            Written::Done => return Ok(()),
            Written::Lost => {}
        }
    }
    // Whoever keeps saving it also keeps it in the sweep's index.
    Ok(())
}
