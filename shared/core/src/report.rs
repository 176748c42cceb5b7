//! What GitHub is shown: commit statuses rendered from what is stored, and which of them have to be posted.
//!
//! A ledger remembers per (repository, SHA, context) what was posted last; what was reported can only grow.
//! GitHub's rules: <https://docs.github.com/en/rest/commits/statuses>.

mod context;
mod plan;
#[cfg(test)]
mod tests;

pub use context::{Contexts, module_label};
pub use plan::{MAX_POSTS, Plan, Post, desired, plan};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{CommitSha, InvalidId, serde_as_text};
use crate::name::{ModulePath, RepositoryName};
use crate::text::shorten;

/// Longest description that GitHub takes, in characters.
pub const MAX_DESCRIPTION: usize = 140;

/// The context to require in branch protection.
pub const AGGREGATE: &str = "quillon";

/// The state of a commit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusState {
    /// Not over.
    Pending,
    /// Passed.
    Success,
    /// Failed.
    Failure,
    /// Could not be carried out, or was stopped.
    Error,
}

impl StatusState {
    /// Whether it is final for its attempt.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending => false,
            Self::Success | Self::Failure | Self::Error => true,
        }
    }

    /// GitHub's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

/// How far a context's story has come: newest run, newest attempt, then pending before terminal. Only ever grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Generation of the run.
    pub generation: u32,
    /// Number of the attempt; for the aggregate the number of all attempts.
    pub number: u32,
    /// Whether it is over.
    pub is_terminal: bool,
}

impl fmt::Display for Rank {
    /// Fixed width, so that the table can compare it as text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:010}.{:010}.{}", self.generation, self.number, u8::from(self.is_terminal))
    }
}

impl FromStr for Rank {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a rank");
        let mut parts = text.split('.');
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok()).ok_or_else(invalid);
        Ok(Self { generation: number()?, number: number()?, is_terminal: number()? == 1 })
    }
}

serde_as_text!(Rank);

/// What GitHub was last told in one context of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The context that it stands for; the key.
    pub context: String,
    /// How far the story was.
    pub rank: Rank,
    /// The state that was posted.
    pub state: StatusState,
    /// The description that was posted.
    pub description: String,
    /// How many statuses this context has on GitHub; at 1,000 it takes no more.
    pub posts: u32,
    /// Whether GitHub refused more, so that the context goes on as `<context>#2`.
    #[serde(default)]
    pub is_full: bool,
}

/// One commit status as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The context.
    pub context: String,
    /// The state.
    pub state: StatusState,
    /// At most [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// The page that says more.
    pub target_url: String,
    /// How far its story is.
    pub rank: Rank,
}

/// Where links lead, and how modules are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Base URL of the pages, without a slash at its end.
    pub public_url: String,
    /// Host of the forge in module references, such as `github.com`.
    pub forge_host: String,
    /// Name of the org.
    pub org: String,
}

impl Links {
    /// The reference of a module: `host/owner/name[/path]`.
    #[must_use]
    pub fn module_ref(&self, repository: &RepositoryName, module: &ModulePath) -> String {
        if module.is_root() { format!("{}/{repository}", self.forge_host) } else { format!("{}/{repository}/{module}", self.forge_host) }
    }

    /// The page of a module's checks at a commit, or of one of them; the path that the stock CLI prints.
    #[must_use]
    pub fn check_page(&self, repository: &RepositoryName, module: &ModulePath, sha: &CommitSha, check: Option<&str>) -> String {
        use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
        const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');
        const PATH: &AsciiSet = &QUERY.remove(b'/');
        let module = self.module_ref(repository, module);
        let module = utf8_percent_encode(&module, PATH);
        let page = format!("{}/{}/checks/{module}@{sha}", self.public_url, self.org);
        match check {
            Some(check) => format!("{page}?check={}", utf8_percent_encode(check, QUERY)),
            None => page,
        }
    }
}

/// A text as the description of a status.
fn description(text: &str) -> String {
    shorten(&postable(text), MAX_DESCRIPTION)
}

/// A text without the characters that GitHub refuses a status for ("doesn't accept 4-byte Unicode").
fn postable(text: &str) -> String {
    text.chars().map(|c| if c > '\u{ffff}' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
