//! Repositories: creating, forking, renaming, transferring, hiding, archiving and deleting them.

use serde_json::{Value, json};

use crate::{
    AccountKind, Forge, ForgeError, Repository, Selection, lock,
    names::{check_repository_name, check_short_ref},
    state::State,
};

impl Forge {
    /// Creates an empty repository with `main` as its default branch.
    ///
    /// # Errors
    /// When the owner does not exist, or the name is taken or not one that GitHub accepts.
    pub async fn create_repository(&self, owner: u64, name: &str, private: bool) -> Result<Repository, ForgeError> {
        let repository = self.reserve(owner, name, private, None, "main")?;
        self.inner.git.init(repository.id, "main", self.inner.config.max_push_bytes).await?;
        self.introduce(repository)
    }

    /// Forks a repository into another account: its branches and tags, and its visibility.
    ///
    /// # Errors
    /// When one of them does not exist or the account has a repository of this name.
    pub async fn fork(&self, repository: u64, owner: u64) -> Result<Repository, ForgeError> {
        let source = self.repository(repository)?;
        let fork = self.reserve(owner, &source.name, source.private, Some(source.id), &source.default_branch)?;
        self.inner.git.copy(source.id, fork.id, &source.default_branch, self.inner.config.max_push_bytes).await?;
        let refs = self.inner.git.refs(fork.id).await?;
        self.state().atomically(|state| refs.iter().try_for_each(|(name, sha)| state.save_ref(fork.id, name, Some(sha))))?;
        self.introduce(fork)
    }

    /// A repository by id.
    ///
    /// # Errors
    /// When there is none.
    pub fn repository(&self, repository: u64) -> Result<Repository, ForgeError> {
        self.state().repository(repository).cloned()
    }

    /// A repository by its present or a former `owner/name`.
    pub fn find_repository(&self, full_name: &str) -> Option<Repository> {
        let state = self.state();
        let (owner, name) = full_name.split_once('/')?;
        state.repository_by_name(owner, name).or_else(|| state.moved_repository(owner, name)).cloned()
    }

    /// `owner/name` of a repository.
    ///
    /// # Errors
    /// When there is none.
    pub fn full_name(&self, repository: u64) -> Result<String, ForgeError> {
        let state = self.state();
        Ok(state.full_name(state.repository(repository)?))
    }

    /// All repositories.
    pub fn repositories(&self) -> Vec<Repository> {
        self.state().repositories.values().cloned().collect()
    }

    /// Renames a repository; its former name keeps leading to it until another one takes it.
    ///
    /// # Errors
    /// When it does not exist, or the name is taken or not accepted.
    pub fn rename(&self, repository: u64, name: &str) -> Result<(), ForgeError> {
        check_repository_name(name)?;
        self.change_repository(repository, "renamed", |state, repository| {
            refuse_taken(state, repository.owner, name)?;
            let former = std::mem::replace(&mut repository.name, name.to_owned());
            let owner = state.login(repository.owner).to_owned();
            state.save_redirect(&format!("{owner}/{former}"), Some(repository.id))?;
            state.save_redirect(&format!("{owner}/{name}"), None)?;
            Ok(json!({ "changes": { "repository": { "name": { "from": former } } } }))
        })
    }

    /// Gives a repository to another account: the installation of the new owner covers it from now on, if it does.
    ///
    /// # Errors
    /// When one of them does not exist or the new owner has a repository of this name.
    pub fn transfer(&self, repository: u64, owner: u64) -> Result<(), ForgeError> {
        let now = self.now();
        self.state().atomically(|state| {
            let mut found = state.repository(repository)?.clone();
            let former = state.account(found.owner)?.clone();
            let new_owner = state.account(owner)?.login.clone();
            refuse_taken(state, owner, &found.name)?;
            let sender = self.sender(state, found.owner)?;
            let left = state.installation_of(&found).cloned();
            if let Some(mut left) = left {
                if let Selection::Selected(ids) = &mut left.selection {
                    ids.retain(|id| *id != repository);
                }
                let brief = [self.shapes(state).brief_repository(&found)];
                state.save_installation(left.clone())?;
                let body = self.shapes(state).selection_change(&left, &[], &brief);
                self.emit_installation(state, "installation_repositories", "removed", &left, body)?;
            }
            state.save_redirect(&format!("{}/{}", former.login, found.name), Some(repository))?;
            state.save_redirect(&format!("{new_owner}/{}", found.name), None)?;
            (found.owner, found.updated_at) = (owner, now);
            state.save_repository(found)?;
            let from = match former.kind {
                AccountKind::Organization => json!({ "organization": self.shapes(state).organization(&former) }),
                AccountKind::User => json!({ "user": self.shapes(state).account(&former) }),
            };
            self.emit_joined(state, repository)?;
            let body = json!({ "changes": { "owner": { "from": from } } });
            self.emit(state, "repository", Some("transferred"), repository, sender, body)
        })?;
        self.kick();
        Ok(())
    }

