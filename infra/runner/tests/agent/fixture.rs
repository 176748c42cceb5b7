//! What every test starts from: a repository on the model server, a `dagger` of a few lines of shell, an agent.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use quillon_core::Sensitive;
use quillon_core::id::{AttemptId, CommitSha, LeaseId, TraceParent};
use quillon_core::module::Manifest;
use quillon_core::name::{ModulePath, Task};
use quillon_core::protocol::{Job, LeaseGrant, Merge, TelemetryGrant};
use quillon_core::trust::Trust;
use quillon_runner::{AgentConfig, Cli, Error, Timings, run};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::server::{ENROLMENT, Server, TELEMETRY_TOKEN, job_token};

/// `dagger`, as far as an agent uses it: the checks are shell scripts in `checks/` of the module.
const DAGGER: &str = r#"#!/bin/sh
case "$1 $2" in
"version ") echo 'version:     v1.0.0-test' ;;
"check -l")
    echo "loading in $(basename "$(pwd)")" >&2
    if [ -f broken ]; then echo 'Error: the module is broken' >&2; exit 7; fi
    if [ -f strange ]; then echo 'something strange'; exit 0; fi
    for file in checks/*; do printf 'hello:%s   # Does %s.\n' "${file#checks/}" "${file#checks/}"; done ;;
"check "*) exec sh "checks/${2#hello:}" ;;
esac
"#;

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) server: Server,
    leases: std::cell::Cell<u128>,
    /// Whether jobs come with the right to send telemetry.
    pub(crate) takes_telemetry: std::cell::Cell<bool>,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        // Another user has to be able to reach the work directory in it.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).expect("chmod");
        let repositories = directory.path().join("repositories");
        let bare = repositories.join("acme/api.git");
        fs::create_dir_all(&bare).expect("mkdir");
        git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        git(&bare, &["config", "uploadpack.allowFilter", "true"]);
        git(&bare, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        fs::create_dir_all(directory.path().join("bin")).expect("mkdir");
        let server = Server::start(&repositories).await;
        let fixture = Self { directory, server, leases: std::cell::Cell::new(0), takes_telemetry: std::cell::Cell::new(false) };
        fixture.program("dagger", DAGGER);
        git(fixture.path(), &["clone", "--quiet", &bare.display().to_string(), "clone"]);
        fixture
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a program on the PATH of the agent.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path().join("bin").join(name);
        fs::write(&path, script).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        path
    }

    /// Commits files on a branch that starts at `main` when it is new, and pushes it.
    pub(crate) fn push(&self, branch: &str, files: &[(&str, &str)]) -> CommitSha {
        let clone = self.path().join("clone");
        let exists = Command::new("git")
            .args(["rev-parse", "--quiet", "--verify", branch])
            .current_dir(&clone)
            .output()
            .expect("git")
            .status
            .success();
        let is_first = !Command::new("git")
            .args(["rev-parse", "--quiet", "--verify", "main"])
            .current_dir(&clone)
            .output()
            .expect("git")
            .status
            .success();
        if exists {
            git(&clone, &["checkout", "--quiet", branch]);
        } else if !is_first {
            git(&clone, &["checkout", "--quiet", "-b", branch, "main"]);
        }
        for (path, text) in files {
            let file = clone.join(path);
            fs::create_dir_all(file.parent().expect("parent")).expect("mkdir");
            fs::write(file, text).expect("write");
        }
        git(&clone, &["add", "--all"]);
        git(&clone, &["commit", "--quiet", "--allow-empty", "--message", "change"]);
        git(&clone, &["push", "--quiet", "--force", "origin", branch]);
        git(&clone, &["rev-parse", "HEAD"]).parse().expect("sha")
    }

    /// A commit of a module at the root with one check of this script.
    pub(crate) fn push_check(&self, script: &str) -> CommitSha {
        self.push(
            "main",
            &[("dagger.json", r#"{"name":"hello","engineVersion":"v0.21.8","sdk":{"source":"dang"}}"#), ("checks/one", script)],
        )
    }

    pub(crate) fn job(&self, head: &CommitSha, task: &str) -> Job {
        let attempt = AttemptId::from_parts(1, self.leases.get());
        Job {
            task: task.parse::<Task>().expect("task"),
            module: ModulePath::root(),
            manifest: Manifest::Json,
            repository: "acme/api".parse().expect("name"),
            clone_url: format!("{}/git/acme/api.git", self.server.address),
            head_sha: head.clone(),
            head_ref: "refs/heads/main".to_owned(),
            merge: None,
            trust: Trust::Trusted,
            timeout_s: 600,
            trace: TraceParent::of(attempt),
            clean_slate: false,
            execution: 1,
        }
    }

    /// Offers a job with a heartbeat every second.
    pub(crate) fn offer(&self, job: Job) -> LeaseId {
        self.offer_for(job, 60)
    }

    /// Offers a job with a lease of this many seconds.
    pub(crate) fn offer_for(&self, job: Job, lease_ttl_s: u32) -> LeaseId {
        let number = self.leases.get() + 1;
        self.leases.set(number);
        let lease = LeaseId::from_parts(1, number);
        self.server.offer(LeaseGrant {
            attempt: AttemptId::from_parts(1, number),
            lease,
            job_token: job_token(lease),
            lease_ttl_s,
            heartbeat_s: 1,
            job,
            telemetry: self.takes_telemetry.get().then(|| TelemetryGrant { token: TELEMETRY_TOKEN.to_owned() }),
        })
    }

    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let inherited = std::env::vars().find(|(name, _)| name == "PATH").map(|(_, value)| value).unwrap_or_default();
        let path = format!("{}:{inherited}", self.path().join("bin").display());
        BTreeMap::from([("PATH".to_owned(), path), ("SECRET_OF_THE_OWNER".to_owned(), "owner-secret-3".to_owned())])
    }

    pub(crate) fn config(&self) -> AgentConfig {
        let environment = self.environment();
        AgentConfig {
            server: self.server.address.parse().expect("url"),
            name: "test".to_owned(),
            enrolment: Some(Sensitive::new(ENROLMENT.to_owned())),
            identity_file: self.path().join("identity.json"),
            work_dir: self.path().join("work"),
            jobs: 2,
            cli: Cli::find(None, &environment, None).expect("dagger of the fixture"),
            run_as: None,
            runs_forks: false,
            shared_home: None,
            environment,
            pass_env: Vec::new(),
            mirror_limit: 1_000_000_000,
            timings: Timings {
                lease_wait: Duration::from_secs(2),
                call: Duration::from_secs(5),
                interrupt: Duration::from_secs(20),
                terminate: Duration::from_secs(10),
                drain: Duration::from_secs(1),
                backoff_floor: Duration::from_millis(5),
                backoff_ceiling: Duration::from_millis(50),
                report: Duration::from_secs(60),
                gather: Duration::from_millis(50),
                flush: Duration::from_secs(5),
                work_dir: Duration::from_millis(200),
            },
        }
    }

    pub(crate) fn agent(&self) -> Agent {
        Agent::start(self.config())
    }

    /// A FIFO by which a check says that it runs, and by whose end of file it is known that all of its processes are gone.
    pub(crate) fn life(&self, name: &str) -> Life {
        let path = self.path().join(name);
        assert!(Command::new("mkfifo").args(["-m", "666"]).arg(&path).status().expect("mkfifo").success());
        Life(path)
    }
}

/// An agent that runs in the background of a test.
pub(crate) struct Agent {
    shutdown: oneshot::Sender<()>,
    running: JoinHandle<Result<(), Error>>,
}

impl Agent {
    pub(crate) fn start(config: AgentConfig) -> Self {
        let (shutdown, asked) = oneshot::channel();
        let running = tokio::spawn(Box::pin(run(config, async move { drop(asked.await) })));
        Self { shutdown, running }
    }

    /// Asks it to leave and waits until it has.
    pub(crate) async fn stop(self) {
        let _ = self.shutdown.send(());
        self.running.await.expect("no panic").expect("a clean end");
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(self) -> Result<(), Error> {
        self.running.await.expect("no panic")
    }
}

pub(crate) struct Life(PathBuf);

impl Life {
    /// Shell: keep the FIFO open on descriptor 9, also in what is started from here, and say so.
    pub(crate) fn begin(&self) -> String {
        format!("exec 9>'{}'\necho ready >&9\n", self.0.display())
    }

    /// Waits until the check runs; the answer completes when none of its processes is left, with what they wrote.
    pub(crate) async fn begun(&self) -> JoinHandle<String> {
        let path = self.0.clone();
        let (mut file, first) = tokio::task::spawn_blocking(move || {
            let mut file = fs::File::open(path).expect("fifo");
            let mut first = [0; 6];
            file.read_exact(&mut first).expect("the check says that it runs");
            (file, first)
        })
        .await
        .expect("joined");
        assert_eq!(&first, b"ready\n");
        tokio::task::spawn_blocking(move || {
            let mut rest = String::new();
            file.read_to_string(&mut rest).expect("text");
            rest
        })
    }
}

pub(crate) fn merged_with(job: Job, base: &CommitSha, head_ref: &str) -> Job {
    Job { merge: Some(Merge { base: "main".parse().expect("name"), base_sha: base.clone() }), head_ref: head_ref.to_owned(), ..job }
}

pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(directory).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for name in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{name}_NAME"), "Ada").env(format!("GIT_{name}_EMAIL"), "ada@example.com");
        command.env(format!("GIT_{name}_DATE"), "2025-01-01T00:00:00Z");
    }
    let output = command.output().expect("git");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
