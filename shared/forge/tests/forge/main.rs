//! The forge as its users meet it: octocrab, git and a webhook receiver, over loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

mod deliveries;
mod git;
mod payloads;
mod people;
mod pulls;
mod rest;
mod state;
mod strictness;
mod world;
