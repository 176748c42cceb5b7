//! The directory of a job: one commit, checked out into a repository of its own that shares nothing with the mirror.
//!
//! What the CLI and the checks see is `src/` with a shallow repository of exactly the tested commit (the remote's address is
//! there, the credential is not), an empty home and an empty temporary directory. Nothing of it outlives the job.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use quillon_core::id::CommitSha;
use quillon_core::name::{BranchName, ModulePath};
use quillon_core::protocol::{Job, Merge};
use tempfile::TempDir;

use crate::config::RunAs;
use crate::git::{Git, GitError, Streams};
use crate::mirror::{Mirror, MirrorError, Mirrors};
use crate::stop::Stop;

/// Who makes integration commits. Fixed, so that the same head and base make the same commit everywhere.
const AUTHOR: (&str, &str) = ("Quillon", "quillon@localhost");

/// Why there is no checkout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckoutError {
    /// The work was stopped.
    #[error("stopped")]
    Stopped(Stop),
    /// Head and base do not merge.
    #[error("merge conflict with {0}")]
    Conflict(BranchName),
    /// Anything else, in words for people.
    #[error("{0}")]
    Failed(String),
}

impl From<GitError> for CheckoutError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Stopped(stop) => Self::Stopped(stop),
            GitError::Failed { .. } | GitError::Spawn(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<MirrorError> for CheckoutError {
    fn from(error: MirrorError) -> Self {
        match error {
            MirrorError::Git(error) => error.into(),
            MirrorError::Io(_) | MirrorError::Missing(_) | MirrorError::Damaged(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for CheckoutError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("the checkout cannot be written: {error}"))
    }
}

/// The directory of a job; removed when it is dropped, or better by [`Workspace::remove`].
pub(crate) struct Workspace {
    directory: TempDir,
}

impl Workspace {
    /// An empty directory below `jobs`.
    pub(crate) fn create(jobs: &Path) -> std::io::Result<Self> {
        let directory =
            tempfile::Builder::new().prefix("j-").rand_bytes(8).permissions(fs::Permissions::from_mode(0o700)).tempdir_in(jobs)?;
        for name in ["home", "tmp"] {
            fs::create_dir(directory.path().join(name))?;
        }
        // The CLI looks for a `.env` in all directories above the checkout: an empty one ends the search, so that it never
        // finds one of the machine's owner.
        fs::write(directory.path().join(".env"), b"")?;
        Ok(Self { directory })
    }

    /// The checkout.
    pub(crate) fn source(&self) -> PathBuf {
        self.directory.path().join("src")
    }

    /// The home directory of the job.
    pub(crate) fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// The temporary directory of the job.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.directory.path().join("tmp")
    }

    /// The directory of a module, which must exist within the checkout whatever links a commit contains.
    pub(crate) fn module(&self, path: &ModulePath) -> Result<PathBuf, CheckoutError> {
        let failed = |error: std::io::Error| CheckoutError::Failed(format!("module directory `{path}`: {error}"));
        let source = fs::canonicalize(self.source()).map_err(failed)?;
        let directory = fs::canonicalize(source.join(path.as_str())).map_err(failed)?;
        if !directory.starts_with(&source) || !directory.is_dir() {
            return Err(CheckoutError::Failed(format!("module directory `{path}` is a link out of the repository")));
        }
        Ok(directory)
    }

    /// Gives everything to another user.
    pub(crate) fn give_to(&self, user: RunAs) -> std::io::Result<()> {
        let mut open = vec![self.directory.path().to_owned()];
        while let Some(path) = open.pop() {
            // Links themselves change hands, never what they point at.
            std::os::unix::fs::lchown(&path, Some(user.uid), Some(user.gid))?;
            if fs::symlink_metadata(&path)?.is_dir() {
                for entry in fs::read_dir(&path)? {
                    open.push(entry?.path());
                }
            }
        }
        Ok(())
    }

    /// Removes everything, also directories that a check made unreadable.
    pub(crate) async fn remove(self) {
        let removed = tokio::task::spawn_blocking(move || remove_tree(self.directory.path())).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!("the directory of a job cannot be removed, trying again at the next start: {error}");
        }
    }
}

