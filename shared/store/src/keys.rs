//! The spelling of keys: segments, times, and the primary key of an item.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use quillon_core::name::key_segment;
use sha2::{Digest, Sha256};

/// The attributes of an item.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// What marks a segment that was too long and ends in a hash; [`key_segment`] never writes it.
const CUT: &str = "%~";

/// Hex digits of the hash behind [`CUT`]: 128 bits.
const HASH_DIGITS: usize = 32;

/// The primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// The key of an item that was read; `None` if it has none, which no table answers.
    pub(crate) fn of(attributes: &Attributes) -> Option<Self> {
        Some(Self::new(text(attributes, "pk")?, text(attributes, "sk")?))
    }

    pub(crate) fn attributes(&self) -> Attributes {
        HashMap::from([("pk".to_owned(), string(&self.pk)), ("sk".to_owned(), string(&self.sk))])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} / {}", self.pk, self.sk)
    }
}

/// A text attribute of an item.
pub(crate) fn text<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A time as a sortable key segment: epoch milliseconds in 14 digits. Times before 1970 read as 1970.
pub(crate) fn millis(time: Timestamp) -> String {
    format!("{:014}", time.as_millisecond().max(0))
}

/// A text as a key segment of at most `limit` bytes; what is longer is cut and ends in a hash of the whole.
///
/// A sort key takes 1,024 bytes
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>), and paths and names of authors can
/// be longer once encoded.
pub(crate) fn segment(text: &str, limit: usize) -> String {
    bounded(key_segment(text), limit)
}

/// A key segment cut to `limit` bytes.
pub(crate) fn bounded(segment: String, limit: usize) -> String {
    if segment.len() <= limit {
        return segment;
    }
    let kept: String = segment.chars().take(limit.saturating_sub(CUT.len() + HASH_DIGITS)).collect();
    let hash = hex::encode(Sha256::digest(segment.as_bytes()));
    format!("{kept}{CUT}{}", &hash[..HASH_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        let at = |ms| millis(Timestamp::from_millisecond(ms).expect("in range"));
        assert_eq!(at(1), "00000000000001");
        assert!(at(999_999_999_999) < at(1_000_000_000_000));
        assert_eq!(at(-5), at(0));
    }

    #[test]
    fn long_segments_are_cut_and_stay_different() {
        assert_eq!(segment("a#b", 300), "a%23b");
        let long = "ü".repeat(200);
        let other = format!("{long}x");
        assert_eq!(segment(&long, 300).len(), 300);
        assert_ne!(segment(&long, 300), segment(&other, 300));
        assert!(segment(&long, 300).contains(CUT));
    }
}
