//! A stand-in for the `dagger` CLI on machines without one: for the demo and the tests only.
//!
//! It knows the documented command line of `dagger check` and the telemetry that goes with it, and nothing else. The checks of
//! a module are the executables in `checks/` of its source directory; they run in the root of the repository, and their exit
//! code decides.

mod check;
mod cli;
mod glob;
mod labels;
mod manifest;
mod otlp;
mod run;
mod telemetry;
mod terminal;

use std::collections::BTreeMap;

/// The environment that the engine was started with.
pub type Environment = BTreeMap<String, String>;

/// Does what `dagger` followed by `args` would do, and answers with the exit code.
///
/// Needs a Tokio runtime with time, I/O and signals. Takes over SIGINT and SIGTERM of the process.
pub async fn run(args: Vec<String>, environment: Environment) -> u8 {
    Box::pin(cli::run(args, environment)).await
}
