//! Reads what `dagger check -l` prints, in the forms of v0.21 and of 1.0. Neither has a machine-readable form.
//!
//! ```text
//! 1.0      go:lint   # Checks the style.        v0.21    Name      Description
//!          go:unit                                       go:lint   Checks the style.
//!                                                        go:unit
//!
//!                                                        Generators
//!                                                        go:generate   Writes code.
//! ```

use std::collections::BTreeSet;

use quillon_core::attempt::{ListedCheck, MAX_CHECKS};
use quillon_core::text::first_line;

/// Longest description that is kept, in characters.
const MAX_DESCRIPTION: usize = 300;

/// Why an output is not a list of checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListingError {
    /// A line is neither a check nor part of a table.
    #[error("`dagger check -l` printed a line that is not a check: `{0}`")]
    Line(String),
    /// More than a module may list.
    #[error("the module lists more than {MAX_CHECKS} checks")]
    TooMany,
}

/// Reads a list. Nothing at all is an empty list: a module without checks.
pub(crate) fn parse(output: &str) -> Result<Vec<ListedCheck>, ListingError> {
    let plain = without_escapes(output);
    let mut lines = plain.lines().map(str::trim_end).peekable();
    while lines.next_if(|line| line.is_empty()).is_some() {}
    let is_table = lines.next_if(|line| is_heading(line)).is_some();
    let mut checks = Vec::new();
    let mut seen = BTreeSet::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if is_table && line == "Generators" {
            continue;
        }
        let check = if is_table { table_row(line) } else { list_row(line) };
        let check = check.ok_or_else(|| ListingError::Line(first_line(line, 80)))?;
        if seen.insert(check.name.clone()) {
            checks.push(check);
        }
        if checks.len() > MAX_CHECKS {
            return Err(ListingError::TooMany);
        }
    }
    Ok(checks)
}

fn is_heading(line: &str) -> bool {
    line == "Name" || line.strip_prefix("Name").is_some_and(|rest| rest.starts_with("  ") && rest.trim() == "Description")
}

/// `name`, or `name`, two spaces or more, description.
fn table_row(line: &str) -> Option<ListedCheck> {
    let (name, rest) = split_name(line);
    let is_column = rest.is_empty() || rest.starts_with("  ");
    is_column.then(|| listed(name, rest.trim())).flatten()
}

/// `name`, or `name`, space, `# description`.
fn list_row(line: &str) -> Option<ListedCheck> {
    let (name, rest) = split_name(line);
    match rest.trim_start().strip_prefix('#') {
        Some(description) => listed(name, description.trim()),
        None => rest.is_empty().then(|| listed(name, "")).flatten(),
    }
}

fn split_name(line: &str) -> (&str, &str) {
    line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()))
}

fn listed(name: &str, description: &str) -> Option<ListedCheck> {
    let description = first_line(description, MAX_DESCRIPTION);
    Some(ListedCheck { name: name.parse().ok()?, description: (!description.is_empty()).then_some(description) })
}

/// A text without terminal escape sequences: v0.21 prints its headings in bold even into a pipe.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            plain.push(c);
        } else if rest.next_if_eq(&'[').is_some() {
            // A control sequence ends with a byte from `@` to `~`; see ECMA-48, 5.4.
            while rest.next_if(|c| !('@'..='~').contains(c)).is_some() {}
            rest.next();
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(output: &str) -> Result<Vec<(String, Option<String>)>, ListingError> {
        Ok(parse(output)?.into_iter().map(|check| (check.name.to_string(), check.description)).collect())
    }

    fn check(name: &str, description: &str) -> (String, Option<String>) {
        (name.to_owned(), (!description.is_empty()).then(|| description.to_owned()))
    }

    #[test]
    fn both_forms_are_read() {
        let list =
            "hello:failing   # Always fails: reads a file that is not there.\nhello:passing   # Always passes.\nhello:readme-says-hello\n";
        let table = "\u{1b}[1mName\u{1b}[0m                      \u{1b}[1mDescription\u{1b}[0m\n\
            hello:failing             Always fails: reads a file that is not there.\n\
            hello:passing             Always passes.\n\
            hello:readme-says-hello   \n";
        let expected = vec![
            check("hello:failing", "Always fails: reads a file that is not there."),
            check("hello:passing", "Always passes."),
            check("hello:readme-says-hello", ""),
        ];
        assert_eq!(parsed(list), Ok(expected.clone()));
        assert_eq!(parsed(table), Ok(expected));
    }

    #[test]
    fn generators_are_checks_and_their_title_is_not() {
        let table = "Name      Description\ngo:lint   Style.\n\nGenerators\ngo:gen    Writes # code.\n";
        assert_eq!(parsed(table), Ok(vec![check("go:lint", "Style."), check("go:gen", "Writes # code.")]));
        let list = "go:gen   # Did you \"write code\"?\n";
        assert_eq!(parsed(list), Ok(vec![check("go:gen", "Did you \"write code\"?")]));
    }

    #[test]
    fn a_module_without_checks_is_an_empty_list() {
        for output in ["", "\n", "Name   Description\n", "\u{1b}[1mName\u{1b}[0m\n"] {
            assert_eq!(parsed(output), Ok(vec![]), "{output:?}");
        }
    }

    #[test]
    fn names_on_their_own_and_repeated_names_are_read_once() {
        assert_eq!(parsed("a:b\na:b\r\nc:d # x\n"), Ok(vec![check("a:b", ""), check("c:d", "x")]));
        assert_eq!(parsed("Name\na:b\n"), Ok(vec![check("a:b", "")]));
    }

    #[test]
    fn anything_else_is_an_error_that_shows_the_line() {
        for (output, line) in [
            ("No workspace config found, inferring\n", "No workspace config found, inferring"),
            ("go:lint   Style.\n", "go:lint   Style."),
            ("Name   Description\ngo:lint Style.\n", "go:lint Style."),
            ("--help   # x\n", "--help   # x"),
            ("Error: no such module\n", "Error: no such module"),
        ] {
            assert_eq!(parsed(output), Err(ListingError::Line(line.to_owned())), "{output:?}");
        }
    }

    #[test]
    fn hostile_lists_are_bounded() {
        let many: String = (0..=MAX_CHECKS).map(|number| format!("m:c{number}\n")).collect();
        assert_eq!(parsed(&many), Err(ListingError::TooMany));
        let long = parsed(&format!("m:c # {}\n", "x".repeat(10_000))).expect("listed");
        assert_eq!(long[0].1.as_ref().map(|text| text.chars().count()), Some(MAX_DESCRIPTION));
        assert!(parsed("\u{1b}").is_ok() && parsed("\u{1b}[").is_ok());
    }
}
