//! Runs: all checks of one head commit in one lane, and the summary that pages read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, AttemptState, Cancel, Outcome};
use crate::id::{AttemptId, CommitSha, InstallationId, OrgId, PullNumber, RepositoryId, RunId};
use crate::lane::Lane;
use crate::module::Module;
use crate::name::{BranchName, ModulePath, Ref, RepositoryName, Task};

/// Most check lines that a run's summary embeds; the counts are always whole.
pub const MAX_SUMMARY_LINES: usize = 60;

/// Most refs and events that a run remembers.
pub const MAX_RUN_REFS: usize = 20;

/// A commit of a repository: the partition of everything about its checks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitKey {
    /// In which repository.
    pub repository: RepositoryId,
    /// Its SHA.
    pub sha: CommitSha,
}

/// The key of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunKey {
    /// Of which commit.
    pub commit: CommitKey,
    /// In which company.
    pub lane: Lane,
}

/// All checks of one head commit in one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its key.
    pub key: RunKey,
    /// Whose it is.
    pub org: OrgId,
    /// The installation that reports it.
    pub installation: InstallationId,
    /// The repository's name when the run was made, a label.
    pub repository_name: RepositoryName,
    /// Grows with every run of the commit; the newest owns the commit statuses.
    pub generation: u32,
    /// The head of the base branch that the head is merged with, fixed when the run opened.
    pub base_sha: Option<CommitSha>,
    /// What people see of the commit.
    pub commit: CommitLabel,
    /// The refs that asked for it, oldest first.
    pub refs: Vec<RunRef>,
    /// What made it happen, oldest first.
    pub events: Vec<RunEvent>,
    /// The modules of the commit.
    pub modules: Vec<Module>,
    /// How far the scheduler got with it.
    pub state: RunState,
    /// Why GitHub cannot be told about it any more, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreportable: Option<String>,
    /// What pages read; a projection of the attempts.
    #[serde(default)]
    pub summary: Summary,
    /// When the scheduler made it.
    pub created_at: Timestamp,
    /// When the sweep looks at it again; none once everything is over and reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Optimistic lock, +1 with every save.
    pub version: u64,
}

/// How far the scheduler got with a run; once `Open`, its attempts say the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RunState {
    /// GitHub has not said yet whether the pull request can be merged.
    Waiting {
        /// How often it was asked.
        tries: u32,
    },
    /// Attempts exist.
    Open,
    /// The head cannot be merged with its base; no checks.
    Conflict {
        /// The base branch.
        base: BranchName,
    },
    /// The commit has no module; nothing is reported.
    NoModule,
    /// The commit has more modules than [`crate::module::MAX_MODULES`].
    TooManyModules {
        /// How many.
        found: u32,
    },
    /// A fork's pull request on an instance that does not run forks.
    ForkRefused,
    /// Its head went away before there was anything to stop.
    Stopped {
        /// Why.
        cancel: Cancel,
    },
}

/// What people see of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitLabel {
    /// First line of its message, at most 200 characters.
    pub message: String,
    /// Author's name in the commit.
    pub author_name: String,
    /// Author's e-mail in the commit.
    pub author_email: String,
    /// Author's login on GitHub, when GitHub knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_login: Option<String>,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// A ref that asked for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    /// Which one.
    #[serde(rename = "ref")]
    pub reference: Ref,
    /// Title of the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl RunRef {
    /// The number of the pull request, if it is one.
    #[must_use]
    pub fn pull(&self) -> Option<PullNumber> {
        match self.reference {
            Ref::Pull(number) => Some(number),
            Ref::Branch(_) | Ref::Tag(_) => None,
        }
    }
}

/// Something that asked for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEvent {
    /// `push`, `pull_request`, `merge_group`, `head_sweep`.
    pub kind: String,
    /// When we saw it.
    pub at: Timestamp,
    /// Login of who caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// The state of a check or a run as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for room or for an agent.
    Queued,
    /// An agent is at it.
    Running,
    /// Ended well.
    Success,
    /// The check said no.
    Failure,
    /// It could not be carried out.
    Error,
    /// Somebody or something stopped it.
    Cancelled,
}

impl Phase {
    /// Whether nothing more will happen by itself.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Success | Self::Failure | Self::Error | Self::Cancelled => true,
        }
    }

    /// The word that the GraphQL API and the pages use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// The phase of an attempt.
    #[must_use]
    pub fn of(state: &AttemptState) -> Self {
        match state {
            AttemptState::Queued { .. } | AttemptState::Offered { .. } => Self::Queued,
            AttemptState::Running { .. } | AttemptState::Expanding { .. } => Self::Running,
            AttemptState::Finished { outcome, .. } => match outcome {
                Outcome::Success => Self::Success,
                Outcome::Failure { .. } => Self::Failure,
                Outcome::Error { .. } | Outcome::Conflict { .. } | Outcome::TimedOut | Outcome::Lost => Self::Error,
                Outcome::Cancelled(_) => Self::Cancelled,
            },
        }
    }
}

/// The newest attempt of one check, as a line of the Checks page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLine {
    /// Of which module.
    pub module: ModulePath,
    /// Which check, or the load.
    pub task: Task,
    /// The attempt.
    pub attempt: AttemptId,
    /// Its number.
    pub number: u32,
    /// Its phase.
    pub phase: Phase,
    /// When an agent took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it is as it is, in words, where the phase alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl CheckLine {
    /// What an attempt says of its check.
    #[must_use]
    pub fn of(attempt: &Attempt) -> Self {
        Self {
            module: attempt.key.module.clone(),
            task: attempt.key.task.clone(),
            attempt: attempt.id,
            number: attempt.key.number,
            phase: Phase::of(&attempt.state),
            started_at: attempt.started_at(),
            ended_at: attempt.ended_at(),
            note: attempt.note(),
        }
    }
}

