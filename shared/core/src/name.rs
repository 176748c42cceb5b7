//! Names that come from GitHub and from module authors: labels with a form, never keys on their own.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::id::{InvalidId, PullNumber, serde_as_text};

/// What may not stand bare in a segment of an item key: our separators, `%` itself, and control characters.
const KEY_RESERVED: &AsciiSet = &CONTROLS.add(b'#').add(b'%').add(b' ');

/// A text as one segment of an item key: injective, and free of `#`.
#[must_use]
pub fn key_segment(text: &str) -> String {
    utf8_percent_encode(text, KEY_RESERVED).to_string()
}

/// The text behind a [`key_segment`].
#[must_use]
pub fn from_key_segment(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Longest name that people give to something, in characters.
const MAX_LABEL: usize = 100;

/// A name that people give to something of theirs: a token, a project.
///
/// # Errors
/// When there is nothing in it, it is longer than 100 characters, or has more than one line.
pub fn label(text: &str) -> Result<String, InvalidId> {
    let text = text.trim();
    let is_label = !text.is_empty() && text.chars().count() <= MAX_LABEL && !text.chars().any(char::is_control);
    if is_label { Ok(text.to_owned()) } else { Err(InvalidId::new(text, "a name of 1 to 100 characters")) }
}

/// `owner/name` of a repository as GitHub spells it today.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName {
    owner: String,
    name: String,
}

impl RepositoryName {
    /// The account's login.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name without its owner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_segment = |part: &str| {
            !part.is_empty()
                && part.len() <= 100
                && !matches!(part, "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if is_segment(owner) && is_segment(name) => Ok(Self { owner: owner.to_owned(), name: name.to_owned() }),
            Some(_) | None => Err(InvalidId::new(text, "a repository of the form `owner/name`")),
        }
    }
}

serde_as_text!(RepositoryName);

/// The short name of a branch or tag, within the rules of
/// [`git check-ref-format`](https://git-scm.com/docs/git-check-ref-format).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(String);

impl BranchName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for BranchName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_ref = !text.is_empty()
            && text.len() <= 250
            && !text.starts_with(['/', '-'])
            && !text.ends_with(['/', '.'])
            && !text.contains("..")
            && !text.contains("//")
            && !text.contains("@{")
            && text != "@"
            && !text.chars().any(|c| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '\u{7f}'))
            && text.split('/').all(|part| !part.starts_with('.') && !part.ends_with(".lock"));
        if is_ref { Ok(Self(text.to_owned())) } else { Err(InvalidId::new(text, "a branch or tag name")) }
    }
}

serde_as_text!(BranchName);

/// A thing of a repository whose head moves: what pushes and pull requests point at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ref {
    /// `refs/heads/<name>`.
    Branch(BranchName),
    /// `refs/tags/<name>`.
    Tag(BranchName),
    /// `refs/pull/<number>/head`.
    Pull(PullNumber),
}

impl fmt::Display for Ref {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(formatter, "refs/heads/{name}"),
            Self::Tag(name) => write!(formatter, "refs/tags/{name}"),
            Self::Pull(number) => write!(formatter, "refs/pull/{number}/head"),
        }
    }
}

impl FromStr for Ref {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a ref of the form `refs/heads/…`, `refs/tags/…` or `refs/pull/…/head`");
        if let Some(name) = text.strip_prefix("refs/heads/") {
            name.parse().map(Self::Branch).map_err(|_| invalid())
        } else if let Some(name) = text.strip_prefix("refs/tags/") {
            name.parse().map(Self::Tag).map_err(|_| invalid())
        } else if let Some(number) = text.strip_prefix("refs/pull/").and_then(|rest| rest.strip_suffix("/head")) {
            number.parse().map(Self::Pull).map_err(|_| invalid())
        } else {
            Err(invalid())
        }
    }
}

serde_as_text!(Ref);

/// The directory of a module within its repository, `.` for the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModulePath(String);

impl ModulePath {
    /// The module at the root of the repository.
    #[must_use]
    pub fn root() -> Self {
        Self(".".to_owned())
    }

