//! Posting a plan: one status after the other, each remembered before the next.

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::org::RateBudget;
use quillon_core::report::{LedgerEntry, Plan, Post};
use quillon_core::run::Run;
use quillon_github::view::{NewStatus, Posted};
use quillon_github::{App, Error as GithubError, InstallationClient, Retry};
use quillon_store::Written;

use crate::{Deps, Error};

/// How long a commit waits when GitHub fails twice in a row.
const OUTAGE: SignedDuration = SignedDuration::from_secs(15);

/// What GitHub lets an installation send in an hour is left to others below so many requests: only final statuses are sent.
const SPARE_REQUESTS: u32 = 200;

/// How far a plan came.
pub(crate) enum Progress {
    /// All of it was posted.
    Posted,
    /// GitHub wants a pause until this time.
    Later(Timestamp),
    /// GitHub will not take any of it.
    Never(String),
}

/// Posts a plan, as far as the installation's budget goes.
pub(crate) async fn post(deps: &Deps, app: &App, run: &Run, plan: &Plan, now: Timestamp) -> Result<Progress, Error> {
    let mut budget = deps.store.rate_budget(run.installation, now).await?;
    let client = app.installation(run.installation);
    let mut postponed = None;
    for post in &plan.posts {
        if let Some(budget) = &budget
            && !(budget.allows_final && post.status.state.is_terminal())
        {
            postponed = Some(budget.blocked_until);
            continue;
        }
        let failed = match post_one(deps, &client, run, post).await {
            Ok(posted) => {
                if let Some(scarce) = scarcity(&posted, now) {
                    deps.store.save_rate_budget(run.installation, &scarce).await?;
                    budget = Some(scarce);
                }
                continue;
            }
            Err(Failed::Stored(error)) => return Err(error),
            Err(Failed::Github(failed)) => failed,
        };
        return match failed {
            GithubError::RateLimited { retry, .. } => {
                let blocked_until = retry.at(now);
                deps.store.save_rate_budget(run.installation, &RateBudget { blocked_until, allows_final: false }).await?;
                Ok(Progress::Later(blocked_until))
            }
            GithubError::Transient { detail } => {
                tracing::warn!("GitHub could not be told about {}: {detail}", run.key.commit.sha);
                Ok(Progress::Later(later(now, OUTAGE)))
            }
            GithubError::NotFound { .. }
            | GithubError::Forbidden { .. }
            | GithubError::Refused { .. }
            | GithubError::Unreadable { .. }
            | GithubError::StatusLimit => Ok(Progress::Never(failed.to_string())),
            // The operator's settings are wrong: everything waits until they are right.
            GithubError::Unauthorized { .. } | GithubError::Settings { .. } => Err(failed.into()),
        };
    }
    Ok(postponed.map_or(Progress::Posted, Progress::Later))
}

/// The budget to keep to when GitHub says that little is left of this hour.
fn scarcity(posted: &Posted, now: Timestamp) -> Option<RateBudget> {
    match (posted.rate_remaining, posted.rate_reset) {
        (Some(remaining), Some(reset)) if remaining < SPARE_REQUESTS && reset > now => {
            Some(RateBudget { blocked_until: Retry::At(reset).at(now), allows_final: true })
        }
        (Some(_) | None, _) => None,
    }
}

enum Failed {
    Stored(Error),
    Github(GithubError),
}

/// Posts one status and remembers it. A crash in between posts it again, which changes nothing that people see.
async fn post_one(deps: &Deps, client: &InstallationClient, run: &Run, post: &Post) -> Result<Posted, Failed> {
    let status = &post.status;
    let send = async |context: &str| {
        let new = NewStatus { context, state: status.state, description: &status.description, target_url: &status.target_url };
        match client.post_status(run.key.commit.repository, &run.key.commit.sha, &new).await {
            // Once more at once: most failures are a connection that had gone stale.
            Err(GithubError::Transient { .. }) => client.post_status(run.key.commit.repository, &run.key.commit.sha, &new).await,
            answer => answer,
        }
    };
    let (posted, is_full) = match send(&post.posted_context).await {
        Err(GithubError::StatusLimit) if post.posted_context == status.context => (send(&format!("{}#2", status.context)).await, true),
        answer => (answer, post.posted_context != status.context),
    };
    let posted = posted.map_err(Failed::Github)?;
    let entry = LedgerEntry {
        context: status.context.clone(),
        rank: status.rank,
        state: status.state,
        description: status.description.clone(),
        posts: post.posts_before.saturating_add(1),
        is_full,
    };
    match deps.store.record_status(&run.key.commit, &entry).await.map_err(|error| Failed::Stored(error.into()))? {
        // Lost: somebody has reported something newer meanwhile, and the next look at the commit repairs what this showed.
        Written::Done | Written::Lost => Ok(posted),
    }
}
