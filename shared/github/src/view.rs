//! What GitHub's answers say, as far as anybody here wants to know it.
//!
//! GitHub's shapes stay private: each view is read from a narrow struct, so a field that is new, missing or null elsewhere
//! harms nothing. Labels that an author controls (a title, a login) stay plain text.

use jiff::Timestamp;
use quillon_core::id::{AccountId, CommitSha, DeliveryId, InstallationId, PullNumber, RepositoryId};
use quillon_core::name::{BranchName, RepositoryName};
use quillon_core::report::StatusState;
use quillon_core::run::CommitLabel;
use quillon_core::text::{first_line, shorten};
use serde::{Deserialize, Serialize};

/// Most paths of a tree that are kept; GitHub cuts at the same number.
pub const MAX_TREE_PATHS: usize = 100_000;

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items, without those that cannot be used here.
    pub items: Vec<T>,
    /// The number of the next page, if there is one.
    pub next: Option<u32>,
}

/// A repository as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryView {
    /// Its number.
    pub id: RepositoryId,
    /// Its name today.
    pub name: RepositoryName,
    /// Its default branch.
    pub default_branch: BranchName,
    /// Whether it is private.
    pub is_private: bool,
    /// Whether it is read-only.
    pub is_archived: bool,
}

/// A pull request as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullView {
    /// Its number.
    pub number: PullNumber,
    /// Its title, shortened.
    pub title: String,
    /// Whether it is open.
    pub is_open: bool,
    /// Its head commit.
    pub head_sha: CommitSha,
    /// The repository of its head; none when the fork was deleted.
    pub head_repository: Option<RepositoryId>,
    /// The branch that it wants to be merged into.
    pub base_ref: BranchName,
    /// Whether it can be merged; none while GitHub computes that, and in listings.
    pub mergeable: Option<bool>,
}

/// A branch and its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchView {
    /// Its name.
    pub name: BranchName,
    /// Its head commit.
    pub sha: CommitSha,
}

/// The files of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Paths of all files, directories and submodules left out.
    pub paths: Vec<String>,
    /// Whether there are more than GitHub or [`MAX_TREE_PATHS`] let through.
    pub is_truncated: bool,
}

/// An installation of the App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationView {
    /// Its number.
    pub id: InstallationId,
    /// The account that it is on.
    pub account: AccountId,
    /// The account's login, a label.
    pub login: String,
    /// Whether it is suspended.
    pub is_suspended: bool,
}

/// One attempt of GitHub's to deliver a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    /// The number of the attempt, by which it is redelivered.
    pub id: u64,
    /// The GUID of the delivery, shared by all its attempts.
    pub guid: DeliveryId,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The payload's action.
    pub action: Option<String>,
    /// When it was attempted.
    pub delivered_at: Timestamp,
}

/// A page of the App's delivery log, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliveries {
    /// The attempts.
    pub items: Vec<DeliveryView>,
    /// Where older ones begin, if there are any.
    pub next: Option<String>,
}

/// A commit status to post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NewStatus<'a> {
    /// Its context.
    pub context: &'a str,
    /// Its state.
    pub state: StatusState,
    /// At most 140 characters.
    pub description: &'a str,
    /// The page that says more.
    pub target_url: &'a str,
}

/// What GitHub said about our budget when it took a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// How many requests this installation may still send in this hour.
    pub rate_remaining: Option<u32>,
    /// When that hour ends.
    pub rate_reset: Option<Timestamp>,
}

/// GitHub's shapes, as narrow as possible.
pub(crate) mod wire {
    use super::{
        AccountId, BranchName, BranchView, CommitLabel, CommitSha, DeliveryId, DeliveryView, Deserialize, InstallationId, InstallationView,
        MAX_TREE_PATHS, PullNumber, PullView, RepositoryId, RepositoryName, RepositoryView, Timestamp, Tree, first_line, shorten,
    };

    #[derive(Deserialize)]
    pub(crate) struct Repository {
        id: RepositoryId,
        full_name: RepositoryName,
        default_branch: BranchName,
        #[serde(default)]
        private: bool,
        #[serde(default)]
        archived: bool,
    }

    impl From<Repository> for RepositoryView {
        fn from(wire: Repository) -> Self {
            Self {
                id: wire.id,
                name: wire.full_name,
                default_branch: wire.default_branch,
                is_private: wire.private,
                is_archived: wire.archived,
            }
        }
    }

    #[derive(Deserialize)]
    pub(crate) struct GitRef {
        pub(crate) object: GitObject,
    }

    /// A git tag object answers with the same `object`.
    #[derive(Deserialize)]
    pub(crate) struct GitObject {
        pub(crate) sha: CommitSha,
        #[serde(rename = "type")]
        pub(crate) kind: String,
    }

