//! What a trace says about the commit and the CI that it comes from.

use async_graphql::{Context, ID, SimpleObject};
use quillon_core::trace::card::Card;

use super::reader;
use crate::Deps;
use crate::access::{Field, door};
use crate::graphql::error::Failure;

/// A run of a `dagger` command.
#[derive(SimpleObject)]
pub(crate) struct Trace {
    /// 32 hex digits.
    id: ID,
    /// Its command line, or the name that was given to it.
    name: String,
    /// What the CLI found in its working directory; null without a commit.
    git: Option<TraceGit>,
    /// The CI that it ran in; null outside of one.
    ci: Option<TraceCi>,
}

/// The working directory of a trace.
#[derive(SimpleObject)]
pub(crate) struct TraceGit {
    /// The commit, not a ref: the CLI calls it that.
    #[graphql(name = "ref")]
    reference: String,
}

/// The CI of a trace.
#[derive(SimpleObject)]
pub(crate) struct TraceCi {
    /// Whether this instance started it, so that it can be asked to start it again.
    #[graphql(name = "isNativeCI")]
    is_native_ci: bool,
    /// The change that was tested, where that is known.
    change: Option<TraceChange>,
}

/// A change that is tested.
#[derive(SimpleObject)]
pub(crate) struct TraceChange {
    /// Its head commit.
    #[graphql(name = "headSHA")]
    head_sha: String,
}

impl Trace {
    /// The trace of that id in that org; none where the caller can see no such trace.
    pub(crate) async fn find(context: &Context<'_>, org: &ID, id: &ID) -> Result<Option<Self>, Failure> {
        let Some(access) = door::visible(context, Field::Trace, org).await? else { return Ok(None) };
        let Some(trace) = reader::trace_id(id) else { return Ok(None) };
        let deps = context.data_unchecked::<Deps>();
        let snapshot = deps.traces.open(access.org().id, trace, deps.clock.now()).await?;
        Ok(snapshot.map(|snapshot| Self::of(&snapshot.card)))
    }

    fn of(card: &Card) -> Self {
        let labels = card.labels();
        let commit = labels.git_ref.clone();
        let is_native = card.attempt.is_some();
        let change = |head_sha| TraceChange { head_sha };
        Self {
            id: ID(card.trace.to_string()),
            name: card.name().to_owned(),
            git: commit.clone().map(|reference| TraceGit { reference }),
            ci: (is_native || labels.ci.is_some()).then(|| TraceCi { is_native_ci: is_native, change: commit.map(change) }),
        }
    }
}
