//! A request split by trace.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::RootSeen;
use quillon_core::trace::label::Labels;
use serde::de::DeserializeOwned;

use crate::batch::{Batch, Origin};
use crate::record::{self, Emitter, Reason, SpanSeen};
use crate::refuse::Rejections;
use crate::sieve::Sieve;
use crate::wire::{Fields, Malformed};
use crate::{Encoding, Limits, Refused, Rejected, Signal, convert, lenient, metric};

/// A request, split.
#[derive(Debug)]
pub struct Decoded {
    /// One per trace, in the order of their first records.
    pub batches: Vec<Batch>,
    /// What was not taken in.
    pub rejected: Rejected,
}

/// Reads a request that is no longer compressed.
///
/// Never takes more memory than a small multiple of the bytes and the limits.
///
/// # Errors
/// [`Refused::Malformed`] for what is not OTLP, [`Refused::TooLarge`] for a body over a limit. Records that cannot be taken in
/// do not refuse the others: they are counted in [`Decoded::rejected`].
pub fn decode(signal: Signal, encoding: Encoding, bytes: &[u8], limits: &Limits, now: Timestamp) -> Result<Decoded, Refused> {
    if bytes.len() > limits.inflated {
        return Err(Refused::too_large(bytes.len(), limits.inflated));
    }
    let converted;
    let bytes = match encoding {
        Encoding::Protobuf => bytes,
        Encoding::Json => {
            converted = protobuf_of_json(signal, bytes, limits)?;
            &converted
        }
    };
    let mut splitter = Splitter::new(signal, limits, now);
    match signal {
        Signal::Traces | Signal::Logs => splitter.request(bytes)?,
        Signal::Metrics => metric::request(&mut splitter, bytes)?,
    }
    Ok(splitter.finish())
}

/// The same request as protobuf, so that one reader does for both.
fn protobuf_of_json(signal: Signal, bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, Refused> {
    if bytes.len() > limits.inflated_json {
        return Err(Refused::too_large(bytes.len(), limits.inflated_json));
    }
    if count_values(bytes) > limits.json_values {
        return Err(Refused::Malformed(format!(
            "the body has more than {} JSON objects and lists; send fewer records at a time",
            limits.json_values
        )));
    }
    // The reader would take a list for an object whose fields have no names.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Refused::Malformed("the body is not OTLP JSON: it is no object".to_owned()));
    }
    let refused = |error: serde_json::Error| Refused::Malformed(format!("the body is not OTLP JSON: {error}"));
    match signal {
        Signal::Traces => read::<ExportTraceServiceRequest>(bytes),
        Signal::Logs => read::<ExportLogsServiceRequest>(bytes),
        // The reader says nothing of the value of a point that it cannot read, and there are few of them.
        Signal::Metrics => read_leniently::<ExportMetricsServiceRequest>(bytes),
    }
    .map_err(refused)
}

fn read<T: DeserializeOwned + Message>(bytes: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    match serde_json::from_slice::<T>(bytes) {
        Ok(request) => Ok(request.encode_to_vec()),
        // Its own error says where.
        Err(error) => read_leniently::<T>(bytes).map_err(|_| error),
    }
}

fn read_leniently<T: DeserializeOwned + Message>(bytes: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    Ok(lenient::read::<T>(serde_json::from_slice(bytes)?)?.encode_to_vec())
}

/// How many objects and lists a JSON text has, outside of its strings.
fn count_values(bytes: &[u8]) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}

/// Takes records and puts them into the batch of their trace.
pub(crate) struct Splitter<'l> {
    pub(crate) sieve: Sieve<'l>,
    signal: Signal,
    now: Timestamp,
    now_ns: u64,
    batches: Vec<Batch>,
    by_trace: HashMap<TraceId, usize>,
    last: Option<(TraceId, usize)>,
    pub(crate) rejections: Rejections,
    records: usize,
    most: usize,
    scratch: Vec<u8>,
}

/// What records of one resource and scope share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) origin: Option<Arc<Origin>>,
    labels: Option<Arc<Labels>>,
}

/// A resource, read once for all of its scopes.
pub(crate) struct Known {
    bytes: Arc<[u8]>,
    /// Of the CLI only.
    labels: Option<Arc<Labels>>,
}

impl<'l> Splitter<'l> {
    fn new(signal: Signal, limits: &'l Limits, now: Timestamp) -> Self {
        let most = match signal {
            Signal::Traces => limits.spans,
            Signal::Logs => limits.logs,
            Signal::Metrics => limits.points,
        };
        Self {
            sieve: Sieve::new(limits),
            signal,
            now,
            now_ns: u64::try_from(now.as_nanosecond()).unwrap_or(0),
            batches: Vec::new(),
            by_trace: HashMap::new(),
            last: None,
            rejections: Rejections::default(),
            records: 0,
            most,
            scratch: Vec::new(),
        }
    }

