//! Attempts: one execution of one check (or of a module's load), and the state machine that decides their fate.
//!
//! ```text
//! Queued ──Admitted──▶ Offered ──Leased──▶ Running ──Reported──▶ Finished(outcome)
//!   ▲  │                  │                 │  │  └──Reported(list)──▶ Expanding ──Expanded──▶ Finished(success)
//!   │  └─CancelRequested──┴──▶ Finished ◀───┘  │ (load only)
//!   └──────Released, or the lease ran out──────┘ at most MAX_LOSSES times, then Finished(lost)
//! ```

mod decide;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use decide::{Command, Decision, decide};

use crate::id::{AgentId, AttemptId, CommitSha, LeaseId, OrgId, PullNumber, RunId, TraceParent};
use crate::name::{BranchName, CheckName, ModulePath, Ref, Task};
use crate::run::RunKey;
use crate::text::{first_line, shorten};

/// How long a lease lasts unless renewed.
pub const LEASE_TTL: SignedDuration = SignedDuration::from_secs(60);

/// How often an agent renews. Three missed answers fit into one lease, so an agent fences itself before we do.
pub const HEARTBEAT: SignedDuration = SignedDuration::from_secs(20);

/// How long after the end of a lease the attempt is given to somebody else; the old holder has stopped by then.
pub const LEASE_GRACE: SignedDuration = SignedDuration::from_secs(30);

/// How long an agent that was told to cancel may take before we stop waiting for it.
pub const CANCEL_PATIENCE: SignedDuration = SignedDuration::from_secs(120);

/// How long a wait may last before its hint is sent again.
pub const REMINDER: SignedDuration = SignedDuration::from_secs(60);

/// How often an attempt is started again after its agent was lost.
pub const MAX_LOSSES: u32 = 2;

/// Longest execution of one attempt unless the repository says otherwise, in seconds.
pub const DEFAULT_TIMEOUT_S: u32 = 3_600;

/// Most checks that one module may list.
pub const MAX_CHECKS: usize = 512;

/// The key of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// Of which run.
    pub run: RunKey,
    /// Of which module.
    pub module: ModulePath,
    /// What it executes.
    pub task: Task,
    /// 1, 2, …; a rerun is a new attempt, never a reopened one.
    pub number: u32,
}

/// One execution of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id, opaque to everybody.
    pub id: AttemptId,
    /// Its key.
    pub key: AttemptKey,
    /// The id of its run.
    pub run: RunId,
    /// Whose it is.
    pub org: OrgId,
    /// The load attempt that listed this check; for a load, its own number.
    pub load_number: u32,
    /// What the module's author says of the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The commit status context of the check, chosen among all checks that were listed with it and kept for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The trace context that its telemetry hangs under.
    pub trace: TraceParent,
    /// Whether engine state of earlier runs must not be reused.
    #[serde(default)]
    pub clean_slate: bool,
    /// Who asked for this rerun; none for the first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Longest execution, in seconds.
    pub timeout_s: u32,
    /// The commit that was really tested: head and base merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<CommitSha>,
    /// When it was made.
    pub created_at: Timestamp,
    /// 1, 2, …: how often it was given to an agent or back; more than 1 after infrastructure loss.
    pub execution: u32,
    /// How many agents were lost on it.
    pub losses: u32,
    /// Where it stands.
    pub state: AttemptState,
    /// When the sweep looks at it; none once finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Optimistic lock, +1 with every transition.
    pub seq: u64,
}

/// Where an attempt stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AttemptState {
    /// Waits until its org has room.
    Queued {
        /// Since when.
        since: Timestamp,
    },
    /// May be leased by any fitting agent.
    Offered {
        /// Since when.
        since: Timestamp,
    },
    /// An agent is at it.
    Running {
        /// Who, and until when.
        lease: Lease,
        /// When this execution began.
        started_at: Timestamp,
        /// Set once somebody wants it stopped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancel: Option<Cancel>,
    },
    /// A load has listed its checks; their attempts are being written.
    Expanding {
        /// The lease under which the list was accepted.
        lease: LeaseId,
        /// When the execution began.
        started_at: Timestamp,
        /// When the list arrived.
        ended_at: Timestamp,
        /// The checks.
        checks: Vec<ListedCheck>,
    },
    /// Over.
    Finished {
        /// How it ended.
        outcome: Outcome,
        /// The lease whose result was accepted, so that its repetition is recognised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<LeaseId>,
        /// When its last execution began; none if it never did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_at: Option<Timestamp>,
        /// When it ended.
        ended_at: Timestamp,
    },
}

