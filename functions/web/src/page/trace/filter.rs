//! The filter of the list of traces: it lives in the URL.

use jiff::civil::Date;
use quillon_core::trace::state::TraceState;

use crate::page::text::label;

/// Longest value of the filter that is looked at, in characters.
const MAX_VALUE: usize = 300;

/// Longest cursor that is handed on, in bytes.
const MAX_CURSOR: usize = 4_096;

/// Which traces the list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceFilter {
    /// Only those from there.
    pub source: Option<Source>,
    /// Only those of this repository, as `owner/name` or with its host.
    pub repository: Option<String>,
    /// Only those of this branch or tag.
    pub branch: Option<String>,
    /// Only those of this pull request.
    pub pull: Option<u64>,
    /// Only those whose command has these characters.
    pub command: Option<String>,
    /// Only those in this state.
    pub state: Option<TraceState>,
    /// Only those that took at least so long, in milliseconds.
    pub min_duration_ms: Option<i64>,
    /// Only those that have these characters in their command, title, people or place.
    pub text: Option<String>,
    /// Only those of this day, in UTC, and older ones.
    pub day: Option<Date>,
    /// Those after this cursor.
    pub after: Option<String>,
}

/// Where traces come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A CI system, ours among them.
    Ci,
    /// Somebody's machine.
    People,
    /// Somewhere without git metadata.
    NoRepository,
}

impl Source {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Ci, Self::People, Self::NoRepository];

    /// The value in the URL.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::People => "people",
            Self::NoRepository => "no-repository",
        }
    }

    /// The heading of their part of the list.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ci => "From CI",
            Self::People => "From people's machines",
            Self::NoRepository => "No repository",
        }
    }
}

/// The states that can be asked for, with their words in the URL and in the select box.
pub const STATES: [(TraceState, &str, &str); 5] = [
    (TraceState::Running, "running", "Running"),
    (TraceState::Failed, "failed", "Failed"),
    (TraceState::Succeeded, "succeeded", "Succeeded"),
    (TraceState::Canceled, "cancelled", "Cancelled"),
    (TraceState::Lost, "lost", "Lost"),
];

impl TraceFilter {
    /// Reads the filter from the pairs of a query; what does not fit is left out and named.
    pub fn read<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> (Self, Vec<String>) {
        let mut filter = Self::default();
        let mut problems = Vec::new();
        for (name, value) in pairs {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            if name == "after" {
                filter.after = (value.len() <= MAX_CURSOR).then(|| value.to_owned());
                continue;
            }
            let text = || Some(label(value)).filter(|text| text.chars().count() <= MAX_VALUE);
            match name {
                "from" => match Source::ALL.into_iter().find(|source| source.word() == value) {
                    Some(source) => filter.source = Some(source),
                    None => problems.push("this source is not known".to_owned()),
                },
                "repository" => filter.repository = text(),
                "branch" => match value.strip_prefix('#') {
                    None => filter.branch = text(),
                    Some(number) => match number.parse() {
                        Ok(number) => filter.pull = Some(number),
                        Err(_) => problems.push("a pull request is written as `#7`".to_owned()),
                    },
                },
                "command" => filter.command = text(),
                "state" => match STATES.into_iter().find(|(_, word, _)| *word == value) {
                    Some((state, _, _)) => filter.state = Some(state),
                    None => problems.push("this state is not known".to_owned()),
                },
                "longer" => match milliseconds(value) {
                    Some(duration) => filter.min_duration_ms = Some(duration),
                    None => problems.push("a duration is written as `90s`, `3m` or `1h30m`".to_owned()),
                },
                "q" => filter.text = text(),
                "day" => match value.parse::<Date>() {
                    Ok(day) if (1970..=9_000).contains(&day.year()) => filter.day = Some(day),
                    Ok(_) | Err(_) => problems.push("a day is written as `2026-05-04`".to_owned()),
                },
                _ => {}
            }
        }
        (filter, problems)
    }

