//! Bare mirrors of repositories, so that a push costs the fetch of what is new and a second job of a commit costs none.
//!
//! Mirrors are partial where the server allows it (`--filter=blob:none`): history without file contents, which git fetches when a
//! merge or a checkout needs them. They are a cache: any of them may be removed at any time when no job uses it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use quillon_core::id::CommitSha;
use quillon_core::protocol::Job;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex as AsyncMutex, OwnedRwLockReadGuard, RwLock};

use crate::git::{Git, GitError, Streams};

/// File whose modification time says when a mirror was used last.
const USED: &str = "quillon-used";

/// All mirrors of an agent.
pub(crate) struct Mirrors {
    directory: PathBuf,
    limit: u64,
    locks: Mutex<HashMap<PathBuf, Locks>>,
}

#[derive(Clone, Default)]
struct Locks {
    /// Read by jobs, written by whoever removes the mirror.
    usage: Arc<RwLock<()>>,
    /// Held while something is fetched, so that two jobs of one push fetch once.
    fetch: Arc<AsyncMutex<()>>,
}

/// A mirror that will not be removed while this is held.
pub(crate) struct Mirror {
    /// The bare repository.
    pub(crate) path: PathBuf,
    _usage: OwnedRwLockReadGuard<()>,
}

/// Why a mirror does not have the wanted commits.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MirrorError {
    /// Git could not do it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The disk could not do it.
    #[error("mirror of the repository: {0}")]
    Io(#[from] std::io::Error),
    /// The server has what is wanted, the mirror cannot take it.
    #[error("the mirror of the repository is damaged: {0}")]
    Damaged(String),
    /// The server does not have the commit any more.
    #[error("commit {} is no longer in the repository", .0.short())]
    Missing(CommitSha),
}

impl Mirrors {
    /// The mirrors below a directory, of at most `limit` bytes together.
    pub(crate) fn new(directory: PathBuf, limit: u64) -> Self {
        Self { directory, limit, locks: Mutex::default() }
    }

    /// A mirror that has the head and the base of a job.
    pub(crate) async fn with_commits(&self, job: &Job, git: &mut Git<'_>) -> Result<Mirror, MirrorError> {
        let path = self.directory.join(directory_name(job));
        let locks = self.locks_of(&path);
        let usage = Arc::clone(&locks.usage).read_owned().await;
        let _fetch = locks.fetch.lock().await;
        if !path.join("HEAD").exists() {
            self.create(&path, job, git).await?;
        }
        fs::write(path.join(USED), b"")?;
        let wanted = Wanted::of(job);
        if !wanted.are_present(&path, git).await? {
            self.fetch(&path, &wanted, git).await?;
        }
        Ok(Mirror { path, _usage: usage })
    }

    /// Removes the mirror of a job's repository, unless another job uses it.
    pub(crate) async fn discard(&self, job: &Job) {
        self.remove(self.directory.join(directory_name(job))).await;
    }

    /// Removes the least recently used mirrors until the rest keeps to the limit.
    pub(crate) async fn prune(&self) {
        let directory = self.directory.clone();
        let Ok(mut found) = tokio::task::spawn_blocking(move || measure(&directory)).await else { return };
        let mut total: u64 = found.iter().map(|mirror| mirror.size).sum();
        found.sort_by_key(|mirror| mirror.used);
        for mirror in found {
            if total <= self.limit {
                break;
            }
            if self.remove(mirror.path).await {
                total -= mirror.size;
            }
        }
    }

    async fn remove(&self, path: PathBuf) -> bool {
        let Ok(_usage) = self.locks_of(&path).usage.try_write_owned() else { return false };
        let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(&path).map_err(|error| (path, error))).await;
        match removed {
            Ok(Ok(())) => true,
            Ok(Err((path, error))) => {
                tracing::warn!("mirror `{}` cannot be removed: {error}", path.display());
                false
            }
            Err(_) => false,
        }
    }

    fn locks_of(&self, path: &Path) -> Locks {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        // Mirrors that nobody works with need no locks: the map does not grow with history.
        locks.retain(|_, locks| Arc::strong_count(&locks.usage) > 1 || Arc::strong_count(&locks.fetch) > 1);
        locks.entry(path.to_owned()).or_default().clone()
    }

    async fn create(&self, path: &Path, job: &Job, git: &mut Git<'_>) -> Result<(), MirrorError> {
        // What a crash left half made is in nobody's way.
        let fresh = path.with_extension("new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        fs::create_dir_all(&fresh)?;
        let format = if job.head_sha.as_str().len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
        git.ask(&fresh, &["init", "--quiet", "--bare", "--template=", format, "."]).await?;
        git.ask(&fresh, &["config", "remote.origin.url", &job.clone_url]).await?;
        Ok(fs::rename(&fresh, path)?)
    }

    async fn fetch(&self, path: &Path, wanted: &Wanted, git: &mut Git<'_>) -> Result<(), MirrorError> {
        let by_commit = git.ask(path, &fetch_arguments(&wanted.by_commit())).await;
        match by_commit {
            Ok(_) => {}
            Err(GitError::Failed { complaint, .. }) => {
                // Not every server gives out commits by their id: then by the refs that had them.
                tracing::debug!("fetch by commit failed, trying refs: {complaint}");
                if let Err(error) = git.ask(path, &fetch_arguments(&wanted.by_ref())).await {
                    return Err(self.explain(path, wanted, error, git).await);
                }
            }
            Err(error @ (GitError::Stopped(_) | GitError::Spawn(_))) => return Err(error.into()),
        }
        for commit in wanted.0.iter().map(|(commit, _)| commit) {
            if !is_present(path, &[commit], git).await? {
                return Err(MirrorError::Missing(commit.clone()));
            }
        }
        Ok(())
    }

    /// What a fetch that failed means: the server cannot be reached, it lacks the refs, or the mirror is at fault.
    async fn explain(&self, path: &Path, wanted: &Wanted, error: GitError, git: &mut Git<'_>) -> MirrorError {
        let GitError::Failed { complaint, .. } = error else { return error.into() };
        for (commit, name) in &wanted.0 {
            let arguments = ["ls-remote", "--quiet", "--exit-code", "origin", name.as_str()];
            match git.run(path, &arguments, &[], Streams::default()).await {
                Ok(answer) if answer.code == 0 => {}
                Ok(answer) if answer.code == 2 => return MirrorError::Missing(commit.clone()),
                Ok(answer) => return answer.into_error(&arguments).into(),
                Err(error) => return error.into(),
            }
        }
        MirrorError::Damaged(complaint)
    }
}

