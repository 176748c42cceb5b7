//! One job from its lease to its result.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use quillon_core::Sensitive;
use quillon_core::attempt::Report;
use quillon_core::id::CommitSha;
use quillon_core::name::Task;
use quillon_core::protocol::{GitCredential, Job, JobRequest, LeaseGrant, MAX_OUTPUT, ModuleReport, ResultRequest};
use quillon_core::text::shorten;
use quillon_core::trust::Trust;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::backoff::Backoff;
use crate::checkout::{CheckoutError, Workspace, check_out};
use crate::cli::{CliVersion, Surroundings, arguments};
use crate::client::{CallError, Client};
use crate::config::AgentConfig;
use crate::engine;
use crate::git::{Access, Git};
use crate::lease::{Keeper, Terms};
use crate::listing;
use crate::manifest::ModuleFile;
use crate::mirror::Mirrors;
use crate::process::{Ended, Finished, Keep, Patience, drive, exit_code};
use crate::stop::{Stop, Stops, stops};
use crate::tail::Tail;
use crate::telemetry::Telemetry;

/// Longest list of checks that is read, in bytes.
const MAX_LISTING: usize = 1024 * 1024;

/// How often a result is offered while the agent shuts down.
const LAST_TRIES: u32 = 3;

/// What all jobs of an agent share.
pub(crate) struct Shared {
    pub(crate) config: AgentConfig,
    pub(crate) client: Client,
    /// The agent's own credential.
    pub(crate) token: Sensitive<String>,
    pub(crate) mirrors: Mirrors,
    /// The version of the CLI, when it could be read.
    pub(crate) version: Option<CliVersion>,
    /// Where the directories of jobs are made.
    pub(crate) jobs: std::path::PathBuf,
}

/// What came of a job.
struct Finding {
    ending: Result<Report, Stop>,
    output: Tail,
    integration: Option<CommitSha>,
    module: Option<ModuleReport>,
}

impl Finding {
    fn report(report: Report) -> Self {
        Self { ending: Ok(report), output: Tail::new(0), integration: None, module: None }
    }

    fn error(message: impl std::fmt::Display) -> Self {
        Self::report(Report::Errored { message: shorten(&message.to_string(), 500) })
    }

    fn stopped(stop: Stop) -> Self {
        Self { ending: Err(stop), output: Tail::new(0), integration: None, module: None }
    }
}

impl Finding {
    /// What is reported of it; nothing of what somebody else goes on with.
    fn reported(&self) -> Option<Report> {
        match &self.ending {
            Ok(report) => Some(report.clone()),
            Err(Stop::Cancelled) => Some(Report::Stopped),
            Err(Stop::TimedOut) => Some(Report::TimedOut),
            Err(Stop::Gone | Stop::ShuttingDown | Stop::Fenced) => None,
        }
    }
}

impl From<CheckoutError> for Finding {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::Stopped(stop) => Self::stopped(stop),
            CheckoutError::Conflict(base) => Self::report(Report::Conflict { base }),
            CheckoutError::Failed(message) => Self::error(message),
        }
    }
}

/// Works on a job until its result is accepted, or until it is somebody else's.
///
/// `leased` is when the job arrived.
pub(crate) async fn execute(shared: Arc<Shared>, grant: LeaseGrant, leased: Instant, shutdown: watch::Receiver<bool>) {
    let terms = Terms::of(&grant);
    let telemetry = Telemetry::start(&shared.client, &shared.config.timings, &grant, &shared.token).await;
    let (stopper, stops) = stops();
    let request = JobRequest { attempt: grant.attempt, lease: grant.lease };
    let keeper = Keeper {
        client: shared.client.clone(),
        token: Sensitive::new(grant.job_token),
        request: request.clone(),
        terms,
        stopper,
        renewed: watch::Sender::new(leased),
        began: Instant::now(),
    };
    let job = grant.job;
    tracing::info!(attempt = %request.attempt, "started: {} of {} at {}", job.task.label(), job.repository, job.head_sha.short());
    let keep = async {
        tokio::join!(keeper.renew(), keeper.guard(Duration::from_secs(u64::from(job.timeout_s.max(1))), shutdown.clone()));
        // A lost lease ends the work through `stops`, not by dropping it in the middle.
        std::future::pending::<()>().await;
    };
    let live = async {
        let mut working =
            Working { shared: &shared, job: &job, keeper: &keeper, stops: stops.clone(), workspace: None, telemetry: telemetry.as_ref() };
        let finding = working.work().await;
        let workspace = working.workspace.take();
        let report = finding.reported();
        let finish = async {
            if let Some(telemetry) = telemetry {
                telemetry.finish(report.as_ref()).await;
            }
        };
        // The result does not wait for telemetry.
        tokio::join!(conclude(&shared, &keeper, finding, &shutdown), finish);
        if let Some(workspace) = workspace {
            workspace.remove().await;
        }
    };
    tokio::select! {
        () = Box::pin(live) => {}
        () = Box::pin(keep) => {}
    }
}

