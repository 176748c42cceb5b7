//! Search in names, attributes and logs, in this order, some of it per request.

use std::collections::HashMap;

use quillon_core::trace::outline::{Outline, Row};
use quillon_core::trace::span::{Attributes, Value};

use crate::error::{Error, Result};
use crate::open::MAX_TRIES;
use crate::snapshot::Snapshot;
use crate::source::At;
use crate::spans::Record;
use crate::{Traces, cursor, weight};

/// Most hits of a request.
const MAX_HITS: usize = 200;

/// Rows whose records are read at once.
const ROWS: u32 = 128;

/// Bytes of names that are searched at once.
const NAMES_AT_ONCE: usize = 4 << 20;

/// Longest text that is searched for, in bytes.
const MAX_TEXT: usize = 200;

/// Bytes of text around a hit.
const AROUND: usize = 60;

/// The attribute that is base64: nothing to be read in there.
const CALL: &str = "dagger.io/dag.call";

/// What is searched for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The text, at most 200 bytes of it; case does not matter.
    pub text: String,
    /// In the names of spans.
    pub names: bool,
    /// In their attributes and error messages.
    pub attributes: bool,
    /// In log records.
    pub logs: bool,
    /// The cursor that the part before ended with; none for the first.
    pub after: Option<String>,
    /// About how many bytes of records are searched in one request.
    pub budget: usize,
}

impl Query {
    /// Everywhere in a trace, from the beginning, 32 MB at a time.
    #[must_use]
    pub fn everywhere(text: &str) -> Self {
        Self { text: text.to_owned(), names: true, attributes: true, logs: true, after: None, budget: 32 << 20 }
    }
}

/// Where a text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// In the name of a span.
    Name,
    /// In an attribute or the error message of a span.
    Attribute,
    /// In a log record of a span.
    Log,
}

impl Where {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Attribute => "attribute",
            Self::Log => "log",
        }
    }
}

/// A text that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The span; for log records of the trace as a whole its first root.
    pub row: u32,
    /// Where of it.
    pub place: Where,
    /// The text with some of what is around it.
    pub excerpt: String,
}

/// What was found in a part of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The hits.
    pub hits: Vec<Hit>,
    /// How many names, records and log records were searched so far.
    pub searched: u64,
    /// Of how many.
    pub of: u64,
    /// Where the search goes on; none if this was all.
    pub next: Option<String>,
}

/// How far a search has come: the number of a list, and how many of it are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    list: u64,
    done: u64,
}

const NAMES: u64 = 0;
const ATTRIBUTES: u64 = 1;
const LOGS: u64 = 2;
const END: u64 = 3;

impl Traces {
    /// Searches a part of a trace.
    ///
    /// # Errors
    /// When the table cannot be used, or the cursor is not one of a search.
    pub async fn search(&self, snapshot: &Snapshot, query: &Query) -> Result<Found> {
        let mut current = None;
        for _ in 0..MAX_TRIES {
            let snapshot: &Snapshot = current.as_deref().unwrap_or(snapshot);
            match self.search_now(snapshot, query).await {
                Err(Error::Moved) => current = Some(self.again(snapshot).await?),
                outcome => return outcome,
            }
        }
        Err(Error::Moved)
    }

