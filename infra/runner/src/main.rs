//! The `quillon-agent` binary: the agent without the rest of Quillon, for machines that only run checks.

use std::process::ExitCode;

use clap::Parser as _;
use quillon_runner::AgentArgs;

/// Works for a Quillon server: leases checks, runs them with the dagger CLI, reports the results.
#[derive(clap::Parser)]
#[command(name = "quillon-agent", version)]
struct Arguments {
    #[command(flatten)]
    agent: AgentArgs,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).init();
    let arguments = Arguments::parse();
    quillon_runner::args::run_until_signalled(arguments.agent, std::env::vars().collect(), None).await
}
