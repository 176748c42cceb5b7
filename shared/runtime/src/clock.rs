//! The clock: the only reader of the time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// Tells the time; handed to whatever needs it, so that a test moves hours by one call and never sleeps.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    /// Milliseconds since the epoch; the sender lives in every clone, so that a wait can never lose it.
    Manual(Arc<watch::Sender<i64>>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is [advanced](Self::advance); its clones move with it.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self::at_ms(now.as_millisecond())
    }

    /// A [manual](Self::manual) clock that shows these milliseconds since the epoch.
    #[must_use]
    pub fn at_ms(now: i64) -> Self {
        Self(Source::Manual(Arc::new(watch::Sender::new(now))))
    }

    /// The time, to the millisecond: everything stored has milliseconds, and what is compared with it must not have more.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => system_ms(),
            Source::Manual(hands) => *hands.borrow(),
        }
    }

    /// Moves a manual clock forward and wakes everything that waited for that time; the machine's clock goes by itself.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Source::System => {}
            Source::Manual(hands) => {
                let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
                hands.send_modify(|now| *now = now.saturating_add(by));
            }
        }
    }

    /// Completes when this clock shows `at_ms` or later.
    pub async fn until(&self, at_ms: i64) {
        match &self.0 {
            Source::System => {
                let left = u64::try_from(at_ms.saturating_sub(system_ms())).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(left)).await;
            }
            Source::Manual(hands) => {
                // The sender is this very value, so the channel cannot close while it is waited for.
                let _ = hands.subscribe().wait_for(|now| *now >= at_ms).await;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
fn system_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_told_and_its_clones_with_it() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let clone = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(clone.now().as_second(), 5);
    }

    #[tokio::test]
    async fn what_waits_for_a_time_wakes_when_it_is_reached() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let waiting = clock.clone();
        let waiter = tokio::spawn(async move { waiting.until(1_000).await });
        clock.advance(Duration::from_secs(1));
        waiter.await.expect("wakes");
    }
}