    async fn search_now(&self, snapshot: &Snapshot, query: &Query) -> Result<Found> {
        let needle = Needle::new(&query.text);
        let rows = snapshot.outline.len() as u64;
        let records: u64 = snapshot.log_segments().map(|(_, _, segment)| u64::from(segment.records)).sum();
        let lists = [(query.names, rows), (query.attributes, rows), (query.logs, records)];
        let of = lists.iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, length)| length).sum();
        let mut progress = match &query.after {
            Some(cursor) => {
                let [list, done] = cursor::read('s', cursor)?;
                Progress { list, done }
            }
            None => Progress { list: NAMES, done: 0 },
        };
        let mut hits = Vec::new();
        let mut budget = query.budget.max(1);
        while progress.list < END && budget > 0 && hits.len() < MAX_HITS && !needle.is_empty() {
            let (is_wanted, length) = lists[usize::try_from(progress.list).map_err(|_| Error::InvalidCursor)?];
            if !is_wanted || progress.done >= length {
                progress = Progress { list: progress.list + 1, done: 0 };
                continue;
            }
            let spent = match progress.list {
                NAMES => search_names(&snapshot.outline, &needle, &mut progress.done, &mut hits),
                ATTRIBUTES => self.search_attributes(snapshot, &needle, &mut progress.done, &mut hits).await?,
                LOGS => self.search_logs(snapshot, &needle, &mut progress.done, &mut hits).await?,
                _ => return Err(Error::InvalidCursor),
            };
            budget = budget.saturating_sub(spent.max(1));
        }
        let before = lists.iter().zip(0..).filter(|((is_wanted, _), list)| *is_wanted && *list < progress.list);
        let searched = before.map(|((_, length), _)| length).sum::<u64>() + progress.done;
        let is_done = needle.is_empty() || progress.list >= END;
        let next = if is_done { None } else { Some(cursor::write('s', &[progress.list, progress.done])) };
        Ok(Found { hits, searched: if is_done { of } else { searched.min(of) }, of, next })
    }

    async fn search_attributes(&self, snapshot: &Snapshot, needle: &Needle, done: &mut u64, hits: &mut Vec<Hit>) -> Result<usize> {
        let first = u32::try_from(*done).map_err(|_| Error::InvalidCursor)?;
        let last = u32::try_from(snapshot.outline.len()).unwrap_or(u32::MAX).min(first.saturating_add(ROWS));
        let rows: Vec<u32> = (first..last).collect();
        let mut spent = 0;
        let mut found = Vec::new();
        let mut visit = |at: usize, _: &Row, _: &str, record: Record<'_>| {
            spent += weight::attributes(record.attributes()) + record.message().len() + 64;
            let excerpt = needle.find(record.message()).or_else(|| needle.find_in(record.attributes()));
            found.extend(excerpt.map(|excerpt| (rows[at], excerpt)));
        };
        self.visit(snapshot, &rows, &mut visit).await?;
        found.sort();
        found.dedup_by_key(|(row, _)| *row);
        *done = u64::from(last);
        // More hits than fit on a page go on with the row behind the last one.
        let room = MAX_HITS.saturating_sub(hits.len());
        if let Some((row, _)) = found.get(room) {
            *done = u64::from(*row);
            found.truncate(room);
        }
        hits.extend(found.into_iter().map(|(row, excerpt)| Hit { row, place: Where::Attribute, excerpt }));
        Ok(spent)
    }

    async fn search_logs(&self, snapshot: &Snapshot, needle: &Needle, done: &mut u64, hits: &mut Vec<Hit>) -> Result<usize> {
        let mut before = 0;
        let mut wanted: Option<(At, u64)> = None;
        for (at, _, segment) in snapshot.log_segments() {
            let end = before + u64::from(segment.records);
            if *done < end {
                wanted = Some((at, before));
                break;
            }
            before = end;
        }
        let Some((at, before)) = wanted else {
            *done = u64::MAX;
            return Ok(0);
        };
        let records = self.log_records(snapshot.of(), at).await?;
        let root = snapshot.tree.roots().first().copied();
        let skip = usize::try_from(*done - before).unwrap_or(usize::MAX);
        let mut spent = 0;
        for record in records.iter().skip(skip) {
            if hits.len() >= MAX_HITS {
                return Ok(spent);
            }
            *done += 1;
            spent += weight::log(record);
            let row = record.span.and_then(|span| snapshot.outline.row(span)).or(root);
            let excerpt = record.body.as_text().and_then(|body| needle.find(body));
            if let (Some(row), Some(excerpt)) = (row, excerpt) {
                hits.push(Hit { row, place: Where::Log, excerpt });
            }
        }
        Ok(spent)
    }
}

/// Searches the names of some rows, each name once; a row for every name is what a hostile trace has.
fn search_names(outline: &Outline, needle: &Needle, done: &mut u64, hits: &mut Vec<Hit>) -> usize {
    let mut known: HashMap<u32, Option<String>> = HashMap::new();
    let mut spent = 0;
    let first = usize::try_from(*done).unwrap_or(usize::MAX);
    for (number, row) in (0..).zip(&outline.rows).skip(first) {
        if hits.len() >= MAX_HITS || spent >= NAMES_AT_ONCE {
            break;
        }
        *done += 1;
        let found = known.entry(row.name.0).or_insert_with(|| {
            let name = outline.name(row.name);
            spent += name.len();
            needle.find(name)
        });
        if let Some(excerpt) = found {
            hits.push(Hit { row: number, place: Where::Name, excerpt: excerpt.clone() });
        }
    }
    spent
}

