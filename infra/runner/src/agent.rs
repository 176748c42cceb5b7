//! The agent itself: who it is, where it works, and the loop that leases jobs and follows them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use quillon_core::Sensitive;
use quillon_core::protocol::EnrollRequest;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::checkout::{Workspace, remove_tree};
use crate::cli::{CliVersion, Surroundings};
use crate::client::{CallError, Client};
use crate::config::{AgentConfig, Timings};
use crate::harden::forbid_inspection;
use crate::identity::{self, Identity, IdentityError};
use crate::job::{Shared, execute};
use crate::mirror::Mirrors;
use crate::process::{Ended, Keep, Patience, drive};
use crate::stop::stops;

/// Longest time that the CLI may take to say its version.
const VERSION_PATIENCE: Duration = Duration::from_secs(30);

/// Why an agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is neither an identity nor a token to get one.
    #[error("this agent is not enrolled: have the server make a one-time token and pass it with `--enrol-token-file`")]
    NotEnrolled,
    /// The one-time token is used up, expired or wrong.
    #[error("the server does not accept the enrolment token; it works once and for a limited time: make a new one")]
    EnrolmentRefused,
    /// The server does not know the agent any more.
    #[error("the server does not know this agent any more; remove `{0}` and enrol again")]
    CredentialRefused(PathBuf),
    /// The identity file cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The work directory cannot be used.
    #[error("work directory `{path}`: {source}")]
    WorkDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another agent works there.
    #[error("another agent uses the work directory `{0}`; stop it or name another one with `--work-dir`")]
    InUse(PathBuf),
    /// The CLI cannot be started at all.
    #[error(
        "the dagger CLI `{program}` cannot be run: {source}; with `--run-as` the user must be able to enter the work directory and to run the CLI"
    )]
    Cli {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The process cannot be protected from those that it starts.
    #[error("the agent's memory cannot be protected: {0}")]
    Harden(std::io::Error),
    /// No HTTP client.
    #[error("HTTP cannot be used: {0}")]
    Http(String),
}

/// Runs an agent until `shutdown` completes or the server refuses it.
///
/// On shutdown nothing new is leased, the CLI of every job gets SIGINT, and the jobs are given back. Dropping the future instead
/// kills the CLIs and leaves their leases to run out.
pub async fn run(config: AgentConfig, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
    forbid_inspection().map_err(Error::Harden)?;
    let _lock = occupy(&config.work_dir, config.run_as.is_some(), &config.timings).await?;
    let client = Client::new(&config.server, config.timings.call).map_err(|error| Error::Http(error.to_string()))?;
    let jobs = config.work_dir.join("jobs");
    let version = probe(&config, &jobs).await?;
    let mut shutdown = Box::pin(shutdown);
    let identity = tokio::select! {
        identity = identify(&config, &client) => identity?,
        () = &mut shutdown => return Ok(()),
    };
    tracing::info!(agent = %identity.agent, "works for {} with up to {} jobs at a time", config.server, config.jobs.max(1));

    let mirrors = Mirrors::new(config.work_dir.join("mirrors"), config.mirror_limit);
    let slots = Arc::new(Semaphore::new(config.jobs.max(1)));
    let token = identity.token.clone();
    let shared = Arc::new(Shared { config, client, token, mirrors, version, jobs });
    let (leaving, left) = watch::channel(false);
    let mut running = JoinSet::new();
    let mut outage = Outage::new(&shared.config.timings);
    let ending = loop {
        while running.try_join_next().is_some() {}
        let leased = tokio::select! {
            leased = lease(&shared, &slots, &identity.token, &mut outage) => leased,
            () = &mut shutdown => break Ok(()),
        };
        match leased {
            Ok(Some((permit, grant, at))) => {
                let (shared, left) = (Arc::clone(&shared), left.clone());
                running.spawn(async move {
                    Box::pin(execute(Arc::clone(&shared), grant, at, left)).await;
                    shared.mirrors.prune().await;
                    drop(permit);
                });
            }
            Ok(None) => {}
            Err(error) => break Err(error),
        }
    };
    leaving.send_replace(true);
    if !running.is_empty() {
        tracing::info!("stopping {} jobs", running.len());
    }
    while running.join_next().await.is_some() {}
    ending
}

type Leased = (tokio::sync::OwnedSemaphorePermit, quillon_core::protocol::LeaseGrant, Instant);

/// Waits for a free slot and for work; nothing when there was none for a while, or when the server could not be asked.
async fn lease(shared: &Shared, slots: &Arc<Semaphore>, token: &Sensitive<String>, outage: &mut Outage) -> Result<Option<Leased>, Error> {
    let Ok(permit) = Arc::clone(slots).acquire_owned().await else { return Ok(None) };
    let sent = Instant::now();
    match shared.client.lease(token, shared.config.timings.lease_wait).await {
        Ok(grant) => {
            outage.over();
            if grant.is_none() && sent.elapsed() < shared.config.timings.backoff_floor {
                // A server that does not wait must not be asked in a circle.
                tokio::time::sleep(shared.config.timings.backoff_floor).await;
            }
            // The lease began when the server found the job, which is no earlier than the answer minus its way back; the time of
            // sending would charge the wait for work to the lease.
            Ok(grant.map(|grant| (permit, grant, Instant::now())))
        }
        Err(CallError::Unauthorized) => Err(Error::CredentialRefused(shared.config.identity_file.clone())),
        Err(error) => {
            outage.wait(&error).await;
            Ok(None)
        }
    }
}