/// Removes a directory; a second try first makes every directory accessible.
pub(crate) fn remove_tree(path: &Path) -> std::io::Result<()> {
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return Ok(());
    }
    let mut open = vec![path.to_owned()];
    while let Some(directory) = open.pop() {
        if fs::symlink_metadata(&directory).is_ok_and(|metadata| metadata.is_dir()) {
            let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
            open.extend(fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
    fs::remove_dir_all(path)
}

/// Fills a workspace with the commit of a job: the head as it is, or merged with its base. Answers with the integration commit.
pub(crate) async fn check_out(
    mirrors: &Mirrors,
    job: &Job,
    workspace: &Workspace,
    git: &mut Git<'_>,
) -> Result<Option<CommitSha>, CheckoutError> {
    let reason = match mirrors.with_commits(job, git).await {
        Ok(mirror) => match fill(&mirror, job, workspace, git).await {
            // What history says is the same in every copy of it.
            Err(CheckoutError::Failed(reason)) if !reason.contains("unrelated histories") => reason,
            other => return other,
        },
        Err(MirrorError::Damaged(reason)) => reason,
        Err(error) => return Err(error.into()),
    };
    // A mirror is a cache: when it cannot give what it has, it is fetched anew, once.
    tracing::warn!(repository = %job.repository, "checkout failed, fetching the repository anew: {reason}");
    mirrors.discard(job).await;
    remove_tree(&workspace.source())?;
    let mirror = mirrors.with_commits(job, git).await?;
    fill(&mirror, job, workspace, git).await
}

async fn fill(mirror: &Mirror, job: &Job, workspace: &Workspace, git: &mut Git<'_>) -> Result<Option<CommitSha>, CheckoutError> {
    let integration = match &job.merge {
        Some(with) => Some(merge(mirror, &job.head_sha, with, git).await?),
        None => None,
    };
    let commit = integration.as_ref().unwrap_or(&job.head_sha);
    materialize(mirror, commit, &job.clone_url, workspace, git).await?;
    Ok(integration)
}

/// Merges head into base without a work tree and makes the commit of it.
///
/// See <https://git-scm.com/docs/git-merge-tree>: exit code 1 is a conflict, anything else but 0 an error.
async fn merge(mirror: &Mirror, head: &CommitSha, with: &Merge, git: &mut Git<'_>) -> Result<CommitSha, CheckoutError> {
    let base = &with.base_sha;
    let arguments = ["merge-tree", "--write-tree", "--no-messages", base.as_str(), head.as_str()];
    let merged = git.run(&mirror.path, &arguments, &[], Streams::default()).await?;
    let tree = match merged.code {
        0 => merged.stdout.trim().to_owned(),
        1 => return Err(CheckoutError::Conflict(with.base.clone())),
        _ => return Err(merged.into_error(&arguments).into()),
    };
    let date = git.ask(&mirror.path, &["show", "--no-patch", "--format=%ct", head.as_str()]).await?;
    let date = OsString::from(format!("{date} +0000"));
    let (name, email) = AUTHOR;
    let identity: [(&str, OsString); 6] = [
        ("GIT_AUTHOR_NAME", name.into()),
        ("GIT_AUTHOR_EMAIL", email.into()),
        ("GIT_AUTHOR_DATE", date.clone()),
        ("GIT_COMMITTER_NAME", name.into()),
        ("GIT_COMMITTER_EMAIL", email.into()),
        ("GIT_COMMITTER_DATE", date),
    ];
    let message = format!("Merge {} into {}", head, with.base);
    let arguments = ["commit-tree", &tree, "-p", base.as_str(), "-p", head.as_str(), "-m", &message];
    let made = git.run(&mirror.path, &arguments, &identity, Streams::default()).await?;
    if made.code != 0 {
        return Err(made.into_error(&arguments).into());
    }
    made.stdout.trim().parse().map_err(|error| CheckoutError::Failed(format!("`git commit-tree` answered nonsense: {error}")))
}

/// Writes the files of a commit and a repository that has this one commit.
async fn materialize(
    mirror: &Mirror,
    commit: &CommitSha,
    clone_url: &str,
    workspace: &Workspace,
    git: &mut Git<'_>,
) -> Result<(), CheckoutError> {
    let source = workspace.source();
    let repository = source.join(".git");
    let packs = repository.join("objects/pack");
    for directory in [packs.clone(), repository.join("refs/heads"), repository.join("objects/info")] {
        fs::create_dir_all(directory)?;
    }

    let work_tree = source.display().to_string();
    let index = [("GIT_INDEX_FILE", repository.join("index").into_os_string())];
    let arguments = ["--work-tree", &work_tree, "--git-dir", ".", "read-tree", "-u", "--reset", commit.as_str()];
    let written = git.run(&mirror.path, &arguments, &index, Streams::default()).await?;
    if written.code != 0 {
        return Err(written.into_error(&arguments[4..]).into());
    }

    let objects = repository.join("objects/info/wanted");
    let arguments = ["rev-list", "--objects", "--no-walk", commit.as_str()];
    let streams = Streams { stdin: None, stdout: Some(fs::File::create(&objects)?) };
    let listed = git.run(&mirror.path, &arguments, &[], streams).await?;
    if listed.code != 0 {
        return Err(listed.into_error(&arguments).into());
    }
    let base = packs.join("pack").display().to_string();
    let arguments = ["pack-objects", "--quiet", "--window=0", "--delta-base-offset", &base];
    let streams = Streams { stdin: Some(fs::File::open(&objects)?), stdout: None };
    let packed = git.run(&mirror.path, &arguments, &[], streams).await?;
    if packed.code != 0 {
        return Err(packed.into_error(&arguments).into());
    }
    fs::remove_file(&objects)?;

    let format = if commit.as_str().len() == 64 {
        "\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n[core]\n"
    } else {
        "\trepositoryformatversion = 0\n"
    };
    fs::write(
        repository.join("config"),
        format!("[core]\n{format}\tbare = false\n\tfilemode = true\n[remote \"origin\"]\n\turl = \"{clone_url}\"\n"),
    )?;
    fs::write(repository.join("shallow"), format!("{commit}\n"))?;
    fs::write(repository.join("HEAD"), format!("{commit}\n"))?;
    Ok(())
}