    /// `ExportTraceServiceRequest` and `ExportLogsServiceRequest` have the same frame: resources in field 1; in those the resource in 1 and
    /// scopes in 2; in those the scope in 1 and records in 2.
    fn request(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            if field.number == 1 {
                self.resource(field.content.bytes()?)?;
            }
        }
        Ok(())
    }

    fn resource(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let resource = Emitter::of(bytes)?;
        let mut known = None;
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            if field.number == 2 {
                self.scope(field.content.bytes()?, &resource, &mut known)?;
            }
        }
        Ok(())
    }

    fn scope(&mut self, bytes: &[u8], resource: &Emitter<'_>, known: &mut Option<Known>) -> Result<(), Malformed> {
        let scope = Emitter::of(bytes)?;
        let mut shared = Shared::default();
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            if field.number != 2 {
                continue;
            }
            let record = field.content.bytes()?;
            if shared.origin.is_none() {
                shared = self.shared(resource, &scope, known)?;
            }
            match self.signal {
                Signal::Traces => self.span(record, &shared)?,
                Signal::Logs => self.log(record, &shared)?,
                // Their requests have another frame.
                Signal::Metrics => {}
            }
        }
        Ok(())
    }

    /// The origin of records, read once for all of them.
    pub(crate) fn shared(&mut self, resource: &Emitter<'_>, scope: &Emitter<'_>, known: &mut Option<Known>) -> Result<Shared, Malformed> {
        if known.is_none() {
            let bytes = record::origin(&mut self.sieve, resource, false)?;
            let labels = match self.signal {
                Signal::Traces => Labels::of(&convert::resource(&bytes)?),
                Signal::Logs | Signal::Metrics => None,
            };
            *known = Some(Known { bytes: bytes.into(), labels: labels.map(Arc::new) });
        }
        let scope = record::origin(&mut self.sieve, scope, true)?.into();
        let of = |known: &Known| Shared {
            origin: Some(Arc::new(Origin { resource: Arc::clone(&known.bytes), scope })),
            labels: known.labels.clone(),
        };
        Ok(known.as_ref().map(of).unwrap_or_default())
    }

    fn span(&mut self, bytes: &[u8], shared: &Shared) -> Result<(), Malformed> {
        if !self.has_room() {
            return Ok(());
        }
        let mut copied = std::mem::take(&mut self.scratch);
        copied.clear();
        let seen = record::span(&mut self.sieve, bytes, &mut copied);
        let taken = match seen {
            Ok(Ok(seen)) => self.take(seen.trace, &copied, shared).map(|index| self.headline(index, &seen, &copied, shared)),
            Ok(Err(reason)) => Err(reason),
            Err(malformed) => return Err(malformed),
        };
        self.scratch = copied;
        if let Err(reason) = taken {
            self.rejections.add(reason);
        }
        Ok(())
    }

    fn log(&mut self, bytes: &[u8], shared: &Shared) -> Result<(), Malformed> {
        if !self.has_room() {
            return Ok(());
        }
        let mut copied = std::mem::take(&mut self.scratch);
        copied.clear();
        let seen = record::log(&mut self.sieve, bytes, self.now_ns, &mut copied);
        let taken = match seen {
            Ok(Ok(trace)) => self.take(trace, &copied, shared),
            Ok(Err(reason)) => Err(reason),
            Err(malformed) => return Err(malformed),
        };
        self.scratch = copied;
        if let Err(reason) = taken {
            self.rejections.add(reason);
        }
        Ok(())
    }

    /// Whether one more record is looked at; rejects it when not.
    pub(crate) fn has_room(&mut self) -> bool {
        self.records += 1;
        let has_room = self.records <= self.most;
        if !has_room {
            self.rejections.add("the request has too many records");
        }
        has_room
    }

    /// Puts a copied record into the batch of its trace; says which one that is.
    pub(crate) fn take(&mut self, trace: TraceId, record: &[u8], shared: &Shared) -> Result<usize, Reason> {
        let index = match self.last {
            Some((last, index)) if last == trace => index,
            Some(_) | None => match self.by_trace.get(&trace) {
                Some(index) => *index,
                None if self.batches.len() >= self.sieve.limits.traces => return Err("the request has too many traces"),
                None => {
                    self.batches.push(Batch::new(trace, self.signal));
                    self.by_trace.insert(trace, self.batches.len() - 1);
                    self.batches.len() - 1
                }
            },
        };
        self.last = Some((trace, index));
        let Some(origin) = &shared.origin else { return Err("the record has no origin") };
        self.batches[index].push(origin, record, self.sieve.limits.record)?;
        Ok(index)
    }

    fn headline(&mut self, index: usize, seen: &SpanSeen, copied: &[u8], shared: &Shared) {
        let (start_ns, end_ns) = (self.sane(seen.start_ns), seen.end_ns.map(|end_ns| self.sane(end_ns)));
        let now_ms = self.now.as_millisecond();
        let headline = &mut self.batches[index].headline;
        headline.times(start_ns, end_ns);
        if seen.has_failed_check {
            headline.check_failed();
        }
        if let Some(labels) = &shared.labels {
            headline.labels(seen.start_ns, labels);
        }
        // A root is told from other commands of its trace by its start: that stays as it was sent, and the card copes with it.
        if seen.is_root
            && let Ok(span) = convert::span_of(copied, now_ms)
            && let Some(root) = RootSeen::of(&span)
        {
            headline.root(&RootSeen { is_cli: shared.labels.is_some(), ..root });
        }
    }

    /// A time that a list can be sorted by: a clock that is far off counts as ours.
    fn sane(&self, time_ns: u64) -> u64 {
        /// The first second of 2000.
        const EARLIEST: u64 = 946_684_800 * 1_000_000_000;
        /// A day.
        const AHEAD: u64 = 86_400 * 1_000_000_000;
        if (EARLIEST..=self.now_ns.saturating_add(AHEAD)).contains(&time_ns) { time_ns } else { self.now_ns }
    }

    fn finish(mut self) -> Decoded {
        self.batches.iter_mut().for_each(Batch::seal);
        Decoded { batches: self.batches, rejected: self.rejections.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        for (json, count) in [("{}", 1), (r#"{"a":[1,{}]}"#, 3), (r#"{"{[":"}\"{"}"#, 1), ("", 0), (r#""\\"{"#, 1)] {
            assert_eq!(count_values(json.as_bytes()), count, "{json}");
        }
    }
}
