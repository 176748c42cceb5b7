//! Values that are good for a minute, a bounded number of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long a value is used before it is read again: so long a token works on after it was deleted.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// Values by key, each with the time it was read at.
#[derive(Debug)]
pub(crate) struct Fresh<K, V> {
    most: usize,
    known: Mutex<HashMap<K, (Timestamp, V)>>,
}

impl<K: Eq + Hash, V: Clone> Fresh<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, known: Mutex::default() }
    }

    /// The value of a key, unless it is a minute old.
    pub(crate) fn value(&self, key: &K, now: Timestamp) -> Option<V> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(read_at, _)| is_fresh(*read_at, now)).map(|(_, value)| value.clone())
    }

    /// Keeps what was just read.
    pub(crate) fn keep(&self, key: K, value: V, now: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most {
            known.retain(|_, (read_at, _)| is_fresh(*read_at, now));
        }
        // More within a minute than there is room for: all of them can be read again.
        if known.len() >= self.most {
            known.clear();
        }
        known.insert(key, (now, value));
    }
}

fn is_fresh(read_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(read_at) < FRESH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_value_is_good_for_a_minute_and_there_are_never_too_many() {
        let fresh = Fresh::new(3);
        for key in 0..3 {
            fresh.keep(key, key, at(key));
        }
        assert_eq!((fresh.value(&0, at(59)), fresh.value(&0, at(60)), fresh.value(&9, at(0))), (Some(0), None, None));
        fresh.keep(3, 3, at(61));
        assert_eq!((fresh.value(&1, at(61)), fresh.value(&2, at(61)), fresh.value(&3, at(61))), (None, Some(2), Some(3)));
        for key in 4..100 {
            fresh.keep(key, key, at(62));
            assert!(fresh.known.lock().expect("no panic").len() <= 3);
            assert_eq!(fresh.value(&key, at(62)), Some(key));
        }
    }
}
