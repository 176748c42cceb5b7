//! The things that a forge knows, as plain data with GitHub's numeric ids.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What kind of account owns repositories or acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountKind {
    /// An organization.
    Organization,
    /// A person.
    User,
}

impl AccountKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            AccountKind::Organization => "Organization",
            AccountKind::User => "User",
        }
    }
}

/// An organization or a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Numeric id, never reused.
    pub id: u64,
    /// The name in addresses.
    pub login: String,
    /// Organization or person.
    pub kind: AccountKind,
}

/// Which repositories of its account an installation covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// All, also those created later.
    All,
    /// Only these, by id.
    Selected(Vec<u64>),
}

/// The App on one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// Numeric id, never reused.
    pub id: u64,
    /// The account's id.
    pub account: u64,
    /// Which repositories it covers.
    pub selection: Selection,
    /// Permission name → `read` or `write`.
    pub permissions: BTreeMap<String, String>,
    /// When it was suspended, if it is.
    pub suspended_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A repository; its bare git repository is named after the id, so that a rename moves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Numeric id, never reused.
    pub id: u64,
    /// The owner's account id.
    pub owner: u64,
    /// The name under its owner.
    pub name: String,
    /// Whether only those with access see it.
    pub private: bool,
    /// Whether it is read-only.
    pub archived: bool,
    /// Short name of the default branch.
    pub default_branch: String,
    /// The repository that it was forked from.
    pub fork_of: Option<u64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its settings last changed.
    pub updated_at: Timestamp,
    /// When a ref last moved.
    pub pushed_at: Timestamp,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// Numeric id, never reused.
    pub id: u64,
    /// The base repository's id.
    pub repository: u64,
    /// Number within the base repository.
    pub number: u64,
    /// Title.
    pub title: String,
    /// Account id of the author.
    pub author: u64,
    /// GitHub's `author_association`, such as `MEMBER` or `FIRST_TIME_CONTRIBUTOR`.
    pub author_association: String,
    /// The head repository's id; `None` once a fork is deleted.
    pub head_repository: Option<u64>,
    /// Owner of the head when it was opened, for its label.
    pub head_owner: u64,
    /// Short name of the head branch.
    pub head_ref: String,
    /// Tip of the head branch.
    pub head_sha: String,
    /// Short name of the base branch.
    pub base_ref: String,
    /// Tip of the base branch when the pull request was opened or last changed; grows stale, as on GitHub.
    pub base_sha: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is open.
    pub open: bool,
    /// When and as what it was merged.
    pub merged: Option<Merged>,
    /// Size of the change.
    pub size: ChangeSize,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// When and as what a pull request was merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// When.
    pub at: Timestamp,
    /// The commit on the base branch.
    pub sha: String,
}

/// How much a pull request changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSize {
    /// Commits that the base does not have.
    pub commits: u64,
    /// Lines added.
    pub additions: u64,
    /// Lines removed.
    pub deletions: u64,
    /// Files touched.
    pub changed_files: u64,
}

/// One posted commit status; statuses are never changed, only followed by newer ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Grows with every post.
    pub id: u64,
    /// The commit.
    pub sha: String,
    /// What it is about, compared without case.
    pub context: String,
    /// `error`, `failure`, `pending` or `success`.
    pub state: String,
    /// At most 140 characters.
    pub description: Option<String>,
    /// Where the details are.
    pub target_url: Option<String>,
    /// When it was posted.
    pub created_at: Timestamp,
}

/// One attempt to deliver a webhook; a redelivery is another record with the same GUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Id of the attempt, grows.
    pub id: u64,
    /// The delivery's GUID, as in `X-GitHub-Delivery`.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// `action` of the body.
    pub action: Option<String>,
    /// The installation that it is about.
    pub installation: Option<u64>,
    /// The repository that it is about.
    pub repository: Option<u64>,
    /// Whether somebody asked for it again.
    pub redelivery: bool,
    /// When the event happened.
    pub created_at: Timestamp,
    /// How it went; `None` while it waits.
    pub outcome: Option<DeliveryOutcome>,
}

/// How an attempt to deliver went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// When it was sent.
    pub delivered_at: Timestamp,
    /// How long the answer took, in milliseconds of the forge's clock.
    pub duration_ms: u64,
    /// The HTTP status, or what GitHub records where there was none (502, 504).
    pub status_code: u16,
    /// GitHub's word for it, `OK` for a success.
    pub status: String,
}

/// A name and an e-mail address in a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: String,
}

impl Person {
    /// A person by name and address.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Person {
        Person { name: name.into(), email: email.into() }
    }
}

/// What [`crate::Forge::open_pull`] needs to know.
#[derive(Debug, Clone)]
pub struct NewPull {
    /// The base repository's id.
    pub repository: u64,
    /// The repository that holds the head branch.
    pub head_repository: u64,
    /// Short name of the head branch.
    pub head_ref: String,
    /// Short name of the base branch.
    pub base_ref: String,
    /// Title.
    pub title: String,
    /// Account id of the author; the head repository's owner where it is a person, else the forge's developer.
    pub author: Option<u64>,
    /// GitHub's `author_association`; `MEMBER` within a repository and `FIRST_TIME_CONTRIBUTOR` from a fork by default.
    pub author_association: Option<String>,
    /// Whether it starts as a draft.
    pub draft: bool,
}

impl NewPull {
    /// A pull request between two branches of one repository.
    pub fn new(repository: u64, head_ref: &str, base_ref: &str, title: &str) -> NewPull {
        NewPull {
            repository,
            head_repository: repository,
            head_ref: head_ref.to_owned(),
            base_ref: base_ref.to_owned(),
            title: title.to_owned(),
            author: None,
            author_association: None,
            draft: false,
        }
    }

    /// Takes the head branch from a fork.
    pub fn from_fork(self, fork: u64) -> NewPull {
        NewPull { head_repository: fork, ..self }
    }

    /// Names the author by account id.
    pub fn by(self, author: u64) -> NewPull {
        NewPull { author: Some(author), ..self }
    }

    /// Sets `author_association`.
    pub fn associated(self, association: &str) -> NewPull {
        NewPull { author_association: Some(association.to_owned()), ..self }
    }

    /// Opens it as a draft.
    pub fn draft(self) -> NewPull {
        NewPull { draft: true, ..self }
    }
}

/// One file of [`crate::Forge::commit`].
#[derive(Debug, Clone, Copy)]
pub struct FileChange<'a> {
    /// Path from the root of the repository.
    pub path: &'a str,
    /// The new contents, or `None` to delete the file.
    pub contents: Option<&'a [u8]>,
    /// Whether the file may be executed.
    pub executable: bool,
}

impl<'a> FileChange<'a> {
    /// Writes a file.
    pub fn write(path: &'a str, contents: &'a str) -> FileChange<'a> {
        FileChange { path, contents: Some(contents.as_bytes()), executable: false }
    }

    /// Writes a file that may be executed.
    pub fn script(path: &'a str, contents: &'a str) -> FileChange<'a> {
        FileChange { path, contents: Some(contents.as_bytes()), executable: true }
    }

    /// Deletes a file.
    pub fn delete(path: &'a str) -> FileChange<'a> {
        FileChange { path, contents: None, executable: false }
    }
}

/// Something that GitHub would have refused, or answered with "there is no such thing"; a test asserts that none is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// HTTP method.
    pub method: String,
    /// Path within the forge.
    pub path: String,
    /// What was wrong.
    pub reason: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.method, self.path, self.reason)
    }
}