/// How many checks (loads not counted) are in each phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Waiting.
    pub queued: u32,
    /// Under way.
    pub running: u32,
    /// Ended well.
    pub success: u32,
    /// Said no.
    pub failure: u32,
    /// Could not be carried out.
    pub error: u32,
    /// Stopped.
    pub cancelled: u32,
}

impl Counts {
    pub(crate) fn add(&mut self, phase: Phase) {
        let slot = match phase {
            Phase::Queued => &mut self.queued,
            Phase::Running => &mut self.running,
            Phase::Success => &mut self.success,
            Phase::Failure => &mut self.failure,
            Phase::Error => &mut self.error,
            Phase::Cancelled => &mut self.cancelled,
        };
        *slot = slot.saturating_add(1);
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u32 {
        [self.queued, self.running, self.success, self.failure, self.error, self.cancelled].iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

/// The projection of a run's attempts that the Checks page reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The run as a whole; none before there is anything to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The checks by phase.
    pub counts: Counts,
    /// The newest attempts: loads first, then unfinished and failed ones, then by name; at most [`MAX_SUMMARY_LINES`].
    pub lines: Vec<CheckLine>,
    /// When the last attempt ended, once all have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Run {
    /// Builds the summary from the newest attempt of every task of this run.
    #[must_use]
    pub fn summarize(&self, latest: &[&Attempt]) -> Summary {
        let mut counts = Counts::default();
        let mut lines: Vec<CheckLine> = latest.iter().map(|attempt| CheckLine::of(attempt)).collect();
        for line in &lines {
            match line.task {
                Task::Load => {}
                Task::Check(_) => counts.add(line.phase),
            }
        }
        let phase = match &self.state {
            RunState::Waiting { .. } => Some(Phase::Queued),
            RunState::Conflict { .. } | RunState::ForkRefused | RunState::TooManyModules { .. } => Some(Phase::Error),
            RunState::Stopped { .. } => Some(Phase::Cancelled),
            RunState::NoModule => None,
            RunState::Open => overall(lines.iter().map(|line| line.phase)),
        };
        let ended_at = match phase {
            Some(phase) if phase.is_terminal() => lines.iter().filter_map(|line| line.ended_at).max().or(Some(self.created_at)),
            Some(_) | None => None,
        };
        lines.sort_by(|a, b| line_order(a).cmp(&line_order(b)));
        lines.truncate(MAX_SUMMARY_LINES);
        Summary { phase, counts, lines, ended_at }
    }

    /// Why the run has no checks, for people; none when it has some or may still get them.
    #[must_use]
    pub fn explanation(&self) -> Option<String> {
        match &self.state {
            RunState::Waiting { .. } | RunState::Open => None,
            RunState::Conflict { base } => Some(format!("merge conflict with {base}")),
            RunState::NoModule => Some("no Dagger module in this commit".to_owned()),
            RunState::TooManyModules { found } => {
                Some(format!("{found} modules in this commit, at most {} are run", crate::module::MAX_MODULES))
            }
            RunState::Stopped { cancel } => Some(cancel.reason.to_string()),
            RunState::ForkRefused => Some("pull requests from forks are not run here (start with `--run-forks`)".to_owned()),
        }
    }
}

/// Loads first; then what needs eyes; then by module and name.
fn line_order(line: &CheckLine) -> (bool, bool, &ModulePath, &Task) {
    let is_check = match line.task {
        Task::Load => false,
        Task::Check(_) => true,
    };
    let is_quiet = match line.phase {
        Phase::Success | Phase::Cancelled => true,
        Phase::Queued | Phase::Running | Phase::Failure | Phase::Error => false,
    };
    (is_check, is_check && is_quiet, &line.module, &line.task)
}

/// The phase of a whole from its parts: unfinished beats everything, then failure, error, cancelled, success.
#[must_use]
pub fn overall(parts: impl Iterator<Item = Phase>) -> Option<Phase> {
    fn weight(phase: Phase) -> u8 {
        match phase {
            Phase::Success => 0,
            Phase::Cancelled => 1,
            Phase::Error => 2,
            Phase::Failure => 3,
            Phase::Queued => 4,
            Phase::Running => 5,
        }
    }
    let parts: Vec<Phase> = parts.collect();
    let heaviest = parts.iter().copied().max_by_key(|phase| weight(*phase))?;
    let is_mixed_wait = heaviest == Phase::Queued && parts.iter().any(|phase| phase.is_terminal());
    Some(if is_mixed_wait { Phase::Running } else { heaviest })
}

/// Whether a cancellation means that the run's commit was replaced, so that it no longer speaks for anything.
#[must_use]
pub fn is_replaced(cancel: &Cancel) -> bool {
    use crate::attempt::CancelReason;
    match cancel.reason {
        CancelReason::Superseded { .. } | CancelReason::SupersededInLane { .. } => true,
        CancelReason::Requested { .. }
        | CancelReason::PullClosed { .. }
        | CancelReason::RefDeleted { .. }
        | CancelReason::InstallationGone
        | CancelReason::RepositoryGone => false,
    }
}

#[cfg(test)]
mod tests;
