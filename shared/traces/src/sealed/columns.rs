//! Columns of texts, byte strings and numbers.

use std::collections::HashMap;

use super::Damaged;
use super::blob::{Blob, DigestReader, DigestWriter};

/// Texts or byte strings, one after the other.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Texts {
    #[prost(message, required, tag = "1")]
    blob: Blob,
    #[prost(uint32, repeated, tag = "2")]
    lengths: Vec<u32>,
    /// Which text each entry is, where they repeat: 0 for the next new one, else how far back it is in the list. Without
    /// repetitions there are none, and every text is one entry.
    #[prost(uint32, repeated, tag = "3")]
    entries: Vec<u32>,
}

/// Collects texts or byte strings.
#[derive(Debug, Default)]
pub(super) struct TextWriter {
    known: HashMap<Vec<u8>, u32>,
    bytes: Vec<u8>,
    lengths: Vec<u32>,
    entries: Vec<u32>,
}

impl TextWriter {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let number = u32::try_from(self.lengths.len()).unwrap_or(u32::MAX);
        if let Some(known) = self.known.get(bytes) {
            return self.entries.push(number - known);
        }
        self.known.insert(bytes.to_vec(), number);
        self.bytes.extend_from_slice(bytes);
        self.lengths.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.entries.push(0);
    }

    /// A column that is left out where all of its texts are empty.
    pub(super) fn of_some<'a>(texts: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Self> {
        if texts.clone().all(<[u8]>::is_empty) {
            return None;
        }
        let mut writer = Self::default();
        texts.for_each(|text| writer.push(text));
        Some(writer)
    }

    pub(super) fn finish(self, digests: &mut DigestWriter) -> Texts {
        let is_plain = self.entries.len() == self.lengths.len();
        Texts { blob: digests.take_out(&self.bytes), lengths: self.lengths, entries: if is_plain { vec![] } else { self.entries } }
    }
}

/// Reads texts or byte strings, one after the other.
#[derive(Debug)]
pub(super) struct TextReader {
    bytes: Vec<u8>,
    /// Where every text begins, and where the last ends.
    starts: Vec<usize>,
    entries: Option<Numbers<u32>>,
    /// The next new text.
    next: usize,
}

impl TextReader {
    pub(super) fn new(texts: Texts, digests: &mut DigestReader) -> Result<Self, Damaged> {
        let bytes = digests.put_back(&texts.blob)?;
        let mut starts = Vec::with_capacity(texts.lengths.len() + 1);
        let mut end = 0_usize;
        starts.push(end);
        for length in &texts.lengths {
            end = end.saturating_add(*length as usize);
            starts.push(end);
        }
        if end != bytes.len() {
            return Err(Damaged("texts and lengths differ"));
        }
        let entries = if texts.entries.is_empty() { None } else { Some(Numbers::new(texts.entries)) };
        Ok(Self { bytes, starts, entries, next: 0 })
    }

    pub(super) fn bytes(&mut self) -> Result<&[u8], Damaged> {
        let missing = Damaged("a column of texts is too short");
        let back = self.entries.as_mut().map_or(Ok(0), Numbers::take)? as usize;
        let number = if back == 0 { self.next } else { self.next.checked_sub(back).ok_or(missing)? };
        self.next += usize::from(back == 0);
        let (Some(start), Some(end)) = (self.starts.get(number), self.starts.get(number + 1)) else { return Err(missing) };
        self.bytes.get(*start..*end).ok_or(missing)
    }

    pub(super) fn text(&mut self) -> Result<&str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged("a text is not UTF-8"))
    }
}

/// Reads a column of texts that may be left out, like [`Mostly0`].
#[derive(Debug)]
pub(super) struct MostlyEmpty(Option<TextReader>);

impl MostlyEmpty {
    pub(super) fn new(texts: Option<Texts>, digests: &mut DigestReader) -> Result<Self, Damaged> {
        Ok(Self(texts.map(|texts| TextReader::new(texts, digests)).transpose()?))
    }

    pub(super) fn text(&mut self) -> Result<&str, Damaged> {
        self.0.as_mut().map_or(Ok(""), TextReader::text)
    }
}

/// Reads a column of numbers.
#[derive(Debug)]
pub(super) struct Numbers<T>(std::vec::IntoIter<T>);

impl<T> Numbers<T> {
    pub(super) fn new(column: Vec<T>) -> Self {
        Self(column.into_iter())
    }

    pub(super) fn take(&mut self) -> Result<T, Damaged> {
        self.0.next().ok_or(Damaged("a column of numbers is too short"))
    }
}

/// A column as it is stored that has 0 nearly everywhere, and is left out where it has nothing else.
pub(super) fn unless_zero(column: Vec<u32>) -> Vec<u32> {
    if column.iter().all(|number| *number == 0) { vec![] } else { column }
}

/// Reads a column that may be left out: parts that were stored before there was such a column have none.
#[derive(Debug)]
pub(super) struct Mostly0(Option<Numbers<u32>>);

impl Mostly0 {
    pub(super) fn new(column: Vec<u32>) -> Self {
        Self((!column.is_empty()).then(|| Numbers::new(column)))
    }

    pub(super) fn take(&mut self) -> Result<u32, Damaged> {
        self.0.as_mut().map_or(Ok(0), Numbers::take)
    }
}

/// A time as the difference to another, exact for every pair.
pub(super) fn difference(time: u64, other: u64) -> i64 {
    i64::from_ne_bytes(time.wrapping_sub(other).to_ne_bytes())
}

/// The time of a difference.
pub(super) fn sum(other: u64, difference: i64) -> u64 {
    other.wrapping_add(u64::from_ne_bytes(difference.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_order_and_repeated_ones_are_written_once() {
        let texts = ["a", "", "xxh3:0011223344556677", "a", "ü"];
        let mut writer = TextWriter::default();
        texts.iter().for_each(|text| writer.push(text.as_bytes()));
        let mut digests = DigestWriter::default();
        let column = writer.finish(&mut digests);
        assert_eq!(column.lengths.len(), 4);
        let mut reader = TextReader::new(column, &mut DigestReader::new(digests.finish(), 100)).expect("a reader");
        for text in texts {
            assert_eq!(reader.text(), Ok(text));
        }
        assert!(reader.text().is_err());
    }

    #[test]
    fn differences_are_exact_at_the_ends() {
        for (time, other) in [(0, u64::MAX), (u64::MAX, 0), (u64::MAX / 2, u64::MAX), (5, 3)] {
            assert_eq!(sum(other, difference(time, other)), time);
        }
    }
}
