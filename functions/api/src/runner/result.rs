//! `POST result`: takes what an agent found, exactly once.

use bytes::Bytes;
use http::{Request, Response};
use quillon_core::attempt::{Attempt, Event, ListedCheck, MAX_CHECKS, Report};
use quillon_core::name::Task;
use quillon_core::protocol::{ModuleReport, ResultRequest};
use quillon_core::text::first_line;
use quillon_core::trust::Trust;
use quillon_store::{ModuleRecord, Output};

use super::job;
use crate::body::{self, Limits};
use crate::error::ApiError;
use crate::{Deps, no_content};

/// 64 KB of output whose every byte is escaped, 512 checks, and a module's API.
const LIMITS: Limits = Limits { bytes: 2 * 1024 * 1024, depth: 64 };

/// Longest description of a check, in characters.
const MAX_DESCRIPTION: usize = 200;

/// Longest name, version or source of a module, in characters.
const MAX_LABEL: usize = 300;

/// Largest description of a module's API, in bytes of JSON.
const MAX_API: usize = 200 * 1024;

pub(super) async fn handle(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let result: ResultRequest = body::json(request, LIMITS)?;
    let now = deps.clock.now();
    job::authenticate(deps, request.headers(), result.attempt, result.lease, now).await?;
    let attempt = deps.store.attempt(result.attempt).await?.filter(|attempt| attempt.lease() == Some(result.lease));
    let attempt = attempt.ok_or(ApiError::LeaseGone)?;
    let report = bounded(result.report);
    if job::is_running_under(&attempt, result.lease) {
        // Before the result: whoever sees the attempt finished finds its output, and a crash in between repeats both.
        let output = Output { text: result.output, is_cut: result.is_output_cut };
        deps.store.put_output(attempt.id, &output, deps.options.check_days, now).await?;
    }
    let event = Event::Reported { lease: result.lease, report: report.clone(), integration: result.integration };
    let applied = deps.workflow.apply(attempt.id, &event, now, "agent").await?;
    // Between the look above and the write another agent may have been given the attempt.
    let accepted = applied.filter(|applied| applied.attempt.lease() == Some(result.lease)).ok_or(ApiError::LeaseGone)?.attempt;
    if let Some(record) = module_record(&accepted, &report, result.module, now) {
        deps.store.save_module(&record).await?;
    }
    Ok(no_content())
}

/// A report within what can be stored. A list that is too long is a result too: its author has to see it.
fn bounded(report: Report) -> Report {
    match report {
        Report::Listed { checks } if checks.len() > MAX_CHECKS => {
            Report::Errored { message: format!("the module lists {} checks, at most {MAX_CHECKS} are run", checks.len()) }
        }
        Report::Listed { checks } => Report::Listed { checks: described(checks) },
        Report::Passed | Report::Failed { .. } | Report::Errored { .. } | Report::Conflict { .. } | Report::TimedOut | Report::Stopped => {
            report
        }
    }
}

/// The checks with descriptions of one line.
fn described(checks: Vec<ListedCheck>) -> Vec<ListedCheck> {
    let short = |check: ListedCheck| {
        let description = check.description.map(|text| first_line(&text, MAX_DESCRIPTION)).filter(|text| !text.is_empty());
        ListedCheck { description, ..check }
    };
    checks.into_iter().map(short).collect()
}

/// What is remembered of a module after it was loaded. A fork's idea of the module is never that of the repository.
fn module_record(attempt: &Attempt, report: &Report, module: Option<ModuleReport>, now: jiff::Timestamp) -> Option<ModuleRecord> {
    let is_load = match attempt.key.task {
        Task::Load => true,
        Task::Check(_) => false,
    };
    let is_trusted = match attempt.key.run.lane.trust {
        Trust::Trusted => true,
        Trust::Fork => false,
    };
    match report {
        Report::Listed { checks } if is_load && is_trusted && attempt.cancel().is_none() => Some(ModuleRecord {
            org: attempt.org,
            repository: attempt.key.run.commit.repository,
            path: attempt.key.module.clone(),
            report: bounded_module(module?),
            checks: checks.clone(),
            sha: attempt.key.run.commit.sha.clone(),
            loaded_at: now,
        }),
        Report::Listed { .. }
        | Report::Passed
        | Report::Failed { .. }
        | Report::Errored { .. }
        | Report::Conflict { .. }
        | Report::TimedOut
        | Report::Stopped => None,
    }
}

fn bounded_module(module: ModuleReport) -> ModuleReport {
    let label = |text: String| first_line(&text, MAX_LABEL);
    let is_small = |api: &serde_json::Value| serde_json::to_vec(api).is_ok_and(|bytes| bytes.len() <= MAX_API);
    ModuleReport {
        name: label(module.name),
        engine_version: module.engine_version.map(label),
        sdk: module.sdk.map(label),
        api: module.api.filter(is_small),
    }
}
