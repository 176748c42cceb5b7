//! Spans, logs, metrics, search and insight as JSON. Types are kept as far as a browser can hold them: whole numbers beyond
//! 2^53 and bytes become texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use quillon_core::trace::call::{Call, CallText, cache, render};
use quillon_core::trace::id::SpanId;
use quillon_core::trace::marker::without_markers;
use quillon_core::trace::span::{Attributes, Link, LogRecord, MetricPoint, Number, Span, SpanKind, StatusCode, Value};
use serde_json::{Map, Value as Json, json};

use crate::page::text::label;

/// The attribute that holds a call, which is told in its own place.
const CALL: &str = "dagger.io/dag.call";

/// Why a span links to another one, and what it means where nothing is said.
const LINK_PURPOSE: &str = "dagger.io/link.purpose";
const CAUSE: &str = "cause";

/// The largest whole number that a browser holds exactly.
const EXACT: i64 = 1 << 53;

/// Most points of one series: a curve on a screen needs no more.
const MAX_POINTS: usize = 500;

/// Spans of rows. With `is_brief` only what a row shows of them. `told` is what is said of a row that failed.
#[must_use]
pub fn spans<'a>(rows: &[u32], spans: &[Span], told: impl Fn(u32) -> Option<&'a str>, is_brief: bool) -> Json {
    let calls: Vec<Option<Call>> = spans.iter().map(|span| span.attributes.text(CALL).and_then(quillon_otlp::call::decode)).collect();
    let find = |digest: &str| calls.iter().flatten().find(|call| call.digest == digest);
    let spans = rows.iter().zip(spans).zip(&calls).map(|((row, span), call)| {
        let call = call.as_ref().map(|call| call_text(&render(call, find)));
        let mut json = if is_brief { brief(*row, span, call) } else { whole(*row, span, call) };
        if json["status"]["message"] == "" {
            json["error"] = Json::from(told(*row));
        }
        json
    });
    json!({ "spans": spans.collect::<Vec<_>>() })
}

/// The call of a span in one line, `Container.withExec(args: ["go", "test"])`; none where it is no call.
#[must_use]
pub fn call_line(span: &Span) -> Option<String> {
    let call = render(&quillon_otlp::call::decode(span.attributes.text(CALL)?)?, |_| None);
    let args = call.args.iter().map(|argument| match argument.name.as_str() {
        "" => argument.short.clone(),
        name => format!("{name}: {}", argument.short),
    });
    Some(label(&format!("{}({})", span.name, args.collect::<Vec<_>>().join(", "))))
}

fn brief(row: u32, span: &Span, call: Option<Json>) -> Json {
    let cache = cache_fact(&span.attributes);
    json!({ "row": row, "id": span.id.to_string(), "call": call, "status": status(span), "cache": cache, "resumes": resumes(span) })
}

/// The call whose work a span takes up. A link without purpose says the same.
fn resumes(span: &Span) -> Option<String> {
    let is_cause = |link: &&Link| link.attributes.text(LINK_PURPOSE).unwrap_or(CAUSE) == CAUSE;
    span.links.iter().find(is_cause).map(|link| hex::encode(&link.span_id))
}

fn whole(row: u32, span: &Span, call: Option<Json>) -> Json {
    let shown = span.attributes.0.iter().filter(|(name, _)| name != CALL || call.is_none());
    let events =
        span.events.iter().map(|event| json!({ "name": event.name, "time": time(event.time_ns), "attributes": pairs(&event.attributes) }));
    json!({
        "row": row,
        "id": span.id.to_string(),
        "parent": span.parent.map(|parent| parent.to_string()),
        "name": span.name,
        "kind": kind(span.kind),
        "call": call,
        "status": status(span),
        "start": time(span.start_ns),
        "end": span.end_ns.map(time),
        "attributes": shown.map(|(name, value)| json!([name, plain(value)])).collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
        "links": span.links.iter().map(link).collect::<Vec<_>>(),
        "scope": { "name": span.scope.name, "version": span.scope.version },
        "resource": pairs(&span.resource.attributes),
        "dropped": { "attributes": span.dropped.attributes, "events": span.dropped.events, "links": span.dropped.links },
        "cache": cache_fact(&span.attributes),
    })
}

fn call_text(call: &CallText) -> Json {
    let args = call.args.iter().map(|argument| json!([argument.name, argument.short, argument.full]));
    json!({ "receiver": call.receiver, "field": call.field, "args": args.collect::<Vec<_>>(), "type": call.returns })
}

fn status(span: &Span) -> Json {
    let code = match span.status.code {
        StatusCode::Unset => "unset",
        StatusCode::Ok => "ok",
        StatusCode::Error => "error",
    };
    json!({ "code": code, "message": without_markers(&span.status.message).trim() })
}

fn cache_fact(attributes: &Attributes) -> Option<Json> {
    cache(attributes).map(|fact| json!({ "outcome": fact.outcome.word(), "reason": fact.reason }))
}

fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn link(link: &Link) -> Json {
    json!({
        "trace": hex::encode(&link.trace_id),
        "span": hex::encode(&link.span_id),
        "purpose": link.attributes.text(LINK_PURPOSE).unwrap_or(CAUSE),
        "attributes": pairs(&link.attributes),
    })
}

fn pairs(attributes: &Attributes) -> Vec<Json> {
    attributes.0.iter().map(|(name, value)| json!([name, plain(value)])).collect()
}

