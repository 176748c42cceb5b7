//! The records of one trace, and chunks of them as they are stored.
//!
//! A chunk is one byte (its format), the length of what follows when decompressed (a varint), and a zstd frame. Decompressed it is a
//! protobuf message that is read from front to back:
//!
//! | field | |
//! |---|---|
//! | 1 | a `Resource`: that of the records that follow |
//! | 2 | an `InstrumentationScope`: that of the records that follow |
//! | 3 | a record: a `Span` or `LogRecord` without the id of its trace, or a [`crate::metric::StoredPoint`] |

use std::sync::{Arc, LazyLock};

use quillon_core::trace::TraceId;
use quillon_core::trace::card::Headline;
use sha2::{Digest as _, Sha256};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::Signal;
use crate::record::Reason;
use crate::wire::{put_bytes, put_raw_varint};

pub(crate) const RESOURCE: u32 = 1;
pub(crate) const SCOPE: u32 = 2;
pub(crate) const RECORD: u32 = 3;

/// A chunk that was compressed with [`DICTIONARY`].
const FORMAT: u8 = 1;

/// Texts of every trace, so that small chunks compress well. Part of the format: never change it, add a second one.
const DICTIONARY: &[u8] = include_bytes!("dictionary-1.txt");

/// Largest chunk when decompressed.
const MAX_RAW: usize = 64 * 1024 * 1024;

/// Bytes of records in one chunk, so that reading one is quick.
const RAW_PER_CHUNK: usize = 4 * 1024 * 1024;

/// The level at which it is tried whether a large record fits.
const TRIAL_LEVEL: i32 = 1;

/// Where records come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) resource: Arc<[u8]>,
    pub(crate) scope: Arc<[u8]>,
}

impl Origin {
    fn len(&self) -> usize {
        self.resource.len() + self.scope.len()
    }
}

/// The records of one trace in one request.
#[derive(Debug)]
pub struct Batch {
    /// The trace.
    pub trace: TraceId,
    /// What the records are.
    pub signal: Signal,
    /// How many there are.
    pub records: u64,
    /// What they say about their trace; nothing unless they are spans.
    pub headline: Headline,
    /// Of the records and where they come from: a request that is sent again has the same.
    pub digest: [u8; 16],
    /// From which record on an origin holds.
    origins: Vec<(usize, Arc<Origin>)>,
    /// All records, each as a field of a chunk.
    bytes: Vec<u8>,
    /// Where each record ends.
    ends: Vec<usize>,
}

/// Some records of a trace, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Compressed.
    pub bytes: Vec<u8>,
    /// How many records it holds.
    pub records: u32,
    /// The same for the same chunk of the same request.
    pub digest: [u8; 16],
}

