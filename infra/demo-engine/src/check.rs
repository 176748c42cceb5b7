//! Checks: what they are called, what they say of themselves, which ones a command line selects.

use std::path::PathBuf;

use crate::glob::selects;

/// An executable that a module offers as a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// Its full name: module, `:`, the file's name in kebab-case without extension.
    pub(crate) name: String,
    /// The first comment line of the file.
    pub(crate) description: Option<String>,
    /// The file.
    pub(crate) executable: PathBuf,
}

/// The checks that at least one pattern selects (all without patterns) and that no `skip` pattern does.
pub(crate) fn select(checks: Vec<Check>, patterns: &[String], skip: &[String]) -> Vec<Check> {
    let is_wanted = |check: &Check| patterns.is_empty() || patterns.iter().any(|pattern| selects(pattern, &check.name));
    let is_skipped = |check: &Check| skip.iter().any(|pattern| selects(pattern, &check.name));
    checks.into_iter().filter(|check| is_wanted(check) && !is_skipped(check)).collect()
}

/// A name as the CLI spells it: `readmeSaysHello`, `readme_says_hello` and `Readme says hello` are `readme-says-hello`.
pub(crate) fn kebab_case(text: &str) -> String {
    let mut kebab = String::with_capacity(text.len() + 4);
    let mut previous: Option<char> = None;
    for c in text.chars() {
        if !c.is_alphanumeric() {
            if !kebab.is_empty() && !kebab.ends_with('-') {
                kebab.push('-');
            }
        } else {
            if c.is_uppercase() && previous.is_some_and(|before| before.is_lowercase() || before.is_numeric()) {
                kebab.push('-');
            }
            kebab.extend(c.to_lowercase());
        }
        previous = Some(c);
    }
    kebab.trim_end_matches('-').to_owned()
}

/// The first comment line after the shebang, when the text begins with one.
pub(crate) fn description(text: &str) -> Option<String> {
    let line = text.lines().skip_while(|line| line.starts_with("#!")).map(str::trim).find(|line| !line.is_empty())?;
    let comment = ["#", "//", "--"].iter().find_map(|marker| line.strip_prefix(marker))?;
    let comment = comment.trim_start_matches(['#', '/', '-']).trim();
    (!comment.is_empty()).then(|| comment.chars().take(500).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case() {
        for (text, kebab) in [
            ("lint", "lint"),
            ("readmeSaysHello", "readme-says-hello"),
            ("readme_says  hello", "readme-says-hello"),
            ("e2e", "e2e"),
            ("ABTest", "abtest"),
            ("-x-", "x"),
            ("…", ""),
        ] {
            assert_eq!(kebab_case(text), kebab);
        }
    }

    #[test]
    fn the_description_is_the_first_comment_after_the_shebang() {
        for (text, expected) in [
            ("#!/bin/sh\n# Checks the style.\necho", Some("Checks the style.")),
            ("#!/bin/sh\n\n  # Spaced.\n", Some("Spaced.")),
            ("// in JavaScript", Some("in JavaScript")),
            ("-- in Lua", Some("in Lua")),
            ("#!/bin/sh\nset -e\n# late", None),
            ("#!/bin/sh\n#\n# second", None),
            ("", None),
        ] {
            assert_eq!(description(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn skipped_checks_are_left_out_of_the_selected_ones() {
        let check = |name: &str| Check { name: name.to_owned(), description: None, executable: PathBuf::new() };
        let names = |patterns: &[&str], skip: &[&str]| -> Vec<String> {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
            let checks = vec![check("a:lint"), check("a:unit"), check("b:lint")];
            select(checks, &owned(patterns), &owned(skip)).into_iter().map(|check| check.name).collect()
        };
        assert_eq!(names(&[], &[]), ["a:lint", "a:unit", "b:lint"]);
        assert_eq!(names(&["lint"], &[]), ["a:lint", "b:lint"]);
        assert_eq!(names(&["a"], &["unit"]), ["a:lint"]);
        assert_eq!(names(&["nope"], &[]), Vec::<String>::new());
    }
}
