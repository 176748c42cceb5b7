//! The trace that another one is compared with unless somebody names one: how it was when it was well.

use quillon_core::attempt::{Attempt, AttemptState, Outcome};
use quillon_core::lane::Base;
use quillon_core::name::{BranchName, Ref};
use quillon_core::org::Org;
use quillon_core::trace::card::Card;
use quillon_core::trace::id::TraceId;
use quillon_core::trace::state::TraceState;
use quillon_store::Page;

use super::{Problem, Visit};

/// Why there is no partner.
pub(super) const NONE: &str = "No earlier run of the same command that went well was found. Name a trace to compare with.";

/// Runs of the base branch that are looked at.
const MAX_RUNS: u32 = 20;

/// Pages of traces that are looked at.
const MAX_PAGES: usize = 3;

/// The branches that most repositories have as their default one.
const DEFAULT_BRANCHES: [&str; 2] = ["main", "master"];

/// A partner, and why it is this one.
pub(super) struct Partner {
    pub(super) trace: TraceId,
    pub(super) why: &'static str,
}

/// The last green run of the same check on the base branch; without a check, of the same command on the default branch, else the
/// last green one of the same command anywhere.
pub(super) async fn of(visit: &Visit<'_>, org: &Org, card: &Card) -> Result<Option<Partner>, Problem> {
    let repository = super::trace::repository(visit, org, card).await?;
    let default_branch = repository.as_ref().map(|repository| &repository.default_branch);
    if let Some(id) = card.attempt {
        let attempts = visit.deps.store.attempts(&[id]).await?;
        if let Some(attempt) = attempts.iter().find(|attempt| attempt.org == org.id)
            && let Some(trace) = of_attempt(visit, org, attempt, default_branch).await?
        {
            return Ok(Some(Partner { trace, why: "The last run of the same check on the base branch that went well." }));
        }
    }
    of_command(visit, org, card, default_branch).await
}

async fn of_attempt(
    visit: &Visit<'_>,
    org: &Org,
    attempt: &Attempt,
    default_branch: Option<&BranchName>,
) -> Result<Option<TraceId>, Problem> {
    let base = match &attempt.key.run.lane.base {
        Base::Branch(branch) | Base::MergeQueue(branch) => Some(branch),
        Base::AsIs => default_branch,
    };
    let Some(base) = base else { return Ok(None) };
    let store = &visit.deps.store;
    let runs = store.ref_feed(attempt.key.run.commit.repository, &Ref::Branch(base.clone()), &Page::first(MAX_RUNS)).await?;
    for run in runs.items.iter().filter(|run| run.org == org.id && run.id != attempt.run && run.created_at <= attempt.created_at) {
        let commit = store.commit(&run.key.commit).await?;
        let is_green = |other: &&Attempt| {
            other.key.run == run.key
                && other.key.module == attempt.key.module
                && other.key.task == attempt.key.task
                && matches!(&other.state, AttemptState::Finished { outcome: Outcome::Success, .. })
        };
        let found = commit.attempts.iter().filter(is_green).max_by_key(|other| other.key.number);
        let Some(trace) = found.and_then(|other| other.trace.trace_id.parse::<TraceId>().ok()) else { continue };
        // It may have sent nothing, or it is too long ago.
        if visit.deps.traces.card(org.id, trace).await?.is_some() {
            return Ok(Some(trace));
        }
    }
    Ok(None)
}

async fn of_command(visit: &Visit<'_>, org: &Org, card: &Card, default_branch: Option<&BranchName>) -> Result<Option<Partner>, Problem> {
    if card.name().is_empty() {
        return Ok(None);
    }
    let filter = quillon_traces::Filter {
        repository: Some(card.remote_key()),
        command: Some(card.name().to_owned()),
        state: Some(TraceState::Succeeded),
        ..quillon_traces::Filter::default()
    };
    let is_default = |other: &Card| {
        other.pull().is_none()
            && other.branch().is_some_and(|branch| match default_branch {
                Some(default) => branch == default.as_str(),
                None => DEFAULT_BRANCHES.contains(&branch.as_str()),
            })
    };
    let mut page = Page::first(100);
    let mut elsewhere = None;
    for _ in 0..MAX_PAGES {
        let found = visit.deps.traces.list(org.id, &filter, &page, visit.now).await?;
        let is_earlier = |other: &Card| other.trace != card.trace && other.name() == card.name() && other.started_ms() < card.started_ms();
        for other in found.items.iter().map(|view| &view.card).filter(|other| is_earlier(other)) {
            if is_default(other) {
                return Ok(Some(Partner {
                    trace: other.trace,
                    why: "The last run of the same command on the default branch that went well.",
                }));
            }
            elsewhere = elsewhere.or(Some(other.trace));
        }
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    Ok(elsewhere
        .map(|trace| Partner { trace, why: "The last run of the same command that went well; none is known on the default branch." }))
}
