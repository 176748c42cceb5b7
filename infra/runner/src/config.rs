//! What an agent is told when it starts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use quillon_core::Sensitive;
use url::Url;

use crate::cli::Cli;

/// Everything an agent needs to know.
pub struct AgentConfig {
    /// Address of the server; the runner API is below `runner/v1/`.
    pub server: Url,
    /// What people shall call the agent.
    pub name: String,
    /// The one-time token; needed only while there is no identity file.
    pub enrolment: Option<Sensitive<String>>,
    /// Where the identity is kept (mode 0600).
    pub identity_file: PathBuf,
    /// Mirrors, checkouts and everything else that can be fetched again. Used by one agent at a time.
    pub work_dir: PathBuf,
    /// Most attempts at a time, at least 1.
    pub jobs: usize,
    /// The CLI to drive.
    pub cli: Cli,
    /// The user that the CLI runs as; needs root.
    pub run_as: Option<RunAs>,
    /// Whether code of forks may run on this machine.
    pub runs_forks: bool,
    /// A home directory that all jobs share; without one each has its own, empty and removed afterwards.
    pub shared_home: Option<PathBuf>,
    /// The environment that allow-listed variables are taken from.
    pub environment: BTreeMap<String, String>,
    /// Names of more variables that the CLI may see.
    pub pass_env: Vec<String>,
    /// How large all mirrors together may grow, in bytes, before the least recently used ones are removed.
    pub mirror_limit: u64,
    /// Every interval and patience.
    pub timings: Timings,
}

/// Intervals and patience; what the server decides (lease, heartbeat, timeout of a job) is not among them.
#[derive(Debug, Clone)]
pub struct Timings {
    /// How long one request for work waits at the server.
    pub lease_wait: Duration,
    /// Longest call to the server, without the time that it is asked to wait.
    pub call: Duration,
    /// How long the CLI may take after SIGINT before it gets SIGTERM.
    pub interrupt: Duration,
    /// How long the CLI may take after SIGTERM before it is killed.
    pub terminate: Duration,
    /// How long output is read after the end of a process whose descendants hold it open.
    pub drain: Duration,
    /// First pause after a call that failed.
    pub backoff_floor: Duration,
    /// Longest pause between calls that fail.
    pub backoff_ceiling: Duration,
    /// Longest time that a result is offered to a server that does not take it.
    pub report: Duration,
    /// How long telemetry is gathered before it goes out: every request costs money on AWS, and a viewer looks once a second.
    pub gather: Duration,
    /// How long the end of a job waits for telemetry that is not delivered yet; its result does not wait.
    pub flush: Duration,
    /// How long to wait for another agent to leave the work directory.
    pub work_dir: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            lease_wait: Duration::from_secs(20),
            call: Duration::from_secs(10),
            interrupt: Duration::from_secs(20),
            terminate: Duration::from_secs(10),
            drain: Duration::from_secs(2),
            backoff_floor: Duration::from_millis(200),
            backoff_ceiling: Duration::from_secs(15),
            report: Duration::from_secs(600),
            gather: Duration::from_secs(1),
            flush: Duration::from_secs(10),
            work_dir: Duration::from_secs(40),
        }
    }
}

/// An unprivileged user of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    /// User id, never 0.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// Why the CLI cannot run as the wanted user.
#[derive(Debug, thiserror::Error)]
pub enum RunAsError {
    /// Only root may become somebody else.
    #[error("`--run-as` needs root; start the agent as root, or as `{0}` without `--run-as`")]
    NotRoot(String),
    /// The machine does not know the user.
    #[error("there is no user `{0}` on this machine")]
    Unknown(String),
    /// The user may do everything.
    #[error("`{0}` is root; name an unprivileged user")]
    Root(String),
}

impl RunAs {
    /// Looks a user of this machine up by name or number.
    pub fn find(user: &str) -> Result<Self, RunAsError> {
        if !rustix::process::geteuid().is_root() {
            return Err(RunAsError::NotRoot(user.to_owned()));
        }
        // `id` also asks the directories that `/etc/passwd` does not list.
        let ask = |what: &str| -> Option<u32> {
            let output = Command::new("id").args([what, "--", user]).output().ok().filter(|output| output.status.success())?;
            String::from_utf8_lossy(&output.stdout).trim().parse().ok()
        };
        match (ask("-u"), ask("-g")) {
            (Some(0), _) => Err(RunAsError::Root(user.to_owned())),
            (Some(uid), Some(gid)) => Ok(Self { uid, gid }),
            (Some(_), None) | (None, _) => Err(RunAsError::Unknown(user.to_owned())),
        }
    }
}
