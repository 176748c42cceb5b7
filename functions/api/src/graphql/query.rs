//! Reading: the caller, its orgs, and their checks.

use async_graphql::{Context, ID, Object};
use quillon_core::id::RepositoryId;
use quillon_core::name::{ModulePath, Ref};
use quillon_core::org::{Repository, Scope};
use quillon_core::run::{CommitKey, Run};
use quillon_store::Page;

use super::error::Failure;
use super::nodes;
use super::spelling::{self, Version};
use super::telemetry::Trace;
use super::types::{CheckCommit, CheckCommitConnection, Time, WithLines};
use crate::Deps;
use crate::credential::{Caller, OrgAccess};

/// Most commits of one answer.
const MAX_FIRST: usize = 100;

/// Most repositories that one list is filtered by; the rest of the filter is not looked at.
const MAX_REPOSITORIES: usize = 20;

/// Most pages of a feed that one answer goes through.
const MAX_PAGES: usize = 5;

/// Where queries begin.
pub(crate) struct Query;

#[Object]
impl Query {
    /// The caller. A token has no person behind it: it answers as one who is in the token's org alone.
    async fn user(&self) -> User {
        User
    }

    /// An org by its name; null when there is none that the caller may see.
    async fn org(&self, context: &Context<'_>, #[graphql(desc = "Without regard to case.")] name: String) -> Result<Option<Org>, Failure> {
        let caller = context.data_unchecked::<Caller>();
        Ok(caller.org_named(context.data_unchecked::<Deps>(), &name).await?.map(Org::new))
    }

    /// What a trace says about its commit and its CI; null when there is none that the caller may see.
    async fn trace(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "32 hex digits.")] id: ID,
        #[graphql(desc = "Whose trace it is.")] org: ID,
    ) -> Result<Option<Trace>, Failure> {
        Trace::find(context, &org, &id).await
    }
}

/// Whoever holds the credential.
pub(crate) struct User;

#[Object]
impl User {
    /// The id of the credential.
    async fn id(&self, context: &Context<'_>) -> ID {
        ID(context.data_unchecked::<Caller>().id())
    }

    /// The orgs that the caller is in.
    async fn orgs(&self, context: &Context<'_>) -> Result<Vec<Org>, Failure> {
        let caller = context.data_unchecked::<Caller>();
        Ok(caller.orgs(context.data_unchecked::<Deps>()).await?.into_iter().map(Org::new).collect())
    }

    /// The newest commits with checks over all orgs of the caller.
    #[graphql(complexity = "50 + child_complexity")]
    async fn checks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only these repositories, in any spelling; all when absent.")] repos: Option<Vec<String>>,
        #[graphql(desc = "At most so many commits; 100 when absent, and at most.")] first: Option<i32>,
    ) -> Result<CheckCommitConnection, Failure> {
        let caller = context.data_unchecked::<Caller>();
        caller.require(Scope::ChecksRead)?;
        let deps = context.data_unchecked::<Deps>();
        let orgs = caller.orgs(deps).await?;
        list(deps, &orgs, repos.as_deref(), first).await
    }
}

/// An organization.
pub(crate) struct Org {
    access: OrgAccess,
}

impl Org {
    pub(crate) fn new(access: OrgAccess) -> Self {
        Self { access }
    }
}

#[Object]
impl Org {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.access.org().id.to_string())
    }

    /// Its name.
    async fn name(&self) -> &str {
        self.access.org().name.as_str()
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        Time(self.access.org().created_at)
    }

    /// The newest commits with checks.
    #[graphql(complexity = "50 + child_complexity")]
    async fn checks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only these repositories, in any spelling; all when absent.")] repos: Option<Vec<String>>,
        #[graphql(desc = "At most so many commits; 100 when absent, and at most.")] first: Option<i32>,
    ) -> Result<CheckCommitConnection, Failure> {
        context.data_unchecked::<Caller>().require(Scope::ChecksRead)?;
        list(context.data_unchecked::<Deps>(), std::slice::from_ref(&self.access), repos.as_deref(), first).await
    }

    /// The checks of one module at one version; empty when there are none.
    #[graphql(complexity = "20 + child_complexity")]
    async fn module_checks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The module: `<forge>/<owner>/<name>[/<path>]`, in any spelling.")] module_ref: String,
        #[graphql(desc = "A SHA, full or shortened, a branch, a tag, or `pull/<number>/head`; the default branch when empty.")]
        module_version: String,
    ) -> Result<Vec<CheckCommit>, Failure> {
        context.data_unchecked::<Caller>().require(Scope::ChecksRead)?;
        let deps = context.data_unchecked::<Deps>();
        let Some((repository, module)) = deps.options.forge.module(&module_ref) else { return Ok(vec![]) };
        let Some(repository) = deps.store.repository_by_name(self.access.org().id, &repository).await? else { return Ok(vec![]) };
        module_checks(deps, &self.access, &repository, &module, &Version::parse(&module_version)).await
    }
}