    #[derive(Deserialize)]
    pub(crate) struct Commit {
        commit: CommitBody,
        author: Option<Account>,
    }

    #[derive(Deserialize)]
    struct CommitBody {
        #[serde(default)]
        message: String,
        author: Option<Person>,
        committer: Option<Person>,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Person {
        name: String,
        email: String,
        date: String,
    }

    /// An empty object where git knows an author and GitHub does not.
    #[derive(Deserialize)]
    struct Account {
        login: Option<String>,
    }

    impl From<Commit> for CommitLabel {
        fn from(wire: Commit) -> Self {
            let author = wire.commit.author.unwrap_or_default();
            let committer = wire.commit.committer.unwrap_or_default();
            // Whoever makes a commit chooses its dates: an absurd one is not worth losing the commit for.
            let date = |text: &str| text.parse::<Timestamp>().ok();
            Self {
                message: first_line(&wire.commit.message, 200),
                author_name: shorten(&author.name, 100),
                author_email: shorten(&author.email, 200),
                author_login: wire.author.and_then(|account| account.login).map(|login| shorten(&login, 100)),
                committed_at: date(&committer.date).or_else(|| date(&author.date)).unwrap_or(Timestamp::UNIX_EPOCH),
            }
        }
    }

    #[derive(Deserialize)]
    pub(crate) struct TreeBody {
        tree: Vec<TreeEntry>,
        #[serde(default)]
        truncated: bool,
    }

    #[derive(Deserialize)]
    struct TreeEntry {
        path: String,
        #[serde(rename = "type")]
        kind: String,
    }

    impl From<TreeBody> for Tree {
        fn from(wire: TreeBody) -> Self {
            let mut paths: Vec<String> = wire.tree.into_iter().filter(|entry| entry.kind == "blob").map(|entry| entry.path).collect();
            let is_truncated = wire.truncated || paths.len() > MAX_TREE_PATHS;
            paths.truncate(MAX_TREE_PATHS);
            Self { paths, is_truncated }
        }
    }

    #[derive(Deserialize)]
    pub(crate) struct Pull {
        number: PullNumber,
        #[serde(default)]
        title: String,
        state: String,
        head: PullHead,
        base: PullBase,
        mergeable: Option<bool>,
    }

    #[derive(Deserialize)]
    struct PullHead {
        sha: CommitSha,
        repo: Option<Numbered>,
    }

    #[derive(Deserialize)]
    struct PullBase {
        #[serde(rename = "ref")]
        branch: BranchName,
    }

    #[derive(Deserialize)]
    struct Numbered {
        id: RepositoryId,
    }

    impl From<Pull> for PullView {
        fn from(wire: Pull) -> Self {
            Self {
                number: wire.number,
                title: shorten(&wire.title, 200),
                is_open: wire.state == "open",
                head_sha: wire.head.sha,
                head_repository: wire.head.repo.map(|repository| repository.id),
                base_ref: wire.base.branch,
                mergeable: wire.mergeable,
            }
        }
    }

    #[derive(Deserialize)]
    pub(crate) struct Branch {
        name: BranchName,
        commit: BranchHead,
    }

    #[derive(Deserialize)]
    struct BranchHead {
        sha: CommitSha,
    }

    impl From<Branch> for BranchView {
        fn from(wire: Branch) -> Self {
            Self { name: wire.name, sha: wire.commit.sha }
        }
    }

    #[derive(Deserialize)]
    pub(crate) struct Installation {
        id: InstallationId,
        account: Owner,
        suspended_at: Option<String>,
    }

    #[derive(Deserialize)]
    struct Owner {
        id: AccountId,
        login: Option<String>,
        /// What an enterprise has instead.
        slug: Option<String>,
    }

    impl From<Installation> for InstallationView {
        fn from(wire: Installation) -> Self {
            let login = wire.account.login.or(wire.account.slug).unwrap_or_else(|| format!("installation-{}", wire.id));
            Self { id: wire.id, account: wire.account.id, login: shorten(&login, 100), is_suspended: wire.suspended_at.is_some() }
        }
    }

    #[derive(Deserialize)]
    pub(crate) struct Repositories {
        pub(crate) repositories: Vec<serde_json::Value>,
    }

    #[derive(Deserialize)]
    pub(crate) struct Delivery {
        id: u64,
        guid: DeliveryId,
        event: String,
        action: Option<String>,
        delivered_at: Timestamp,
    }

    impl From<Delivery> for DeliveryView {
        fn from(wire: Delivery) -> Self {
            Self { id: wire.id, guid: wire.guid, event: wire.event, action: wire.action, delivered_at: wire.delivered_at }
        }
    }

    #[derive(Deserialize)]
    pub(crate) struct Token {
        pub(crate) token: String,
    }
}
