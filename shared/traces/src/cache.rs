//! What was read lately, bounded by bytes: the least recently used goes first.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;

/// Values by key, of at most so many bytes together.
pub(crate) struct Cache<K, V> {
    entries: HashMap<K, Entry<V>>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
    bytes: usize,
    most: usize,
    largest: usize,
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in it is other people's telemetry.
        formatter.debug_struct("Cache").field("entries", &self.entries.len()).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0, bytes: 0, most, largest: most }
    }

    /// Keeps a value that is larger than everything may be too, up to `largest` bytes, while it is the only one.
    pub(crate) fn with_one_of(mut self, largest: usize) -> Self {
        self.largest = largest;
        self
    }

    /// The value of a key, which counts as a use.
    pub(crate) fn value(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.by_use.remove(&entry.used);
        self.uses += 1;
        entry.used = self.uses;
        self.by_use.insert(entry.used, key.clone());
        Some(entry.value.clone())
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.by_use.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    /// Keeps a value of so many bytes, in the place of others; one that is too large is not kept.
    pub(crate) fn keep(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        if bytes > self.largest {
            return;
        }
        while self.bytes + bytes > self.most {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.bytes -= entry.bytes;
            }
        }
        self.uses += 1;
        self.bytes += bytes;
        self.by_use.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { value, bytes, used: self.uses });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_makes_room() {
        let mut cache = Cache::new(10);
        cache.keep('a', 1, 4);
        cache.keep('b', 2, 4);
        assert_eq!(cache.value(&'a'), Some(1));
        cache.keep('c', 3, 4);
        assert_eq!((cache.value(&'a'), cache.value(&'b'), cache.value(&'c')), (Some(1), None, Some(3)));
        cache.keep('d', 4, 11);
        assert_eq!((cache.value(&'d'), cache.value(&'a')), (None, Some(1)));
        cache.keep('a', 5, 10);
        assert_eq!((cache.value(&'a'), cache.value(&'c'), cache.bytes), (Some(5), None, 10));
        assert_eq!((cache.remove(&'a'), cache.bytes, cache.by_use.len()), (Some(5), 0, 0));
    }

    #[test]
    fn one_that_is_too_large_for_company_is_kept_alone() {
        let mut cache = Cache::new(10).with_one_of(20);
        cache.keep('a', 1, 4);
        cache.keep('b', 2, 20);
        assert_eq!((cache.value(&'a'), cache.value(&'b'), cache.bytes), (None, Some(2), 20));
        cache.keep('c', 3, 21);
        assert_eq!((cache.value(&'b'), cache.value(&'c')), (Some(2), None));
        cache.keep('d', 4, 4);
        assert_eq!((cache.value(&'b'), cache.value(&'d'), cache.bytes), (None, Some(4), 4));
    }
}
