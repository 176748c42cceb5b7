//! Where to go after signing in: a path of our own pages and nothing else.

use std::fmt;
use std::str::FromStr;

use crate::id::{InvalidId, serde_as_text};

/// Longest path that is kept, in bytes.
const MAX: usize = 1_024;

/// A path with an optional query on our own site.
///
/// A browser resolves it to our origin whatever it holds, so that following it can never leave the site ([CWE-601](https://cwe.mitre.org/data/definitions/601.html)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPath(String);

impl LocalPath {
    /// The first page.
    #[must_use]
    pub fn home() -> Self {
        Self("/".to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The secret of the invitation whose page it is.
    #[must_use]
    pub fn invitation(&self) -> Option<&str> {
        let secret = self.0.strip_prefix("/invite/")?;
        Some(secret.split_once('?').map_or(secret, |(secret, _)| secret))
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for LocalPath {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // Browsers drop tabs and line ends and read `\` as `/`, so that `/\evil.example` and `/<tab>/evil.example` would leave.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let is_local = text.len() <= MAX && is_plain && text.starts_with('/') && !text.starts_with("//");
        if is_local { Ok(Self(text.to_owned())) } else { Err(InvalidId::new(text, "a path of these pages")) }
    }
}

serde_as_text!(LocalPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_away() {
        for text in ["/", "/acme/settings?tab=Tokens", "/activate?user_code=BCDF-GHJK", "/a//b", "/@evil.example"] {
            assert_eq!(text.parse::<LocalPath>().map(|path| path.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " //evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "evil.example",
            "/a\r\nset-cookie: x=1",
            "/ü",
            &format!("/{}", "a".repeat(MAX)),
        ] {
            assert!(text.parse::<LocalPath>().is_err(), "{text:?}");
        }
    }
}