    /// The filter as pairs of a query, in a fixed order.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = [
            ("from", self.source.map(|source| source.word().to_owned())),
            ("repository", self.repository.clone()),
            ("branch", self.branch_text()),
            ("command", self.command.clone()),
            ("state", self.state_word().map(str::to_owned)),
            ("longer", self.duration_text()),
            ("q", self.text.clone()),
            ("day", self.day.map(|day| day.to_string())),
            ("after", self.after.clone()),
        ];
        pairs.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    /// The text of the branch field: a branch's name, or `#7`.
    #[must_use]
    pub fn branch_text(&self) -> Option<String> {
        self.pull.map(|number| format!("#{number}")).or_else(|| self.branch.clone())
    }

    /// The text of the duration field, in its shortest spelling.
    #[must_use]
    pub fn duration_text(&self) -> Option<String> {
        let duration = self.min_duration_ms?;
        let parts = [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        let mut rest = duration;
        let mut text = String::new();
        for (length, unit) in parts {
            let count = rest / length;
            rest %= length;
            if count > 0 {
                text.push_str(&format!("{count}{unit}"));
            }
        }
        Some(text)
    }

    fn state_word(&self) -> Option<&'static str> {
        STATES.into_iter().find(|(state, _, _)| Some(state) == self.state.as_ref()).map(|(_, word, _)| word)
    }

    /// The same filter from another place on.
    #[must_use]
    pub fn from(&self, after: Option<String>) -> Self {
        Self { after, ..self.clone() }
    }

    /// The same filter for another source.
    #[must_use]
    pub fn of_source(&self, source: Option<Source>) -> Self {
        Self { source, after: None, ..self.clone() }
    }

    /// Whether it leaves anything out.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self { after: self.after.clone(), ..Self::default() }
    }
}

/// `90s`, `3m`, `1h30m`, `500ms` in milliseconds; at most a year, at least one millisecond.
fn milliseconds(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: i64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let (length, after) = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
            .into_iter()
            .find_map(|(unit, length)| rest.strip_prefix(unit).map(|after| (length, after)))?;
        total = total.checked_add(number.checked_mul(length)?)?;
        rest = after.trim_start();
    }
    (1..=365 * 24 * 3_600_000).contains(&total).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (TraceFilter, Vec<String>) {
        TraceFilter::read(pairs.iter().copied())
    }

    #[test]
    fn filters_survive_the_url() {
        for pairs in [
            vec![],
            vec![("from", "ci"), ("repository", "github.com/acme/api"), ("branch", "feature/x")],
            vec![("branch", "#7"), ("command", "dagger call test"), ("state", "lost")],
            vec![("longer", "1h30m"), ("q", "mona"), ("day", "2026-05-04"), ("after", "abc")],
        ] {
            let (filter, problems) = read(&pairs);
            assert_eq!(problems, Vec::<String>::new());
            let again = filter.pairs();
            assert_eq!(again.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), pairs);
        }
    }

    #[test]
    fn what_does_not_fit_is_named_and_left_out() {
        for pair in [
            ("from", "mars"),
            ("branch", "#x"),
            ("branch", "#"),
            ("state", "<b>"),
            ("longer", "3"),
            ("longer", "-3m"),
            ("longer", "3é"),
            ("longer", "99999999999999999999h"),
            ("longer", "9000000000000000000h"),
            ("longer", "0s"),
            ("day", "yesterday"),
            ("day", "2026-13-01"),
            ("day", "-009999-01-01"),
        ] {
            let (filter, problems) = read(&[pair]);
            assert_eq!((problems.len(), filter), (1, TraceFilter::default()), "{pair:?}");
        }
        let long = "x".repeat(400);
        assert_eq!(read(&[("q", &long), ("unknown", "1")]), (TraceFilter::default(), vec![]));
    }

    #[test]
    fn durations_have_one_spelling() {
        for (text, expected) in [("90s", "1m30s"), ("1h 30m", "1h30m"), ("500ms", "500ms"), ("61m", "1h1m")] {
            assert_eq!(read(&[("longer", text)]).0.duration_text().as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_place_in_the_list_is_no_filter() {
        assert!(!read(&[("after", "x")]).0.is_set());
        assert!(read(&[("day", "2026-05-04")]).0.is_set());
    }
}
