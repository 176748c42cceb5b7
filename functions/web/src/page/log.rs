//! The end of what a check printed, line by line.

use crate::ansi::{self, Span};

/// Most lines that a page shows.
const MAX_LINES: usize = 3_000;

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its lines.
    pub lines: Vec<LogLine>,
    /// Whether there was more before the first line.
    pub is_cut: bool,
    /// Why there is none, if there is none.
    pub absence: Option<&'static str>,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its text.
    pub spans: Vec<Span>,
}

impl Log {
    /// The log of an output, of which the beginning may be gone already.
    #[must_use]
    pub fn new(output: &str, is_cut: bool) -> Self {
        let parsed = ansi::parse(output, MAX_LINES);
        let first = parsed.dropped + 1;
        let lines: Vec<LogLine> =
            parsed.lines.into_iter().enumerate().map(|(index, line)| LogLine { number: first + index, spans: line.spans }).collect();
        let absence = lines.is_empty().then_some("It printed nothing.");
        Self { lines, is_cut: is_cut || parsed.dropped > 0, absence }
    }

    /// No log, and why.
    #[must_use]
    pub fn none(absence: &'static str) -> Self {
        Self { lines: vec![], is_cut: false, absence: Some(absence) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_from_the_start_of_what_is_kept() {
        let log = Log::new("a\nb", false);
        assert_eq!(log.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2]);
        assert!(!log.is_cut);

        let long: String = (0..=MAX_LINES).map(|number| format!("{number}\n")).collect();
        let log = Log::new(&long, false);
        assert_eq!((log.lines.len(), log.lines[0].number, log.is_cut), (MAX_LINES, 2, true));
    }

    #[test]
    fn an_empty_log_says_so() {
        assert_eq!(Log::new("", false).absence, Some("It printed nothing."));
    }
}
