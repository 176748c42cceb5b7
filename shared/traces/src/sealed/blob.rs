//! Bytes with their digests taken out: `xxh3:` and `sha256:` digests are most of what is left after compression, and each of them
//! occurs again as input, receiver or output of other calls.

use std::collections::HashMap;

use super::Damaged;

/// A spelling of digests.
struct Spelling {
    prefix: &'static [u8],
    bytes: usize,
}

/// The digests of Dagger's engines, [xxh3](https://xxhash.com/) in newer ones, SHA-256 in older ones and in image references.
const SPELLINGS: [Spelling; 2] = [Spelling { prefix: b"xxh3:", bytes: 8 }, Spelling { prefix: b"sha256:", bytes: 32 }];

/// Bytes without their digests, and where those belong.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Blob {
    #[prost(bytes = "vec", tag = "1")]
    rest: Vec<u8>,
    /// Bytes of `rest` before each digest, since the one before it.
    #[prost(uint32, repeated, tag = "2")]
    gaps: Vec<u32>,
    /// Twice the distance back in the list of its spelling, 0 for the next new one; plus the number of the spelling.
    #[prost(uint32, repeated, tag = "3")]
    digests: Vec<u32>,
}

/// The digests of a part, each once.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Digests {
    #[prost(bytes = "vec", repeated, tag = "1")]
    lists: Vec<Vec<u8>>,
}

/// Takes digests out.
#[derive(Debug, Default)]
pub(super) struct DigestWriter {
    known: [HashMap<Vec<u8>, u32>; 2],
    lists: [Vec<u8>; 2],
}

impl DigestWriter {
    pub(super) fn take_out(&mut self, bytes: &[u8]) -> Blob {
        let mut blob = Blob::default();
        let mut from = 0;
        let mut at = 0;
        while let Some(colon) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b':')).map(|found| at + found) {
            at = colon + 1;
            let Some((number, digest)) = digest_at(bytes, at) else { continue };
            let start = at - SPELLINGS[number].prefix.len();
            blob.gaps.push(u32::try_from(start - from).unwrap_or(u32::MAX));
            blob.rest.extend_from_slice(&bytes[from..start]);
            at += digest.len() * 2;
            from = at;
            blob.digests.push(self.number(number, digest) * 2 + u32::from(number == 1));
        }
        blob.rest.extend_from_slice(&bytes[from..]);
        blob
    }

    fn number(&mut self, spelling: usize, digest: Vec<u8>) -> u32 {
        let known = &mut self.known[spelling];
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        if let Some(number) = known.get(&digest) {
            return next - number;
        }
        self.lists[spelling].extend_from_slice(&digest);
        known.insert(digest, next);
        0
    }

    pub(super) fn finish(self) -> Digests {
        Digests { lists: self.lists.into() }
    }
}

/// The digest whose hex digits begin at a place that follows a colon.
fn digest_at(bytes: &[u8], at: usize) -> Option<(usize, Vec<u8>)> {
    SPELLINGS.iter().enumerate().find_map(|(number, spelling)| {
        if !bytes[..at].ends_with(spelling.prefix) {
            return None;
        }
        let digits = bytes.get(at..at + spelling.bytes * 2)?;
        if digits.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        hex::decode(digits).ok().map(|digest| (number, digest))
    })
}

/// Puts digests back, blob after blob in the order in which they were taken out.
#[derive(Debug)]
pub(super) struct DigestReader {
    lists: Vec<Vec<u8>>,
    next: [usize; 2],
    budget: usize,
}

impl DigestReader {
    pub(super) fn new(digests: Digests, budget: usize) -> Self {
        Self { lists: digests.lists, next: [0; 2], budget }
    }

    pub(super) fn put_back(&mut self, blob: &Blob) -> Result<Vec<u8>, Damaged> {
        let mut bytes = Vec::with_capacity(blob.rest.len());
        let mut from = 0;
        for (gap, reference) in blob.gaps.iter().zip(&blob.digests) {
            let to = from + *gap as usize;
            bytes.extend_from_slice(blob.rest.get(from..to).ok_or(Damaged("a digest lies outside"))?);
            from = to;
            let spelling = &SPELLINGS[(reference % 2) as usize];
            let back = (reference / 2) as usize;
            let next = &mut self.next[(reference % 2) as usize];
            let number = if back == 0 { *next } else { next.checked_sub(back).ok_or(Damaged("a digest is not known"))? };
            *next += usize::from(back == 0);
            let list = self.lists.get((reference % 2) as usize).map_or(&[][..], Vec::as_slice);
            let digest = list.get(number * spelling.bytes..(number + 1) * spelling.bytes).ok_or(Damaged("a digest is missing"))?;
            bytes.extend_from_slice(spelling.prefix);
            bytes.extend_from_slice(hex::encode(digest).as_bytes());
            if bytes.len() > self.budget {
                return Err(Damaged("its digests make it too large"));
            }
        }
        bytes.extend_from_slice(blob.rest.get(from..).ok_or(Damaged("a digest lies outside"))?);
        self.budget = self.budget.checked_sub(bytes.len()).ok_or(Damaged("it is too large with its digests"))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(texts: &[&str]) -> Vec<Blob> {
        let mut writer = DigestWriter::default();
        let blobs: Vec<Blob> = texts.iter().map(|text| writer.take_out(text.as_bytes())).collect();
        let mut reader = DigestReader::new(writer.finish(), 10_000);
        for (text, blob) in texts.iter().zip(&blobs) {
            assert_eq!(reader.put_back(blob).expect("put back"), text.as_bytes(), "{text}");
        }
        blobs
    }

    #[test]
    fn digests_are_written_once_and_come_back_where_they_were() {
        let long = format!("alpine@sha256:{} and xxh3:00112233445566770", "a1".repeat(32));
        let blobs = there_and_back(&["xxh3:0011223344556677", &long, "", "no digest: at all", &long]);
        assert_eq!(blobs[1].rest, b"alpine@ and 0");
        assert_eq!(blobs[0].digests, [0]);
        assert_eq!(blobs[4].digests, [3, 2], "known ones are pointed to");
    }

    #[test]
    fn what_only_looks_like_a_digest_stays() {
        for text in
            ["xxh3:", "xxh3:001122334455667", "xxh3:00112233445566GG", "xxh3:00112233445566AA", "sha256:00", ":::", "XXH3:0011223344556677"]
        {
            assert!(there_and_back(&[text])[0].digests.is_empty(), "{text}");
        }
    }

    #[test]
    fn broken_references_are_damage() {
        for blob in [
            Blob { rest: vec![], gaps: vec![1], digests: vec![0] },
            Blob { rest: vec![], gaps: vec![0], digests: vec![0] },
            Blob { rest: vec![], gaps: vec![0], digests: vec![9] },
        ] {
            assert!(DigestReader::new(Digests::default(), 100).put_back(&blob).is_err());
        }
        let digests = Digests { lists: vec![vec![0; 8]] };
        let blob = Blob { rest: vec![], gaps: vec![0; 100], digests: [vec![0], vec![2; 99]].concat() };
        assert!(DigestReader::new(digests, 100).put_back(&blob).is_err(), "more than the budget");
    }
}
