//! `POST lease`: gives an agent the oldest attempt that it may run, waiting a while for one.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use quillon_core::attempt::{Attempt, CancelReason, Event, LEASE_TTL, Lease, later};
use quillon_core::id::LeaseId;
use quillon_core::name::Ref;
use quillon_core::org::{Agent, Installation, Repository};
use quillon_core::protocol::{Job, LeaseGrant, LeaseRequest, Merge, TelemetryGrant};
use quillon_core::run::{Run, RunState};
use quillon_core::trust::Trust;
use quillon_secrets::telemetry;

use super::job;
use crate::body::{self, SMALL};
use crate::error::ApiError;
use quillon_tenancy::secret;

use crate::{Deps, credential, no_content};

/// How many offers one look considers.
const MAX_OFFERS: u32 = 100;

pub(super) async fn handle(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    let agent = credential::agent(deps, request.headers()).await?;
    let LeaseRequest { wait_ms } = body::json(request, SMALL)?;
    if let Some(grant) = look(deps, &agent).await? {
        return Ok(quillon_runtime::json(StatusCode::OK, &grant));
    }
    let wait = Duration::from_millis(wait_ms).min(deps.options.lease_wait);
    // A hint says nothing but "look again", and so does the end of the wait: a hint can be lost or taken by another agent.
    deps.queues.wait_for_offer(wait).await?;
    match look(deps, &agent).await? {
        Some(grant) => Ok(quillon_runtime::json(StatusCode::OK, &grant)),
        None => Ok(no_content()),
    }
}

