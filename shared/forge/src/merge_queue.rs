//! The merge queue: a group of pull requests, merged onto their base on a branch of its own, to be checked.

use serde_json::json;

use crate::{Forge, ForgeError, names::check_short_ref};

const QUEUE: &str = "gh-readonly-queue";

impl Forge {
    /// Queues pull requests: makes `gh-readonly-queue/<base>/pr-<n>-<sha>`, and announces the push and `checks_requested`.
    ///
    /// # Errors
    /// When one of them does not exist, none is given or they conflict.
    pub async fn merge_group(&self, repository: u64, base: &str, pulls: &[u64]) -> Result<String, ForgeError> {
        check_short_ref(base)?;
        let base_sha = self.head(repository, base).ok_or_else(|| ForgeError::Missing(format!("branch `{base}`")))?;
        let mut sha = base_sha.clone();
        for number in pulls {
            let pull = self.pull(repository, *number)?;
            let message = format!("Merge pull request #{number} from {}\n\n{}", pull.head_ref, pull.title);
            sha = self
                .merge_commit(repository, &sha, &pull.head_sha, &message)
                .await?
                .ok_or_else(|| ForgeError::Refused(format!("pull request {number} conflicts with its group")))?;
        }
        let last = pulls.last().ok_or_else(|| ForgeError::Refused("a merge group needs a pull request".to_owned()))?;
        let branch = format!("{QUEUE}/{base}/pr-{last}-{base_sha}");
        self.force_push(repository, &branch, &sha).await?;
        self.emit_group(repository, "checks_requested", (base, &base_sha), (&branch, &sha), None).await?;
        Ok(sha)
    }

    /// Ends a merge group: `reason` is GitHub's `merged`, `invalidated` or `dequeued`; a merged one moves the base.
    ///
    /// # Errors
    /// When there is no such group.
    pub async fn destroy_merge_group(&self, repository: u64, sha: &str, reason: &str) -> Result<(), ForgeError> {
        let branch = {
            let state = self.state();
            let mut refs = state.refs.get(&repository).into_iter().flatten();
            let found = refs.find(|(name, tip)| *tip == sha && name.starts_with(&format!("refs/heads/{QUEUE}/")));
            found.map(|(name, _)| name.trim_start_matches("refs/heads/").to_owned())
        };
        let branch = branch.ok_or_else(|| ForgeError::Missing(format!("merge group {sha}")))?;
        // gh-readonly-queue/<base>/pr-<n>-<base sha>, where the base may hold slashes itself.
        let inner = branch.trim_start_matches(QUEUE).trim_start_matches('/');
        let (base, group) = inner.rsplit_once('/').unwrap_or((inner, ""));
        let base_sha = group.rsplit_once('-').map_or("", |(_, base_sha)| base_sha);
        if reason == "merged" {
            self.push(repository, base, sha).await?;
        }
        self.emit_group(repository, "destroyed", (base, base_sha), (&branch, sha), Some(reason)).await?;
        self.delete_branch(repository, &branch).await
    }

    async fn emit_group(
        &self,
        repository: u64,
        action: &str,
        (base, base_sha): (&str, &str),
        (branch, sha): (&str, &str),
        reason: Option<&str>,
    ) -> Result<(), ForgeError> {
        let head = self.inner.git.commit_info(repository, sha).await?;
        let head = head.ok_or_else(|| ForgeError::Missing(format!("commit {sha}")))?;
        self.state().atomically(|state| {
            let owner = state.repository(repository)?.owner;
            let sender = self.sender(state, owner)?;
            let (branch, base) = (format!("refs/heads/{branch}"), format!("refs/heads/{base}"));
            let mut body = self.shapes(state).merge_group(&branch, &base, base_sha, &head);
            if let Some(reason) = reason {
                body["reason"] = json!(reason);
            }
            self.emit(state, "merge_group", Some(action), repository, sender, body)
        })?;
        self.kick();
        Ok(())
    }
}
