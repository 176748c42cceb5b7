//! The embedded engines through the real AWS SDK, and the cloud that is built on them.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod cloud;
mod dynamodb;
mod faults;
mod secrets;
mod server;
mod sqs;
mod sqs_fifo;
mod template;

use std::time::Duration;

use jiff::Timestamp;
use quillon::engine::{Engines, Storage};
use quillon_runtime::Clock;

/// A moment in 2026 at which every test begins.
const START_MS: i64 = 1_790_000_000_000;

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millisecond(START_MS).unwrap())
}

fn engines() -> Engines {
    Engines::open(&Storage::Memory, clock()).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
