//! Pauses between calls that fail: longer each time, and different on every machine.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

/// A growing pause with jitter.
pub(crate) struct Backoff {
    floor: Duration,
    ceiling: Duration,
    failures: u32,
    random: RandomState,
}

impl Backoff {
    /// Pauses from about `floor` to about `ceiling`.
    pub(crate) fn new(floor: Duration, ceiling: Duration) -> Self {
        Self { floor, ceiling, failures: 0, random: RandomState::new() }
    }

    /// The pause after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let full = self.floor.saturating_mul(1 << self.failures.min(16)).min(self.ceiling);
        self.failures = self.failures.saturating_add(1);
        // The standard library's hasher keys are random: enough to spread agents, no crate needed.
        let percent = u32::try_from(self.random.hash_one(self.failures) % 50).unwrap_or(0);
        full - full * percent / 100
    }

    /// Starts from the floor again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_ceiling_and_never_vanish() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for full in [100, 200, 400, 800, 1_000, 1_000] {
            let pause = backoff.next();
            assert!(pause <= Duration::from_millis(full) && pause > Duration::from_millis(full / 2), "{pause:?} of {full}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
        for _ in 0..200 {
            assert!(backoff.next() <= Duration::from_secs(1));
        }
    }
}
