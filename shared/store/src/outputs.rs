//! What the CLI printed, in table `checks`.
//!
//! | pk | sk |
//! |---|---|
//! | `OUT#<attempt>` | `OUT`; expires with the record of its check |

use jiff::Timestamp;
use quillon_core::id::AttemptId;
use quillon_core::protocol::MAX_OUTPUT;
use quillon_core::retention::Days;
use serde::{Deserialize, Serialize};

use crate::compressed::Compressed;
use crate::error::Error;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::Key;
use crate::{Result, Store};

/// The end of what the CLI printed during an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The text; of a longer one the last [`MAX_OUTPUT`] bytes are stored.
    pub text: String,
    /// Whether more was printed.
    pub is_cut: bool,
}

#[derive(Serialize, Deserialize)]
struct Body {
    text: Compressed,
    is_cut: bool,
}

/// The key of an attempt's output.
pub(crate) fn key(attempt: AttemptId) -> Key {
    Key::new(format!("OUT#{attempt}"), "OUT")
}

/// The end of a text, at most [`MAX_OUTPUT`] bytes of it.
fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(MAX_OUTPUT))..]
}

impl Store {
    /// Keeps the output of an attempt for so long, in place of any earlier one.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn put_output(&self, attempt: AttemptId, output: &Output, kept: Days, now: Timestamp) -> Result<()> {
        let key = key(attempt);
        let text = tail(&output.text);
        let compressed = Compressed::of(text.as_bytes()).map_err(|error| Error::unstorable(&key, error))?;
        let body = Body { text: compressed, is_cut: output.is_cut || text.len() < output.text.len() };
        let item = Item::new(Kind::Output, key, &body, &Place::for_days(now, kept.count()))?;
        self.access.put("keep an output", &self.tables.checks, item).await
    }

    /// The output of an attempt; none before it has ended, and once it is no longer kept.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn output(&self, attempt: AttemptId) -> Result<Option<Output>> {
        let key = key(attempt);
        let Some(item) = self.access.get("read an output", &self.tables.checks, &key).await? else { return Ok(None) };
        let body: Body = decode(Kind::Output, item)?;
        let bytes = body.text.open(MAX_OUTPUT).map_err(|error| Error::corrupt(&key, error))?;
        let text = String::from_utf8(bytes).map_err(|error| Error::corrupt(&key, error))?;
        Ok(Some(Output { text, is_cut: body.is_cut }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_begins_at_a_character() {
        let text = format!("ü{}", "x".repeat(MAX_OUTPUT - 1));
        assert_eq!(tail(&text), &text[2..]);
        assert_eq!(tail("short"), "short");
    }
}
