//! What is measured and what it talks to, apart: `quillon up` in a process of its own (this program once more, with its command
//! line), a forge in this one. So the processor time of the control plane is what the system says of that process.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser as _;
use quillon_forge::{AccountKind, Delivery, FileChange, Forge, ForgeConfig, Person, Selection};
use quillon_runtime::Clock;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::statuses::{Statuses, note};

const WEBHOOK_SECRET: &str = "a secret of the benchmarks";

/// How long `up` may take to start.
const START: Duration = Duration::from_secs(30);

/// Commits that are written at once.
const WRITERS: usize = 4;

/// Commands of `quillon` that this program stands in for when it is started by itself.
const COMMANDS: [&str; 4] = ["up", "agent", "admin", "demo-engine"];

/// Does what `quillon` would with this command line, if it is one of `quillon`'s.
pub(crate) fn act_as_quillon() -> Option<anyhow::Result<ExitCode>> {
    let command = std::env::args_os().nth(1)?;
    if !COMMANDS.iter().any(|known| command == OsStr::new(known)) {
        return None;
    }
    let filter = EnvFilter::try_from_env("QUILLON_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let environment: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    Some(runtime().and_then(|runtime| runtime.block_on(quillon::command::Cli::parse().run(environment))))
}

/// The runtime that `quillon` has.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// `quillon up` over its data directory, and the forge that it serves.
pub(crate) struct Stage {
    /// The forge; deliveries leave it when they are told to.
    pub(crate) forge: Forge,
    /// A repository with one module that has one check.
    pub(crate) repository: u64,
    /// What arrived at the forge.
    pub(crate) statuses: Statuses,
    /// Where `up` listens.
    pub(crate) url: String,
    directory: TempDir,
    up: Child,
}

impl Stage {
    /// Starts both, with a first commit on `main` that is not pushed yet.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let listen = free_address().await?;
        let statuses = Statuses::new();
        let forge = open_forge(directory.path(), &listen, statuses.clone()).await?;
        let account = forge.create_account("acme", AccountKind::Organization)?;
        forge.install(account.id, Selection::All)?;
        let repository = forge.create_repository(account.id, "app", false).await?.id;
        let up = start_up(&forge, directory.path(), &listen)?;
        let stage = Self { forge, repository, statuses, url: format!("http://{listen}"), directory, up };
        stage.started().await?;
        Ok(stage)
    }

    async fn started(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.data().join("instance.json").exists() {
            if began.elapsed() > START {
                bail!("`quillon up` does not start");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The data directory of `up`.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Pushes `count` new branches, each with a commit of its own on top of `main`; their commits in the order of their deliveries,
    /// which all wait in the forge.
    pub(crate) async fn push_branches(&self, prefix: &str, count: usize) -> anyhow::Result<Vec<String>> {
        let main = match self.forge.head(self.repository, "main") {
            Some(main) => main,
            None => bail!("`main` has to be pushed first"),
        };
        let mut shas = Vec::with_capacity(count);
        for first in (0..count).step_by(WRITERS) {
            let names: Vec<String> = (first..count.min(first + WRITERS)).map(|number| format!("{prefix}-{number}")).collect();
            let commits: Vec<_> = names.iter().map(|name| self.write_commit(&main, name)).collect();
            for (name, commit) in names.iter().zip(commits) {
                let sha = commit.await??;
                self.forge.push(self.repository, name, &sha).await?;
                shas.push(sha);
            }
        }
        Ok(shas)
    }

    fn write_commit(&self, parent: &str, name: &str) -> JoinHandle<anyhow::Result<String>> {
        let (forge, repository, parent, name) = (self.forge.clone(), self.repository, parent.to_owned(), name.to_owned());
        tokio::spawn(async move {
            let changes = [FileChange::write("change", &name)];
            Ok(forge.commit_on(repository, Some(&parent), &changes, &name, &author()).await?)
        })
    }

    /// Pushes the module to `main`.
    pub(crate) async fn push_main(&self) -> anyhow::Result<String> {
        let manifest = "{ \"name\": \"app\", \"engineVersion\": \"v0.21.8\", \"sdk\": { \"source\": \"go\" }, \"source\": \".dagger\" }\n";
        let files = [FileChange::write("dagger.json", manifest), FileChange::script(".dagger/checks/trivial", "#!/bin/sh\nexit 0\n")];
        Ok(self.forge.commit_and_push(self.repository, "main", &files, "a module", &author()).await?)
    }

    /// Processor time that `up` has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.up.id())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Its data directory goes with it: there is nothing to end in order.
        let _ = self.up.kill();
        let _ = self.up.wait();
    }
}

/// The user and system time of a process. The kernel counts in hundredths of a second
/// ([proc(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html), fields 14 and 15).
fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no process name")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn author() -> Person {
    Person::new("Ada Lovelace", "ada@acme.example")
}

async fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string())
}

async fn open_forge(directory: &Path, listen: &str, statuses: Statuses) -> anyhow::Result<Forge> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let public_url = Url::parse(&format!("http://{}/forge", listener.local_addr()?))?;
    let webhook_url = Url::parse(&format!("http://{listen}/github/webhook"))?;
    let clock = Clock::system();
    let mut config = ForgeConfig::new(directory.join("forge"), public_url, webhook_url, WEBHOOK_SECRET, Arc::new(move || clock.now()));
    config.delivery = Delivery::Held;
    // More than an hour of GitHub's for one installation passes in a minute here.
    config.rate_limit = u32::MAX;
    let forge = Forge::open(config).await?;
    let router = axum::Router::new().nest_service("/forge", forge.router()).layer(axum::middleware::from_fn_with_state(statuses, note));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(forge)
}

fn start_up(forge: &Forge, directory: &Path, listen: &str) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["up", "--agents", "0", "--listen", listen, "--data"])
        .arg(directory.join("data"))
        .env("QUILLON_PUBLIC_URL", format!("http://{listen}"))
        .env("QUILLON_GITHUB_API_URL", forge.api_url())
        .env("QUILLON_GITHUB_URL", forge.api_url().trim_end_matches("/api/v3"))
        .env("QUILLON_GITHUB_APP_ID", forge.app_id().to_string())
        .env("QUILLON_GITHUB_APP_PRIVATE_KEY", forge.app_private_key_pem())
        .env("QUILLON_GITHUB_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.spawn().context("`quillon up` cannot be started")
}
