//! The process of a function.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quillon_runtime::Clock;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::{Answer, RuntimeApi};

/// After this an invocation hangs: a test that waits for ever says nothing.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much of what the process prints is kept.
const MAX_LOG: usize = 256 * 1024;

/// A function process with its Runtime API; it is killed when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    function: String,
    timeout: Duration,
    api: RuntimeApi,
    child: Child,
    started: Instant,
    log: Arc<Mutex<Vec<u8>>>,
    /// Complete when the pipes are at their end.
    pipes: JoinSet<()>,
}

impl Sandbox {
    /// Starts a binary with this environment and nothing else of ours.
    pub fn start(function: &str, binary: &Path, environment: &BTreeMap<String, String>, timeout: Duration, api: RuntimeApi) -> Self {
        let mut command = Command::new(binary);
        command.env_clear().envs(environment).env("AWS_LAMBDA_RUNTIME_API", api.address());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("`{}` does not start: {error}", binary.display()));
        let log = Arc::default();
        let mut pipes = JoinSet::new();
        // CloudWatch gets both.
        pipes.spawn(keep(child.stdout.take(), Arc::clone(&log)));
        pipes.spawn(keep(child.stderr.take(), Arc::clone(&log)));
        Self { function: function.to_owned(), timeout, api, child, started, log, pipes }
    }

    /// Completes when the init phase is over; says how long it took.
    pub async fn ready(&mut self) -> Duration {
        let api = self.api.clone();
        let at = self.unless_it_ends(api.ready()).await;
        at.duration_since(self.started)
    }

    /// The number of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("the process of `{}` has ended", self.function))
    }

    /// Hands an event to the function and waits for its answer.
    ///
    /// # Panics
    /// When the process ends or hangs, with what it printed.
    pub async fn invoke(&mut self, event: &Value) -> Answer {
        let timeout_ms = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        let deadline_ms = Clock::system().now_ms().saturating_add(timeout_ms);
        let api = self.api.clone();
        self.unless_it_ends(api.invoke(event, deadline_ms)).await
    }

    /// Kills the process; what it printed, at most the last 256 KB.
    pub async fn end(mut self) -> String {
        self.printed().await
    }

    async fn printed(&mut self) -> String {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill().await;
        while self.pipes.join_next().await.is_some() {}
        String::from_utf8_lossy(&locked(&self.log)).into_owned()
    }

    async fn unless_it_ends<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let why = tokio::select! {
            found = wanted => return found,
            status = self.child.wait() => match status {
                Ok(status) => format!("ended ({status})"),
                Err(error) => format!("is lost: {error}"),
            },
            () = tokio::time::sleep(PATIENCE) => "hangs".to_owned(),
        };
        let printed = self.printed().await;
        panic!("the process of `{}` {why}; it printed:\n{printed}", self.function);
    }
}

/// Reads until the pipe ends, so that the process is never stopped by a full one.
async fn keep(pipe: Option<impl AsyncRead + Unpin>, log: Arc<Mutex<Vec<u8>>>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        let mut log = locked(&log);
        log.extend_from_slice(&buffer[..read]);
        let surplus = log.len().saturating_sub(MAX_LOG);
        log.drain(..surplus);
    }
}

fn locked(log: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
