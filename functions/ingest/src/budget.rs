//! How much is taken in: bytes per sender and second, and bytes that are in work at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use quillon_otlp::Refused;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many seconds of its budget a sender may use at once: the end of a large trace comes in one burst.
const BURST_S: i64 = 60;

/// Most senders whose use is remembered.
const MAX_SENDERS: usize = 10_000;

/// Kilobytes that may be in work at once: bodies as they came, decompressed, and compressed again.
const IN_WORK_KB: u32 = 256 * 1024;

/// How many bytes in work a byte of a body makes, as it comes and compressed.
const WEIGHT: usize = 3;
const COMPRESSED_WEIGHT: usize = 12;

/// Large requests that are read and stored at once. Each may take a hundred megabytes and one processor.
const TURNS: usize = 2;

/// When to come back while others are in work, in seconds.
const BUSY_S: u32 = 2;

/// What is left to a sender.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Bytes; below zero once more came than was left, which is paid back before anything else is taken in.
    level: i64,
    at: Timestamp,
}

/// Counts bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_per_s: i64,
    buckets: Mutex<HashMap<String, Bucket>>,
    in_work: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Budget {
    /// A budget of this many kilobytes per second and sender.
    pub(crate) fn new(kb_per_s: u32) -> Self {
        let in_work = Arc::new(Semaphore::new(IN_WORK_KB as usize));
        Self { bytes_per_s: i64::from(kb_per_s.max(1)) * 1024, buckets: Mutex::default(), in_work, turns: Arc::new(Semaphore::new(TURNS)) }
    }

    /// Lets a request in while its sender has anything left: a request is never larger than what is allowed at once.
    pub(crate) fn admit(&self, sender: &str, now: Timestamp) -> Result<(), Refused> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let level = buckets.get(sender).map_or(1, |bucket| self.level(bucket, now));
        if level > 0 {
            return Ok(());
        }
        let missing_s = (1 - level) / self.bytes_per_s + 1;
        Err(Refused::Busy { retry_after_s: u32::try_from(missing_s).unwrap_or(u32::MAX) })
    }

    /// Takes what a request really had from what its sender has left.
    pub(crate) fn charge(&self, sender: &str, bytes: usize, now: Timestamp) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_SENDERS && !buckets.contains_key(sender) {
            buckets.retain(|_, bucket| self.level(bucket, now) < self.most());
            // So many busy senders are more than a process can serve anyway; forgetting them is in their favour.
            if buckets.len() >= MAX_SENDERS {
                buckets.clear();
            }
        }
        let level = buckets.get(sender).map_or(self.most(), |bucket| self.level(bucket, now));
        let level = level.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        buckets.insert(sender.to_owned(), Bucket { level, at: now });
    }

    /// Room for a request in memory, given back when the answer is there.
    pub(crate) fn enter(&self, bytes: usize, is_compressed: bool) -> Result<OwnedSemaphorePermit, Refused> {
        let weight = if is_compressed { COMPRESSED_WEIGHT } else { WEIGHT };
        let kilobytes = u32::try_from(bytes.saturating_mul(weight) / 1024 + 1).unwrap_or(u32::MAX).min(IN_WORK_KB);
        Arc::clone(&self.in_work).try_acquire_many_owned(kilobytes).map_err(|_| Refused::Busy { retry_after_s: BUSY_S })
    }

    /// Waits for the turn of a large request, first come first served; given back when the answer is there.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    fn most(&self) -> i64 {
        self.bytes_per_s * BURST_S
    }

    fn level(&self, bucket: &Bucket, now: Timestamp) -> i64 {
        let elapsed_ms = i64::try_from(now.duration_since(bucket.at).as_millis()).unwrap_or(0).max(0);
        let gained = self.bytes_per_s.saturating_mul(elapsed_ms) / 1_000;
        bucket.level.saturating_add(gained).min(self.most())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).expect("a time")
    }

    #[test]
    fn a_sender_that_used_up_its_budget_waits_and_others_do_not() {
        let budget = Budget::new(1);
        budget.charge("a", 60 * 1024 - 1, at(0));
        assert_eq!(budget.admit("a", at(0)), Ok(()));
        budget.charge("a", 10 * 1024 + 1, at(0));
        assert_eq!(budget.admit("a", at(0)), Err(Refused::Busy { retry_after_s: 11 }));
        assert_eq!(budget.admit("b", at(0)), Ok(()));
        assert_eq!(budget.admit("a", at(10_000)), Err(Refused::Busy { retry_after_s: 1 }));
        assert_eq!(budget.admit("a", at(10_001)), Ok(()));
        // Waiting longer saves up no more than a minute.
        budget.charge("a", 60 * 1024, at(10_000_000));
        assert!(budget.admit("a", at(10_000_000)).is_err());
        // A clock that goes back takes nothing away.
        assert!(budget.admit("a", at(0)).is_err());
    }

    #[test]
    fn no_number_of_senders_fills_the_memory() {
        let budget = Budget::new(1);
        for sender in 0..2 * MAX_SENDERS {
            budget.charge(&sender.to_string(), 1024 * 1024, at(0));
        }
        assert!(budget.buckets.lock().expect("no panic").len() <= MAX_SENDERS);
    }

    #[test]
    fn large_requests_take_turns() {
        let budget = Budget::new(1);
        let taken: Vec<_> = (0..TURNS).map(|_| budget.turn().now_or_never().flatten().expect("a turn")).collect();
        let mut next = Box::pin(budget.turn());
        assert!(next.as_mut().now_or_never().is_none());
        drop(taken);
        assert!(next.now_or_never().flatten().is_some());
    }

    #[test]
    fn what_is_in_work_is_bounded_and_given_back() {
        let budget = Budget::new(1);
        let size = 20 * 1024 * 1024;
        let first = budget.enter(size, true).expect("room");
        assert!(budget.enter(size, true).is_err());
        let small = budget.enter(1024, false).expect("room");
        drop((first, small));
        assert!(budget.enter(usize::MAX, true).is_ok(), "whatever is taken in can be taken in alone");
    }
}
