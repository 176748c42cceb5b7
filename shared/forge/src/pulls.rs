//! Pull requests: opened, moved along with their branches, edited, closed, merged; and whether they can be merged.

use serde_json::{Value, json};

use crate::{
    Forge, ForgeError, Merged, NewPull, Person, Pull,
    git::CommitBy,
    lock,
    names::check_short_ref,
    payloads::{PushedRef, noreply},
    state::{Merging, State},
};

impl Forge {
    /// Opens a pull request.
    ///
    /// # Errors
    /// When a branch or a repository does not exist, or the same one is open already.
    pub async fn open_pull(&self, new: NewPull) -> Result<Pull, ForgeError> {
        check_short_ref(&new.head_ref)?;
        check_short_ref(&new.base_ref)?;
        let now = self.now();
        let branch = |repository: u64, name: &str| {
            self.head(repository, name).ok_or_else(|| ForgeError::Missing(format!("branch `{name}` of repository {repository}")))
        };
        let (head_sha, base_sha) = (branch(new.head_repository, &new.head_ref)?, branch(new.repository, &new.base_ref)?);
        let mut pull = {
            let mut state = self.state();
            let head_owner = state.repository(new.head_repository)?.owner;
            let doubled = state.pulls_of(new.repository).any(|pull| {
                pull.open
                    && pull.head_repository == Some(new.head_repository)
                    && pull.head_ref == new.head_ref
                    && pull.base_ref == new.base_ref
            });
            if doubled {
                return Err(ForgeError::Taken(format!("a pull request from `{}` into `{}`", new.head_ref, new.base_ref)));
            }
            let number = state.pulls_of(new.repository).next_back().map_or(1, |last| last.number + 1);
            let association = if new.head_repository == new.repository { "MEMBER" } else { "FIRST_TIME_CONTRIBUTOR" };
            Pull {
                id: state.fresh_id()?,
                repository: new.repository,
                number,
                title: new.title,
                author: match new.author {
                    Some(author) => state.account(author)?.id,
                    None => self.sender(&mut state, head_owner)?,
                },
                author_association: new.author_association.unwrap_or_else(|| association.to_owned()),
                head_repository: Some(new.head_repository),
                head_owner,
                head_ref: new.head_ref,
                head_sha,
                base_ref: new.base_ref,
                base_sha,
                draft: new.draft,
                open: true,
                merged: None,
                size: crate::ChangeSize::default(),
                created_at: now,
                updated_at: now,
                closed_at: None,
            }
        };
        // Number and row first: the number is taken while git fetches the head.
        self.state().save_pull(pull.clone())?;
        self.fetch_head(&mut pull).await?;
        self.save_and_emit(pull, "opened", json!({}))
    }

    /// A pull request by repository and number.
    ///
    /// # Errors
    /// When there is none.
    pub fn pull(&self, repository: u64, number: u64) -> Result<Pull, ForgeError> {
        self.state().pull(repository, number).cloned()
    }

    /// Changes the branch that a pull request merges into.
    ///
    /// # Errors
    /// When one of them does not exist or the pull request is closed.
    pub async fn edit_base(&self, repository: u64, number: u64, base_ref: &str) -> Result<Pull, ForgeError> {
        check_short_ref(base_ref)?;
        let base_sha = self.head(repository, base_ref).ok_or_else(|| ForgeError::Missing(format!("branch `{base_ref}`")))?;
        let mut pull = self.open_one(repository, number)?;
        let from_ref = std::mem::replace(&mut pull.base_ref, base_ref.to_owned());
        let from_sha = std::mem::replace(&mut pull.base_sha, base_sha);
        pull.size = self.inner.git.change_size(repository, &pull.base_sha, &pull.head_sha).await?;
        let changes = json!({ "changes": { "base": { "ref": { "from": from_ref }, "sha": { "from": from_sha } } } });
        self.save_and_emit(pull, "edited", changes)
    }

    /// Changes the title of a pull request.
    ///
    /// # Errors
    /// When it does not exist or is closed.
    pub fn edit_title(&self, repository: u64, number: u64, title: &str) -> Result<Pull, ForgeError> {
        let mut pull = self.open_one(repository, number)?;
        let from = std::mem::replace(&mut pull.title, title.to_owned());
        self.save_and_emit(pull, "edited", json!({ "changes": { "title": { "from": from } } }))
    }