/// The right of one agent to one attempt until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The fencing token.
    pub id: LeaseId,
    /// Who holds it.
    pub agent: AgentId,
    /// Until when, unless renewed.
    pub until: Timestamp,
}

/// A check that a module defines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedCheck {
    /// Its full name.
    pub name: CheckName,
    /// First line of its documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The check passed, or the module loaded.
    Success,
    /// The check failed, or the module did not load.
    Failure {
        /// Exit code of the CLI.
        exit_code: i32,
    },
    /// It could not be carried out.
    Error {
        /// Why, in words for people.
        message: String,
    },
    /// The head could not be merged with its base.
    Conflict {
        /// The base branch.
        base: BranchName,
    },
    /// It took longer than it may.
    TimedOut,
    /// Its agents were lost more often than it is retried.
    Lost,
    /// It was stopped.
    Cancelled(Cancel),
}

/// That somebody or something wants an attempt stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Why.
    pub reason: CancelReason,
    /// Since when.
    pub at: Timestamp,
}

/// Why an attempt is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum CancelReason {
    /// A newer commit of the same branch or pull request arrived.
    Superseded {
        /// The newer commit.
        by: CommitSha,
    },
    /// A pull request of the same commit into another base took over.
    SupersededInLane {
        /// The pull request.
        by: PullNumber,
    },
    /// A person asked for it.
    Requested {
        /// Who.
        by: String,
    },
    /// Its pull request was closed.
    PullClosed {
        /// Which one.
        number: PullNumber,
    },
    /// Its branch, tag or merge group was deleted.
    RefDeleted {
        /// Which one.
        #[serde(rename = "ref")]
        reference: Ref,
    },
    /// The installation was suspended or removed.
    InstallationGone,
    /// The repository was deleted, archived or taken out of the installation.
    RepositoryGone,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded { by } => write!(formatter, "superseded by {}", by.short()),
            Self::SupersededInLane { by } => write!(formatter, "superseded by pull request #{by}"),
            Self::Requested { by } => write!(formatter, "cancelled by {by}"),
            Self::PullClosed { number } => write!(formatter, "cancelled: pull request #{number} was closed"),
            Self::RefDeleted { reference } => write!(formatter, "cancelled: {reference} was deleted"),
            Self::InstallationGone => formatter.write_str("cancelled: the GitHub App was suspended or removed"),
            Self::RepositoryGone => formatter.write_str("cancelled: the repository is no longer available"),
        }
    }
}

/// What happened to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The dispatcher found room for it.
    Admitted,
    /// An agent took it.
    Leased(Lease),
    /// The holder is still at it.
    Renewed {
        /// Under which lease.
        lease: LeaseId,
        /// Until when it holds now.
        until: Timestamp,
    },
    /// The holder has a result.
    Reported {
        /// Under which lease.
        lease: LeaseId,
        /// The result.
        report: Report,
        /// The commit that was tested, where the agent got that far.
        integration: Option<CommitSha>,
    },
    /// The holder gives it back unfinished, because it shuts down.
    Released {
        /// Under which lease.
        lease: LeaseId,
    },
    /// It shall be stopped.
    CancelRequested(Cancel),
    /// The attempts of the listed checks are all written.
    Expanded,
    /// Time has passed.
    Tick,
}

/// What an agent found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Report {
    /// The module loaded; these are its checks.
    Listed {
        /// The checks, in the CLI's order.
        checks: Vec<ListedCheck>,
    },
    /// The check passed.
    Passed,
    /// The CLI ended with another exit code than 0.
    Failed {
        /// The exit code.
        exit_code: i32,
    },
    /// It could not be carried out (checkout failed, no CLI, …).
    Errored {
        /// Why, in words for people.
        message: String,
    },
    /// The head could not be merged with its base.
    Conflict {
        /// The base branch.
        base: BranchName,
    },
    /// The time was up.
    TimedOut,
    /// The CLI was stopped as asked.
    Stopped,
}

impl Attempt {
    /// The first attempt of a task.
    #[must_use]
    pub fn first(run: &crate::run::Run, module: ModulePath, task: Task, load_number: u32, timeout_s: u32, now: Timestamp) -> Self {
        let key = AttemptKey { run: run.key.clone(), module, task, number: 1 };
        Self::fresh(key, run.id, run.org, load_number, timeout_s, now)
    }

