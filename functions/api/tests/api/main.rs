//! The API over the embedded AWS engines and the template of this repository: requests in, answers out.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod access;
mod credentials;
mod events;
mod faults;
mod forge;
mod graphql;
mod operator;
mod operator_orgs;
mod orgs;
mod otlp;
mod plans;
mod runner;
mod schema;
mod strict;
mod tail;
mod telemetry;
mod world;
