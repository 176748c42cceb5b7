//! What a sealed trace is stored as: columns under zstd, at most [`MAX_PART`] bytes a part.
//!
//! A column holds one thing of all records (their attribute `x`, their times as differences), so that neighbours are alike.
//! Digests, most of what does not compress in telemetry of Dagger, are written once a part and pointed to from then on.

mod blob;
mod columns;
mod dictionary;
mod logs;
mod metrics;
mod origin;
mod outline;
#[cfg(test)]
mod properties;
mod spans;
mod summary;
mod value;

use std::io::Read as _;

pub(crate) use logs::{pack_logs, unpack_logs};
pub(crate) use metrics::{pack_metrics, unpack_metrics};
pub(crate) use outline::{pack_outline, read_outline};
pub(crate) use spans::{Detail, pack_spans, unpack_spans};
pub(crate) use summary::{Receipt, Segment, Summary};

/// Largest part, in bytes as it is stored: an item of a table may have 400 KB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub(crate) const MAX_PART: usize = 350_000;

/// Most bytes that a part may become when it is read.
const MAX_EXPANDED: u64 = 96 * 1024 * 1024;

/// How hard parts are compressed. Columns leave little to be found: of 20,000 spans 9 makes 3 % less than 3 in four times the time,
/// 15 another 2 % in twice that, 19 another 4 % in eleven times.
const LEVEL: i32 = 9;

/// A stored part is not what it says to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed part cannot be read: {0}")]
pub struct Damaged(pub(crate) &'static str);

/// A message under zstd.
fn compress(message: &impl prost::Message) -> Result<Vec<u8>, Damaged> {
    zstd::bulk::compress(&message.encode_to_vec(), LEVEL).map_err(|_| Damaged("zstd does not take it"))
}

/// The message in a part, of a bounded size.
fn expand<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, Damaged> {
    let mut expanded = Vec::new();
    let decoder = zstd::Decoder::new(bytes).map_err(|_| Damaged("it is not zstd"))?;
    decoder.take(MAX_EXPANDED + 1).read_to_end(&mut expanded).map_err(|_| Damaged("its zstd frame is broken"))?;
    if expanded.len() as u64 > MAX_EXPANDED {
        return Err(Damaged("it is too large once decompressed"));
    }
    M::decode(expanded.as_slice()).map_err(|_| Damaged("its columns are not readable"))
}

/// Packs records into as few parts as their sizes allow, in their order; each with how many records it has.
fn pack<R>(records: &[R], encode: &impl Fn(&[R]) -> Result<Vec<u8>, Damaged>) -> Result<Vec<(usize, Vec<u8>)>, Damaged> {
    let bytes = encode(records)?;
    if bytes.len() <= MAX_PART || records.len() < 2 {
        return Ok(vec![(records.len(), bytes)]);
    }
    let (first, second) = records.split_at(records.len() / 2);
    let mut parts = pack(first, encode)?;
    parts.extend(pack(second, encode)?);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_part_or_too_large_is_damaged() {
        assert!(expand::<summary::Summary>(b"nonsense").is_err());
        let bomb = zstd::bulk::compress(&vec![0; usize::try_from(MAX_EXPANDED).expect("64 bits") + 1], 1).expect("compressed");
        assert_eq!(expand::<summary::Summary>(&bomb).err(), Some(Damaged("it is too large once decompressed")));
    }

    #[test]
    fn records_that_do_not_fit_together_are_split_in_order() {
        let encode = |records: &[u32]| Ok(records.iter().map(|_| [0_u8; 100_000]).collect::<Vec<_>>().concat());
        let sizes: Vec<usize> = pack(&[1, 2, 3, 4, 5], &encode).expect("packed").into_iter().map(|(records, _)| records).collect();
        assert_eq!(sizes, [2, 3]);
    }
}