    /// Closes a pull request without merging it.
    ///
    /// # Errors
    /// When it does not exist or is closed.
    pub fn close(&self, repository: u64, number: u64) -> Result<Pull, ForgeError> {
        let pull = self.open_one(repository, number)?;
        self.close_as(pull, None)
    }

    /// Opens a closed pull request again, at the present tip of its head branch.
    ///
    /// # Errors
    /// When it does not exist, is open or merged, or its head branch is gone.
    pub async fn reopen(&self, repository: u64, number: u64) -> Result<Pull, ForgeError> {
        let mut pull = self.pull(repository, number)?;
        let head = pull.head_repository.and_then(|head| self.head(head, &pull.head_ref));
        let Some(head) = head.filter(|_| !pull.open && pull.merged.is_none()) else {
            return Err(ForgeError::Refused(format!("pull request {number} cannot be reopened")));
        };
        (pull.head_sha, pull.open, pull.closed_at) = (head, true, None);
        self.fetch_head(&mut pull).await?;
        self.save_and_emit(pull, "reopened", json!({}))
    }

    /// Marks a draft as ready for review.
    ///
    /// # Errors
    /// When it does not exist, is closed or is no draft.
    pub fn ready_for_review(&self, repository: u64, number: u64) -> Result<Pull, ForgeError> {
        let pull = self.open_one(repository, number)?;
        if !pull.draft {
            return Err(ForgeError::Refused(format!("pull request {number} is no draft")));
        }
        self.save_and_emit(Pull { draft: false, ..pull }, "ready_for_review", json!({}))
    }

    /// Merges a pull request with a merge commit: a push to the base, then `closed` with `merged: true`.
    ///
    /// # Errors
    /// When it does not exist, is closed or conflicts.
    pub async fn merge(&self, repository: u64, number: u64) -> Result<String, ForgeError> {
        let pull = self.open_one(repository, number)?;
        let base = self.head(repository, &pull.base_ref).ok_or_else(|| ForgeError::Missing(format!("branch `{}`", pull.base_ref)))?;
        let message = format!("Merge pull request #{number} from {}", pull.head_ref);
        let Some(sha) = self.merge_commit(repository, &base, &pull.head_sha, &message).await? else {
            return Err(ForgeError::Refused(format!("pull request {number} conflicts with `{}`", pull.base_ref)));
        };
        self.push(repository, &pull.base_ref, &sha).await?;
        Ok(sha)
    }

    /// How many reads of a pull request answer `mergeable: null` after each move of its head or base.
    pub fn set_mergeable_nulls(&self, nulls: u32) {
        *lock(&self.inner.mergeable_nulls) = nulls;
    }

    /// Whether a pull request merges; `None` as long as GitHub would still be working it out. Each call is one read.
    pub(crate) async fn mergeable(&self, pull: &Pull) -> Result<Option<bool>, ForgeError> {
        let Some(base) = self.head(pull.repository, &pull.base_ref).filter(|_| pull.open) else { return Ok(None) };
        let nulls = *lock(&self.inner.mergeable_nulls);
        {
            let mut state = self.state();
            let found = state.merging.get(&pull.id).filter(|found| found.head == pull.head_sha && found.base == base);
            let mut merging = found.cloned().unwrap_or_else(|| Merging {
                head: pull.head_sha.clone(),
                base: base.clone(),
                nulls_left: nulls,
                result: None,
            });
            let waits = merging.nulls_left > 0;
            merging.nulls_left = merging.nulls_left.saturating_sub(1);
            let result = merging.result.clone();
            state.merging.insert(pull.id, merging);
            if waits {
                return Ok(None);
            }
            if let Some(result) = result {
                return Ok(Some(result.is_some()));
            }
        }
        let message = format!("Merge {} into {base}", pull.head_sha);
        let result = self.merge_commit(pull.repository, &base, &pull.head_sha, &message).await?;
        if let Some(sha) = &result {
            let name = format!("refs/pull/{}/merge", pull.number);
            self.inner.git.update_ref(pull.repository, &name, Some(sha), None).await?;
        }
        let mergeable = result.is_some();
        if let Some(merging) = self.state().merging.get_mut(&pull.id) {
            merging.result = Some(result);
        }
        Ok(Some(mergeable))
    }

