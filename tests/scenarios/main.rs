//! Scenarios in the language of the domain, over the real handlers, the local cloud and the forge.

#![expect(clippy::expect_used, reason = "a scenario has nobody to answer to: it fails where it stands")]

mod access;
mod cancel_rerun;
mod deliveries;
mod faults;
mod forks;
mod lifecycle;
mod merging;
mod plans;
mod push_to_green;
mod read_back;
mod recovery;
mod sources;
mod supersede;
mod telemetry;
mod tenants;
mod tidy;
