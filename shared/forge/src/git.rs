//! The `git` command line over the bare repositories: few processes, no configuration but our own, no options from outside.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    ForgeError,
    model::{ChangeSize, FileChange, Person},
    names::{ZERO, is_sha},
    objects::{CommitInfo, LOG_FORMAT, LoggedCommit, TagInfo, TreeEntry, parse_commit, parse_log, parse_tag, parse_tree},
};

/// Longest time that one git process may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Commits listed in a push, as GitHub limits them.
const COMMITS_LISTED: usize = 2048;

/// Who made a commit, and when.
pub(crate) struct CommitBy<'a> {
    pub(crate) person: &'a Person,
    pub(crate) at: Timestamp,
}

struct Finished {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Git {
    root: PathBuf,
}

impl Git {
    pub(crate) fn new(root: PathBuf) -> Git {
        Git { root }
    }

    /// The directory of all bare repositories.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, repository: u64) -> PathBuf {
        self.root.join(format!("{repository}.git"))
    }

    /// A git process that sees neither the machine's nor the user's configuration.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("git");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"] {
            command.env_remove(name);
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn output(&self, mut command: Command, name: &str, stdin: &[u8]) -> Result<Finished, ForgeError> {
        let failed = |detail: String| ForgeError::Git { command: name.to_owned(), detail };
        if !stdin.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let pipe = child.stdin.take();
        let feed = async {
            if let Some(mut pipe) = pipe {
                // A process that ends early closes its pipe: its exit status tells why.
                let _ = pipe.write_all(stdin).await;
            }
        };
        let run = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = tokio::time::timeout(PATIENCE, run)
            .await
            .map_err(|_| failed("it took too long".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        Ok(Finished { status: output.status, stdout: output.stdout, stderr: output.stderr })
    }

    async fn finish(&self, repository: u64, args: &[&str], stdin: &[u8]) -> Result<Finished, ForgeError> {
        let mut command = self.command();
        command.arg("--git-dir").arg(self.path(repository)).args(args);
        self.output(command, args.first().copied().unwrap_or_default(), stdin).await
    }

    async fn run(&self, repository: u64, args: &[&str], stdin: &[u8]) -> Result<Vec<u8>, ForgeError> {
        let finished = self.finish(repository, args, stdin).await?;
        if finished.status.success() { Ok(finished.stdout) } else { Err(failure(args, &finished)) }
    }

    /// Makes a bare repository with the settings that serving it needs.
    pub(crate) async fn init(&self, repository: u64, default_branch: &str, max_push_bytes: u64) -> Result<(), ForgeError> {
        let mut command = self.command();
        command.args(["init", "--quiet", "--bare", "--template="]).arg(format!("--initial-branch={default_branch}"));
        command.arg(self.path(repository));
        let finished = self.output(command, "init", &[]).await?;
        if !finished.status.success() {
            return Err(failure(&["init"], &finished));
        }
        self.configure(repository, max_push_bytes)
    }

    /// Copies all branches and tags of a repository into a new one.
    pub(crate) async fn copy(&self, from: u64, to: u64, default_branch: &str, max_push_bytes: u64) -> Result<(), ForgeError> {
        self.init(to, default_branch, max_push_bytes).await?;
        let source = self.path(from).display().to_string();
        let args = ["fetch", "--quiet", "--no-write-fetch-head", "--", &source, "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"];
        self.run(to, &args, &[]).await.map(drop)
    }

    fn configure(&self, repository: u64, max_push_bytes: u64) -> Result<(), ForgeError> {
        let path = self.path(repository).join("config");
        let mut text = std::fs::read_to_string(&path).map_err(ForgeError::files(&path))?;
        text.push_str(&format!(
            "[gc]\n\tauto = 0\n[receive]\n\tautogc = false\n\tfsckObjects = true\n\tmaxInputSize = {max_push_bytes}\n\thideRefs = refs/pull\n\
             [uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n[http]\n\treceivepack = true\n"
        ));
        std::fs::write(&path, text).map_err(ForgeError::files(&path))
    }

    /// Branches, tags and the like: full name → object. Pull requests' refs are left out.
    pub(crate) async fn refs(&self, repository: u64) -> Result<BTreeMap<String, String>, ForgeError> {
        let args = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];
        let stdout = self.run(repository, &args, &[]).await?;
        let text = String::from_utf8_lossy(&stdout);
        Ok(text.lines().filter_map(|line| line.split_once(' ')).map(|(sha, name)| (name.to_owned(), sha.to_owned())).collect())
    }

    /// Moves, makes or deletes a ref; with `before`, only if it is still there.
    pub(crate) async fn update_ref(
        &self,
        repository: u64,
        name: &str,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<(), ForgeError> {
        let line = match (after, before) {
            (Some(after), None) => format!("update {name}\0{after}\0\0"),
            (Some(after), Some(before)) => format!("update {name}\0{after}\0{before}\0"),
            (None, _) => format!("delete {name}\0{}\0", before.unwrap_or_default()),
        };
        self.run(repository, &["update-ref", "--stdin", "-z"], line.as_bytes()).await.map(drop)
    }

    /// Points `HEAD` at a branch.
    pub(crate) async fn set_head(&self, repository: u64, branch: &str) -> Result<(), ForgeError> {
        self.run(repository, &["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")], &[]).await.map(drop)
    }

    /// Brings one commit of another repository here, under a ref.
    pub(crate) async fn fetch(&self, into: u64, from: u64, sha: &str, name: &str) -> Result<(), ForgeError> {
        let source = self.path(from).display().to_string();
        let refspec = format!("+{sha}:{name}");
        self.run(into, &["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", &source, &refspec], &[]).await.map(drop)
    }

    /// The type of an object: `commit`, `tag`, `tree`, `blob`; `None` where there is none.
    pub(crate) async fn object_type(&self, repository: u64, sha: &str) -> Result<Option<String>, ForgeError> {
        let finished = self.finish(repository, &["cat-file", "-t", sha], &[]).await?;
        Ok(finished.status.success().then(|| String::from_utf8_lossy(&finished.stdout).trim().to_owned()))
    }

    /// The commit that an object id, also of an annotated tag, stands for.
    pub(crate) async fn peel(&self, repository: u64, sha: &str) -> Result<Option<String>, ForgeError> {
        let name = format!("{sha}^{{commit}}");
        let finished = self.finish(repository, &["rev-parse", "--verify", "--quiet", "--end-of-options", &name], &[]).await?;
        Ok(finished.status.success().then(|| String::from_utf8_lossy(&finished.stdout).trim().to_owned()))
    }

    /// Reads a commit; `None` where the id is not one.
    pub(crate) async fn commit_info(&self, repository: u64, sha: &str) -> Result<Option<CommitInfo>, ForgeError> {
        let finished = self.finish(repository, &["cat-file", "commit", sha], &[]).await?;
        Ok(finished.status.success().then(|| parse_commit(sha, &finished.stdout)).flatten())
    }

    /// Reads an annotated tag: its object, its type, its message and who made it when.
    pub(crate) async fn tag(&self, repository: u64, sha: &str) -> Result<Option<TagInfo>, ForgeError> {
        let finished = self.finish(repository, &["cat-file", "tag", sha], &[]).await?;
        Ok(finished.status.success().then(|| parse_tag(&finished.stdout)).flatten())
    }

    pub(crate) async fn blob(&self, repository: u64, sha: &str) -> Result<Option<Vec<u8>>, ForgeError> {
        let finished = self.finish(repository, &["cat-file", "blob", sha], &[]).await?;
        Ok(finished.status.success().then_some(finished.stdout))
    }

    /// Lists a tree; `treeish` is an object id, or an object id, `:` and a path. `None` where there is no tree.
    pub(crate) async fn tree(&self, repository: u64, treeish: &str, recursive: bool) -> Result<Option<Vec<TreeEntry>>, ForgeError> {
        let mut args = vec!["ls-tree", "-z", "-l", "--full-tree"];
        if recursive {
            args.extend(["-r", "-t"]);
        }
        args.extend(["--end-of-options", treeish]);
        let finished = self.finish(repository, &args, &[]).await?;
        Ok(finished.status.success().then(|| parse_tree(&finished.stdout)))
    }

    /// The entry at a path of a commit, if there is one.
    pub(crate) async fn tree_entry(&self, repository: u64, sha: &str, path: &str) -> Result<Option<TreeEntry>, ForgeError> {
        let args = ["ls-tree", "-z", "-l", "--full-tree", "--end-of-options", sha, "--", path];
        let finished = self.finish(repository, &args, &[]).await?;
        Ok(if finished.status.success() { parse_tree(&finished.stdout).pop() } else { None })
    }

    pub(crate) async fn is_ancestor(&self, repository: u64, older: &str, newer: &str) -> Result<bool, ForgeError> {
        let args = ["merge-base", "--is-ancestor", "--end-of-options", older, newer];
        Ok(self.finish(repository, &args, &[]).await?.status.success())
    }

    /// The commits of `after` that are in none of `without`, oldest first, at most 2,048 and the newest of them.
    pub(crate) async fn log(&self, repository: u64, after: &str, without: &[String]) -> Result<Vec<LoggedCommit>, ForgeError> {
        let limit = format!("--max-count={COMMITS_LISTED}");
        let mut input = format!("{after}\n");
        for sha in without {
            input.push_str(&format!("^{sha}\n"));
        }
        let args = ["log", "-z", LOG_FORMAT, "--name-status", "--no-renames", "--topo-order", &limit, "--ignore-missing", "--stdin"];
        let mut commits = parse_log(&self.run(repository, &args, input.as_bytes()).await?);
        commits.reverse();
        Ok(commits)
    }

    /// One commit with its files.
    pub(crate) async fn show(&self, repository: u64, sha: &str) -> Result<Option<LoggedCommit>, ForgeError> {
        let args = ["log", "-z", LOG_FORMAT, "--name-status", "--no-renames", "--max-count=1", "--end-of-options", sha];
        let finished = self.finish(repository, &args, &[]).await?;
        Ok(parse_log(&finished.stdout).pop())
    }

    /// How much `head` changes since it left `base`.
    pub(crate) async fn change_size(&self, repository: u64, base: &str, head: &str) -> Result<ChangeSize, ForgeError> {
        let (only_head, since_base) = (format!("{base}..{head}"), format!("{base}...{head}"));
        let count = ["rev-list", "--count", "--end-of-options", &only_head];
        let numbers = ["diff", "--numstat", "--no-renames", "--end-of-options", &since_base, "--"];
        let (count, numbers) = tokio::join!(self.finish(repository, &count, &[]), self.finish(repository, &numbers, &[]));
        let mut size =
            ChangeSize { commits: String::from_utf8_lossy(&count?.stdout).trim().parse().unwrap_or_default(), ..ChangeSize::default() };
        for line in String::from_utf8_lossy(&numbers?.stdout).lines() {
            let mut fields = line.split('\t').map(|field| field.parse::<u64>().unwrap_or_default());
            size.additions += fields.next().unwrap_or_default();
            size.deletions += fields.next().unwrap_or_default();
            size.changed_files += 1;
        }
        Ok(size)
    }

    /// Writes a commit on top of `parent` without moving any branch.
    pub(crate) async fn commit(
        &self,
        repository: u64,
        parent: Option<&str>,
        changes: &[FileChange<'_>],
        message: &str,
        by: &CommitBy<'_>,
    ) -> Result<String, ForgeError> {
        let name = format!("refs/forge/{}", uuid::Uuid::new_v4().simple());
        let line = format!("{} <{}> {} +0000\n", by.person.name, by.person.email, by.at.as_second());
        let mut input = format!("commit {name}\nmark :1\nauthor {line}committer {line}data {}\n{message}\n", message.len()).into_bytes();
        if let Some(parent) = parent {
            input.extend_from_slice(format!("from {parent}\n").as_bytes());
        }
        for change in changes {
            match change.contents {
                None => input.extend_from_slice(format!("D {}\n", change.path).as_bytes()),
                Some(contents) => {
                    let mode = if change.executable { "100755" } else { "100644" };
                    input.extend_from_slice(format!("M {mode} inline {}\ndata {}\n", change.path, contents.len()).as_bytes());
                    input.extend_from_slice(contents);
                    input.push(b'\n');
                }
            }
        }
        // The name is only needed while the commit is written: objects are never pruned here.
        input.extend_from_slice(format!("\nget-mark :1\nreset {name}\nfrom {ZERO}\n\ndone\n").as_bytes());
        let stdout = self.run(repository, &["fast-import", "--quiet", "--done"], &input).await?;
        object_id(&stdout, "fast-import")
    }

    /// Merges two commits: the tree, or `None` if they conflict.
    pub(crate) async fn merge_tree(&self, repository: u64, base: &str, head: &str) -> Result<Option<String>, ForgeError> {
        let args = ["merge-tree", "--write-tree", "--no-messages", "--allow-unrelated-histories", base, head];
        let finished = self.finish(repository, &args, &[]).await?;
        match finished.status.code() {
            Some(0) => object_id(&finished.stdout, "merge-tree").map(Some),
            Some(1) => Ok(None),
            _ => Err(failure(&args, &finished)),
        }
    }

    /// Writes a commit of a tree.
    pub(crate) async fn commit_tree(
        &self,
        repository: u64,
        tree: &str,
        parents: &[&str],
        message: &str,
        by: &CommitBy<'_>,
    ) -> Result<String, ForgeError> {
        let mut command = self.command();
        let date = format!("@{} +0000", by.at.as_second());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), &by.person.name)
                .env(format!("GIT_{role}_EMAIL"), &by.person.email)
                .env(format!("GIT_{role}_DATE"), &date);
        }
        command.arg("--git-dir").arg(self.path(repository)).args(["commit-tree", tree]);
        for parent in parents {
            command.args(["-p", parent]);
        }
        let finished = self.output(command, "commit-tree", message.as_bytes()).await?;
        if finished.status.success() { object_id(&finished.stdout, "commit-tree") } else { Err(failure(&["commit-tree"], &finished)) }
    }

    /// Writes an annotated tag object.
    pub(crate) async fn make_tag(
        &self,
        repository: u64,
        name: &str,
        sha: &str,
        message: &str,
        by: &CommitBy<'_>,
    ) -> Result<String, ForgeError> {
        let (person, at) = (by.person, by.at.as_second());
        let text = format!("object {sha}\ntype commit\ntag {name}\ntagger {} <{}> {at} +0000\n\n{message}\n", person.name, person.email);
        let stdout = self.run(repository, &["mktag"], text.as_bytes()).await?;
        object_id(&stdout, "mktag")
    }
}

fn failure(args: &[&str], finished: &Finished) -> ForgeError {
    let detail: String = String::from_utf8_lossy(&finished.stderr).trim().chars().take(2000).collect();
    ForgeError::Git { command: args.first().copied().unwrap_or_default().to_owned(), detail }
}

fn object_id(stdout: &[u8], command: &str) -> Result<String, ForgeError> {
    let text = String::from_utf8_lossy(stdout);
    let sha = text.lines().next().unwrap_or_default().trim();
    if is_sha(sha) {
        return Ok(sha.to_owned());
    }
    Err(ForgeError::Git { command: command.to_owned(), detail: "it answered without an object id".to_owned() })
}
