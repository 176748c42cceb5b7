//! Settings of a function: a map handed to it, read once, with every problem reported at once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use url::Url;

/// Name → value; empty values count as absent.
#[derive(Clone, Default)]
pub struct Settings(BTreeMap<String, String>);

impl fmt::Debug for Settings {
    /// Names only: a value may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Settings {
    /// Settings from a map.
    #[must_use]
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self(values)
    }

    /// Settings from the environment of the process; for a `main.rs` only.
    #[must_use]
    pub fn from_env() -> Self {
        Self(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect())
    }

    /// Begins to read.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader { settings: self, problems: vec![] }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Reads settings and collects what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// A setting that must be there; the empty text where it is not, which [`Self::finish`] reports.
    pub fn required(&mut self, name: &str) -> String {
        match self.settings.value(name) {
            Some(value) => value.to_owned(),
            None => {
                self.problems.push(format!("`{name}` is not set"));
                String::new()
            }
        }
    }

    /// A setting that may be absent.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        self.settings.value(name).map(str::to_owned)
    }

    /// A setting with a form and a default.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, name: &str, default: T) -> T {
        match self.settings.value(name).map(str::parse::<T>) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                self.problems.push(format!("`{name}` is wrong: {error}"));
                default
            }
        }
    }

    /// A setting with a form that must be there; the fallback stands in for it until [`Self::finish`] fails.
    pub fn required_parsed<T: FromStr<Err: fmt::Display>>(&mut self, name: &str, fallback: T) -> T {
        if self.settings.value(name).is_none() {
            self.problems.push(format!("`{name}` is not set"));
        }
        self.parsed(name, fallback)
    }

    /// An address that must be there, see [`Self::url`]; none is a problem that [`Self::finish_with`] reports.
    pub fn required_url(&mut self, name: &str) -> Option<Url> {
        let text = self.required(name);
        self.url(name, &text)
    }

    /// An address that a browser may be sent to, or that may be asked: nothing but HTTP, and with a host. No text is none, and no problem.
    pub fn url(&mut self, name: &str, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() && !text.is_empty() {
            self.problems.push(format!("`{name}` is not an `http` or `https` URL"));
        }
        url
    }

    /// Adds a problem that only the caller can see.
    pub fn complain(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Ends reading.
    ///
    /// # Errors
    /// All problems in one.
    pub fn finish(self) -> Result<(), SettingsError> {
        if self.problems.is_empty() { Ok(()) } else { Err(SettingsError(self.problems)) }
    }

    /// Ends reading with what has no fallback, and is none only where that was a problem.
    ///
    /// # Errors
    /// All problems in one.
    pub fn finish_with<T>(self, read: Option<T>) -> Result<T, SettingsError> {
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            Some(_) | None => Err(SettingsError(self.problems)),
        }
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad configuration: {}", .0.join("; "))]
pub struct SettingsError(pub Vec<String>);

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn every_problem_is_reported_in_one_message() {
        let settings = settings(&[("NUMBER", "many"), ("EMPTY", "")]);
        let mut read = settings.reader();
        read.required("EMPTY");
        read.required("MISSING");
        assert_eq!(read.parsed("NUMBER", 7_u32), 7);
        let error = read.finish().expect_err("three problems").to_string();
        assert!(error.contains("`EMPTY` is not set; `MISSING` is not set; `NUMBER` is wrong: invalid digit"), "{error}");
    }

    #[test]
    fn an_address_is_http_and_has_a_host() {
        for (text, expected) in [
            ("https://ci.example.com", Ok("https://ci.example.com/".to_owned())),
            ("http://127.0.0.1:8800/x", Ok("http://127.0.0.1:8800/x".to_owned())),
            ("", Err("`URL` is not set")),
            ("ci.example.com", Err("`URL` is not an")),
            ("javascript:alert(1)", Err("`URL` is not an")),
            ("file:///etc/passwd", Err("`URL` is not an")),
        ] {
            let settings = settings(&[("URL", text)]);
            let mut read = settings.reader();
            let url = read.required_url("URL");
            match (read.finish_with(url), expected) {
                (found, Ok(expected)) => assert_eq!(found.map(|url| url.to_string()), Ok(expected)),
                (found, Err(problem)) => assert!(found.expect_err(text).to_string().contains(problem), "{text}"),
            }
        }
    }

    #[test]
    fn values_do_not_print() {
        assert_eq!(format!("{:?}", settings(&[("KEY", "hunter2")])), r#"{"KEY"}"#);
    }
}