    /// Merges `head` into `base` as a commit that no ref points to; `None` if they conflict.
    pub(crate) async fn merge_commit(&self, repository: u64, base: &str, head: &str, message: &str) -> Result<Option<String>, ForgeError> {
        let Some(tree) = self.inner.git.merge_tree(repository, base, head).await? else { return Ok(None) };
        let person = Person::new("GitHub", noreply(0, "github"));
        let by = CommitBy { person: &person, at: self.now() };
        self.inner.git.commit_tree(repository, &tree, &[base, head], message, &by).await.map(Some)
    }

    /// Lets pull requests follow the branches of a repository: their heads move, and they end with their branches or,
    /// where a branch that `moved` now holds their head, as merged.
    pub(crate) async fn follow_branches(&self, repository: u64, moved: &[PushedRef]) -> Result<(), ForgeError> {
        let touched: Vec<Pull> = {
            let state = self.state();
            let touched = state
                .pulls
                .values()
                .filter(|pull| pull.open && (pull.repository == repository || pull.head_repository == Some(repository)));
            touched.cloned().collect()
        };
        for mut pull in touched {
            let head = pull.head_repository.and_then(|head| self.head(head, &pull.head_ref));
            let base = self.head(pull.repository, &pull.base_ref);
            let (Some(head), Some(base)) = (head, base) else {
                self.close_as(pull, None)?;
                continue;
            };
            if head != pull.head_sha {
                let before = std::mem::replace(&mut pull.head_sha, head.clone());
                pull.base_sha.clone_from(&base);
                self.fetch_head(&mut pull).await?;
                pull = self.save_and_emit(pull, "synchronize", json!({ "before": before, "after": head }))?;
            }
            let base_name = format!("refs/heads/{}", pull.base_ref);
            let base_moved = pull.repository == repository && moved.iter().any(|moved| moved.name == base_name);
            if base_moved && self.inner.git.is_ancestor(pull.repository, &pull.head_sha, &base).await? {
                let merged = Merged { at: self.now(), sha: base };
                self.close_as(pull, Some(merged))?;
            }
        }
        Ok(())
    }

    /// Brings the head into the base repository as `refs/pull/<number>/head`, and measures the change.
    async fn fetch_head(&self, pull: &mut Pull) -> Result<(), ForgeError> {
        let (git, name) = (&self.inner.git, format!("refs/pull/{}/head", pull.number));
        match pull.head_repository {
            Some(head) if head != pull.repository => git.fetch(pull.repository, head, &pull.head_sha, &name).await?,
            _ => git.update_ref(pull.repository, &name, Some(&pull.head_sha), None).await?,
        }
        pull.size = git.change_size(pull.repository, &pull.base_sha, &pull.head_sha).await?;
        Ok(())
    }

    fn close_as(&self, pull: Pull, merged: Option<Merged>) -> Result<Pull, ForgeError> {
        let closed_at = Some(self.now());
        self.save_and_emit(Pull { open: false, merged, closed_at, ..pull }, "closed", json!({}))
    }

    fn open_one(&self, repository: u64, number: u64) -> Result<Pull, ForgeError> {
        let pull = self.pull(repository, number)?;
        if pull.open { Ok(pull) } else { Err(ForgeError::Refused(format!("pull request {number} is closed"))) }
    }

    fn save_and_emit(&self, pull: Pull, action: &str, more: Value) -> Result<Pull, ForgeError> {
        let pull = Pull { updated_at: self.now(), ..pull };
        self.state().atomically(|state: &mut State| {
            let sender = self.actor.unwrap_or(pull.author);
            state.save_pull(pull.clone())?;
            let body = self.shapes(state).pull_request(&pull, more);
            self.emit(state, "pull_request", Some(action), pull.repository, sender, body)
        })?;
        self.kick();
        Ok(pull)
    }
}
