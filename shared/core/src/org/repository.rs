//! Repositories: what is known of one, and how it wants to be treated.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::attempt::DEFAULT_TIMEOUT_S;
use crate::id::{InstallationId, RepositoryId};
use crate::name::{BranchName, RepositoryName};
use crate::text::shorten;

/// What is known of a repository, and how it wants to be treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// GitHub's number.
    pub id: RepositoryId,
    /// Its name today, a label.
    pub name: RepositoryName,
    /// The installation that reaches it.
    pub installation: InstallationId,
    /// Its default branch.
    pub default_branch: BranchName,
    /// Whether it is private.
    pub is_private: bool,
    /// Whether it takes part: not archived, deleted or taken out.
    pub is_enabled: bool,
    /// How it wants to be treated.
    #[serde(default)]
    pub settings: RepositorySettings,
}

/// How a repository wants to be treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepositorySettings {
    /// Globs of branches that are run as they are, not merged with the default branch (release branches).
    pub unmerged_branches: Vec<String>,
    /// Globs of directories whose modules are not run.
    pub ignored_directories: Vec<String>,
    /// Whether a newer commit of the default branch stops the checks of an older one.
    pub supersede_default_branch: bool,
    /// Longest execution of one check, in seconds.
    pub timeout_s: u32,
    /// Who may read its traces.
    #[serde(skip_serializing_if = "TraceAccess::is_automatic")]
    pub traces: TraceAccess,
    /// Whether its commits are checked.
    pub autocheck: bool,
}

/// Who may read the traces of a repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceAccess {
    /// Everyone when they come from CI and the repository is public.
    #[default]
    Automatic,
    /// Everyone while the repository is public, wherever they come from.
    Public,
    /// Members only.
    Private,
}

impl TraceAccess {
    fn is_automatic(&self) -> bool {
        *self == Self::Automatic
    }
}

impl Default for RepositorySettings {
    fn default() -> Self {
        Self {
            unmerged_branches: vec![],
            ignored_directories: vec![],
            supersede_default_branch: true,
            timeout_s: DEFAULT_TIMEOUT_S,
            traces: TraceAccess::Automatic,
            autocheck: true,
        }
    }
}

/// Most globs of one kind in the settings of a repository.
pub const MAX_GLOBS: usize = 100;

/// Longest glob, in bytes.
pub const MAX_GLOB: usize = 250;

/// Shortest and longest time limit of a check, in seconds.
pub const TIMEOUTS: RangeInclusive<u32> = 10..=86_400;

/// Why settings of a repository are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// Too many globs of one kind.
    #[error("`{field}` has {found} globs, at most {MAX_GLOBS} are taken")]
    TooMany {
        /// Which kind.
        field: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A text that is no glob.
    #[error("`{glob}` in `{field}` is no glob: use 1 to {MAX_GLOB} plain characters")]
    Glob {
        /// Of which kind.
        field: &'static str,
        /// The text, shortened.
        glob: String,
    },
    /// A time limit out of bounds.
    #[error("`timeout_s` is a number of seconds from {} to {}", TIMEOUTS.start(), TIMEOUTS.end())]
    Timeout,
}

impl RepositorySettings {
    /// The settings, if they are within bounds.
    ///
    /// # Errors
    /// Too many globs, a text that is no glob, or a time limit out of bounds.
    pub fn checked(self) -> Result<Self, InvalidSettings> {
        for (field, globs) in [("unmerged_branches", &self.unmerged_branches), ("ignored_directories", &self.ignored_directories)] {
            if globs.len() > MAX_GLOBS {
                return Err(InvalidSettings::TooMany { field, found: globs.len() });
            }
            let is_bad = |glob: &&String| glob.is_empty() || glob.len() > MAX_GLOB || glob.chars().any(char::is_control);
            if let Some(bad) = globs.iter().find(is_bad) {
                return Err(InvalidSettings::Glob { field, glob: shorten(bad, 80) });
            }
        }
        if TIMEOUTS.contains(&self.timeout_s) { Ok(self) } else { Err(InvalidSettings::Timeout) }
    }
}
