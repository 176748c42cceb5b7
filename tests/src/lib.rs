//! The world that scenarios happen in: the whole system over the local cloud, a forge, an agent that follows a script, and a
//! clock that is moved by hand. Nothing sleeps; [`World::settle`] pumps until nothing moves any more.

#![expect(clippy::expect_used, reason = "a harness has nobody to answer to: it fails where it stands")]

mod agent;
mod expect;
mod people;
mod sources;
mod telemetry;
mod world;

pub use agent::{Behaviour, ScriptedAgent};
pub use quillon_telemetry::Generated;
pub use telemetry::{Export, Read, run_of, span_id, trace_id};
pub use world::{Setup, World};
