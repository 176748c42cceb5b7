//! A request of metrics: points of gauges and sums that say which span they are of.
//!
//! There are few of them, so they are built as values, one metric at a time and after their number is known.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, number_data_point};
use prost::Message;
use quillon_core::trace::span::{MetricPoint, Number};
use quillon_core::trace::{SpanId, TraceId};

use crate::convert;
use crate::record::{Emitter, Reason};
use crate::request::{Shared, Splitter};
use crate::sieve::Tally;
use crate::wire::{Fields, Malformed, cut};

/// Names the trace of a point, in hex.
const TRACE: &str = "dagger.io/metrics.trace";
/// Names the span of a point, in hex.
const SPAN: &str = "dagger.io/metrics.span";

const NO_TRACE: Reason = "a metric point does not name its trace in `dagger.io/metrics.trace`";
const BAD_SPAN: Reason = "`dagger.io/metrics.span` of a metric point is not a span id";
const NO_VALUE: Reason = "a metric point has no value";
const OTHER_KIND: Reason = "a metric is neither a gauge nor a sum";

/// A point as it is stored.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StoredPoint {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    unit: String,
    #[prost(bytes = "vec", tag = "3")]
    span: Vec<u8>,
    #[prost(fixed64, tag = "4")]
    time_ns: u64,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<KeyValue>,
    #[prost(oneof = "StoredNumber", tags = "6, 7")]
    value: Option<StoredNumber>,
}

/// A number as it is stored.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum StoredNumber {
    #[prost(sint64, tag = "6")]
    Int(i64),
    #[prost(double, tag = "7")]
    Double(f64),
}

/// A point from its bytes, without where it comes from.
pub(crate) fn point_of(bytes: &[u8]) -> Result<MetricPoint, Malformed> {
    let point = StoredPoint::decode(bytes).map_err(|_| Malformed("a metric point cannot be read"))?;
    Ok(MetricPoint {
        span: SpanId::of_bytes(&point.span),
        name: point.name,
        unit: point.unit,
        time_ns: point.time_ns,
        value: match point.value {
            Some(StoredNumber::Int(int)) => Number::Int(int),
            Some(StoredNumber::Double(double)) => Number::Double(double),
            None => return Err(Malformed("a metric point has no value")),
        },
        attributes: convert::attributes(point.attributes),
        resource: Arc::default(),
    })
}

/// Splits an `ExportMetricsServiceRequest`; its frame is that of the other signals, with metrics in the place of records.
pub(crate) fn request(splitter: &mut Splitter<'_>, bytes: &[u8]) -> Result<(), Malformed> {
    let mut resources = Fields(bytes);
    while let Some(resource) = resources.next()? {
        if resource.number != 1 {
            continue;
        }
        let bytes = resource.content.bytes()?;
        let resource = Emitter::of(bytes)?;
        let mut known = None;
        let mut scopes = Fields(bytes);
        while let Some(scope) = scopes.next()? {
            if scope.number != 2 {
                continue;
            }
            let mut shared = Shared::default();
            let mut metrics = Fields(scope.content.bytes()?);
            while let Some(metric) = metrics.next()? {
                if metric.number != 2 {
                    continue;
                }
                if shared.origin.is_none() {
                    shared = splitter.shared(&resource, &Emitter::default(), &mut known)?;
                }
                one_metric(splitter, metric.content.bytes()?, &shared)?;
            }
        }
    }
    Ok(())
}

/// Splits one metric: its points are read one by one, so that many empty ones cost little.
fn one_metric(splitter: &mut Splitter<'_>, bytes: &[u8], shared: &Shared) -> Result<(), Malformed> {
    let (mut name, mut unit) = ("", "");
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => name = field.content.text()?,
            3 => unit = field.content.text()?,
            _ => {}
        }
    }
    // The longest that OpenTelemetry allows; they are repeated in every point.
    let (name, unit) = (cut(name, 255), cut(unit, 63));
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        let data = match field.number {
            // The points of a gauge and of a sum are in the same field.
            5 | 7 => field.content.bytes()?,
            9..=11 => {
                let mut points = Fields(field.content.bytes()?);
                while let Some(point) = points.next()? {
                    if point.number == 1 && splitter.has_room() {
                        splitter.rejections.add(OTHER_KIND);
                    }
                }
                continue;
            }
            _ => continue,
        };
        let mut points = Fields(data);
        while let Some(point) = points.next()? {
            if point.number == 1 && splitter.has_room() {
                let taken = match one_point(splitter, point.content.bytes()?, name, unit)? {
                    Ok((trace, stored)) => splitter.take(trace, &stored.encode_to_vec(), shared).map(drop),
                    Err(reason) => Err(reason),
                };
                if let Err(reason) = taken {
                    splitter.rejections.add(reason);
                }
            }
        }
    }
    Ok(())
}

type Point = Result<(TraceId, StoredPoint), Reason>;

fn one_point(splitter: &mut Splitter<'_>, bytes: &[u8], name: &str, unit: &str) -> Result<Point, Malformed> {
    const UNREADABLE: Malformed = Malformed("a metric point cannot be read");
    let mut tally = Tally::new(splitter.sieve.limits.attributes);
    // Only what is kept is built: attributes within limits, and the numbers. Exemplars are not.
    let mut kept = Vec::with_capacity(bytes.len());
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            3 | 4 | 6 => kept.extend_from_slice(field.whole),
            7 => drop(splitter.sieve.attribute(&mut kept, 7, field.content.bytes()?, &mut tally)?),
            _ => {}
        }
    }
    splitter.sieve.put_cut_mark(&mut kept, 7);
    let point = NumberDataPoint::decode(&kept[..]).map_err(|_| UNREADABLE)?;
    let id = |key: &str| point.attributes.iter().rev().find(|entry| entry.key == key).map(text);
    let Some(Ok(trace)) = id(TRACE).map(str::parse) else { return Ok(Err(NO_TRACE)) };
    let span = match id(SPAN).map(str::parse::<SpanId>) {
        None => Vec::new(),
        Some(Ok(span)) => span.as_bytes().to_vec(),
        Some(Err(_)) => return Ok(Err(BAD_SPAN)),
    };
    let value = match point.value {
        Some(number_data_point::Value::AsInt(int)) => StoredNumber::Int(int),
        Some(number_data_point::Value::AsDouble(double)) => StoredNumber::Double(double),
        None => return Ok(Err(NO_VALUE)),
    };
    let (name, unit) = (name.to_owned(), unit.to_owned());
    Ok(Ok((trace, StoredPoint { name, unit, span, time_ns: point.time_unix_nano, attributes: point.attributes, value: Some(value) })))
}

fn text(entry: &KeyValue) -> &str {
    match entry.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(_) | None => "",
    }
}