/// The newest commits of some orgs, of all repositories or of those that the filter names.
async fn list(deps: &Deps, orgs: &[OrgAccess], repos: Option<&[String]>, first: Option<i32>) -> Result<CheckCommitConnection, Failure> {
    let first = first.map_or(MAX_FIRST, |first| usize::try_from(first).unwrap_or(0).min(MAX_FIRST));
    // An empty list is the same as none: the CLI sends either for "all".
    let filter = repos.filter(|repos| !repos.is_empty()).map(|repos| spelling::repositories(&deps.options.forge, repos));
    let mut entries: Vec<(jiff::Timestamp, Vec<CheckCommit>)> = Vec::new();
    for access in orgs {
        let runs = match &filter {
            None => feed(deps, Feed::Org(access), first).await?,
            Some(wanted) => {
                let mut runs = Vec::new();
                for name in wanted.iter().take(MAX_REPOSITORIES) {
                    if let Some(repository) = deps.store.repository_by_name(access.org().id, name).await? {
                        runs.extend(feed(deps, Feed::Repository(access, repository.id), first).await?);
                    }
                }
                runs.sort_by_key(|run| std::cmp::Reverse(run.created_at));
                runs
            }
        };
        for commit in nodes::by_commit(runs) {
            let created_at = commit.newest.created_at;
            entries.push((created_at, CheckCommit::entries(deps, access, &WithLines::of_feed(commit), None)));
        }
    }
    entries.sort_by_key(|(created_at, _)| std::cmp::Reverse(*created_at));
    Ok(CheckCommitConnection { nodes: entries.into_iter().take(first).flat_map(|(_, entries)| entries).collect() })
}

/// Whose runs are listed.
#[derive(Clone, Copy)]
enum Feed<'a> {
    Org(&'a OrgAccess),
    Repository(&'a OrgAccess, RepositoryId),
}

/// The newest runs, at least those of `first` commits where there are so many.
async fn feed(deps: &Deps, feed: Feed<'_>, first: usize) -> Result<Vec<Run>, Failure> {
    let mut runs: Vec<Run> = Vec::new();
    let mut after = None;
    for _ in 0..MAX_PAGES {
        if nodes::commits_in(&runs) >= first {
            break;
        }
        let page = Page { after, limit: 100 };
        let found = match feed {
            Feed::Org(access) => deps.store.org_feed(access.org().id, &page).await?,
            Feed::Repository(access, repository) => {
                let mut found = deps.store.repository_feed(repository, &page).await?;
                // A transferred repository keeps its number: what it did in another org stays there.
                found.items.retain(|run| run.org == access.org().id);
                found
            }
        };
        runs.extend(found.items);
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    Ok(runs)
}

async fn module_checks(
    deps: &Deps,
    access: &OrgAccess,
    repository: &Repository,
    module: &ModulePath,
    version: &Version,
) -> Result<Vec<CheckCommit>, Failure> {
    let Some(key) = commit_of(deps, access, repository, version).await? else { return Ok(vec![]) };
    let mut commit = deps.store.commit(&key).await?;
    commit.runs.retain(|run| run.org == access.org().id);
    let lines = nodes::lines_of(&commit);
    let commits = nodes::by_commit(commit.runs).into_iter().map(|runs| WithLines::whole(runs, lines.clone()));
    Ok(commits.flat_map(|commit| CheckCommit::entries(deps, access, &commit, Some(module))).collect())
}

/// The commit that a version means, as far as this instance has seen it.
async fn commit_of(deps: &Deps, access: &OrgAccess, repository: &Repository, version: &Version) -> Result<Option<CommitKey>, Failure> {
    let key = |sha| CommitKey { repository: repository.id, sha };
    match version {
        Version::Commit(sha) => Ok(Some(key(sha.clone()))),
        Version::Default => {
            let head = deps.store.head(repository.id, &Ref::Branch(repository.default_branch.clone())).await?;
            Ok(head.sha.map(key))
        }
        Version::Named { refs, prefix } => {
            for reference in refs {
                if let Some(sha) = deps.store.head(repository.id, reference).await?.sha {
                    return Ok(Some(key(sha)));
                }
            }
            let Some(prefix) = prefix else { return Ok(None) };
            let recent = feed(deps, Feed::Repository(access, repository.id), MAX_FIRST).await?;
            Ok(recent.into_iter().map(|run| run.key.commit).find(|commit| commit.sha.as_str().starts_with(prefix)))
        }
    }
}