/// The work of a job, without what surrounds it.
struct Working<'a> {
    shared: &'a Shared,
    job: &'a Job,
    keeper: &'a Keeper,
    stops: Stops,
    workspace: Option<Workspace>,
    telemetry: Option<&'a Telemetry>,
}

impl Working<'_> {
    async fn work(&mut self) -> Finding {
        let config = &self.shared.config;
        match self.job.trust {
            Trust::Fork if !config.runs_forks => {
                return Finding::error("this agent does not run code of forks; its owner can allow it with `--run-forks`");
            }
            Trust::Fork | Trust::Trusted => {}
        }
        if self.shared.version.is_some_and(|version| !version.knows(self.job.manifest)) {
            return Finding::error(
                "the agent's dagger CLI is older than 1.0 and does not know `dagger.toml` and `dagger-module.toml`; update it",
            );
        }
        let url = match clone_url(&self.job.clone_url) {
            Ok(url) => url,
            Err(reason) => return Finding::error(reason),
        };
        let credential = match self.credential().await {
            Ok(credential) => credential,
            Err(finding) => return *finding,
        };
        if let Some(telemetry) = self.telemetry {
            telemetry.hide(&credential.password);
        }
        let workspace = match Workspace::create(&self.shared.jobs) {
            Ok(workspace) => self.workspace.insert(workspace),
            Err(error) => return Finding::error(format!("the work directory cannot be written: {error}")),
        };
        let access = Some(Access::new(&url, &credential));
        let mut git = Git { environment: &config.environment, stops: self.stops.clone(), access };
        let integration = match Box::pin(check_out(&self.shared.mirrors, self.job, workspace, &mut git)).await {
            Ok(integration) => integration,
            Err(error) => return error.into(),
        };
        drop(git);
        let finding = self.drive_cli().await;
        Finding { integration, ..finding }
    }

    /// Asks for the right to read the repository, for as long as the lease holds.
    async fn credential(&mut self) -> Result<GitCredential, Box<Finding>> {
        let timings = &self.shared.config.timings;
        let mut backoff = Backoff::new(timings.backoff_floor, timings.backoff_ceiling);
        loop {
            if let Some(stop) = self.stops.current() {
                return Err(Box::new(Finding::stopped(stop)));
            }
            match self.shared.client.git_credential(&self.keeper.token, &self.keeper.request).await {
                Ok(credential) => return Ok(credential),
                Err(error) if error.ends_job() => return Err(Box::new(Finding::stopped(Stop::Gone))),
                Err(error @ CallError::Rejected { .. }) => {
                    return Err(Box::new(Finding::error(format!("no credential for the repository: {error}"))));
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                stop = self.stops.other_than(None) => return Err(Box::new(Finding::stopped(stop))),
            }
        }
    }

    async fn drive_cli(&mut self) -> Finding {
        let Some(workspace) = &self.workspace else { return Finding::error("the job has no directory") };
        let config = &self.shared.config;
        let directory = match workspace.module(&self.job.module) {
            Ok(directory) => directory,
            Err(error) => return error.into(),
        };
        if !config.cli.is_stand_in
            && let Err(error) = engine::answers(&config.environment).await
        {
            return Finding::error(error);
        }
        let module = ModuleFile::read(&directory, self.job.manifest);
        let mut command = config.cli.command(&arguments(self.job, &module));
        let mut surroundings = Surroundings::of(config, workspace);
        surroundings.set("TRACEPARENT", self.job.trace.header());
        for (name, value) in self.telemetry.map(Telemetry::environment).into_iter().flatten() {
            surroundings.set(name, value);
        }
        surroundings.apply(&mut command, &directory);
        if let Some(user) = config.run_as
            && let Err(error) = workspace.give_to(user)
        {
            return Finding::error(format!("the checkout cannot be given to the user of `--run-as`: {error}"));
        }
        let keep = match &self.job.task {
            Task::Load => Keep::Split { tail: MAX_OUTPUT, stdout: MAX_LISTING },
            Task::Check(_) => Keep::Merged(MAX_OUTPUT),
        };
        let (timings, terms) = (&config.timings, self.keeper.terms);
        let patience = |stop: Stop| match stop {
            Stop::ShuttingDown | Stop::Cancelled | Stop::TimedOut | Stop::Gone => {
                Patience { interrupt: timings.interrupt, terminate: timings.terminate }
            }
            Stop::Fenced => {
                let (interrupt, terminate) = terms.fenced_patience();
                Patience { interrupt: interrupt.min(timings.interrupt), terminate: terminate.min(timings.terminate) }
            }
        };
        let mut finished = match Box::pin(drive(command, Stdio::null(), keep, &mut self.stops, patience, timings.drain)).await {
            Ok(finished) => finished,
            Err(error) => return Finding::error(format!("the dagger CLI cannot be run: {error}")),
        };
        let report = judge(&self.job.task, &finished);
        finished.tail.push(&finished.stdout);
        let is_loaded = matches!(report, Ok(Report::Listed { .. }));
        Finding { ending: report, output: finished.tail, integration: None, module: is_loaded.then(|| module.report(self.job)) }
    }
}

