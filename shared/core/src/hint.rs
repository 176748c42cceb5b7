//! The narrow hint that a verified webhook leaves behind: which thing to look at, never what to believe about it.

use serde::{Deserialize, Serialize};

use crate::id::{CommitSha, DeliveryId, InstallationId, PullNumber, RepositoryId};
use crate::name::{BranchName, Ref};

/// A webhook delivery, reduced to keys. The scheduler asks GitHub for everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// GUID of the delivery.
    pub delivery: DeliveryId,
    /// `X-GitHub-Event`, for people and logs.
    pub event: String,
    /// Login of who caused it, a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Under which installation.
    pub installation: InstallationId,
    /// What to look at.
    pub subject: Subject,
}

/// What a hint points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Subject {
    /// A branch or tag moved, appeared or went.
    Ref {
        /// In which repository.
        repository: RepositoryId,
        /// Which one.
        #[serde(rename = "ref")]
        reference: Ref,
    },
    /// A pull request changed in a way that concerns its checks.
    Pull {
        /// The base repository.
        repository: RepositoryId,
        /// Its number.
        number: PullNumber,
    },
    /// GitHub's merge queue asks for checks on its merge commit.
    MergeGroup {
        /// In which repository.
        repository: RepositoryId,
        /// The merge commit.
        head_sha: CommitSha,
        /// The branch whose queue it is.
        base: BranchName,
        /// The temporary branch, `gh-readonly-queue/…`.
        head: BranchName,
    },
    /// GitHub took a merge group down (merged, failed or dequeued).
    MergeGroupGone {
        /// In which repository.
        repository: RepositoryId,
        /// The merge commit.
        head_sha: CommitSha,
    },
    /// A repository was renamed, transferred, made private or public, archived or deleted.
    Repository {
        /// Which one.
        repository: RepositoryId,
        /// What happened to it.
        change: RepositoryChange,
    },
    /// An installation was created, deleted, suspended or unsuspended, or its repositories or permissions changed.
    Installation,
}

/// What happened to a repository, as the webhook says; a hint like everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepositoryChange {
    /// It has a new name.
    Renamed,
    /// It has a new owner.
    Transferred,
    /// It is private now.
    Privatized,
    /// It is public now.
    Publicized,
    /// It is read-only now.
    Archived,
    /// It can be written again.
    Unarchived,
    /// It is gone.
    Deleted,
    /// Its default branch or another setting changed.
    Edited,
}
