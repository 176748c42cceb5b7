//! Runs a built function binary as Lambda does: a process that is told what the template tells it, and polls a Runtime API.
//!
//! - [`Account`]: what is around a function, from the template: tables, queues, secrets, and a forge as its GitHub.
//! - [`Sandbox`]: the process of one function, which events are given to.
//! - [`RuntimeApi`]: the HTTP API between the two.
//! - [`events`]: the files of `events/`; [`development`]: the credentials that stand in them.
//!
//! Everything here is for tests, benchmarks and trying out by hand: what goes wrong is a panic that says what.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up fails")]

mod account;
pub mod development;
pub mod events;
mod runtime_api;
mod sandbox;

pub use account::{Account, environment_of};
pub use runtime_api::{Answer, RuntimeApi};
pub use sandbox::Sandbox;
