//! What one installation may ask about its repositories.

use jiff::Timestamp;
use octocrab::Octocrab;
use quillon_core::id::{CommitSha, InstallationId, PullNumber, RepositoryId};
use quillon_core::name::Ref;
use quillon_core::run::CommitLabel;
use serde::Deserialize;
use std::sync::Arc;

use super::call::{Answer, Call, encoded, next_page};
use super::{App, PER_PAGE};
use crate::error::{Error, number};
use crate::view::{BranchView, NewStatus, Page, Posted, PullView, RepositoryView, Tree, wire};

/// The App under one installation, with the token that this one has.
#[derive(Debug, Clone)]
pub struct InstallationClient {
    app: App,
    id: InstallationId,
}

impl InstallationClient {
    pub(super) fn new(app: App, id: InstallationId) -> Self {
        Self { app, id }
    }

    /// Which installation.
    #[must_use]
    pub fn id(&self) -> InstallationId {
        self.id
    }

    /// [`GET /repositories/{id}`](https://docs.github.com/en/rest/repos/repos#get-a-repository).
    ///
    /// # Errors
    /// [`Error::NotFound`] when the repository is gone or hidden, and the usual ones.
    pub async fn repository(&self, repository: RepositoryId) -> Result<RepositoryView, Error> {
        let wire: wire::Repository = self.ask(&Call::get(format!("/repositories/{repository}"))).await?.read()?;
        Ok(wire.into())
    }