/// A server that cannot be reached: said once, tried with growing pauses.
struct Outage {
    backoff: Backoff,
    is_told: bool,
}

impl Outage {
    fn new(timings: &Timings) -> Self {
        Self { backoff: Backoff::new(timings.backoff_floor, timings.backoff_ceiling), is_told: false }
    }

    async fn wait(&mut self, error: &CallError) {
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!("no work can be leased, trying again until it can: {error}");
        }
        tokio::time::sleep(self.backoff.next()).await;
    }

    fn over(&mut self) {
        self.backoff.reset();
        if std::mem::replace(&mut self.is_told, false) {
            tracing::info!("the server answers again");
        }
    }
}

/// The stored identity, or a new one for the one-time token.
async fn identify(config: &AgentConfig, client: &Client) -> Result<Identity, Error> {
    if let Some(identity) = identity::load(&config.identity_file, &config.server)? {
        return Ok(identity);
    }
    let token = config.enrolment.as_ref().ok_or(Error::NotEnrolled)?;
    let request = EnrollRequest { token: token.expose().clone(), name: config.name.clone(), runs_forks: config.runs_forks };
    let mut outage = Outage::new(&config.timings);
    loop {
        match client.enroll(&request).await {
            Ok(answer) => return Ok(identity::save(&config.identity_file, &config.server, answer)?),
            Err(CallError::Unauthorized | CallError::Gone | CallError::Rejected { .. }) => return Err(Error::EnrolmentRefused),
            Err(error @ CallError::Unavailable(_)) => outage.wait(&error).await,
        }
    }
}

/// Takes the work directory for this process alone and removes what a crash left there.
async fn occupy(path: &Path, is_shared: bool, timings: &Timings) -> Result<fs::File, Error> {
    let failed = |source| Error::WorkDir { path: path.to_owned(), source };
    // Another user has to get through to the directories of jobs, and to nothing else.
    let passage = fs::Permissions::from_mode(if is_shared { 0o711 } else { 0o700 });
    for (directory, permissions) in
        [(path.to_owned(), passage.clone()), (path.join("jobs"), passage), (path.join("mirrors"), fs::Permissions::from_mode(0o700))]
    {
        fs::create_dir_all(&directory).map_err(failed)?;
        fs::set_permissions(&directory, permissions).map_err(failed)?;
    }
    let lock = fs::File::create(path.join("lock")).map_err(failed)?;
    let until = Instant::now() + timings.work_dir;
    let mut is_told = false;
    while lock.try_lock().is_err() {
        if Instant::now() >= until {
            return Err(Error::InUse(path.to_owned()));
        }
        if !std::mem::replace(&mut is_told, true) {
            tracing::info!("waiting for another agent to leave `{}`", path.display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for entry in fs::read_dir(path.join("jobs")).map_err(failed)?.flatten() {
        if let Err(error) = remove_tree(&entry.path()) {
            tracing::warn!("`{}` of an earlier run cannot be removed: {error}", entry.path().display());
        }
    }
    Ok(lock)
}

/// Starts the CLI once, to learn its version and that it can be started at all.
async fn probe(config: &AgentConfig, jobs: &Path) -> Result<Option<CliVersion>, Error> {
    let failed = |source| Error::WorkDir { path: jobs.to_owned(), source };
    let workspace = Workspace::create(jobs).map_err(failed)?;
    if let Some(user) = config.run_as {
        workspace.give_to(user).map_err(failed)?;
    }
    let mut command = config.cli.command(&["version"]);
    Surroundings::of(config, &workspace).apply(&mut command, &workspace.home());
    let program = config.cli.command.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let (_stopper, mut never) = stops();
    let patience = |_| Patience { interrupt: Duration::ZERO, terminate: Duration::ZERO };
    let keep = Keep::Split { tail: 4096, stdout: 4096 };
    let driven = drive(command, Stdio::null(), keep, &mut never, patience, config.timings.drain);
    let finished = match tokio::time::timeout(VERSION_PATIENCE, driven).await {
        Ok(finished) => Some(finished.map_err(|source| Error::Cli { program: program.clone(), source })?),
        Err(_) => None,
    };
    workspace.remove().await;
    let said = finished.filter(|finished| matches!(finished.ended, Ended::Exited(status) if status.success()));
    let said = said.map(|finished| String::from_utf8_lossy(&finished.stdout).into_owned()).unwrap_or_default();
    let version = CliVersion::parse(&said);
    match (version, config.cli.is_stand_in) {
        (_, true) => tracing::warn!(
            "there is no `dagger` on PATH: the demo engine stands in, which runs the executables in `checks/` of a module and nothing else; install dagger (https://docs.dagger.io/install) or name one with `--dagger PATH`"
        ),
        (Some(version), false) => tracing::info!("drives `{program}`, version {}.{}", version.major, version.minor),
        (None, false) => tracing::warn!("`{program} version` did not say a version; going on without one"),
    }
    Ok(version)
}
