//! Commit statuses and their limit per SHA and context.

use crate::{Forge, ForgeError, Status, pushes::check_sha};

/// A status to post; the fields as in GitHub's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStatus {
    /// `error`, `failure`, `pending` or `success`.
    pub state: String,
    /// What it is about.
    pub context: String,
    /// At most 140 characters.
    pub description: Option<String>,
    /// Where the details are.
    pub target_url: Option<String>,
}

/// What became of a posted status.
pub(crate) enum Posted {
    Stored(Status),
    /// The commit has [`crate::ForgeConfig::status_limit`] statuses of this context.
    Full,
}

impl Forge {
    /// All statuses of a commit in the order in which they were posted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn statuses(&self, repository: u64, sha: &str) -> Result<Vec<Status>, ForgeError> {
        self.state().storage.statuses(repository, sha)
    }

    /// The newest status of each context of a commit.
    ///
    /// # Errors
    /// When the database fails.
    pub fn latest_statuses(&self, repository: u64, sha: &str) -> Result<Vec<Status>, ForgeError> {
        self.state().storage.latest_statuses(repository, sha)
    }

    /// GitHub's one word for a commit: `failure`, `pending` or `success`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn combined_status(&self, repository: u64, sha: &str) -> Result<&'static str, ForgeError> {
        Ok(combine(&self.latest_statuses(repository, sha)?))
    }

    pub(crate) fn post_status(&self, repository: u64, sha: &str, new: &NewStatus) -> Result<Posted, ForgeError> {
        check_sha(sha)?;
        let state = self.state();
        if state.storage.count_statuses(repository, sha, &new.context)? >= self.inner.config.status_limit {
            return Ok(Posted::Full);
        }
        let status = Status {
            id: 0,
            sha: sha.to_owned(),
            context: new.context.clone(),
            state: new.state.clone(),
            description: new.description.clone(),
            target_url: new.target_url.clone(),
            created_at: self.now(),
        };
        let id = state.storage.add_status(repository, &status)?;
        Ok(Posted::Stored(Status { id, ..status }))
    }
}

/// `failure` if one failed, else `pending` if one is pending or there is none, else `success`.
pub(crate) fn combine(latest: &[Status]) -> &'static str {
    let has = |states: &[&str]| latest.iter().any(|status| states.contains(&status.state.as_str()));
    if has(&["error", "failure"]) {
        "failure"
    } else if latest.is_empty() || has(&["pending"]) {
        "pending"
    } else {
        "success"
    }
}