    /// [`GET /installation/repositories`](https://docs.github.com/en/rest/apps/installations#list-repositories-accessible-to-the-app-installation),
    /// from page 1.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn repositories(&self, page: u32) -> Result<Page<RepositoryView>, Error> {
        let answer = self.ask(&Call::get(format!("/installation/repositories?per_page={PER_PAGE}&page={page}"))).await?;
        let listed: wire::Repositories = answer.read()?;
        Ok(Page { items: answer.items::<wire::Repository, _>(listed.repositories), next: next_page(&answer.headers, page) })
    }

    /// The commit that a branch, a tag or an open pull request points at now; none when it is gone, closed or not a commit.
    ///
    /// Branches and tags are read from [`GET /git/ref/{ref}`](https://docs.github.com/en/rest/git/refs#get-a-reference).
    ///
    /// # Errors
    /// [`Error::NotFound`] when the repository itself is gone or hidden, and the usual ones.
    pub async fn head(&self, repository: RepositoryId, reference: &Ref) -> Result<Option<CommitSha>, Error> {
        let name = match reference {
            Ref::Branch(name) => format!("heads/{name}"),
            Ref::Tag(name) => format!("tags/{name}"),
            Ref::Pull(number) => {
                let pull = self.pull(repository, *number).await?;
                return Ok(pull.filter(|pull| pull.is_open).map(|pull| pull.head_sha));
            }
        };
        let call = Call::get(format!("/repositories/{repository}/git/ref/{}", encoded(&name)));
        let Some(answer) = self.ask_within(repository, &call).await? else { return Ok(None) };
        let found: wire::GitRef = answer.read()?;
        match found.object.kind.as_str() {
            "commit" => Ok(Some(found.object.sha)),
            "tag" => self.peeled(repository, &name).await,
            // A tag of a tree or a file has no checks.
            _ => Ok(None),
        }
    }

    /// The commit behind an annotated tag, which may be a tag of a tag.
    async fn peeled(&self, repository: RepositoryId, name: &str) -> Result<Option<CommitSha>, Error> {
        #[derive(Deserialize)]
        struct Named {
            sha: CommitSha,
        }
        let answer = self.ask(&Call::get(format!("/repositories/{repository}/commits/{}?per_page=1", encoded(name)))).await;
        match answer {
            Ok(answer) => Ok(Some(answer.read::<Named>()?.sha)),
            Err(Error::NotFound { .. } | Error::Refused { status: 422, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// [`GET /commits/{sha}`](https://docs.github.com/en/rest/commits/commits#get-a-commit), as people see it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such commit, and the usual ones.
    pub async fn commit(&self, repository: RepositoryId, sha: &CommitSha) -> Result<CommitLabel, Error> {
        // The answer lists the changed files too: as few of them as can be asked for.
        let answer = self.ask(&Call::get(format!("/repositories/{repository}/commits/{sha}?per_page=1"))).await;
        let wire: wire::Commit = answer.map_err(|error| no_such_commit(error, sha))?.read()?;
        Ok(wire.into())
    }

    /// [`GET /git/trees/{sha}?recursive=1`](https://docs.github.com/en/rest/git/trees#get-a-tree): the files of a commit.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such commit, and the usual ones.
    pub async fn tree(&self, repository: RepositoryId, sha: &CommitSha) -> Result<Tree, Error> {
        let answer = self.ask(&Call::get(format!("/repositories/{repository}/git/trees/{sha}?recursive=1"))).await;
        let wire: wire::TreeBody = answer.map_err(|error| no_such_commit(error, sha))?.read()?;
        Ok(wire.into())
    }

    /// [`GET /pulls/{number}`](https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request); none when there is no such pull request.
    ///
    /// Asking is what makes GitHub compute `mergeable`, so the first answer often lacks it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the repository itself is gone or hidden, and the usual ones.
    pub async fn pull(&self, repository: RepositoryId, number: PullNumber) -> Result<Option<PullView>, Error> {
        let call = Call::get(format!("/repositories/{repository}/pulls/{number}"));
        let Some(answer) = self.ask_within(repository, &call).await? else { return Ok(None) };
        let wire: wire::Pull = answer.read()?;
        Ok(Some(wire.into()))
    }

    /// [`GET /pulls?state=open`](https://docs.github.com/en/rest/pulls/pulls#list-pull-requests), from page 1; without `mergeable`.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn open_pulls(&self, repository: RepositoryId, page: u32) -> Result<Page<PullView>, Error> {
        let path = format!("/repositories/{repository}/pulls?state=open&per_page={PER_PAGE}&page={page}");
        let answer = self.ask(&Call::get(path)).await?;
        Ok(Page { items: answer.items::<wire::Pull, _>(answer.read()?), next: next_page(&answer.headers, page) })
    }

    /// [`GET /branches`](https://docs.github.com/en/rest/branches/branches#list-branches), from page 1.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn branches(&self, repository: RepositoryId, page: u32) -> Result<Page<BranchView>, Error> {
        let answer = self.ask(&Call::get(format!("/repositories/{repository}/branches?per_page={PER_PAGE}&page={page}"))).await?;
        Ok(Page { items: answer.items::<wire::Branch, _>(answer.read()?), next: next_page(&answer.headers, page) })
    }

    /// [`POST /statuses/{sha}`](https://docs.github.com/en/rest/commits/statuses#create-a-commit-status).
    ///
    /// After [`Error::Transient`] the status may be there: posting it again is harmless.
    ///
    /// # Errors
    /// [`Error::StatusLimit`] when the context is full, [`Error::Refused`] when there is no such commit, and the usual ones.
    pub async fn post_status(&self, repository: RepositoryId, sha: &CommitSha, status: &NewStatus<'_>) -> Result<Posted, Error> {
        let answer = self.ask(&Call::post(format!("/repositories/{repository}/statuses/{sha}")).with(status)?).await?;
        let reset = number(&answer.headers, "x-ratelimit-reset").and_then(|reset| i64::try_from(reset).ok());
        Ok(Posted {
            rate_remaining: number(&answer.headers, "x-ratelimit-remaining").and_then(|remaining| u32::try_from(remaining).ok()),
            rate_reset: reset.and_then(|reset| Timestamp::from_second(reset).ok()),
        })
    }

    /// Asks for a part of a repository: none when the part is missing, an error when the repository is.
    ///
    /// GitHub answers 404 to both, and "the branch is gone" cancels checks: the difference is worth a second question.
    async fn ask_within(&self, repository: RepositoryId, call: &Call) -> Result<Option<Answer>, Error> {
        match self.ask(call).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::NotFound { .. }) => self.repository(repository).await.map(|_| None),
            // "Git Repository is empty."
            Err(Error::Refused { status: 409, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, call: &Call) -> Result<Answer, Error> {
        let client: Arc<Octocrab> = self.app.as_installation(self.id)?;
        call.send(&client).await
    }
}

/// GitHub answers 422 to a commit that it does not have, and 409 where there are none at all.
fn no_such_commit(error: Error, sha: &CommitSha) -> Error {
    match error {
        Error::Refused { status: 409 | 422, .. } => Error::NotFound { what: format!("the commit {sha}") },
        other => other,
    }
}
