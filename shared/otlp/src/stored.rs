//! Chunks back to values, one record at a time, and values to chunks.

use std::sync::Arc;

use quillon_core::trace::span::{LogRecord, MetricPoint, Resource, Scope, Span};

use crate::batch::{RECEIVED, RECORD, RESOURCE, SCOPE, compress, decompress};
use crate::convert;
use crate::metric;
use crate::wire::{Fields, Malformed, put_bytes, put_varint};

/// A chunk that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored chunk of telemetry is damaged: {0}")]
pub struct Damaged(&'static str);

impl From<Malformed> for Damaged {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.0)
    }
}

/// Reads the spans of a chunk. Those that do not say when they were taken in were at `received_ms`.
///
/// Takes the memory of the chunk and of one span at a time.
///
/// # Errors
/// [`Damaged`]; spans before the damage have been handed over then.
pub fn unpack_spans(bytes: &[u8], received_ms: i64, mut take: impl FnMut(Span)) -> Result<(), Damaged> {
    let mut sealed_ms: Option<i64> = None;
    unpack(bytes, &mut |part| {
        match part {
            Part::Received(later_ms) => sealed_ms = Some(sealed_ms.unwrap_or(0).wrapping_add(later_ms)),
            Part::Record { bytes, resource, scope } => {
                let span = convert::span_of(bytes, sealed_ms.unwrap_or(received_ms))?;
                take(Span { resource: Arc::clone(resource), scope: Arc::clone(scope), ..span });
            }
        }
        Ok(())
    })
}

/// Reads the log records of a chunk.
///
/// # Errors
/// [`Damaged`].
pub fn unpack_logs(bytes: &[u8]) -> Result<Vec<LogRecord>, Damaged> {
    let mut records = Vec::new();
    unpack(bytes, &mut |part| {
        if let Part::Record { bytes, resource, scope } = part {
            let record = convert::log_of(bytes)?;
            records.push(LogRecord { resource: Arc::clone(resource), scope: Arc::clone(scope), ..record });
        }
        Ok(())
    })?;
    Ok(records)
}

/// Reads the metric points of a chunk.
///
/// # Errors
/// [`Damaged`].
pub fn unpack_metrics(bytes: &[u8]) -> Result<Vec<MetricPoint>, Damaged> {
    let mut points = Vec::new();
    unpack(bytes, &mut |part| {
        if let Part::Record { bytes, resource, .. } = part {
            let point = metric::point_of(bytes)?;
            points.push(MetricPoint { resource: Arc::clone(resource), ..point });
        }
        Ok(())
    })?;
    Ok(points)
}

/// Writes spans as one chunk, in their order, with when each was taken in.
#[must_use]
pub fn pack_spans(spans: &[Span], level: i32) -> Vec<u8> {
    let mut packer = Packer::default();
    let mut received_ms: Option<i64> = None;
    for span in spans {
        if received_ms != Some(span.received_ms) {
            let later_ms = span.received_ms.wrapping_sub(received_ms.unwrap_or(0));
            put_varint(&mut packer.raw, RECEIVED, zigzag(later_ms));
            received_ms = Some(span.received_ms);
        }
        packer.push(&span.resource, &span.scope, &convert::span_bytes(span));
    }
    compress(&packer.raw, level)
}

/// Writes log records as one chunk, in their order.
#[must_use]
pub fn pack_logs(records: &[LogRecord], level: i32) -> Vec<u8> {
    let mut packer = Packer::default();
    for record in records {
        packer.push(&record.resource, &record.scope, &convert::log_bytes(record));
    }
    compress(&packer.raw, level)
}

/// Writes metric points as one chunk, in their order.
#[must_use]
pub fn pack_metrics(points: &[MetricPoint], level: i32) -> Vec<u8> {
    let mut packer = Packer::default();
    let scope = Arc::default();
    for point in points {
        packer.push(&point.resource, &scope, &metric::point_bytes(point));
    }
    compress(&packer.raw, level)
}

/// Writes records; where they come from is said when it changes.
#[derive(Default)]
struct Packer {
    raw: Vec<u8>,
    resource: Option<Arc<Resource>>,
    scope: Option<Arc<Scope>>,
}

impl Packer {
    fn push(&mut self, resource: &Arc<Resource>, scope: &Arc<Scope>, record: &[u8]) {
        if !self.resource.as_ref().is_some_and(|known| Arc::ptr_eq(known, resource) || known == resource) {
            put_bytes(&mut self.raw, RESOURCE, &convert::resource_bytes(resource));
            self.resource = Some(Arc::clone(resource));
        }
        if !self.scope.as_ref().is_some_and(|known| Arc::ptr_eq(known, scope) || known == scope) {
            put_bytes(&mut self.raw, SCOPE, &convert::scope_bytes(scope));
            self.scope = Some(Arc::clone(scope));
        }
        put_bytes(&mut self.raw, RECORD, record);
    }
}

/// What a chunk consists of.
enum Part<'a> {
    Received(i64),
    Record { bytes: &'a [u8], resource: &'a Arc<Resource>, scope: &'a Arc<Scope> },
}

fn unpack(chunk: &[u8], take: &mut dyn FnMut(Part<'_>) -> Result<(), Malformed>) -> Result<(), Damaged> {
    let raw = decompress(chunk).ok_or(Damaged("it cannot be decompressed"))?;
    let (mut resource, mut scope) = (Arc::<Resource>::default(), Arc::<Scope>::default());
    let mut fields = Fields(&raw);
    while let Some(field) = fields.next()? {
        match field.number {
            RESOURCE => resource = Arc::new(convert::resource(field.content.bytes()?)?),
            SCOPE => scope = Arc::new(convert::scope(field.content.bytes()?)?),
            RECORD => take(Part::Record { bytes: field.content.bytes()?, resource: &resource, scope: &scope })?,
            RECEIVED => take(Part::Received(unzigzag(field.content.varint()?)))?,
            _ => return Err(Damaged("it has a part that is not known")),
        }
    }
    Ok(())
}

/// A signed number as protobuf's `sint64` has it: small ones are short.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_numbers_survive() {
        for (value, zigzagged) in [(0, 0), (-1, 1), (1, 2), (i64::MAX, u64::MAX - 1), (i64::MIN, u64::MAX)] {
            assert_eq!((zigzag(value), unzigzag(zigzagged)), (zigzagged, value));
        }
    }
}
