//! Commits and the refs that point at them: every move of a ref is announced once, with what it did to pull requests.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    FileChange, Forge, ForgeError, Person, Repository,
    git::CommitBy,
    lock,
    names::{check_path, check_person, check_short_ref, is_sha},
    payloads::PushedRef,
};

/// GitHub sends no push event when more tags than this move at once.
const TAGS_AT_ONCE: usize = 3;
/// Refs that a new branch is compared with, to find out which commits are new.
const REFS_COMPARED: usize = 500;

/// What happened to one ref.
struct RefMove {
    /// Full name.
    name: String,
    before: Option<String>,
    after: Option<String>,
}

/// Whether a branch may leave commits behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Force {
    Yes,
    No,
}

impl Forge {
    /// Writes a commit on top of a branch (or a first commit, where there is no such branch) without moving it.
    ///
    /// # Errors
    /// When the repository does not exist, an argument is not valid or git fails.
    pub async fn commit(
        &self,
        repository: u64,
        branch: &str,
        changes: &[FileChange<'_>],
        message: &str,
        author: &Person,
    ) -> Result<String, ForgeError> {
        check_short_ref(branch)?;
        let parent = self.head(repository, branch);
        self.commit_on(repository, parent.as_deref(), changes, message, author).await
    }

    /// Writes a commit on top of another one, or a root commit.
    ///
    /// # Errors
    /// When the repository or the parent does not exist, an argument is not valid or git fails.
    pub async fn commit_on(
        &self,
        repository: u64,
        parent: Option<&str>,
        changes: &[FileChange<'_>],
        message: &str,
        author: &Person,
    ) -> Result<String, ForgeError> {
        self.repository(repository)?;
        check_person(&author.name)?;
        check_person(&author.email)?;
        changes.iter().try_for_each(|change| check_path(change.path))?;
        if let Some(parent) = parent {
            check_sha(parent)?;
        }
        let by = CommitBy { person: author, at: self.now() };
        self.inner.git.commit(repository, parent, changes, message, &by).await
    }

    /// Moves a branch forward, or makes it.
    ///
    /// # Errors
    /// When the commit does not exist, the move is not a fast-forward or the repository is archived.
    pub async fn push(&self, repository: u64, branch: &str, sha: &str) -> Result<(), ForgeError> {
        check_short_ref(branch)?;
        self.move_ref(repository, &format!("refs/heads/{branch}"), Some(sha), Force::No).await
    }

    /// Moves a branch anywhere, or makes it.
    ///
    /// # Errors
    /// When the commit does not exist or the repository is archived.
    pub async fn force_push(&self, repository: u64, branch: &str, sha: &str) -> Result<(), ForgeError> {
        check_short_ref(branch)?;
        self.move_ref(repository, &format!("refs/heads/{branch}"), Some(sha), Force::Yes).await
    }

    /// Deletes a branch; pull requests from and into it are closed.
    ///
    /// # Errors
    /// When there is no such branch.
    pub async fn delete_branch(&self, repository: u64, branch: &str) -> Result<(), ForgeError> {
        check_short_ref(branch)?;
        self.move_ref(repository, &format!("refs/heads/{branch}"), None, Force::Yes).await
    }

    /// Makes or moves a lightweight tag.
    ///
    /// # Errors
    /// When the commit does not exist or the repository is archived.
    pub async fn push_tag(&self, repository: u64, tag: &str, sha: &str) -> Result<(), ForgeError> {
        check_short_ref(tag)?;
        self.move_ref(repository, &format!("refs/tags/{tag}"), Some(sha), Force::Yes).await
    }

    /// Makes or moves an annotated tag and answers the tag object's id.
    ///
    /// # Errors
    /// When the commit does not exist or the repository is archived.
    pub async fn push_annotated_tag(
        &self,
        repository: u64,
        tag: &str,
        sha: &str,
        message: &str,
        tagger: &Person,
    ) -> Result<String, ForgeError> {
        check_short_ref(tag)?;
        check_sha(sha)?;
        check_person(&tagger.name)?;
        check_person(&tagger.email)?;
        let by = CommitBy { person: tagger, at: self.now() };
        let object = self.inner.git.make_tag(repository, tag, sha, message, &by).await?;
        self.move_ref(repository, &format!("refs/tags/{tag}"), Some(&object), Force::Yes).await?;
        Ok(object)
    }

    /// Deletes a tag.
    ///
    /// # Errors
    /// When there is no such tag.
    pub async fn delete_tag(&self, repository: u64, tag: &str) -> Result<(), ForgeError> {
        check_short_ref(tag)?;
        self.move_ref(repository, &format!("refs/tags/{tag}"), None, Force::Yes).await
    }

    /// Commits to a branch and pushes the commit.
    ///
    /// # Errors
    /// As [`Forge::commit`] and [`Forge::push`].
    pub async fn commit_and_push(
        &self,
        repository: u64,
        branch: &str,
        changes: &[FileChange<'_>],
        message: &str,
        author: &Person,
    ) -> Result<String, ForgeError> {
        let sha = self.commit(repository, branch, changes, message, author).await?;
        self.push(repository, branch, &sha).await?;
        Ok(sha)
    }

    /// The tip of a branch.
    pub fn head(&self, repository: u64, branch: &str) -> Option<String> {
        self.state().ref_sha(repository, &format!("refs/heads/{branch}")).map(str::to_owned)
    }

    async fn move_ref(&self, repository: u64, name: &str, after: Option<&str>, force: Force) -> Result<(), ForgeError> {
        if let Some(after) = after {
            check_sha(after)?;
        }
        if self.repository(repository)?.archived {
            return Err(ForgeError::Refused("the repository is archived so it is read-only".to_owned()));
        }
        let announcing = self.announcing(repository);
        let _announcing = announcing.lock().await;
        let before = self.state().ref_sha(repository, name).map(str::to_owned);
        if after.is_none() && before.is_none() {
            return Err(ForgeError::Missing(format!("ref `{name}`")));
        }
        let moved = RefMove { name: name.to_owned(), before, after: after.map(str::to_owned) };
        let pushed = self.describe(repository, &moved).await?;
        if pushed.forced && force == Force::No {
            return Err(ForgeError::Refused(format!("`{name}` cannot be fast-forwarded; force it")));
        }
        self.inner.git.update_ref(repository, name, after, moved.before.as_deref()).await?;
        self.announce(repository, vec![pushed]).await
    }

    /// Announces what happened to the refs on disk since the last time: after a push over HTTP, and after a restart.
    pub(crate) async fn catch_up(&self, repository: u64) -> Result<(), ForgeError> {
        let announcing = self.announcing(repository);
        let _announcing = announcing.lock().await;
        let present = self.inner.git.refs(repository).await?;
        let announced = self.state().refs.get(&repository).cloned().unwrap_or_default();
        let names: BTreeSet<&String> = present.keys().chain(announced.keys()).collect();
        let moves = names.into_iter().filter(|name| present.get(*name) != announced.get(*name)).map(|name| RefMove {
            name: name.clone(),
            before: announced.get(name).cloned(),
            after: present.get(name).cloned(),
        });
        let mut pushed = Vec::new();
        for moved in moves {
            pushed.push(self.describe(repository, &moved).await?);
        }
        self.announce(repository, pushed).await
    }

    fn announcing(&self, repository: u64) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.inner.announcing).entry(repository).or_default().clone()
    }

    async fn announce(&self, repository: u64, moves: Vec<PushedRef>) -> Result<(), ForgeError> {
        let tags = moves.iter().filter(|moved| moved.name.starts_with("refs/tags/")).count();
        let now = self.now();
        let head = self.state().atomically(|state| {
            let mut found = Repository { pushed_at: now, ..state.repository(repository)?.clone() };
            let empty = state.refs.get(&repository).is_none_or(|refs| !refs.keys().any(|name| name.starts_with("refs/heads/")));
            let first = moves.iter().find_map(|moved| moved.after.as_ref().and(moved.name.strip_prefix("refs/heads/")));
            let default = format!("refs/heads/{}", found.default_branch);
            // The first branch of an empty repository becomes its default branch, unless the expected one arrives with it.
            let adopted = first.filter(|_| empty && !moves.iter().any(|moved| moved.name == default));
            if let Some(branch) = adopted {
                branch.clone_into(&mut found.default_branch);
            }
            let sender = self.sender(state, found.owner)?;
            if !moves.is_empty() {
                state.save_repository(found.clone())?;
            }
            for pushed in &moves {
                state.save_ref(repository, &pushed.name, pushed.after.as_deref())?;
                if let Some(head) = &pushed.head {
                    state.remember_commit(repository, head.commit.clone());
                }
                if pushed.name.starts_with("refs/tags/") && tags > TAGS_AT_ONCE {
                    continue;
                }
                let body = self.shapes(state).push(&found, pushed, sender);
                self.emit(state, "push", None, repository, sender, body)?;
            }
            Ok(adopted.map(str::to_owned))
        })?;
        self.kick();
        if let Some(branch) = head {
            self.inner.git.set_head(repository, &branch).await?;
        }
        self.follow_branches(repository, &moves).await
    }

    /// Gathers what the webhook of a move tells.
    async fn describe(&self, repository: u64, moved: &RefMove) -> Result<PushedRef, ForgeError> {
        let git = &self.inner.git;
        let mut pushed = PushedRef {
            name: moved.name.clone(),
            before: moved.before.clone(),
            after: moved.after.clone(),
            forced: false,
            commits: Vec::new(),
            head: None,
        };
        let Some(after) = &moved.after else { return Ok(pushed) };
        if moved.name.starts_with("refs/tags/") {
            pushed.forced = moved.before.is_some();
            if let Some(commit) = git.peel(repository, after).await? {
                pushed.head = git.show(repository, &commit).await?;
            }
            return Ok(pushed);
        }
        let (forced, commits) = match &moved.before {
            Some(before) => {
                let without = [before.clone()];
                let (reached, commits) = tokio::join!(git.is_ancestor(repository, before, after), git.log(repository, after, &without));
                (!reached?, commits?)
            }
            None => {
                let others: BTreeSet<String> =
                    self.state().refs.get(&repository).into_iter().flat_map(|refs| refs.values().cloned()).take(REFS_COMPARED).collect();
                let others: Vec<String> = others.into_iter().collect();
                (false, git.log(repository, after, &others).await?)
            }
        };
        pushed.forced = forced;
        pushed.head = match commits.iter().find(|logged| logged.commit.sha == *after) {
            Some(logged) => Some(logged.clone()),
            None => git.show(repository, after).await?,
        };
        pushed.commits = commits;
        Ok(pushed)
    }
}

pub(crate) fn check_sha(sha: &str) -> Result<(), ForgeError> {
    if is_sha(sha) {
        return Ok(());
    }
    let value = sha.chars().take(80).flat_map(char::escape_debug).collect();
    Err(ForgeError::Invalid { what: "object id", value, why: "use all 40 hexadecimal digits" })
}
