//! The agent against a model of the runner API, a real git server and a `dagger` of shell: what it reports, what it stops, and
//! what the code of a commit can see of it.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod fixture;
mod lifecycle;
mod results;
mod secrets;
mod server;
mod stopping;
mod telemetry;