/// The commits that a job needs, each with the ref that is expected to have it.
struct Wanted(Vec<(CommitSha, String)>);

impl Wanted {
    fn of(job: &Job) -> Self {
        let base = job.merge.iter().map(|merge| (merge.base_sha.clone(), format!("refs/heads/{}", merge.base)));
        Self(std::iter::once((job.head_sha.clone(), job.head_ref.clone())).chain(base).collect())
    }

    async fn are_present(&self, path: &Path, git: &mut Git<'_>) -> Result<bool, GitError> {
        let commits: Vec<&CommitSha> = self.0.iter().map(|(commit, _)| commit).collect();
        is_present(path, &commits, git).await
    }

    fn by_commit(&self) -> Vec<String> {
        self.0.iter().map(|(commit, name)| format!("+{commit}:{}", own_ref(name))).collect()
    }

    fn by_ref(&self) -> Vec<String> {
        self.0.iter().map(|(_, name)| format!("+{name}:{}", own_ref(name))).collect()
    }
}

/// The mirror's own ref for a ref of the server: hashed, so that `a` and `a/b` can exist one after the other.
fn own_ref(name: &str) -> String {
    format!("refs/quillon/{}", &hex::encode(Sha256::digest(name))[..24])
}

fn fetch_arguments(refspecs: &[String]) -> Vec<&str> {
    let fixed = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--filter=blob:none", "origin"];
    fixed.into_iter().chain(refspecs.iter().map(String::as_str)).collect()
}

/// Whether all commits are there. `--missing` keeps a partial mirror from fetching them one by one just to answer this.
async fn is_present(path: &Path, commits: &[&CommitSha], git: &mut Git<'_>) -> Result<bool, GitError> {
    let mut arguments = vec!["rev-list", "--max-count=1", "--quiet", "--missing=allow-any"];
    arguments.extend(commits.iter().map(|commit| commit.as_str()));
    Ok(git.run(path, &arguments, &[], Streams::default()).await?.code == 0)
}

/// A readable, unique and harmless name for the mirror of a repository.
fn directory_name(job: &Job) -> String {
    let hash = hex::encode(Sha256::digest(&job.clone_url));
    let name: String = job.repository.to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect();
    format!("{name}-{}", &hash[..16])
}

struct Measured {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

fn measure(directory: &Path) -> Vec<Measured> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let path = entry.path();
            let used = fs::metadata(path.join(USED)).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            Measured { size: size_of(&path), used, path }
        })
        .collect()
}

fn size_of(directory: &Path) -> u64 {
    let mut total = 0;
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => open.push(entry.path()),
                Ok(metadata) => total += metadata.len(),
                Err(_) => {}
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_least_recently_used_mirrors_go_first_and_those_in_use_stay() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let make = |name: &str, age_s: u64| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.join("objects")).expect("mkdir");
            fs::write(path.join("objects/pack"), vec![0; 1000]).expect("write");
            let used = fs::File::create(path.join(USED)).expect("create");
            used.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age_s)).expect("set time");
            path
        };
        let (busy, old, new) = (make("busy", 30), make("old", 20), make("new", 10));
        let mirrors = Mirrors::new(directory.path().to_owned(), 2_000);
        let usage = mirrors.locks_of(&busy).usage.read_owned().await;
        mirrors.prune().await;
        assert_eq!((busy.exists(), old.exists(), new.exists()), (true, false, true));
        drop(usage);
        mirrors.prune().await;
        assert!(busy.exists(), "within the limit nothing is removed");
    }
}
