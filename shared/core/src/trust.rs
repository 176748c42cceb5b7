//! Whether the code of a head may be trusted: decided once per run, stored, never raised.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, RepositoryId};

/// The trust of a run; part of its key, so a fork's run can never become a trusted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The author could push to the repository itself.
    Trusted,
    /// The head comes from a fork: no secrets, no shared machine, ever.
    Fork,
}

impl Trust {
    /// The trust of a pull request's head.
    ///
    /// Compares numeric ids. A missing head repository (the fork was deleted) is a fork, because nothing proves otherwise.
    #[must_use]
    pub fn of_pull(base: RepositoryId, head: Option<RepositoryId>) -> Self {
        match head {
            Some(head) if head == base => Self::Trusted,
            Some(_) | None => Self::Fork,
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Trusted => "trusted",
            Self::Fork => "fork",
        })
    }
}

impl FromStr for Trust {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "trusted" => Ok(Self::Trusted),
            "fork" => Ok(Self::Fork),
            other => Err(InvalidId::new(other, "`trusted` or `fork`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_head_in_the_same_repository_is_trusted() {
        let base = RepositoryId(1);
        assert_eq!(Trust::of_pull(base, Some(base)), Trust::Trusted);
        assert_eq!(Trust::of_pull(base, Some(RepositoryId(2))), Trust::Fork);
        assert_eq!(Trust::of_pull(base, None), Trust::Fork);
    }
}
