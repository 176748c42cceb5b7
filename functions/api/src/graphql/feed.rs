//! The newest checks of orgs and of repositories, and the commit that a version means.

use quillon_core::id::RepositoryId;
use quillon_core::name::{ModulePath, Ref};
use quillon_core::org::Repository;
use quillon_core::run::{CommitKey, Run};
use quillon_store::Page;

use super::error::Failure;
use super::nodes;
use super::spelling::{self, Version};
use super::types::{CheckCommit, CheckCommitConnection, WithLines};
use crate::Deps;
use crate::credential::OrgAccess;

/// Most commits of one answer.
const MAX_FIRST: usize = 100;

/// Most repositories that one list is filtered by; the rest of the filter is not looked at.
const MAX_REPOSITORIES: usize = 20;

/// Most pages of a feed that one answer goes through.
const MAX_PAGES: usize = 5;

/// The newest commits of some orgs, of all repositories or of those that the filter names.
pub(super) async fn list(
    deps: &Deps,
    orgs: &[OrgAccess],
    repos: Option<&[String]>,
    first: Option<i32>,
) -> Result<CheckCommitConnection, Failure> {
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

/// The checks of a module at a version; none where this instance has not seen it.
pub(super) async fn module_checks(
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