    /// The attempt after this one, queued.
    #[must_use]
    pub fn next(&self, load_number: u32, requested_by: Option<String>, clean_slate: bool, now: Timestamp) -> Self {
        let key = AttemptKey { number: self.key.number.saturating_add(1), ..self.key.clone() };
        let mut next = Self::fresh(key, self.run, self.org, load_number, self.timeout_s, now);
        next.description.clone_from(&self.description);
        next.context.clone_from(&self.context);
        next.requested_by = requested_by.map(|actor| shorten(&actor, 100));
        next.clean_slate = clean_slate;
        next
    }

    fn fresh(key: AttemptKey, run: RunId, org: OrgId, load_number: u32, timeout_s: u32, now: Timestamp) -> Self {
        let words = [run.to_string(), key.module.to_string(), key.task.to_string(), key.number.to_string()];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let created_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let id = AttemptId::derived(created_ms, &words);
        Self {
            id,
            key,
            run,
            org,
            load_number,
            description: None,
            context: None,
            trace: TraceParent::of(id),
            clean_slate: false,
            requested_by: None,
            timeout_s,
            integration: None,
            created_at: now,
            execution: 1,
            losses: 0,
            state: AttemptState::Queued { since: now },
            due_at: Some(later(now, REMINDER)),
            seq: 1,
        }
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self.state {
            AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Running { .. } | AttemptState::Expanding { .. } => {
                false
            }
            AttemptState::Finished { .. } => true,
        }
    }

    /// Whether it counts against its org's concurrency.
    #[must_use]
    pub fn is_active(&self) -> bool {
        match self.state {
            AttemptState::Offered { .. } | AttemptState::Running { .. } => true,
            AttemptState::Queued { .. } | AttemptState::Expanding { .. } | AttemptState::Finished { .. } => false,
        }
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Running { .. } | AttemptState::Expanding { .. } => {
                None
            }
            AttemptState::Finished { outcome, .. } => Some(outcome),
        }
    }

    /// Why it was or is being stopped.
    #[must_use]
    pub fn cancel(&self) -> Option<&Cancel> {
        match &self.state {
            AttemptState::Running { cancel, .. } => cancel.as_ref(),
            AttemptState::Finished { outcome: Outcome::Cancelled(cancel), .. } => Some(cancel),
            AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Expanding { .. } | AttemptState::Finished { .. } => {
                None
            }
        }
    }

    /// The lease that is in force, or whose result was accepted.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseId> {
        match &self.state {
            AttemptState::Running { lease, .. } => Some(lease.id),
            AttemptState::Expanding { lease, .. } => Some(*lease),
            AttemptState::Finished { lease, .. } => *lease,
            AttemptState::Queued { .. } | AttemptState::Offered { .. } => None,
        }
    }

    /// When its execution began.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        match &self.state {
            AttemptState::Running { started_at, .. } | AttemptState::Expanding { started_at, .. } => Some(*started_at),
            AttemptState::Finished { started_at, .. } => *started_at,
            AttemptState::Queued { .. } | AttemptState::Offered { .. } => None,
        }
    }

    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match &self.state {
            AttemptState::Finished { ended_at, .. } => Some(*ended_at),
            AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Running { .. } | AttemptState::Expanding { .. } => {
                None
            }
        }
    }

    /// What the phase alone does not say, in words for people.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        match &self.state {
            AttemptState::Queued { .. } | AttemptState::Offered { .. } if self.losses > 0 => {
                Some("its agent was lost, it is started again".to_owned())
            }
            AttemptState::Offered { .. } => Some("waits for an agent".to_owned()),
            AttemptState::Running { cancel: Some(cancel), .. } => Some(format!("stopping: {}", cancel.reason)),
            AttemptState::Queued { .. } | AttemptState::Running { .. } | AttemptState::Expanding { .. } => None,
            AttemptState::Finished { outcome, .. } => match outcome {
                Outcome::Success => None,
                Outcome::Failure { exit_code } => Some(format!("exit code {exit_code}")),
                Outcome::Error { message } => Some(first_line(message, 200)),
                Outcome::Conflict { base } => Some(format!("merge conflict with {base}")),
                Outcome::TimedOut => Some(match self.timeout_s {
                    seconds @ 0..120 => format!("took longer than {seconds} seconds"),
                    seconds => format!("took longer than {} minutes", seconds / 60),
                }),
                Outcome::Lost => Some(format!("its agent was lost {} times", self.losses)),
                Outcome::Cancelled(cancel) => Some(cancel.reason.to_string()),
            },
        }
    }
}

/// A time plus a span, saturating at the end of time instead of failing.
#[must_use]
pub fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}