    /// Makes a repository private or public.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn set_private(&self, repository: u64, private: bool) -> Result<(), ForgeError> {
        self.change_repository(repository, if private { "privatized" } else { "publicized" }, |_, repository| {
            repository.private = private;
            Ok(json!({}))
        })
    }

    /// Makes a repository read-only.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn archive(&self, repository: u64) -> Result<(), ForgeError> {
        self.change_repository(repository, "archived", |_, repository| {
            repository.archived = true;
            Ok(json!({}))
        })
    }

    /// Makes an archived repository writable again.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn unarchive(&self, repository: u64) -> Result<(), ForgeError> {
        self.change_repository(repository, "unarchived", |_, repository| {
            repository.archived = false;
            Ok(json!({}))
        })
    }

    /// Changes the default branch.
    ///
    /// # Errors
    /// When the repository or the branch does not exist.
    pub async fn set_default_branch(&self, repository: u64, branch: &str) -> Result<(), ForgeError> {
        check_short_ref(branch)?;
        if self.head(repository, branch).is_none() {
            return Err(ForgeError::Missing(format!("branch `{branch}`")));
        }
        self.inner.git.set_head(repository, branch).await?;
        self.change_repository(repository, "edited", |_, repository| {
            let from = std::mem::replace(&mut repository.default_branch, branch.to_owned());
            Ok(json!({ "changes": { "default_branch": { "from": from } } }))
        })
    }

    /// Deletes a repository with its refs, pull requests and statuses.
    ///
    /// # Errors
    /// When it does not exist or its directory cannot be removed.
    pub async fn delete_repository(&self, repository: u64) -> Result<(), ForgeError> {
        self.state().atomically(|state| {
            let owner = state.repository(repository)?.owner;
            let sender = self.sender(state, owner)?;
            self.emit(state, "repository", Some("deleted"), repository, sender, json!({}))?;
            let from_here: Vec<_> = state.pulls.values().filter(|pull| pull.head_repository == Some(repository)).cloned().collect();
            for mut pull in from_here {
                pull.head_repository = None;
                state.save_pull(pull)?;
            }
            let selective: Vec<_> = state.installations.values().cloned().collect();
            for mut installation in selective {
                if let Selection::Selected(ids) = &mut installation.selection
                    && ids.contains(&repository)
                {
                    ids.retain(|id| *id != repository);
                    state.save_installation(installation)?;
                }
            }
            state.remove_repository(repository)
        })?;
        self.kick();
        lock(&self.inner.announcing).remove(&repository);
        let path = self.inner.git.path(repository);
        tokio::task::spawn_blocking(move || std::fs::remove_dir_all(&path).map_err(ForgeError::files(&path)))
            .await
            .map_err(|error| ForgeError::Refused(format!("the removal was interrupted: {error}")))?
    }

    fn reserve(&self, owner: u64, name: &str, private: bool, fork_of: Option<u64>, branch: &str) -> Result<Repository, ForgeError> {
        check_repository_name(name)?;
        let now = self.now();
        let mut state = self.state();
        state.account(owner)?;
        refuse_taken(&state, owner, name)?;
        Ok(Repository {
            id: state.fresh_id()?,
            owner,
            name: name.to_owned(),
            private,
            archived: false,
            default_branch: branch.to_owned(),
            fork_of,
            created_at: now,
            updated_at: now,
            pushed_at: now,
        })
    }

    /// Makes a repository known once its git directory is complete.
    fn introduce(&self, repository: Repository) -> Result<Repository, ForgeError> {
        self.state().atomically(|state| {
            refuse_taken(state, repository.owner, &repository.name)?;
            let full_name = state.full_name(&repository);
            state.save_redirect(&full_name, None)?;
            state.save_repository(repository.clone())?;
            let sender = self.sender(state, repository.owner)?;
            self.emit(state, "repository", Some("created"), repository.id, sender, json!({}))?;
            self.emit_joined(state, repository.id)
        })?;
        self.kick();
        Ok(repository)
    }

    /// Tells an installation that covers everything that it covers one more.
    fn emit_joined(&self, state: &mut State, repository: u64) -> Result<(), ForgeError> {
        let found = state.repository(repository)?;
        let Some(installation) = state.installation_of(found).cloned() else { return Ok(()) };
        let shapes = self.shapes(state);
        let body = shapes.selection_change(&installation, &[shapes.brief_repository(found)], &[]);
        self.emit_installation(state, "installation_repositories", "added", &installation, body)
    }

    fn change_repository(
        &self,
        repository: u64,
        action: &str,
        change: impl FnOnce(&mut State, &mut Repository) -> Result<Value, ForgeError>,
    ) -> Result<(), ForgeError> {
        let now = self.now();
        self.state().atomically(|state| {
            let mut found = state.repository(repository)?.clone();
            let body = change(state, &mut found)?;
            found.updated_at = now;
            let sender = self.sender(state, found.owner)?;
            state.save_repository(found)?;
            self.emit(state, "repository", Some(action), repository, sender, body)
        })?;
        self.kick();
        Ok(())
    }
}

fn refuse_taken(state: &State, owner: u64, name: &str) -> Result<(), ForgeError> {
    match state.repository_by_name(state.login(owner), name) {
        Some(_) => Err(ForgeError::Taken(format!("repository `{}/{name}`", state.login(owner)))),
        None => Ok(()),
    }
}
