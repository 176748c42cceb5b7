//! The `quillon` command line.

mod admin;
mod billing;
mod client;
mod data;
mod demo;
mod dlq;
mod github;
mod instance;
mod login;
mod policy;
mod push;
mod sign_in;
mod up;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// An open, self-hosted control plane for Dagger: pushes become checks, checks become commit statuses.
#[derive(Debug, Parser)]
#[command(name = "quillon", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole system at work: a push, its checks, their statuses. Needs neither Docker nor an account.
    Demo(demo::Options),
    /// Run the whole system on this machine, with your GitHub App or with the embedded forge.
    Up(up::Options),
    /// Push a local git repository to the embedded forge of a running `quillon up`, and watch its checks.
    Push(push::Options),
    /// Run an agent: it leases checks from a server and drives the dagger CLI.
    Agent(quillon_runner::AgentArgs),
    /// Sign the dagger CLI of this user in to a server.
    Login(login::LoginOptions),
    /// Sign the dagger CLI of this user out.
    Logout(login::LogoutOptions),
    /// Operate a running `quillon up`, or an instance elsewhere: orgs, people, tokens, agents, settings.
    Admin(admin::Options),
    /// Look at messages that could not be handled, and send them back.
    Dlq(dlq::Options),
    /// The stand-in for the dagger CLI that the demo uses.
    #[command(hide = true, disable_help_flag = true)]
    DemoEngine {
        /// Its own command line.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// What `up` and `demo` share.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8800", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// How many agent processes to start on this machine; 0 for none.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) agents: usize,
    /// How many checks each agent runs at a time.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) jobs: usize,
}

/// Where a running `up` keeps its state.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataDirectory {
    /// Directory of all state.
    #[arg(long, global = true, default_value = ".quillon", value_name = "DIR")]
    pub(crate) data: PathBuf,
}

impl Cli {
    /// Does what was asked for, in this environment; gives the exit code.
    ///
    /// # Errors
    /// With everything that a person needs to know to do better.
    pub async fn run(self, environment: BTreeMap<String, String>) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Demo(options) => Box::pin(demo::run(options)).await,
            Command::Up(options) => Box::pin(up::run(options, environment)).await,
            Command::Push(options) => push::run(options).await,
            Command::Agent(arguments) => {
                let stand_in: Vec<OsString> = vec![std::env::current_exe()?.into_os_string(), "demo-engine".into()];
                Ok(Box::pin(quillon_runner::args::run_until_signalled(arguments, environment, Some(stand_in))).await)
            }
            Command::Login(options) => login::login(options, &environment).await,
            Command::Logout(options) => login::logout(options, &environment).await,
            Command::Admin(options) => admin::run(options, &environment).await,
            Command::Dlq(options) => dlq::run(options).await,
            Command::DemoEngine { arguments } => Ok(ExitCode::from(quillon_demo_engine::run(arguments, environment).await)),
        }
    }
}
