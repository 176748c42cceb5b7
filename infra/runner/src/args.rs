//! The agent's command line, for the binary of its own and for `quillon agent`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use quillon_core::Sensitive;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use crate::cli::{Cli, NoCli};
use crate::config::{AgentConfig, RunAs, RunAsError, Timings};

/// How an agent is started.
///
/// The CLI runs code of the repositories' authors on this machine, without a machine boundary around it. Start an agent for code
/// that you trust, best as root with `--run-as` and an unprivileged user of its own.
#[derive(Debug, clap::Args)]
pub struct AgentArgs {
    /// Address of the Quillon server
    #[arg(long, env = "QUILLON_SERVER", value_name = "URL")]
    pub server: Url,
    /// One-time enrolment token; better in a file or in the variable, because everybody on the machine sees arguments
    #[arg(long, env = "QUILLON_ENROL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    enrol_token: Option<String>,
    /// File with the one-time enrolment token; needed at the first start only
    #[arg(long, value_name = "FILE", conflicts_with = "enrol_token")]
    enrol_token_file: Option<PathBuf>,
    /// What the agent is called on the server's pages [default: the machine's name]
    #[arg(long)]
    name: Option<String>,
    /// Most checks to run at a time [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<u16>,
    /// The dagger CLI to drive [default: `dagger` on PATH]
    #[arg(long, value_name = "PATH")]
    dagger: Option<PathBuf>,
    /// Run the CLI as this unprivileged user; the agent itself must be root
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,
    /// Also run code of forks, that is of anybody who can open a pull request
    #[arg(long)]
    run_forks: bool,
    /// Directory for mirrors and checkouts [default: `quillon-agent` in the user's state directory]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// File that keeps who the agent is [default: `identity.json` in the work directory]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Let all jobs use the home directory of the user instead of an empty one each; they then see its credentials
    #[arg(long, conflicts_with = "run_as")]
    share_home: bool,
    /// One more variable of the agent's environment that the CLI may see; may be repeated
    #[arg(long, value_name = "NAME")]
    pass_env: Vec<String>,
    /// How large the mirrors of repositories may grow together, in gigabytes
    #[arg(long, value_name = "GB", default_value_t = 20)]
    mirror_limit: u64,
    /// Also stop when the standard input is closed: for a parent that may die without a signal
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// Why a command line is not enough to start an agent.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The server's address is not one.
    #[error("`--server {0}` is not an `http` or `https` address")]
    Server(Url),
    /// The token's file cannot be read.
    #[error("enrolment token file `{path}`: {source}")]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The user cannot be used.
    #[error(transparent)]
    RunAs(#[from] RunAsError),
    /// There is no CLI.
    #[error(transparent)]
    NoCli(#[from] NoCli),
}

impl AgentArgs {
    /// The configuration that a command line and an environment describe.
    ///
    /// `stand_in` is a command that behaves like `dagger`, for machines without one.
    pub fn into_config(self, environment: BTreeMap<String, String>, stand_in: Option<Vec<OsString>>) -> Result<AgentConfig, ConfigError> {
        if !matches!(self.server.scheme(), "http" | "https") {
            return Err(ConfigError::Server(self.server));
        }
        let enrolment = match (self.enrol_token, self.enrol_token_file) {
            (Some(token), _) => Some(token),
            (None, Some(path)) => match fs::read_to_string(&path) {
                Ok(text) => Some(text.trim().to_owned()),
                // A used token is often removed; what matters then is the identity.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(source) => return Err(ConfigError::TokenFile { path, source }),
            },
            (None, None) => None,
        };
        let run_as = self.run_as.as_deref().map(RunAs::find).transpose()?;
        let cli = Cli::find(self.dagger, &environment, stand_in)?;
        let work_dir = std::path::absolute(self.work_dir.unwrap_or_else(|| state_directory(&environment)));
        let work_dir = work_dir.map_err(|source| ConfigError::TokenFile { path: PathBuf::from("."), source })?;
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Ok(AgentConfig {
            server: self.server,
            name: self.name.unwrap_or_else(|| machine_name(&environment)),
            enrolment: enrolment.map(Sensitive::new),
            identity_file: self.identity.unwrap_or_else(|| work_dir.join("identity.json")),
            work_dir,
            jobs: self.jobs.map_or_else(processors, usize::from).max(1),
            cli,
            run_as,
            runs_forks: self.run_forks,
            shared_home: self.share_home.then(|| environment.get("HOME").map(PathBuf::from)).flatten(),
            environment,
            pass_env: self.pass_env,
            mirror_limit: self.mirror_limit.saturating_mul(1_000_000_000),
            timings: Timings::default(),
        })
    }
}

fn state_directory(environment: &BTreeMap<String, String>) -> PathBuf {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME").map(PathBuf::from).or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from("/var/lib")).join("quillon-agent")
}

fn machine_name(environment: &BTreeMap<String, String>) -> String {
    let file = || fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = environment.get("HOSTNAME").cloned().or_else(file).unwrap_or_default();
    if name.trim().is_empty() { "agent".to_owned() } else { name.trim().to_owned() }
}

/// Runs an agent until SIGINT or SIGTERM; a second signal does not wait for the jobs.
pub async fn run_until_signalled(arguments: AgentArgs, environment: BTreeMap<String, String>, stand_in: Option<Vec<OsString>>) -> ExitCode {
    let stops_with_stdin = arguments.stop_with_stdin;
    let config = match arguments.into_config(environment, stand_in) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(2);
        }
    };
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        tracing::error!("signals cannot be received");
        return ExitCode::FAILURE;
    };
    let (first, asked) = tokio::sync::oneshot::channel::<()>();
    let impatience = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = end_of_stdin(), if stops_with_stdin => {}
        }
        let _ = first.send(());
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let shutdown = async move { drop(asked.await) };
    tokio::select! {
        ended = Box::pin(crate::run(config, shutdown)) => match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("{error}");
                ExitCode::FAILURE
            }
        },
        () = impatience => {
            tracing::warn!("leaving at once, the leases of the running jobs will run out");
            ExitCode::FAILURE
        }
    }
}

/// Completes when the standard input ends. A thread of its own, because the runtime would wait for its own readers at the end.
async fn end_of_stdin() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(ended);
    });
    let _ = end.await;
}
