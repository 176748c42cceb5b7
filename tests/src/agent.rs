//! An agent that follows a script: speaks the runner API as the real one does, and runs nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon::system::System;
use quillon_core::attempt::{ListedCheck, Report};
use quillon_core::name::{ModulePath, Task};
use quillon_core::protocol::{HeartbeatAnswer, LeaseGrant, Order};
use serde_json::{Value, json};

/// What comes of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// It passes.
    Passes,
    /// It ends with this exit code.
    Fails(i32),
    /// It conflicts with its base.
    Conflicts(String),
    /// It stays under way until it is told otherwise.
    Hangs,
}

/// An agent that follows a script.
pub struct ScriptedAgent {
    token: String,
    modules: BTreeMap<String, Vec<String>>,
    loads: BTreeMap<String, Behaviour>,
    checks: BTreeMap<String, Behaviour>,
    /// What it is at.
    pub jobs: Vec<LeaseGrant>,
    /// Everything that it ever leased, for assertions.
    pub leased: Vec<(Task, u32)>,
}

impl ScriptedAgent {
    /// Enrols with the operator's key.
    pub async fn enrol(system: &System, operator_key: &str, name: &str, runs_forks: bool) -> Self {
        let enrolment = post(system, "/operator/v1/agent-enrolments", operator_key, &json!({})).await;
        let token = body(&enrolment)["token"].as_str().expect("an enrolment token").to_owned();
        let answer = post(system, "/runner/v1/enroll", "", &json!({ "token": token, "name": name, "runs_forks": runs_forks })).await;
        let token = body(&answer)["token"].as_str().expect("an agent token").to_owned();
        Self { token, modules: BTreeMap::new(), loads: BTreeMap::new(), checks: BTreeMap::new(), jobs: vec![], leased: vec![] }
    }

    /// From now on the module in this directory has these checks.
    pub fn module_has(&mut self, path: &str, checks: &[&str]) {
        self.modules.insert(path.to_owned(), checks.iter().map(|check| (*check).to_owned()).collect());
    }

    /// From now on loading the module in this directory behaves like this.
    pub fn load_behaves(&mut self, path: &str, behaviour: Behaviour) {
        self.loads.insert(path.to_owned(), behaviour);
    }

    /// From now on the check of this name behaves like this.
    pub fn check_behaves(&mut self, check: &str, behaviour: Behaviour) {
        self.checks.insert(check.to_owned(), behaviour);
    }

    /// Leases whatever there is, hears whether to go on, and finishes what does not hang; says how much happened.
    pub async fn work(&mut self, system: &System) -> usize {
        let mut moved = 0;
        while let Some(grant) = self.lease(system).await {
            self.leased.push((grant.job.task.clone(), grant.job.execution));
            self.jobs.push(grant);
            moved += 1;
        }
        for job in std::mem::take(&mut self.jobs) {
            match self.proceed(system, &job).await {
                Some(report) => {
                    self.finish(system, &job, &report).await;
                    moved += 1;
                }
                None => self.jobs.push(job),
            }
        }
        moved
    }

    /// Asks for work without waiting.
    pub async fn lease(&self, system: &System) -> Option<LeaseGrant> {
        let answer = post(system, "/runner/v1/lease", &self.token, &json!({ "wait_ms": 0 })).await;
        match answer.status() {
            StatusCode::OK => Some(serde_json::from_slice(answer.body()).expect("a lease")),
            _ => None,
        }
    }

    async fn proceed(&self, system: &System, job: &LeaseGrant) -> Option<Report> {
        if self.heartbeat(system, job).await == Some(Order::Cancel) {
            return Some(Report::Stopped);
        }
        self.report(job)
    }

    /// Renews the lease of a job; none when the server says that it is not ours.
    pub async fn heartbeat(&self, system: &System, job: &LeaseGrant) -> Option<Order> {
        let heartbeat = json!({ "attempt": job.attempt, "lease": job.lease, "elapsed_s": 1 });
        let answer = post(system, "/runner/v1/heartbeat", &job.job_token, &heartbeat).await;
        let answer: Option<HeartbeatAnswer> = serde_json::from_slice(answer.body()).ok();
        answer.map(|answer| answer.order)
    }

    /// What the script says comes of a job; none while it hangs.
    fn report(&self, job: &LeaseGrant) -> Option<Report> {
        let behaviour = match &job.job.task {
            Task::Load => self.loads.get(job.job.module.as_str()),
            Task::Check(name) => self.checks.get(name.as_str()).or_else(|| self.checks.get(name.without_module())),
        };
        match (behaviour.unwrap_or(&Behaviour::Passes), &job.job.task) {
            (Behaviour::Passes, Task::Load) => Some(Report::Listed { checks: self.listed(&job.job.module) }),
            (Behaviour::Passes, Task::Check(_)) => Some(Report::Passed),
            (Behaviour::Fails(exit_code), _) => Some(Report::Failed { exit_code: *exit_code }),
            (Behaviour::Conflicts(base), _) => Some(Report::Conflict { base: base.parse().expect("a branch") }),
            (Behaviour::Hangs, _) => None,
        }
    }

    fn listed(&self, module: &ModulePath) -> Vec<ListedCheck> {
        let checks = self.modules.get(module.as_str()).cloned().unwrap_or_default();
        checks.iter().map(|name| ListedCheck { name: name.parse().expect("a check name"), description: None }).collect()
    }

    /// Sends a result, again for as long as the server cannot take it.
    pub async fn finish(&self, system: &System, job: &LeaseGrant, report: &Report) -> StatusCode {
        let result = json!({
            "attempt": job.attempt,
            "lease": job.lease,
            "report": report,
            "output": format!("output of {}\n", job.job.task.label()),
            "is_output_cut": false,
        });
        for _ in 0..20 {
            let status = post(system, "/runner/v1/result", &job.job_token, &result).await.status();
            if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
                return status;
            }
        }
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// A JSON request of a program.
pub(crate) async fn post(system: &System, path: &str, credential: &str, body: &Value) -> Response<Bytes> {
    let request = Request::post(path)
        .header(http::header::AUTHORIZATION, format!("Bearer {credential}"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(body.to_string()))
        .expect("a request");
    system.http(request).await
}

pub(crate) fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("{} {}", response.status(), String::from_utf8_lossy(response.body())))
}
