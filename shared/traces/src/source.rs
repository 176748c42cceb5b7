//! Decoded chunks and parts, each kept in memory for a while: what one request reads, the next one often reads again.

use std::sync::Arc;

use quillon_core::trace::span::{LogRecord, MetricPoint, Span};
use quillon_otlp::{unpack_logs, unpack_metrics, unpack_spans};
use quillon_store::{ChunkKind, PartKind, StoredChunk};

use crate::error::{Error, Result};
use crate::sealed::{self, Detail};
use crate::{Of, Traces, lock, weight};

/// What was decoded.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Spans(Arc<Vec<Span>>),
    Details(Arc<Vec<Detail>>),
    Logs(Arc<Vec<LogRecord>>),
    Metrics(Arc<Vec<MetricPoint>>),
}

impl Source {
    fn weight(&self) -> usize {
        match self {
            Self::Spans(spans) => spans.iter().map(weight::span).sum(),
            Self::Details(details) => details.iter().map(weight::detail).sum(),
            Self::Logs(records) => records.iter().map(weight::log).sum(),
            Self::Metrics(points) => points.iter().map(weight::point).sum(),
        }
    }
}

/// Where it was decoded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SourceKey {
    Chunk(Of, u64),
    Part(Of, u32, PartKind, u32),
}

/// The records of a chunk.
pub(crate) fn of_chunk(chunk: &StoredChunk) -> Result<Source> {
    Ok(match chunk.kind {
        ChunkKind::Spans => {
            let mut spans = Vec::new();
            unpack_spans(&chunk.bytes, chunk.at_ms, |span| spans.push(span))?;
            Source::Spans(Arc::new(spans))
        }
        ChunkKind::Logs => Source::Logs(Arc::new(unpack_logs(&chunk.bytes)?)),
        ChunkKind::Metrics => Source::Metrics(Arc::new(unpack_metrics(&chunk.bytes)?)),
    })
}

fn of_part(kind: PartKind, bytes: &[u8]) -> Result<Source> {
    Ok(match kind {
        PartKind::Spans => Source::Details(Arc::new(sealed::unpack_spans(bytes)?)),
        PartKind::Logs => Source::Logs(Arc::new(sealed::unpack_logs(bytes)?)),
        PartKind::Metrics => Source::Metrics(Arc::new(sealed::unpack_metrics(bytes)?)),
        PartKind::Outline | PartKind::Digests => return Err(sealed::Damaged("it has no records").into()),
    })
}

impl Traces {
    /// Keeps what was decoded.
    pub(crate) fn keep(&self, key: SourceKey, source: &Source) {
        let weight = source.weight();
        lock(&self.shared.sources).keep(key, source.clone(), weight);
    }

    /// The records of a chunk that was there.
    async fn chunk(&self, of: Of, seq: u64) -> Result<Source> {
        let key = SourceKey::Chunk(of, seq);
        if let Some(known) = lock(&self.shared.sources).value(&key) {
            return Ok(known);
        }
        // One request brings the chunks behind it too, which are often wanted next.
        let page = self.store.chunks(of.0, of.1, seq.saturating_sub(1)).await?;
        let mut wanted = None;
        for chunk in &page.chunks {
            let source = of_chunk(chunk)?;
            self.keep(SourceKey::Chunk(of, chunk.seq), &source);
            if chunk.seq == seq {
                wanted = Some(source);
            }
        }
        wanted.ok_or(Error::Moved)
    }

    async fn part(&self, of: Of, generation: u32, kind: PartKind, number: u32) -> Result<Source> {
        let key = SourceKey::Part(of, generation, kind, number);
        if let Some(known) = lock(&self.shared.sources).value(&key) {
            return Ok(known);
        }
        let bytes = self.store.part(of.0, of.1, generation, kind, number).await?.ok_or(Error::Moved)?;
        let source = of_part(kind, &bytes)?;
        self.keep(key, &source);
        Ok(source)
    }

    /// The spans of a chunk.
    pub(crate) async fn chunk_spans(&self, of: Of, seq: u64) -> Result<Arc<Vec<Span>>> {
        match self.chunk(of, seq).await? {
            Source::Spans(spans) => Ok(spans),
            Source::Details(_) | Source::Logs(_) | Source::Metrics(_) => Err(Error::Moved),
        }
    }

    /// What a part of spans says of them.
    pub(crate) async fn details(&self, of: Of, generation: u32, number: u32) -> Result<Arc<Vec<Detail>>> {
        match self.part(of, generation, PartKind::Spans, number).await? {
            Source::Details(details) => Ok(details),
            Source::Spans(_) | Source::Logs(_) | Source::Metrics(_) => Err(Error::Moved),
        }
    }

    /// The log records of a chunk, or of a part of that generation.
    pub(crate) async fn log_records(&self, of: Of, at: At) -> Result<Arc<Vec<LogRecord>>> {
        let source = match at {
            At::Chunk(seq) => self.chunk(of, seq).await?,
            At::Part(generation, number) => self.part(of, generation, PartKind::Logs, number).await?,
        };
        match source {
            Source::Logs(records) => Ok(records),
            Source::Spans(_) | Source::Details(_) | Source::Metrics(_) => Err(Error::Moved),
        }
    }

    /// The metric points of a chunk, or of a part of that generation.
    pub(crate) async fn metric_points(&self, of: Of, at: At) -> Result<Arc<Vec<MetricPoint>>> {
        let source = match at {
            At::Chunk(seq) => self.chunk(of, seq).await?,
            At::Part(generation, number) => self.part(of, generation, PartKind::Metrics, number).await?,
        };
        match source {
            Source::Metrics(points) => Ok(points),
            Source::Spans(_) | Source::Details(_) | Source::Logs(_) => Err(Error::Moved),
        }
    }
}

/// Where records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// In the chunk of a number.
    Chunk(u64),
    /// In a part of a generation.
    Part(u32, u32),
}