impl Batch {
    pub(crate) fn new(trace: TraceId, signal: Signal) -> Self {
        Self {
            trace,
            signal,
            records: 0,
            headline: Headline::default(),
            digest: [0; 16],
            origins: Vec::new(),
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, origin: &Arc<Origin>, record: &[u8], most: usize) -> Result<(), Reason> {
        // What is shorter than the limit fits however little it can be compressed.
        if record.len() + origin.len() > most.saturating_sub(1024) && !fits(origin, record, most) {
            return Err("a record is too large");
        }
        if self.origins.last().is_none_or(|(_, last)| !Arc::ptr_eq(last, origin)) {
            self.origins.push((self.ends.len(), Arc::clone(origin)));
        }
        put_bytes(&mut self.bytes, RECORD, record);
        self.ends.push(self.bytes.len());
        self.records += 1;
        Ok(())
    }

    /// Fixes the digest once all records are in.
    pub(crate) fn seal(&mut self) {
        let mut hasher = Sha256::new();
        hasher.update(self.trace.as_bytes());
        hasher.update(self.signal.name());
        let mut before = None;
        for (from, origin) in &self.origins {
            let mut written = Vec::new();
            put_origin(&mut written, origin, before.replace(origin));
            hasher.update(from.to_be_bytes());
            hasher.update(written.len().to_be_bytes());
            hasher.update(&written);
        }
        hasher.update(&self.bytes);
        self.digest.copy_from_slice(&hasher.finalize()[..16]);
    }

    /// Compresses the records into chunks of at most `max_bytes` each, at a zstd level: 1 to 3 for what is read soon and once.
    ///
    /// [`crate::Limits::record`] has seen to it that every record fits by itself; where `max_bytes` is smaller than that, a
    /// chunk of one record may be larger than `max_bytes`.
    #[must_use]
    pub fn pack(&self, level: i32, max_bytes: usize) -> Vec<Chunk> {
        let mut packed = Vec::new();
        let mut first = 0;
        while first < self.ends.len() {
            let start = self.offset(first);
            // At least one record, however large it is.
            let fitting = self.ends[first..].partition_point(|end| end - start <= RAW_PER_CHUNK).max(1);
            self.pack_some(first, first + fitting, level, max_bytes, &mut packed);
            first += fitting;
        }
        let digest = |index: usize| {
            let hash = Sha256::new().chain_update(self.digest).chain_update(index.to_be_bytes()).finalize();
            std::array::from_fn(|byte| hash[byte])
        };
        packed.into_iter().enumerate().map(|(index, (bytes, records))| Chunk { bytes, records, digest: digest(index) }).collect()
    }

    fn pack_some(&self, first: usize, end: usize, level: i32, max_bytes: usize, packed: &mut Vec<(Vec<u8>, u32)>) {
        let bytes = compress(&self.raw(first, end), level);
        if bytes.len() <= max_bytes || end - first <= 1 {
            packed.push((bytes, u32::try_from(end - first).unwrap_or(u32::MAX)));
        } else {
            let middle = first + (end - first) / 2;
            self.pack_some(first, middle, level, max_bytes, packed);
            self.pack_some(middle, end, level, max_bytes, packed);
        }
    }

    /// Records `first..end` with their origins.
    fn raw(&self, first: usize, end: usize) -> Vec<u8> {
        let mut raw = Vec::with_capacity(self.offset(end) - self.offset(first) + 4096);
        let mut before = None;
        for (index, (from, origin)) in self.origins.iter().enumerate() {
            let until = self.origins.get(index + 1).map_or(self.ends.len(), |(next, _)| *next);
            let (from, until) = ((*from).max(first), until.min(end));
            if from < until {
                put_origin(&mut raw, origin, before.replace(origin));
                raw.extend_from_slice(&self.bytes[self.offset(from)..self.offset(until)]);
            }
        }
        raw
    }

    fn offset(&self, record: usize) -> usize {
        record.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }
}

/// Says where the next records come from, as far as it differs from before: many scopes may share one large resource.
fn put_origin(raw: &mut Vec<u8>, origin: &Origin, before: Option<&Arc<Origin>>) {
    if !before.is_some_and(|before| Arc::ptr_eq(&before.resource, &origin.resource)) {
        put_bytes(raw, RESOURCE, &origin.resource);
    }
    put_bytes(raw, SCOPE, &origin.scope);
}

fn fits(origin: &Origin, record: &[u8], most: usize) -> bool {
    if record.len() > RAW_PER_CHUNK {
        return false;
    }
    let mut raw = Vec::with_capacity(record.len() + origin.len() + 32);
    put_origin(&mut raw, origin, None);
    put_bytes(&mut raw, RECORD, record);
    compress(&raw, TRIAL_LEVEL).len() <= most
}

/// A chunk of what [`Batch::raw`] writes.
fn compress(raw: &[u8], level: i32) -> Vec<u8> {
    static QUICK: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, 1));
    let mut chunk = Vec::with_capacity(raw.len() / 4 + 64);
    chunk.push(FORMAT);
    put_raw_varint(&mut chunk, raw.len() as u64);
    let compressor = if level == 1 { Compressor::with_prepared_dictionary(&QUICK) } else { Compressor::with_dictionary(level, DICTIONARY) };
    // Compressing what is in memory into memory fails only for lack of it.
    let compressed = compressor.and_then(|mut compressor| compressor.compress(raw)).unwrap_or_default();
    chunk.extend_from_slice(&compressed);
    chunk
}

/// The bytes of a chunk; none when it is damaged.
pub(crate) fn decompress(chunk: &[u8]) -> Option<Vec<u8>> {
    static DICTIONARY_1: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));
    let (format, mut rest) = chunk.split_first()?;
    if *format != FORMAT {
        return None;
    }
    let length = prost::decode_length_delimiter(&mut rest).ok().filter(|length| *length <= MAX_RAW)?;
    let raw =
        Decompressor::with_prepared_dictionary(&DICTIONARY_1).and_then(|mut decompressor| decompressor.decompress(rest, length)).ok()?;
    (raw.len() == length).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_part_of_the_format() {
        assert_eq!(hex(&Sha256::digest(DICTIONARY)[..8]), "9b814b48d3def302", "chunks that are stored cannot be read with another one");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn chunks_of_another_format_or_size_are_damaged() {
        let chunk = compress(b"\x0a\x00", 3);
        assert_eq!(decompress(&chunk).as_deref(), Some(&b"\x0a\x00"[..]));
        let mut huge = vec![FORMAT];
        put_raw_varint(&mut huge, u64::MAX >> 1);
        let mut other = chunk.clone();
        other[0] = 9;
        let mut short = chunk.clone();
        short[1] = 1;
        for damaged in [&[][..], &[FORMAT], &huge, &other, &short, &chunk[..chunk.len() - 1]] {
            assert_eq!(decompress(damaged), None, "{damaged:?}");
        }
    }
}
