//! Chunks back to values, one record at a time.

use std::sync::Arc;

use quillon_core::trace::span::{LogRecord, MetricPoint, Resource, Scope, Span};

use crate::batch::{RECORD, RESOURCE, SCOPE, decompress};
use crate::convert;
use crate::metric;
use crate::wire::{Fields, Malformed};

/// A chunk that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored chunk of telemetry is damaged: {0}")]
pub struct Damaged(&'static str);

impl From<Malformed> for Damaged {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.0)
    }
}

/// Reads the spans of a chunk that was taken in at `received_ms`.
///
/// Takes the memory of the chunk and of one span at a time.
///
/// # Errors
/// [`Damaged`]; spans before the damage have been handed over then.
pub fn unpack_spans(bytes: &[u8], received_ms: i64, mut take: impl FnMut(Span)) -> Result<(), Damaged> {
    unpack(bytes, &mut |Record { bytes, resource, scope }| {
        let span = convert::span_of(bytes, received_ms)?;
        take(Span { resource: Arc::clone(resource), scope: Arc::clone(scope), ..span });
        Ok(())
    })
}

/// Reads the log records of a chunk.
///
/// # Errors
/// [`Damaged`].
pub fn unpack_logs(bytes: &[u8]) -> Result<Vec<LogRecord>, Damaged> {
    let mut records = Vec::new();
    unpack(bytes, &mut |Record { bytes, resource, scope }| {
        let record = convert::log_of(bytes)?;
        records.push(LogRecord { resource: Arc::clone(resource), scope: Arc::clone(scope), ..record });
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
    unpack(bytes, &mut |Record { bytes, resource, .. }| {
        let point = metric::point_of(bytes)?;
        points.push(MetricPoint { resource: Arc::clone(resource), ..point });
        Ok(())
    })?;
    Ok(points)
}

/// A record of a chunk, and where it comes from.
struct Record<'a> {
    bytes: &'a [u8],
    resource: &'a Arc<Resource>,
    scope: &'a Arc<Scope>,
}

fn unpack(chunk: &[u8], take: &mut dyn FnMut(Record<'_>) -> Result<(), Malformed>) -> Result<(), Damaged> {
    let raw = decompress(chunk).ok_or(Damaged("it cannot be decompressed"))?;
    let (mut resource, mut scope) = (Arc::<Resource>::default(), Arc::<Scope>::default());
    let mut fields = Fields(&raw);
    while let Some(field) = fields.next()? {
        match field.number {
            RESOURCE => resource = Arc::new(convert::resource(field.content.bytes()?)?),
            SCOPE => scope = Arc::new(convert::scope(field.content.bytes()?)?),
            RECORD => take(Record { bytes: field.content.bytes()?, resource: &resource, scope: &scope })?,
            _ => return Err(Damaged("it has a part that is not known")),
        }
    }
    Ok(())
}
