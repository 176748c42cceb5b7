//! Points of metrics of a span.

use quillon_core::trace::SpanId;
use quillon_core::trace::hint::Flags;
use quillon_core::trace::span::MetricPoint;

use crate::Traces;
use crate::error::{Error, Result};
use crate::open::MAX_TRIES;
use crate::snapshot::Snapshot;

/// Most points of one span.
const MAX_POINTS: usize = 100_000;

impl Traces {
    /// The metric points of a span by time, then by arrival; at most 100,000.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn metrics(&self, snapshot: &Snapshot, span: SpanId) -> Result<Vec<MetricPoint>> {
        let mut current = None;
        for _ in 0..MAX_TRIES {
            let snapshot: &Snapshot = current.as_deref().unwrap_or(snapshot);
            match self.metrics_now(snapshot, span).await {
                Err(Error::Moved) => current = Some(self.again(snapshot).await?),
                outcome => return outcome,
            }
        }
        Err(Error::Moved)
    }

    async fn metrics_now(&self, snapshot: &Snapshot, span: SpanId) -> Result<Vec<MetricPoint>> {
        let outline = &snapshot.outline;
        let has_some = match outline.row(span) {
            Some(row) => outline.rows[row as usize].flags.contains(Flags::METRICS),
            None => outline.strays().iter().any(|stray| stray.span == span && stray.has_metrics),
        };
        if !has_some {
            return Ok(vec![]);
        }
        let mut found = Vec::new();
        for (at, _) in snapshot.metric_sources() {
            let points = self.metric_points(snapshot.of(), at).await?;
            let missing = MAX_POINTS - found.len();
            found.extend(points.iter().filter(|point| point.span == Some(span)).take(missing).cloned());
        }
        found.sort_by_key(|point| point.time_ns);
        Ok(found)
    }
}
