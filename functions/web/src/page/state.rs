//! States in words and signs, never by colour alone.

use quillon_core::name::Task;
use quillon_core::run::{Counts, Phase};

use super::text::counted;

/// A state as a page shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Names the CSS class and the sign.
    pub key: &'static str,
    /// The word beside the sign.
    pub word: &'static str,
}

impl State {
    /// The state of an attempt.
    #[must_use]
    pub fn of(phase: Phase, task: &Task) -> Self {
        let word = match (phase, task) {
            (Phase::Queued, _) => "queued",
            (Phase::Running, Task::Load) => "loading",
            (Phase::Running, Task::Check(_)) => "running",
            (Phase::Success, Task::Load) => "loaded",
            (Phase::Success, Task::Check(_)) => "passed",
            (Phase::Failure, _) => "failed",
            (Phase::Error, _) => "could not run",
            (Phase::Cancelled, _) => "cancelled",
        };
        Self { key: phase.word(), word }
    }

    /// The state of a whole run or commit; `None` when there was nothing to run.
    #[must_use]
    pub fn overall(phase: Option<Phase>) -> Self {
        let Some(phase) = phase else { return Self { key: "nothing", word: "nothing to run" } };
        let word = match phase {
            Phase::Queued => "queued",
            Phase::Running => "running",
            Phase::Success => "passed",
            Phase::Failure => "failed",
            Phase::Error => "could not run",
            Phase::Cancelled => "cancelled",
        };
        Self { key: phase.word(), word }
    }
}

/// One of the counts of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Names the CSS class.
    pub key: &'static str,
    /// `26 succeeded`.
    pub text: String,
}

/// A part of the strip that shows the counts, in thousandths of its width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Names the CSS class.
    pub key: &'static str,
    /// Where it begins.
    pub x: u32,
    /// How wide it is.
    pub width: u32,
}

/// The counts and their names, what needs eyes first.
fn parts(counts: &Counts) -> [(u32, Phase, &'static str); 6] {
    [
        (counts.failure, Phase::Failure, "failed"),
        (counts.error, Phase::Error, "could not run"),
        (counts.running, Phase::Running, "running"),
        (counts.queued, Phase::Queued, "queued"),
        (counts.success, Phase::Success, "succeeded"),
        (counts.cancelled, Phase::Cancelled, "cancelled"),
    ]
}

/// The counts that are not zero, in words.
#[must_use]
pub fn count_words(counts: &Counts) -> Vec<Count> {
    let shown = parts(counts).into_iter().filter(|(number, _, _)| *number > 0);
    shown.map(|(number, phase, word)| Count { key: phase.word(), text: format!("{number} {word}") }).collect()
}

/// The counts as parts of a strip, gap-free.
#[must_use]
pub fn strip(counts: &Counts) -> Vec<Segment> {
    let total: u64 = parts(counts).iter().map(|(number, _, _)| u64::from(*number)).sum();
    let mut before = 0_u64;
    let mut segments = Vec::new();
    // Successes first: the strip fills from the left.
    let [failure, error, running, queued, success, cancelled] = parts(counts);
    for (number, phase, _) in [success, failure, error, running, cancelled, queued] {
        if number == 0 {
            continue;
        }
        let x = before * 1_000 / total;
        before += u64::from(number);
        let end = before * 1_000 / total;
        let small = |thousandths: u64| u32::try_from(thousandths).unwrap_or(1_000);
        segments.push(Segment { key: phase.word(), x: small(x), width: small(end - x) });
    }
    segments
}

/// A run's checks in one sentence, for readers that hear the page.
#[must_use]
pub fn sentence(counts: &Counts) -> String {
    if counts.total() == 0 {
        return "no checks yet".to_owned();
    }
    let words: Vec<String> = count_words(counts).into_iter().map(|count| count.text).collect();
    format!("{}: {}", counted(counts.total() as usize, "check"), words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_its_word() {
        let check = Task::Check("go:lint".parse().expect("a check"));
        let phases = [Phase::Queued, Phase::Running, Phase::Success, Phase::Failure, Phase::Error, Phase::Cancelled];
        let words: Vec<&str> = phases.iter().map(|phase| State::of(*phase, &check).word).collect();
        assert_eq!(words, ["queued", "running", "passed", "failed", "could not run", "cancelled"]);
        assert_eq!(State::of(Phase::Success, &Task::Load).word, "loaded");
        assert_eq!(State::overall(None).word, "nothing to run");
    }

    #[test]
    fn counts_read_as_a_sentence() {
        let counts = Counts { success: 26, failure: 6, running: 2, ..Counts::default() };
        assert_eq!(sentence(&counts), "34 checks: 6 failed, 2 running, 26 succeeded");
        assert_eq!(sentence(&Counts::default()), "no checks yet");
    }

    #[test]
    fn the_strip_is_full_and_has_no_gaps() {
        let counts = Counts { success: 1, failure: 1, queued: 1, ..Counts::default() };
        let segments = strip(&counts);
        let mut x = 0;
        for segment in &segments {
            assert_eq!(segment.x, x);
            x += segment.width;
        }
        assert_eq!((segments.len(), x), (3, 1_000));
        assert!(strip(&Counts::default()).is_empty());
    }
}
