//! What people see: answers on stdout, progress on stderr, in the forms of the real CLI.

use std::io::Write as _;
use std::time::Duration;

use crate::check::Check;
use crate::cli::Progress;

/// Longest line that is held back until its end arrives, in bytes.
const MAX_PENDING: usize = 8 * 1024;

/// Writes answers and progress. A closed terminal is no reason to stop, so errors of writing are dropped.
pub(crate) struct Terminal {
    progress: Progress,
}

impl Terminal {
    pub(crate) fn new(progress: Progress) -> Self {
        Self { progress }
    }

    /// Prints what the command was asked for.
    pub(crate) fn answer(&self, text: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Prints why the command fails.
    pub(crate) fn error(&self, message: &str) {
        self.say(&format!("Error: {message}"));
    }

    /// Prints a line for people.
    pub(crate) fn say(&self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Prints the list of checks: `name<padding># description`.
    pub(crate) fn list(&self, checks: &[Check]) {
        let width = checks.iter().filter(|check| check.description.is_some()).map(|check| check.name.chars().count()).max().unwrap_or(0);
        for check in checks {
            match &check.description {
                Some(description) => self.answer(&format!("{:width$}   # {description}", check.name)),
                None => self.answer(&check.name),
            }
        }
    }

    pub(crate) fn started(&self, view: &View) {
        if self.is_numbered() {
            self.say(&format!("{:<4}: {}", view.number, view.name));
        }
    }

    /// Prints what a check wrote, whole lines at a time.
    pub(crate) fn output(&self, view: &mut View, elapsed: Duration, bytes: &[u8]) {
        match self.progress {
            Progress::Auto | Progress::Plain | Progress::Tty => {
                view.pending.extend_from_slice(bytes);
                while let Some(end) = view.pending.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = view.pending.drain(..=end).collect();
                    self.output_line(view.number, elapsed, &line);
                }
                if view.pending.len() > MAX_PENDING {
                    let line = std::mem::take(&mut view.pending);
                    self.output_line(view.number, elapsed, &line);
                }
            }
            Progress::Logs => {
                let _ = std::io::stderr().lock().write_all(bytes);
            }
            Progress::Report | Progress::Dots => {}
        }
    }

    pub(crate) fn ended(&self, view: &mut View, elapsed: Duration, result: &Result<(), String>) {
        if self.progress == Progress::Dots {
            let _ = write!(std::io::stderr().lock(), "{}", if result.is_ok() { '.' } else { 'x' });
        }
        if !self.is_numbered() {
            return;
        }
        let rest = std::mem::take(&mut view.pending);
        if !rest.is_empty() {
            self.output_line(view.number, elapsed, &rest);
        }
        let seconds = elapsed.as_secs_f64();
        match result {
            Ok(()) => self.say(&format!("{:<4}: {} DONE [{seconds:.1}s]", view.number, view.name)),
            Err(message) => {
                self.say(&format!("{:<4}: {} ERROR [{seconds:.1}s]", view.number, view.name));
                self.say(&format!("{:<4}: ! {message}", view.number));
            }
        }
    }

    /// Prints the end of a run of several checks.
    pub(crate) fn summary(&self, results: &[(String, Result<(), String>)]) {
        match self.progress {
            Progress::Report => {
                for (name, result) in results {
                    match result {
                        Ok(()) => self.say(&format!("✔ {name} OK")),
                        Err(message) => self.say(&format!("✘ {name} ERROR\n  ! {message}")),
                    }
                }
            }
            Progress::Dots => self.say(""),
            Progress::Auto | Progress::Plain | Progress::Logs | Progress::Tty => {}
        }
    }

    fn is_numbered(&self) -> bool {
        match self.progress {
            Progress::Auto | Progress::Plain | Progress::Tty => true,
            Progress::Report | Progress::Logs | Progress::Dots => false,
        }
    }

    fn output_line(&self, number: usize, elapsed: Duration, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        self.say(&format!("{number:<4}: [{:.1}s] | {}", elapsed.as_secs_f64(), text.trim_end_matches(['\n', '\r'])));
    }
}

/// One check as the terminal shows it.
pub(crate) struct View {
    number: usize,
    name: String,
    pending: Vec<u8>,
}

impl View {
    pub(crate) fn new(number: usize, name: &str) -> Self {
        Self { number, name: name.to_owned(), pending: Vec::new() }
    }
}
