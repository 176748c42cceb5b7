//! Which chunks of a trace may be read now. Numbers are given out before chunks are put, so a chunk can be there before the
//! one before it; and a number whose writer died stays empty for ever.

/// How long a reader waits for a missing chunk once a later one is there, in milliseconds.
pub(crate) const READER_WAITS: i64 = 3_000;

/// How long a sealer waits, in milliseconds: what it passes is lost, and a writer lives at most 30 seconds.
pub(crate) const SEALER_WAITS: i64 = 60_000;

/// The reader's way through the numbers of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// The last number that is done with.
    pub(crate) cursor: u64,
    /// How many numbers were passed without a chunk.
    pub(crate) passed: u64,
    waits: i64,
}

/// What to do with a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read it.
    Read,
    /// It was read before.
    Known,
    /// Stop here for now: the one before it may still come.
    Wait,
}

impl Sequence {
    pub(crate) fn new(cursor: u64, passed: u64, waits: i64) -> Self {
        Self { cursor, passed, waits }
    }

    /// Goes on to a chunk that was taken in at a time.
    pub(crate) fn step(&mut self, seq: u64, at_ms: i64, now_ms: i64) -> Step {
        if seq <= self.cursor {
            return Step::Known;
        }
        let missing = seq - self.cursor - 1;
        if missing > 0 && now_ms.saturating_sub(at_ms) < self.waits {
            return Step::Wait;
        }
        self.passed += missing;
        self.cursor = seq;
        Step::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_waited_for_and_then_passed() {
        let mut sequence = Sequence::new(4, 0, READER_WAITS);
        assert_eq!(sequence.step(4, 0, 0), Step::Known);
        assert_eq!(sequence.step(5, 1_000, 1_000), Step::Read);
        assert_eq!(sequence.step(8, 1_000, 3_999), Step::Wait);
        assert_eq!(sequence.step(8, 1_000, 4_000), Step::Read);
        assert_eq!((sequence.cursor, sequence.passed), (8, 2));
    }
}
