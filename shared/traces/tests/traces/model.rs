//! What a trace must say, kept the simplest way: every record as it came, in a map.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use quillon_core::trace::SpanId;
use quillon_core::trace::span::{LogRecord, MetricPoint, Span};
use quillon_otlp::{Batch, Signal, unpack_logs, unpack_metrics, unpack_spans};
use quillon_traces::{LogPage, Snapshot, Traces};

/// How long a batch that comes again is recognised.
const RECEIPT_MS: i64 = 600_000;

/// Everything that was accepted for one trace.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) spans: BTreeMap<SpanId, Span>,
    /// The order in which spans first came.
    pub(crate) order: Vec<SpanId>,
    pub(crate) logs: Vec<LogRecord>,
    pub(crate) metrics: Vec<MetricPoint>,
    receipts: HashMap<[u8; 16], i64>,
}

impl Model {
    /// Takes in a batch.
    pub(crate) fn append(&mut self, batch: &Batch, now: Timestamp) {
        let now_ms = now.as_millisecond();
        for chunk in batch.pack(1, 350_000) {
            if batch.signal != Signal::Traces {
                let before = self.receipts.get(&chunk.digest);
                if before.is_some_and(|before| now_ms - before <= RECEIPT_MS) {
                    continue;
                }
                self.receipts.insert(chunk.digest, now_ms);
            }
            match batch.signal {
                Signal::Traces => unpack_spans(&chunk.bytes, now_ms, |span| self.see(span)).expect("spans"),
                Signal::Logs => self.logs.extend(unpack_logs(&chunk.bytes).expect("logs")),
                Signal::Metrics => self.metrics.extend(unpack_metrics(&chunk.bytes).expect("metrics")),
            }
        }
    }

    fn see(&mut self, span: Span) {
        let standing = |span: &Span| (span.end_ns.is_some(), span.received_ms, span.end_ns);
        match self.spans.get_mut(&span.id) {
            None => {
                self.order.push(span.id);
                self.spans.insert(span.id, span);
            }
            Some(known) if standing(&span) >= standing(known) => *known = span,
            Some(_) => {}
        }
    }

    /// Asserts that a snapshot says the same, record by record.
    pub(crate) async fn check(&self, traces: &Traces, snapshot: &Snapshot) {
        let order: Vec<SpanId> = snapshot.outline.rows.iter().map(|row| row.id).collect();
        assert_eq!(order, self.order, "rows keep the order in which spans came");
        let rows: Vec<u32> = (0..u32::try_from(order.len()).expect("few")).collect();
        let spans = traces.spans(snapshot, &rows).await.expect("spans");
        for span in &spans {
            assert_eq!(Some(span), self.spans.get(&span.id));
        }
        for (row, span) in snapshot.outline.rows.iter().zip(&spans) {
            let logs = self.logs.iter().filter(|record| record.span == Some(span.id)).count();
            assert_eq!(usize::try_from(row.logs), Ok(logs), "log records of {}", span.id);
        }
        let mut logs = self.logs.clone();
        logs.sort_by_key(|record| record.time_ns);
        assert_eq!(all_logs(traces, snapshot, None, 3).await, logs);
        for span in self.order.iter().take(3) {
            let of_span: Vec<_> = logs.iter().filter(|record| record.span == Some(*span)).cloned().collect();
            assert_eq!(all_logs(traces, snapshot, Some(*span), 100).await, of_span);
            let mut points: Vec<_> = self.metrics.iter().filter(|point| point.span == Some(*span)).cloned().collect();
            points.sort_by_key(|point| point.time_ns);
            assert_eq!(traces.metrics(snapshot, *span).await.expect("metrics"), points);
        }
    }
}

/// All log records, page by page.
pub(crate) async fn all_logs(traces: &Traces, snapshot: &Snapshot, span: Option<SpanId>, limit: u32) -> Vec<LogRecord> {
    let mut page = LogPage::first(limit);
    let mut all = Vec::new();
    loop {
        let found = traces.logs(snapshot, span, false, &page).await.expect("logs");
        all.extend(found.items);
        match found.next {
            Some(next) => page.after = Some(next),
            None => return all,
        }
    }
}