    /// Whether this is the root of the repository.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "."
    }

    /// The path, `.` for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModulePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for ModulePath {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_path = text == "."
            || (!text.is_empty()
                && text.len() <= 500
                && !text.starts_with(['/', '-'])
                && !text.chars().any(char::is_control)
                && text.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && part != ".git"));
        if is_path { Ok(Self(text.to_owned())) } else { Err(InvalidId::new(text, "a directory of the repository")) }
    }
}

serde_as_text!(ModulePath);

/// The full name of a check as the CLI prints it, such as `go:lint`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckName(String);

impl CheckName {
    /// Longest accepted name in bytes.
    pub const MAX_LEN: usize = 200;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its leading module segment, when it has one.
    #[must_use]
    pub fn without_module(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, rest)| rest)
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for CheckName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // The name becomes an argument of `dagger check`: nothing that reads as an option or a glob.
        let is_name = !text.is_empty()
            && text.len() <= Self::MAX_LEN
            && !text.starts_with('-')
            && !text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\'));
        if is_name { Ok(Self(text.to_owned())) } else { Err(InvalidId::new(text, "a check name")) }
    }
}

serde_as_text!(CheckName);

/// What an attempt executes: the load gate of a module, or one of its checks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Loading the module and listing its checks.
    Load,
    /// Running one check.
    Check(CheckName),
}

impl Task {
    /// The name that people see: `load`, or the check's own.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Load => "load",
            Self::Check(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load => formatter.write_str("load"),
            Self::Check(name) => write!(formatter, "check:{name}"),
        }
    }
}

impl FromStr for Task {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.strip_prefix("check:") {
            Some(name) => name.parse().map(Self::Check),
            None if text == "load" => Ok(Self::Load),
            None => Err(InvalidId::new(text, "`load` or `check:<name>`")),
        }
    }
}

serde_as_text!(Task);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_one_short_line() {
        assert_eq!(label("  release bot "), Ok("release bot".to_owned()));
        assert!(label(&"ü".repeat(100)).is_ok());
        for text in ["", "   ", "a\nb", "a\u{1b}[31m", &"ü".repeat(101)] {
            assert!(label(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn refs_round_trip() {
        for text in ["refs/heads/main", "refs/heads/feature/x#1", "refs/tags/v1.0", "refs/pull/42/head"] {
            assert_eq!(text.parse::<Ref>().expect(text).to_string(), text);
        }
        for text in ["main", "refs/heads/", "refs/heads/a..b", "refs/heads/-x", "refs/pull/x/head", "refs/heads/a b", "refs/notes/x"] {
            assert!(text.parse::<Ref>().is_err(), "{text}");
        }
    }

    #[test]
    fn module_paths_stay_inside_the_repository() {
        for text in [".", "ci", "services/api"] {
            assert!(text.parse::<ModulePath>().is_ok(), "{text}");
        }
        for text in ["", "/etc", "../x", "a/../b", "a//b", "-m", ".git", "a\nb"] {
            assert!(text.parse::<ModulePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn check_names_cannot_be_read_as_options_or_globs() {
        assert_eq!("go:lint".parse::<CheckName>().map(|name| name.without_module().to_owned()), Ok("lint".to_owned()));
        for text in ["", "--help", "a b", "**", "x\u{0}y", &"x".repeat(201)] {
            assert!(text.parse::<CheckName>().is_err(), "{text}");
        }
    }

    #[test]
    fn key_segments_are_injective() {
        for text in ["plain", "a#b", "a%23b", "x y", "ü#%"] {
            let segment = key_segment(text);
            assert!(!segment.contains('#'));
            assert_eq!(from_key_segment(&segment), text);
        }
        assert_ne!(key_segment("a#b"), key_segment("a%23b"));
    }

    #[test]
    fn repository_names_have_two_plain_segments() {
        assert!("acme/api.git-tools".parse::<RepositoryName>().is_ok());
        for text in ["acme", "acme/", "/x", "a/b/c", "acme/..", "ac me/x"] {
            assert!(text.parse::<RepositoryName>().is_err(), "{text}");
        }
    }
}
