//! What the control plane itself knows of the commit that an attempt checks: said of its trace, whatever its labels claim.

use jiff::Timestamp;
use quillon_core::id::{AttemptId, PullNumber, TraceParent};
use quillon_core::name::{BranchName, Ref};
use quillon_core::run::Run;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::{Claim, Native};

use crate::Deps;

/// Puts the commit of an attempt onto the card of the attempt's own trace; once a minute at most.
///
/// Nothing depends on its success: the trace is stored, and the next batch tries again.
pub(crate) async fn enrich(deps: &Deps, claim: &Claim, trace: TraceId, now: Timestamp) {
    let Some(attempt) = claim.attempt.filter(|attempt| is_own(*attempt, trace)) else { return };
    if deps.enriched.value(&attempt, now).is_some() {
        return;
    }
    match try_enrich(deps, claim, attempt, trace, now).await {
        Ok(()) => deps.enriched.keep(attempt, (), now),
        Err(error) => tracing::warn!(trace.id = %trace, attempt.id = %attempt, "the card of an attempt's trace lacks its commit: {error}"),
    }
}

/// The trace of an attempt follows from the attempt's id.
fn is_own(attempt: AttemptId, trace: TraceId) -> bool {
    TraceParent::of(attempt).trace_id == trace.to_string()
}

async fn try_enrich(deps: &Deps, claim: &Claim, attempt: AttemptId, trace: TraceId, now: Timestamp) -> Result<(), quillon_traces::Error> {
    let Some(attempt) = deps.store.attempt(attempt).await? else { return Ok(()) };
    let Some(run) = deps.store.run(&attempt.key.run).await? else { return Ok(()) };
    if let Some(native) = native(deps.forge.host(), &run) {
        deps.traces.enrich(claim.org, trace, &native, now).await?;
    }
    Ok(())
}

/// The commit of a run as traces say it; none for a forge whose remotes cannot be spelled.
fn native(host: Option<&str>, run: &Run) -> Option<Native> {
    let references = || run.refs.iter().map(|known| &known.reference);
    Some(Native {
        host: host?.to_owned(),
        repository: run.repository_name.clone(),
        commit: run.key.commit.sha.clone(),
        branch: references().find_map(branch).cloned(),
        pull: references().find_map(pull),
    })
}

fn branch(reference: &Ref) -> Option<&BranchName> {
    match reference {
        Ref::Branch(name) => Some(name),
        Ref::Tag(_) | Ref::Pull(_) => None,
    }
}

fn pull(reference: &Ref) -> Option<PullNumber> {
    match reference {
        Ref::Pull(number) => Some(*number),
        Ref::Branch(_) | Ref::Tag(_) => None,
    }
}