/// Tries the offers that fit the agent, the oldest first, until one is won.
async fn look(deps: &Deps, agent: &Agent) -> Result<Option<LeaseGrant>, ApiError> {
    let trusts: &[Trust] = if agent.runs_forks { &[Trust::Trusted, Trust::Fork] } else { &[Trust::Trusted] };
    for trust in trusts {
        let offers = deps.store.offers(*trust, MAX_OFFERS).await?;
        for offer in offers.iter().filter(|offer| may_run(agent, offer)) {
            match try_lease(deps, agent, offer).await {
                Ok(Some(grant)) => return Ok(Some(grant)),
                Ok(None) => {}
                // One damaged item must not keep every agent from everything else.
                Err(ApiError::Internal { cause }) => tracing::error!(attempt.id = %offer.id, cause, "an offer cannot be given out"),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}

/// Whether an agent may run an attempt at all: its org, and forks only where its owner said so.
fn may_run(agent: &Agent, attempt: &Attempt) -> bool {
    let is_trusted_enough = match attempt.key.run.lane.trust {
        Trust::Trusted => true,
        Trust::Fork => agent.runs_forks,
    };
    is_trusted_enough && agent.org.is_none_or(|org| org == attempt.org)
}

async fn try_lease(deps: &Deps, agent: &Agent, offer: &Attempt) -> Result<Option<LeaseGrant>, ApiError> {
    let now = deps.clock.now();
    let Some(run) = deps.store.run(&offer.key.run).await? else {
        tracing::error!(attempt.id = %offer.id, "an offered attempt has no run");
        return Ok(None);
    };
    let repository = deps.store.repository(offer.key.run.commit.repository).await?;
    let installation = match &repository {
        Some(repository) => deps.store.installation(repository.installation).await?,
        None => None,
    };
    let repository = match admissible(&run, repository, installation.as_ref()) {
        Ok(repository) => repository,
        Err(Obstacle::Gone(reason)) => {
            // What can never run must not wait for ever; the webhook that said so may have been lost.
            deps.workflow.cancel(&[offer.id], &reason, now).await?;
            return Ok(None);
        }
        Err(Obstacle::NotOpen) => return Ok(None),
    };
    // Before the lease: a grant that cannot be written down must not hold an attempt.
    let Some(job) = job_of(&deps.options.github_url, &run, offer, &repository) else {
        tracing::error!(attempt.id = %offer.id, run.id = %run.id, "the run lacks what the job needs");
        return Ok(None);
    };
    let key = deps.instance_key(now).await?;
    let id = secret::new_id(LeaseId::from_parts, now)?;
    let lease = Lease { id, agent: agent.id, until: later(now, LEASE_TTL) };
    let Some(won) = win(deps, offer, lease, now).await? else { return Ok(None) };
    let telemetry = telemetry::mint(&key, run.org, offer.id, repository.id, job.timeout_s, now);
    // What an index says may be old; what was won is what is told.
    let job = Job { execution: won.execution, ..job };
    Ok(Some(LeaseGrant {
        attempt: offer.id,
        lease: id,
        job_token: job::token(&key, offer.id, id),
        lease_ttl_s: u32::try_from(LEASE_TTL.as_secs()).unwrap_or(60),
        heartbeat_s: deps.options.heartbeat_s,
        job,
        telemetry: Some(TelemetryGrant { token: telemetry.expose().clone() }),
    }))
}

/// Takes the lease; none when somebody else did, or when the attempt is no longer on offer.
async fn win(deps: &Deps, offer: &Attempt, lease: Lease, now: Timestamp) -> Result<Option<Attempt>, ApiError> {
    let id = lease.id;
    let stored = match deps.workflow.apply(offer.id, &Event::Leased(lease), now, "agent").await {
        Ok(applied) => applied.map(|applied| applied.attempt),
        Err(error) => {
            // The lease is stored before the hints are sent: one that was won is used, or the attempt would idle until it
            // runs out. The hints come again with the next transition.
            let stored = deps.store.attempt(offer.id).await?;
            if !stored.as_ref().is_some_and(|attempt| job::is_running_under(attempt, id)) {
                return Err(error.into());
            }
            tracing::warn!(attempt.id = %offer.id, %error, "a lease was won, but its hints were not sent");
            stored
        }
    };
    Ok(stored.filter(|attempt| job::is_running_under(attempt, id)))
}

/// Why an offered attempt is not given out.
#[derive(Debug, PartialEq, Eq)]
enum Obstacle {
    /// It can never run: it is stopped for this reason.
    Gone(CancelReason),
    /// Its run is not, or no longer, at the point where attempts run.
    NotOpen,
}

/// Whether attempts of a run may still be given out, from what is stored of its repository and installation now.
fn admissible(run: &Run, repository: Option<Repository>, installation: Option<&Installation>) -> Result<Repository, Obstacle> {
    match run.state {
        RunState::Open => {}
        RunState::Waiting { .. }
        | RunState::Conflict { .. }
        | RunState::NoModule
        | RunState::TooManyModules { .. }
        | RunState::ForkRefused
        | RunState::Stopped { .. } => return Err(Obstacle::NotOpen),
    }
    let Some(repository) = repository.filter(|repository| repository.is_enabled) else {
        return Err(Obstacle::Gone(CancelReason::RepositoryGone));
    };
    match installation {
        // Claimed by another org since: what this org asked for is not carried out with that one's access.
        Some(installation) if !installation.is_suspended && installation.org == Some(run.org) => Ok(repository),
        Some(_) | None => Err(Obstacle::Gone(CancelReason::InstallationGone)),
    }
}

/// What the agent is told to do; none when the run lacks the module or a ref that it should have.
fn job_of(github_url: &str, run: &Run, attempt: &Attempt, repository: &Repository) -> Option<Job> {
    let module = run.modules.iter().find(|module| module.path == attempt.key.module)?;
    // A base branch that did not exist when the run opened has nothing to merge with: the head runs as it is.
    let base = run.key.lane.merge_base().zip(run.base_sha.as_ref());
    let merge = base.map(|(base, base_sha)| Merge { base: base.clone(), base_sha: base_sha.clone() });
    Some(Job {
        task: attempt.key.task.clone(),
        module: module.path.clone(),
        manifest: module.manifest,
        repository: repository.name.clone(),
        clone_url: format!("{github_url}/{}.git", repository.name),
        head_sha: run.key.commit.sha.clone(),
        head_ref: head_ref(run)?.to_string(),
        merge,
        trust: run.key.lane.trust,
        timeout_s: attempt.timeout_s,
        trace: attempt.trace.clone(),
        clean_slate: attempt.clean_slate,
        execution: attempt.execution,
    })
}

/// The ref to fetch the head by: a pull request's stays when its branch is deleted, and a fork's head has no other here.
fn head_ref(run: &Run) -> Option<&Ref> {
    let refs = || run.refs.iter().rev().map(|known| &known.reference);
    let pull = refs().find(|reference| matches!(reference, Ref::Pull(_)));
    match run.key.lane.trust {
        Trust::Fork => pull,
        Trust::Trusted => pull.or_else(|| refs().next()),
    }
}
