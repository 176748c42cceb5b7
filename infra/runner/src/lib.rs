//! The agent: leases attempts from the runner API, prepares the checkout, drives the `dagger` CLI and reports what came of it.
//!
//! One process works on up to [`AgentConfig::jobs`] attempts at a time. For each it fetches the repository through a mirror of
//! its own, merges head and base, runs the CLI in a directory that is removed afterwards, renews the lease, stops the CLI when it
//! is told to or when the lease cannot be renewed, sends the result until it is accepted, and passes on what the CLI says about itself
//! ([`telemetry`]).
//!
//! The CLI runs code of the commit's author on this machine ([`process`] and [`cli`] say what it gets): it inherits no
//! environment but an allow-list, no credential of the agent, and cannot read the agent's memory. There is no machine boundary
//! around it, so an agent is for code that its owner trusts.

mod agent;
pub mod args;
mod backoff;
mod checkout;
mod cli;
mod client;
pub mod config;
mod engine;
mod git;
mod harden;
mod identity;
mod job;
mod lease;
mod listing;
mod manifest;
mod mirror;
mod process;
mod stop;
mod tail;
mod telemetry;

pub use agent::{Error, run};
pub use args::AgentArgs;
pub use cli::{Cli, CliVersion};
pub use config::{AgentConfig, RunAs, Timings};
