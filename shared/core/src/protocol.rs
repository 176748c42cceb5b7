//! What an agent and the runner API say to each other: JSON over HTTPS under `/runner/v1/`.
//!
//! | call | credential | answer |
//! |---|---|---|
//! | `POST enroll` [`EnrollRequest`] | one-time enrolment token in the body | 200 [`EnrollAnswer`], 401 |
//! | `POST lease` [`LeaseRequest`] | agent token | 200 [`LeaseGrant`], 204 when there is nothing to do |
//! | `POST heartbeat` [`HeartbeatRequest`] | job token | 200 [`HeartbeatAnswer`], 409 when the lease is gone |
//! | `POST git-credential` [`JobRequest`] | job token | 200 [`GitCredential`], 409 |
//! | `POST release` [`JobRequest`] | job token | 204, 409 |
//! | `POST result` [`ResultRequest`] | job token | 204, 409 |
//!
//! Credentials travel as `Authorization: Bearer`. A job token is good for one attempt under one lease.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attempt::Report;
use crate::id::{AgentId, AttemptId, CommitSha, LeaseId, TraceParent};
use crate::module::Manifest;
use crate::name::{BranchName, ModulePath, RepositoryName, Task};
use crate::trust::Trust;

/// Most of the CLI's output that is kept with an attempt, in bytes.
pub const MAX_OUTPUT: usize = 64 * 1024;

/// Asks to become an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrollRequest {
    /// The one-time token.
    pub token: String,
    /// What people shall call the agent.
    pub name: String,
    /// Whether its owner lets it run forks.
    pub runs_forks: bool,
}

/// The agent's identity from now on.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrollAnswer {
    /// Its id.
    pub agent: AgentId,
    /// Its credential; shown once.
    pub token: String,
}

/// Asks for work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// How long the agent is ready to wait for the answer, in milliseconds; the server may answer earlier.
    pub wait_ms: u64,
}

/// An attempt to work on.
#[derive(Clone, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// The attempt.
    pub attempt: AttemptId,
    /// The fencing token.
    pub lease: LeaseId,
    /// The credential for everything about this attempt.
    pub job_token: String,
    /// How long the lease lasts unless renewed, in seconds.
    pub lease_ttl_s: u32,
    /// How often to renew it, in seconds.
    pub heartbeat_s: u32,
    /// What to do.
    pub job: Job,
    /// The right to send the job's telemetry; none from a server that takes none in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<TelemetryGrant>,
}

/// The right to send telemetry of one attempt to `<server>/v1/{traces,logs,metrics}`; stays in the agent, never in the CLI's environment.
#[derive(Clone, Serialize, Deserialize)]
pub struct TelemetryGrant {
    /// The credential, for `Authorization: Bearer`. It outlives the longest execution by an hour.
    pub token: String,
}

/// What an agent does for an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Load the module, or run one check.
    pub task: Task,
    /// The module's directory.
    pub module: ModulePath,
    /// What kind of manifest it has.
    pub manifest: Manifest,
    /// The repository's name.
    pub repository: RepositoryName,
    /// Where to fetch it from, without credentials.
    pub clone_url: String,
    /// The head commit.
    pub head_sha: CommitSha,
    /// The ref that still has the head commit, to fetch it by.
    pub head_ref: String,
    /// What to merge it with; nothing for heads that run as they are.
    pub merge: Option<Merge>,
    /// Whether the author is trusted.
    pub trust: Trust,
    /// Longest execution, in seconds.
    pub timeout_s: u32,
    /// The trace context for the CLI.
    pub trace: TraceParent,
    /// Whether engine state of earlier runs must not be reused.
    pub clean_slate: bool,
    /// Which execution of the attempt this is.
    pub execution: u32,
}

/// The base of an integration commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The base branch.
    pub base: BranchName,
    /// Its head when the run opened.
    pub base_sha: CommitSha,
}

/// Says that the agent is still at it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeartbeatRequest {
    /// The attempt.
    pub attempt: AttemptId,
    /// Under which lease.
    pub lease: LeaseId,
    /// How long the work runs so far, in seconds, for the log.
    pub elapsed_s: u64,
}

/// What the agent shall do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatAnswer {
    /// Go on or stop.
    pub order: Order,
    /// Until when the lease holds now.
    pub lease_until: Timestamp,
}

/// Go on or stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Go on.
    Continue,
    /// Stop the CLI with SIGINT and report `stopped`.
    Cancel,
}

/// Names the job that a call is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobRequest {
    /// The attempt.
    pub attempt: AttemptId,
    /// Under which lease.
    pub lease: LeaseId,
}

/// A short-lived right to read the one repository of a job; stays in the agent, never in the checkout.
#[derive(Clone, Serialize, Deserialize)]
pub struct GitCredential {
    /// User name for git over HTTP.
    pub username: String,
    /// Password for git over HTTP.
    pub password: String,
}

/// What came of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResultRequest {
    /// The attempt.
    pub attempt: AttemptId,
    /// Under which lease.
    pub lease: LeaseId,
    /// The result.
    pub report: Report,
    /// The end of what the CLI printed, at most [`MAX_OUTPUT`] bytes.
    pub output: String,
    /// Whether more was printed than `output` holds.
    pub is_output_cut: bool,
    /// The commit that was tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<CommitSha>,
    /// What the module is, after a load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleReport>,
}

/// What a load found out about a module beside its checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleReport {
    /// The author's name for it.
    pub name: String,
    /// The engine version that it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// Source of its SDK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
    /// Its API as the engine describes it (JSON), at most 200 KB; none where the engine could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<serde_json::Value>,
}
