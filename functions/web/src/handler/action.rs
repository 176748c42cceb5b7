//! What the buttons do: rerun, load again, cancel.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Response;
use quillon_core::attempt::{Attempt, CancelReason};
use quillon_core::id::AttemptId;
use quillon_core::name::Task;
use quillon_core::org::Org;
use quillon_core::plan::{entitlements, may_check};
use quillon_core::rerun::Refusal;
use quillon_core::run::{CommitKey, Run, RunKey};
use quillon_workflow::RerunError;

use super::form::{Form, with_flash};
use super::{Problem, Visit};
use crate::flash::Flash;
use crate::link::Action;
use crate::page::card::phase_of;
use crate::respond;

/// Most attempts that one form may name.
const MAX_ATTEMPTS: usize = 512;

impl Form {
    /// The attempts that it names, each once.
    fn attempts(&self) -> Result<Vec<AttemptId>, Problem> {
        let ids: BTreeSet<AttemptId> =
            self.values("attempt").map(|text| text.parse().map_err(|_| Problem::NotFound)).collect::<Result<_, _>>()?;
        match ids.len() {
            0 => Err(Problem::BadForm("no check was named")),
            1..=MAX_ATTEMPTS => Ok(ids.into_iter().collect()),
            _ => Err(Problem::BadForm("more than 512 checks at once")),
        }
    }

    fn run(&self) -> Result<RunKey, Problem> {
        let value = |name| self.value(name).ok_or(Problem::BadForm("no run was named"));
        let commit = CommitKey {
            repository: value("repository")?.parse().map_err(|_| Problem::NotFound)?,
            sha: value("sha")?.parse().map_err(|_| Problem::NotFound)?,
        };
        Ok(RunKey { commit, lane: value("lane")?.parse().map_err(|_| Problem::NotFound)? })
    }
}

/// Does what a button says, and leads back to its page.
pub(super) async fn act(visit: &Visit<'_>, org: &Org, action: Action) -> Result<Response<Bytes>, Problem> {
    let form = &Form::read(visit)?;
    match action {
        Action::Rerun | Action::RerunLoad => check_open(visit, org)?,
        Action::Cancel => {}
    }
    let flash = match action {
        Action::Rerun => rerun(visit, org, form).await?,
        Action::RerunLoad => rerun_load(visit, org, form).await?,
        Action::Cancel => cancel(visit, org, form).await?,
    };
    let back = form.back(&visit.deps.site.paths(&org.name).checks());
    Ok(respond::see_other(&with_flash(&back, flash), None))
}

/// Nothing new runs for an org that is being deleted, nor beyond what its plan allows.
fn check_open(visit: &Visit<'_>, org: &Org) -> Result<(), Problem> {
    if !org.is_open() {
        return Err(Problem::Refused("the organization is being deleted: nothing new runs for it".to_owned()));
    }
    let allowed = entitlements(visit.deps.billing, org.subscription.as_ref(), visit.now);
    may_check(&allowed).map_err(|refused| Problem::Refused(refused.to_string()))
}

async fn rerun(visit: &Visit<'_>, org: &Org, form: &Form) -> Result<Flash, Problem> {
    let workflow = &visit.deps.workflow;
    let ids = if form.value("failed").is_some() {
        workflow.failed(&run_of(visit, org, &form.run()?).await?.key).await?
    } else {
        attempts_of(visit, org, &form.attempts()?).await?.iter().map(|attempt| attempt.id).collect()
    };
    let made = workflow.rerun(&ids, visit.name(), form.value("clean").is_some(), visit.now).await?;
    Ok(match made.as_slice() {
        [] => Flash::NothingToRerun,
        [only] if only.key.task == Task::Load => Flash::RerunLoad,
        [_, ..] => Flash::Rerun(count(made.len())),
    })
}

async fn rerun_load(visit: &Visit<'_>, org: &Org, form: &Form) -> Result<Flash, Problem> {
    let attempts = attempts_of(visit, org, &form.attempts()?).await?;
    let [load] = attempts.as_slice() else { return Err(Problem::BadForm("one load at a time")) };
    match visit.deps.workflow.rerun_load(load.id, visit.name(), visit.now).await {
        Ok(_) => Ok(Flash::RerunLoad),
        // Somebody was quicker, which is what this click wanted.
        Err(RerunError::Refused(Refusal::NotOver(_) | Refusal::NotNewest(_))) => Ok(Flash::NothingToRerun),
        Err(error) => Err(error.into()),
    }
}

async fn cancel(visit: &Visit<'_>, org: &Org, form: &Form) -> Result<Flash, Problem> {
    let workflow = &visit.deps.workflow;
    let reason = CancelReason::Requested { by: visit.name().to_owned() };
    if form.value("all").is_some() {
        let run = run_of(visit, org, &form.run()?).await?;
        workflow.cancel_commit(&run.key.commit, Some(&run.key.lane), &reason, visit.now).await?;
        let is_over = phase_of(&run).is_none_or(|phase| phase.is_terminal());
        return Ok(if is_over { Flash::NothingToCancel } else { Flash::CancelledRun });
    }
    let ids: Vec<AttemptId> = attempts_of(visit, org, &form.attempts()?).await?.iter().map(|attempt| attempt.id).collect();
    let stopped = workflow.cancel(&ids, &reason, visit.now).await?;
    Ok(if stopped.is_empty() { Flash::NothingToCancel } else { Flash::Cancelled(count(stopped.len())) })
}

/// The attempts of these ids, if all exist in this org.
async fn attempts_of(visit: &Visit<'_>, org: &Org, ids: &[AttemptId]) -> Result<Vec<Attempt>, Problem> {
    let attempts = visit.deps.store.attempts(ids).await?;
    let are_ours = attempts.len() == ids.len() && attempts.iter().all(|attempt| attempt.org == org.id);
    if are_ours { Ok(attempts) } else { Err(Problem::NotFound) }
}

/// The run of this key, if it is this org's.
async fn run_of(visit: &Visit<'_>, org: &Org, key: &RunKey) -> Result<Run, Problem> {
    let run = visit.deps.store.run(key).await?;
    run.filter(|run| run.org == org.id).ok_or(Problem::NotFound)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_attempts_by_their_canonical_ids() {
        let id = AttemptId::from_parts(1, 1).to_string();
        let form = |values: &[&str]| Form::of(&values.iter().map(|value| ("attempt", *value)).collect::<Vec<_>>());
        assert_eq!(form(&[&id, &id]).attempts().ok().map(|ids| ids.len()), Some(1));
        assert!(matches!(form(&[]).attempts(), Err(Problem::BadForm(_))));
        for text in ["", "att_", "ATT_01", "../x", &id.to_uppercase()] {
            assert!(matches!(form(&[text]).attempts(), Err(Problem::NotFound)), "{text}");
        }
    }
}