/// What the end of the CLI means for a task.
fn judge(task: &Task, finished: &Finished) -> Result<Report, Stop> {
    let status = match finished.ended {
        Ended::Exited(status) => status,
        Ended::Stopped(stop) => return Err(stop),
    };
    if !status.success() {
        return Ok(Report::Failed { exit_code: exit_code(status) });
    }
    Ok(match task {
        Task::Check(_) => Report::Passed,
        Task::Load if finished.is_stdout_cut => Report::Errored { message: "the list of checks is too long".to_owned() },
        Task::Load => match listing::parse(&String::from_utf8_lossy(&finished.stdout)) {
            Ok(checks) => Report::Listed { checks },
            Err(error) => Report::Errored { message: error.to_string() },
        },
    })
}

/// An address that git may be told: HTTP, no credential in it.
fn clone_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| "the repository's address is not a URL".to_owned())?;
    let has_credential = !url.username().is_empty() || url.password().is_some();
    match url.scheme() {
        "http" | "https" if !has_credential && url.as_str() == text => Ok(url),
        "http" | "https" => Err("the repository's address is not a plain one".to_owned()),
        other => Err(format!("the repository's address has the scheme `{other}`; only `https` and `http` are fetched")),
    }
}

/// Reports what was found, gives back what was not finished, and keeps silent about what is somebody else's.
async fn conclude(shared: &Shared, keeper: &Keeper, finding: Finding, shutdown: &watch::Receiver<bool>) {
    let attempt = keeper.request.attempt;
    let report = match finding.ending {
        Ok(report) => report,
        Err(Stop::Cancelled) => Report::Stopped,
        Err(Stop::TimedOut) => Report::TimedOut,
        Err(Stop::Gone) => {
            tracing::info!(%attempt, "dropped: the lease is somebody else's");
            return;
        }
        Err(Stop::ShuttingDown | Stop::Fenced) => {
            match shared.client.release(&keeper.token, &keeper.request).await {
                Ok(()) => tracing::info!(%attempt, "given back unfinished"),
                Err(error) => tracing::warn!(%attempt, "could not be given back, its lease will run out: {error}"),
            }
            return;
        }
    };
    let (output, is_output_cut) = finding.output.into_text();
    tracing::info!(%attempt, "ended: {}", summary(&report));
    let result = ResultRequest {
        attempt,
        lease: keeper.request.lease,
        report,
        output,
        is_output_cut,
        integration: finding.integration,
        module: finding.module,
    };
    deliver(shared, keeper, result, shutdown).await;
}

/// Offers a result until the server takes it or the lease ends.
async fn deliver(shared: &Shared, keeper: &Keeper, mut result: ResultRequest, shutdown: &watch::Receiver<bool>) {
    let timings = &shared.config.timings;
    let attempt = result.attempt;
    let mut backoff = Backoff::new(timings.backoff_floor, timings.backoff_ceiling);
    let patience = Instant::now() + timings.report;
    let mut is_refused = false;
    let mut last_tries = LAST_TRIES;
    loop {
        match shared.client.result(&keeper.token, &result).await {
            Ok(()) => return,
            Err(error) if error.ends_job() => {
                tracing::info!(%attempt, "the result is no longer wanted: {error}");
                return;
            }
            Err(error @ CallError::Rejected { .. }) if !is_refused => {
                // Something in it is not acceptable: that the attempt could not be reported is.
                tracing::warn!(%attempt, "{error}");
                is_refused = true;
                let message = shorten(&format!("the result was not accepted: {error}"), 300);
                result = ResultRequest {
                    report: Report::Errored { message },
                    output: String::new(),
                    is_output_cut: true,
                    module: None,
                    ..result
                };
                continue;
            }
            Err(error @ CallError::Rejected { .. }) => {
                tracing::error!(%attempt, "{error}");
                return;
            }
            Err(error) => tracing::warn!(%attempt, "the result waits: {error}"),
        }
        if *shutdown.borrow() {
            last_tries -= 1;
        }
        let until = patience.min(*keeper.renewed.borrow() + keeper.terms.ttl);
        if Instant::now() >= until || last_tries == 0 {
            tracing::error!(%attempt, "the result was not accepted in time and is dropped");
            return;
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

fn summary(report: &Report) -> String {
    match report {
        Report::Listed { checks } => format!("{} checks", checks.len()),
        Report::Passed => "passed".to_owned(),
        Report::Failed { exit_code } => format!("failed with exit code {exit_code}"),
        Report::Errored { message } => format!("error: {message}"),
        Report::Conflict { base } => format!("merge conflict with {base}"),
        Report::TimedOut => "timed out".to_owned(),
        Report::Stopped => "stopped as asked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_addresses_are_fetched() {
        assert!(clone_url("https://github.com/acme/api.git").is_ok());
        assert!(clone_url("http://127.0.0.1:8800/acme/api.git").is_ok());
        for text in [
            "",
            "/srv/repo",
            "file:///srv/repo",
            "ext::sh -c id",
            "ssh://git@host/x",
            "https://u:p@host/x",
            "https://host/a\nb",
            "git@host:x",
        ] {
            assert!(clone_url(text).is_err(), "{text}");
        }
    }
}