/// A value as JSON. How deep values nest is limited where they are taken in.
fn plain(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::from(text.as_str()),
        Value::Bool(flag) => Json::from(*flag),
        Value::Int(number) if number.checked_abs().is_some_and(|size| size <= EXACT) => Json::from(*number),
        Value::Int(number) => Json::from(number.to_string()),
        Value::Double(number) => serde_json::Number::from_f64(*number).map_or_else(|| Json::from(number.to_string()), Json::Number),
        Value::Bytes(bytes) => Json::from(STANDARD.encode(bytes)),
        Value::List(values) => values.iter().map(plain).collect(),
        Value::Map(map) => Json::Object(map.0.iter().map(|(name, value)| (name.clone(), plain(value))).collect::<Map<_, _>>()),
        Value::Empty => Json::Null,
    }
}

/// RFC 3339 with all its digits.
fn time(ns: u64) -> String {
    Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| ns.to_string(), |at| at.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "a browser counts in milliseconds")]
fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1_000_000.0
}

/// Log records with the cursor of what comes after them.
#[must_use]
pub fn logs(records: &[LogRecord], next: Option<&str>, total: u64) -> Json {
    let records = records.iter().map(|record| {
        let stream = match record.attributes.value("stdio.stream") {
            Some(Value::Int(stream @ (1 | 2))) => *stream,
            Some(_) | None => 0,
        };
        json!({
            "span": record.span.map(|span| span.to_string()),
            "time": milliseconds(if record.time_ns == 0 { record.observed_ns } else { record.time_ns }),
            "stream": stream,
            "body": plain(&record.body),
            "verbose": record.attributes.is_true("dagger.io/logs.verbose"),
            "global": record.attributes.is_true("dagger.io/logs.global"),
            "type": record.attributes.text("dagger.io/content.type"),
        })
    });
    json!({ "records": records.collect::<Vec<_>>(), "next": next, "total": total })
}

/// Metric points as one series per name, thinned to what a curve shows.
#[must_use]
pub fn metrics(points: &[MetricPoint]) -> Json {
    let mut series: Vec<(&str, &str, Vec<&MetricPoint>)> = Vec::new();
    for point in points {
        match series.iter_mut().find(|(name, unit, _)| *name == point.name && *unit == point.unit) {
            Some((_, _, points)) => points.push(point),
            None => series.push((&point.name, &point.unit, vec![point])),
        }
    }
    let series = series.into_iter().map(|(name, unit, points)| {
        let every = points.len().div_ceil(MAX_POINTS).max(1);
        let last = points.len().saturating_sub(1);
        let kept = points.iter().enumerate().filter(|(index, _)| index % every == 0 || *index == last);
        json!({ "name": name, "unit": unit, "points": kept.map(|(_, point)| pair(point)).collect::<Vec<_>>() })
    });
    json!({ "series": series.collect::<Vec<_>>() })
}

#[expect(clippy::cast_precision_loss, reason = "a curve needs no more digits")]
fn pair(point: &MetricPoint) -> Json {
    let value = match point.value {
        Number::Int(number) => number as f64,
        Number::Double(number) => number,
    };
    json!([milliseconds(point.time_ns), value])
}

/// What a search found.
#[must_use]
pub fn search(found: &quillon_traces::Found) -> Json {
    let hits = found.hits.iter().map(|hit| json!({ "row": hit.row, "where": hit.place.word(), "excerpt": hit.excerpt }));
    json!({ "hits": hits.collect::<Vec<_>>(), "searched": found.searched, "of": found.of, "next": found.next })
}

/// Numbers of rows, as the query names them: each once, at most so many. None of anything else.
#[must_use]
pub fn row_numbers(text: &str, most: usize) -> Option<Vec<u32>> {
    let mut rows = Vec::new();
    for number in text.split(',') {
        let number = number.parse().ok()?;
        if !rows.contains(&number) {
            rows.push(number);
        }
        if rows.len() > most {
            return None;
        }
    }
    Some(rows)
}

/// The text of an id in a query, in any case.
#[must_use]
pub fn span_id(text: &str) -> Option<SpanId> {
    text.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types_as_far_as_a_browser_can_hold_them() {
        for (value, expected) in [
            (Value::Text("<b>".to_owned()), json!("<b>")),
            (Value::Int(EXACT), json!(9_007_199_254_740_992_i64)),
            (Value::Int(i64::MIN), json!("-9223372036854775808")),
            (Value::Int(i64::MAX), json!("9223372036854775807")),
            (Value::Double(f64::NAN), json!("NaN")),
            (Value::Double(0.5), json!(0.5)),
            (Value::Bytes(vec![1, 2]), json!("AQI=")),
            (Value::List(vec![Value::Bool(true), Value::Empty]), json!([true, null])),
            (Value::Map(Attributes(vec![("a".to_owned(), Value::Int(1))])), json!({"a": 1})),
        ] {
            assert_eq!(plain(&value), expected);
        }
        assert_eq!(time(u64::MAX), "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn rows_are_few_numbers() {
        assert_eq!(row_numbers("3,1,3", 200), Some(vec![3, 1]));
        for text in ["", "x", "1,", "-1", "4294967296", "1 ,2"] {
            assert_eq!(row_numbers(text, 200), None, "{text}");
        }
        assert_eq!(row_numbers("1,2,3", 2), None);
    }
}
