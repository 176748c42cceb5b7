//! The promises of the write path of who may do what, over an engine of tables and a wire that can fail.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod devices;
mod faults;
mod members;
mod orgs;
mod people;
mod races;
mod sources;
mod tokens;
mod world;
