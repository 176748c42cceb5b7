//! Agents of two kinds: some in this process that speak the runner API over HTTP and have every result at hand, and the real one
//! in a process of its own.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use quillon_core::attempt::{ListedCheck, Report};
use quillon_core::id::AttemptId;
use quillon_core::name::Task;
use quillon_core::protocol::{EnrollAnswer, EnrollRequest, LeaseGrant, LeaseRequest, ResultRequest};
use reqwest::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::stage::Stage;

/// How long a request for work waits.
const WAIT: Duration = Duration::from_secs(20);

/// How long any other request may take; long, because a burst makes the server slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Agents whose results are at hand. They stop when they are dropped.
pub(crate) struct InstantAgents {
    leased: Arc<Mutex<HashMap<AttemptId, u32>>>,
    _workers: JoinSet<()>,
}

impl InstantAgents {
    /// Enrols one and lets it lease so many jobs at once.
    pub(crate) async fn start(stage: &Stage, workers: usize) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let client = Client { http, base: format!("{}/runner/v1", stage.url) };
        let request = EnrollRequest { token: enrolment(stage)?, name: "instant".to_owned(), runs_forks: false };
        let enrolled: EnrollAnswer = client.post("enroll", "", &request).await?.context("no identity")?;
        let leased = Arc::default();
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(work(client.clone(), enrolled.token.clone(), Arc::clone(&leased)));
        }
        Ok(Self { leased, _workers: tasks })
    }

    /// How many jobs were leased, and how many of them more than once.
    pub(crate) fn leased(&self) -> (usize, usize) {
        let leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
        (leased.len(), leased.values().filter(|times| **times > 1).count())
    }
}

async fn work(client: Client, token: String, leased: Arc<Mutex<HashMap<AttemptId, u32>>>) {
    loop {
        let request = LeaseRequest { wait_ms: u64::try_from(WAIT.as_millis()).unwrap_or(0) };
        let grant: Option<LeaseGrant> = match client.post("lease", &token, &request).await {
            Ok(grant) => grant,
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(grant) = grant else { continue };
        *leased.lock().unwrap_or_else(PoisonError::into_inner).entry(grant.attempt).or_default() += 1;
        // A result that is not taken is lost with its lease, as an agent's would be that dies; the figures show it.
        let _ = client.post::<serde_json::Value>("result", &grant.job_token, &result_of(&grant)).await;
    }
}

fn result_of(grant: &LeaseGrant) -> ResultRequest {
    let report = match grant.job.task {
        Task::Load => Report::Listed { checks: trivial().into_iter().collect() },
        Task::Check(_) => Report::Passed,
    };
    let output = "nothing to see here\n".to_owned();
    ResultRequest { attempt: grant.attempt, lease: grant.lease, report, output, is_output_cut: false, integration: None, module: None }
}

fn trivial() -> Option<ListedCheck> {
    Some(ListedCheck { name: "app:trivial".parse().ok()?, description: None })
}

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    async fn post<A: DeserializeOwned>(&self, call: &str, token: &str, body: &impl Serialize) -> anyhow::Result<Option<A>> {
        let request = self.http.post(format!("{}/{call}", self.base)).bearer_auth(token).json(body);
        let response = request.send().await?.error_for_status()?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(None),
            _ => Ok(Some(response.json().await?)),
        }
    }
}

/// The agent of `quillon agent`, with the demo engine for a CLI. It ends when it is dropped.
pub(crate) struct RealAgent(Child);

impl RealAgent {
    /// Enrols it and starts it.
    pub(crate) fn start(stage: &Stage, jobs: usize) -> anyhow::Result<Self> {
        let token = stage.data().join("benchmark-enrolment");
        std::fs::write(&token, enrolment(stage)?)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["agent", "--server", &stage.url, "--name", "real", "--jobs", &jobs.to_string(), "--stop-with-stdin"])
            .arg("--dagger")
            .arg(engine(stage)?)
            .arg("--work-dir")
            .arg(stage.data().join("agent"))
            .arg("--enrol-token-file")
            .arg(token)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        command.spawn().map(Self).context("the agent cannot be started")
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The demo engine as a program of its own.
fn engine(stage: &Stage) -> anyhow::Result<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;

    let path = stage.data().join("dagger");
    let program = std::env::current_exe()?;
    std::fs::write(&path, format!("#!/bin/sh\nexec '{}' demo-engine \"$@\"\n", program.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

/// A one-time token, from the operator's command line.
fn enrolment(stage: &Stage) -> anyhow::Result<String> {
    let output = Command::new(std::env::current_exe()?).args(["admin", "agent", "enrol", "--data"]).arg(stage.data()).output()?;
    anyhow::ensure!(output.status.success(), "no enrolment: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
