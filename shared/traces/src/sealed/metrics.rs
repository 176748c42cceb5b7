//! Points of metrics.

use quillon_core::trace::span::{MetricPoint, Number, Value};

use super::columns::{Numbers, TextReader, TextWriter, Texts, difference, sum};
use super::dictionary::{Dictionary, DictionaryReader, DictionaryWriter};
use super::logs::Spans;
use super::{Damaged, compress, expand, pack};

/// A part.
#[derive(Clone, PartialEq, prost::Message)]
struct Part {
    /// With the values.
    #[prost(message, required, tag = "1")]
    dictionary: Dictionary,
    #[prost(message, required, tag = "2")]
    spans: Spans,
    #[prost(message, required, tag = "3")]
    names: Texts,
    #[prost(message, required, tag = "4")]
    units: Texts,
    /// Since the point before.
    #[prost(sint64, repeated, tag = "5")]
    times: Vec<i64>,
    #[prost(uint32, repeated, tag = "6")]
    values: Vec<u32>,
    #[prost(uint32, repeated, tag = "7")]
    shapes: Vec<u32>,
    #[prost(uint32, repeated, tag = "8")]
    resources: Vec<u32>,
}

/// Packs points; each part with how many it has.
pub(crate) fn pack_metrics(points: &[MetricPoint]) -> Result<Vec<(usize, Vec<u8>)>, Damaged> {
    pack(points, &|points| compress(&encode(points)))
}

fn encode(points: &[MetricPoint]) -> Part {
    let mut part = Part { spans: Spans::of(points.iter().map(|point| point.span)), ..Part::default() };
    let mut dictionary = DictionaryWriter::default();
    let (mut names, mut units) = (TextWriter::default(), TextWriter::default());
    let mut before = 0;
    for point in points {
        names.push(point.name.as_bytes());
        units.push(point.unit.as_bytes());
        part.times.push(difference(point.time_ns, before));
        before = point.time_ns;
        let value = match point.value {
            Number::Int(number) => Value::Int(number),
            Number::Double(number) => Value::Double(number),
        };
        part.values.push(dictionary.table.single(&value));
        part.shapes.push(dictionary.table.attributes(&point.attributes));
        part.resources.push(dictionary.origins.resource(&point.resource));
    }
    part.dictionary = dictionary.finish(|digests| {
        part.names = names.finish(digests);
        part.units = units.finish(digests);
    });
    part
}

/// The points of a part, in their order.
pub(crate) fn unpack_metrics(bytes: &[u8]) -> Result<Vec<MetricPoint>, Damaged> {
    let part: Part = expand(bytes)?;
    let (mut dictionary, mut digests) = DictionaryReader::new(part.dictionary)?;
    let (mut names, mut units) = (TextReader::new(part.names, &mut digests)?, TextReader::new(part.units, &mut digests)?);
    let (mut times, mut values) = (Numbers::new(part.times), Numbers::new(part.values));
    let (mut shapes, mut resources) = (Numbers::new(part.shapes), Numbers::new(part.resources));
    let mut time_ns = 0;
    let points = (0..part.spans.len()).map(|position| {
        time_ns = sum(time_ns, times.take()?);
        let value = match dictionary.table.single(values.take()?)? {
            Value::Int(number) => Number::Int(number),
            Value::Double(number) => Number::Double(number),
            Value::Text(_) | Value::Bool(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::Empty => {
                return Err(Damaged("a point is no number"));
            }
        };
        Ok(MetricPoint {
            span: part.spans.at(position)?,
            name: names.text()?.to_owned(),
            unit: units.text()?.to_owned(),
            time_ns,
            value,
            attributes: dictionary.table.attributes(shapes.take()?)?,
            resource: dictionary.origins.resource(resources.take()?)?,
        })
    });
    points.collect()
}