/// What is searched for, in lower case.
struct Needle(String);

impl Needle {
    fn new(text: &str) -> Self {
        Self(text[..text.floor_char_boundary(MAX_TEXT)].to_lowercase())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first place in a text with some of what is around it.
    fn find(&self, text: &str) -> Option<String> {
        let at = if self.0.is_ascii() {
            let (needle, first) = (self.0.as_bytes(), *self.0.as_bytes().first()?);
            let starts = |window: &[u8]| window[0].to_ascii_lowercase() == first && window.eq_ignore_ascii_case(needle);
            text.as_bytes().windows(needle.len()).position(starts)?
        } else {
            // Lower case can be longer: what is around may be off by a little, which an excerpt can afford.
            text.to_lowercase().find(&self.0)?
        };
        let start = text.floor_char_boundary(at.saturating_sub(AROUND));
        let end = text.ceil_char_boundary((at + self.0.len() + AROUND).min(text.len()));
        let (start, end) = (start.min(text.len()), end.max(start.min(text.len())));
        let mut excerpt = String::new();
        if start > 0 {
            excerpt.push('…');
        }
        excerpt.push_str(&text[start..end]);
        if end < text.len() {
            excerpt.push('…');
        }
        Some(excerpt)
    }

    fn find_in(&self, attributes: &Attributes) -> Option<String> {
        attributes.0.iter().find_map(|(name, value)| {
            if name == CALL {
                return None;
            }
            let found = self.find(name).is_some().then(|| shown(value)).or_else(|| self.find_in_value(value))?;
            Some(format!("{name}: {found}"))
        })
    }

    fn find_in_value(&self, value: &Value) -> Option<String> {
        match value {
            Value::Text(text) => self.find(text),
            Value::Int(number) => self.find(&number.to_string()),
            Value::Double(number) => self.find(&number.to_string()),
            Value::List(values) => values.iter().find_map(|value| self.find_in_value(value)),
            Value::Map(map) => self.find_in(map),
            Value::Bool(_) | Value::Bytes(_) | Value::Empty => None,
        }
    }
}

/// The beginning of a value.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text[..text.floor_char_boundary(2 * AROUND)].to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::List(values) => values.first().map_or_else(String::new, shown),
        Value::Bytes(_) | Value::Map(_) | Value::Empty => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_without_regard_to_case_and_shown_with_its_neighbourhood() {
        let needle = Needle::new("LINT");
        assert_eq!(needle.find("go:lint").as_deref(), Some("go:lint"));
        assert_eq!(needle.find("nothing"), None);
        let long = format!("{}Lint{}", "ä".repeat(100), "é".repeat(100));
        let excerpt = needle.find(&long).expect("a hit");
        assert!(excerpt.starts_with('…') && excerpt.ends_with('…') && excerpt.contains("Lint") && excerpt.len() < 200, "{excerpt}");
        assert_eq!(Needle::new("ÄPFEL").find("drei äpfel").as_deref(), Some("drei äpfel"));
        assert!(Needle::new("").find("x").is_none());
        // A letter whose lower case is longer must not lead out of the text.
        assert!(Needle::new("\u{e4}").find(&format!("{}ä", "İ".repeat(200))).is_some());
    }

    #[test]
    fn attributes_are_found_by_name_and_by_value() {
        let attributes = Attributes(vec![
            (CALL.to_owned(), Value::Text("bGludA==".to_owned())),
            ("process.args".to_owned(), Value::List(vec![Value::Text("go".to_owned()), Value::Text("test".to_owned())])),
            ("exit.code".to_owned(), Value::Int(137)),
        ]);
        assert_eq!(Needle::new("bGlu").find_in(&attributes), None);
        assert_eq!(Needle::new("TEST").find_in(&attributes).as_deref(), Some("process.args: test"));
        assert_eq!(Needle::new("137").find_in(&attributes).as_deref(), Some("exit.code: 137"));
        assert_eq!(Needle::new("exit").find_in(&attributes).as_deref(), Some("exit.code: 137"));
    }
}
