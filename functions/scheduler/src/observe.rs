//! What GitHub says about a ref right now.

use quillon_core::id::{CommitSha, InstallationId, RepositoryId};
use quillon_core::lane::Lane;
use quillon_core::name::{BranchName, Ref};
use quillon_core::org::RepositorySettings;
use quillon_core::trust::Trust;
use quillon_github::InstallationClient;
use quillon_github::view::RepositoryView;

use crate::Error;

/// Branches of GitHub's merge queue: `gh-readonly-queue/<base>/pr-<number>-<sha>`.
pub(crate) const MERGE_QUEUE: &str = "gh-readonly-queue/";

/// A ref with what it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Observed {
    /// It has a head that wants checks.
    Head(Head),
    /// It is gone, or a pull request that was closed.
    Gone,
}

/// The head of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sha: CommitSha,
    pub(crate) lane: Lane,
    pub(crate) title: Option<String>,
    pub(crate) mergeability: Mergeability,
}

/// Whether a head can be merged with its base, as far as GitHub knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mergeability {
    /// GitHub is not asked: not a pull request, or nothing to merge.
    Unasked,
    /// GitHub is computing it.
    Unknown,
    /// It can.
    Clean,
    /// It cannot.
    Conflict,
}

/// Asks GitHub for the head of a ref.
pub(crate) async fn observe(
    client: &InstallationClient,
    repository: &RepositoryView,
    settings: &RepositorySettings,
    reference: &Ref,
) -> Result<Observed, Error> {
    match reference {
        Ref::Branch(branch) => {
            let lane = match queue_base(branch) {
                Some(base) => Lane::of_merge_group(base),
                None => Lane::of_branch(branch, &repository.default_branch, &settings.unmerged_branches),
            };
            plain(client, repository.id, reference, lane).await
        }
        Ref::Tag(_) => plain(client, repository.id, reference, Lane::of_tag()).await,
        Ref::Pull(number) => {
            let Some(pull) = client.pull(repository.id, *number).await? else { return Ok(Observed::Gone) };
            if !pull.is_open {
                return Ok(Observed::Gone);
            }
            let trust = Trust::of_pull(repository.id, pull.head_repository);
            let mergeability = match pull.mergeable {
                None => Mergeability::Unknown,
                Some(true) => Mergeability::Clean,
                Some(false) => Mergeability::Conflict,
            };
            let lane = Lane::of_pull(pull.base_ref, trust);
            Ok(Observed::Head(Head { sha: pull.head_sha, lane, title: Some(pull.title), mergeability }))
        }
    }
}

async fn plain(client: &InstallationClient, repository: RepositoryId, reference: &Ref, lane: Lane) -> Result<Observed, Error> {
    let head = client.head(repository, reference).await?;
    Ok(match head {
        Some(sha) => Observed::Head(Head { sha, lane, title: None, mergeability: Mergeability::Unasked }),
        None => Observed::Gone,
    })
}

/// The branch whose merge queue a temporary branch belongs to.
pub(crate) fn queue_base(branch: &BranchName) -> Option<BranchName> {
    let rest = branch.as_str().strip_prefix(MERGE_QUEUE)?;
    let (base, _) = rest.rsplit_once("/pr-")?;
    base.parse().ok()
}

/// The repository as GitHub shows it to an installation; none when it is gone, or out of its reach.
pub(crate) async fn repository(
    client: &InstallationClient,
    id: RepositoryId,
    installation: InstallationId,
) -> Result<Option<RepositoryView>, Error> {
    match client.repository(id).await {
        Ok(view) => Ok(Some(view)),
        Err(quillon_github::Error::NotFound { .. } | quillon_github::Error::Forbidden { .. }) => {
            tracing::info!(installation.id = %installation, vcs.repository.id = %id, "the repository is out of the installation's reach");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_queue_branches_name_their_base() {
        let base = |text: &str| queue_base(&text.parse().expect("a branch")).map(|base| base.to_string());
        assert_eq!(base("gh-readonly-queue/main/pr-7-0123abc"), Some("main".to_owned()));
        assert_eq!(base("gh-readonly-queue/release/1.0/pr-7-0123abc"), Some("release/1.0".to_owned()));
        assert_eq!(base("feature/gh-readonly-queue"), None);
        assert_eq!(base("gh-readonly-queue/odd"), None);
    }
}
