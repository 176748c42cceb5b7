//! Whatever records say comes back as it was, and whatever bytes are stored, reading them gives records or an error.

use std::sync::Arc;

use proptest::prelude::*;
use quillon_core::trace::SpanId;
use quillon_core::trace::outline::{Columns, NO_SEGMENT, Note, Outline, Place, Stray, Wait};
use quillon_core::trace::span::{
    Attributes, Dropped, Link, LogRecord, MetricPoint, Number, Resource, Scope, Span, SpanEvent, SpanKind, Status, StatusCode, Value,
};

use super::{Damaged, pack_logs, pack_metrics, pack_outline, pack_spans, read_outline, unpack_logs, unpack_metrics, unpack_spans};
use crate::spans::whole;

fn id() -> impl Strategy<Value = SpanId> {
    (1..20_u64).prop_map(|number| SpanId::of_bytes(&number.to_be_bytes()).expect("not zero"))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c:é\u{0}]{0,6}",
        "(xxh3:[0-9a-f]{16}){1,3}",
        "x?sha256:[0-9a-f]{64}[0-9a-f]?",
        Just("dagger.io/dag.call".to_owned()),
        Just("CgR4eGgz".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9).prop_map(Value::Double),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        Just(Value::Empty),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec((text(), inner), 0..4).prop_map(|map| Value::Map(Attributes(map))),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    prop::collection::vec((text(), value()), 0..5).prop_map(Attributes)
}

fn resource() -> impl Strategy<Value = Arc<Resource>> {
    (attributes(), 0..3_u32, text())
        .prop_map(|(attributes, dropped_attributes, schema_url)| Arc::new(Resource { attributes, dropped_attributes, schema_url }))
}

fn scope() -> impl Strategy<Value = Arc<Scope>> {
    (text(), text(), attributes(), 0..3_u32, text()).prop_map(|(name, version, attributes, dropped_attributes, schema_url)| {
        Arc::new(Scope { name, version, attributes, dropped_attributes, schema_url })
    })
}

fn span() -> impl Strategy<Value = Span> {
    let kind = prop::sample::select(vec![
        SpanKind::Unspecified,
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ]);
    let code = prop::sample::select(vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error]);
    let event = (any::<u64>(), text(), attributes(), 0..3_u32).prop_map(|(time_ns, name, attributes, dropped_attributes)| SpanEvent {
        time_ns,
        name,
        attributes,
        dropped_attributes,
    });
    let bytes = || prop::collection::vec(any::<u8>(), 0..17);
    let link = (bytes(), bytes(), text(), attributes(), 0..3_u32, any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes,
            flags,
        },
    );
    let flags = prop_oneof![Just(0), Just(0x101), any::<u32>()];
    let row = (id(), prop::option::of(id()), flags, text(), any::<u64>(), prop::option::of(any::<u64>()), any::<i64>());
    let rest = (
        text(),
        kind,
        attributes(),
        prop::collection::vec(event, 0..3),
        prop::collection::vec(link, 0..3),
        (code, text()).prop_map(|(code, message)| Status { code, message }),
        prop::array::uniform3(0..3_u32),
        scope(),
        resource(),
    );
    (row, rest).prop_map(|(row, rest)| {
        let (id, parent, flags, name, start_ns, end_ns, received_ms) = row;
        let (trace_state, kind, attributes, events, links, status, [dropped, more, most], scope, resource) = rest;
        Span {
            id,
            parent,
            flags,
            trace_state,
            name,
            kind,
            start_ns,
            end_ns,
            attributes,
            events,
            links,
            status,
            dropped: Dropped { attributes: dropped, events: more, links: most },
            scope,
            resource,
            received_ms,
        }
    })
}

fn log() -> impl Strategy<Value = LogRecord> {
    let times = (any::<u64>(), any::<u64>());
    let numbers = (any::<i32>(), 0..3_u32, prop_oneof![Just(0), any::<u32>()]);
    (prop::option::of(id()), times, numbers, (text(), text()), value(), attributes(), scope(), resource()).prop_map(
        |(span, (time_ns, observed_ns), numbers, (severity_text, event_name), body, attributes, scope, resource)| {
            let (severity, dropped_attributes, flags) = numbers;
            LogRecord {
                span,
                time_ns,
                observed_ns,
                severity,
                severity_text,
                event_name,
                body,
                attributes,
                dropped_attributes,
                flags,
                scope,
                resource,
            }
        },
    )
}

fn point() -> impl Strategy<Value = MetricPoint> {
    let number = prop_oneof![any::<i64>().prop_map(Number::Int), (-1e9..1e9).prop_map(Number::Double)];
    (prop::option::of(id()), text(), text(), any::<u64>(), number, attributes(), resource()).prop_map(
        |(span, name, unit, time_ns, value, attributes, resource)| MetricPoint { span, name, unit, time_ns, value, attributes, resource },
    )
}

fn columns() -> impl Strategy<Value = Columns> {
    let row = (id(), prop::option::of(id()), text(), any::<u64>(), prop::option::of(any::<u64>()), any::<i64>(), any::<u32>());
    let more = (prop::option::of((0..9_u32, 0..9_u32, 0..9_u32)), prop_oneof![Just(0), any::<u64>()], any::<u32>(), any::<u32>());
    let wait = (any::<prop::sample::Index>(), id(), 0..u64::MAX / 2, 0..u64::MAX / 2);
    let belongs = (
        prop::collection::vec(wait, 0..4),
        prop::collection::vec((any::<prop::sample::Index>(), id()), 0..4),
        prop::collection::vec((any::<prop::sample::Index>(), text()), 0..4),
        prop::collection::vec((id(), 0..9_u32, any::<bool>()), 0..3),
    );
    (prop::collection::vec((row, more), 1..12), belongs).prop_map(|(rows, (waits, origins, notes, strays))| {
        let mut columns = Columns::default();
        for ((id, parent, name, start, end, received, flags), (logs, pair, segment, index)) in rows {
            let (logs, first, more) = logs.unwrap_or((0, NO_SEGMENT, 0));
            let known = columns.texts.iter().position(|text| *text == name);
            let name = known.unwrap_or_else(|| {
                columns.texts.push(name);
                columns.texts.len() - 1
            });
            columns.ids.push(id);
            columns.parents.push(parent);
            columns.names.push(u32::try_from(name).expect("few"));
            columns.starts.push(start);
            columns.ends.push(end);
            columns.received.push(received);
            columns.flags.push(flags);
            columns.logs.push(logs);
            columns.log_firsts.push(first);
            columns.log_lasts.push(if first == NO_SEGMENT { NO_SEGMENT } else { first + more });
            columns.pairs.push(pair);
            columns.places.push(Place::Sealed { segment, index });
        }
        let rows = columns.len();
        let at = |index: prop::sample::Index| u32::try_from(index.index(rows)).expect("few");
        columns.waits =
            waits.into_iter().map(|(row, to, start_ns, long)| (at(row), Wait { to, start_ns, end_ns: start_ns + long })).collect();
        columns.origins = origins.into_iter().map(|(row, origin)| (at(row), origin)).collect();
        columns.notes = notes.into_iter().map(|(row, message)| (at(row), Note { message })).collect();
        columns.strays = strays
            .into_iter()
            .map(|(span, logs, has_metrics)| Stray { span, logs, log_first: logs, log_last: logs, has_metrics })
            .collect();
        columns
    })
}

/// The columns as parts, and read again.
fn there_and_back(columns: &Columns) -> Result<Columns, Damaged> {
    let rows = u32::try_from(columns.len()).expect("few");
    let position = |span| columns.ids.iter().position(|id| *id == span).map(|row| u32::try_from(row).expect("few"));
    let parts = pack_outline(0..rows, &|_| columns.clone(), &position)?;
    assert_eq!(parts.len(), 1);
    read_outline(&parts[0], &mut Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spans_come_back_from_their_rows_and_details(spans in prop::collection::vec(span(), 1..8)) {
        let parts = pack_spans(&spans).expect("packed");
        prop_assert_eq!(parts.len(), 1);
        let details = unpack_spans(&parts[0].1).expect("unpacked");
        prop_assert_eq!(details.len(), spans.len());
        for (span, detail) in spans.iter().zip(&details) {
            let mut outline = Outline::new();
            outline.upsert(span, Place::Tail(0));
            let row = outline.rows[0];
            prop_assert_eq!(&whole(detail, &row, outline.name(row.name)), span);
        }
    }

    #[test]
    fn log_records_come_back(records in prop::collection::vec(log(), 1..8)) {
        let parts = pack_logs(&records).expect("packed");
        prop_assert_eq!(unpack_logs(&parts[0].1).expect("unpacked"), records);
    }

    #[test]
    fn points_come_back(points in prop::collection::vec(point(), 1..8)) {
        let parts = pack_metrics(&points).expect("packed");
        prop_assert_eq!(unpack_metrics(&parts[0].1).expect("unpacked"), points);
    }

    #[test]
    fn outlines_come_back(columns in columns()) {
        prop_assert_eq!(there_and_back(&columns).expect("read"), columns);
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic(
        (span, log, point, columns) in (span(), log(), point(), columns()),
        blows in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let rows = u32::try_from(columns.len()).expect("few");
        let parts = [
            pack_spans(&[span]).expect("packed").remove(0).1,
            pack_logs(&[log]).expect("packed").remove(0).1,
            pack_metrics(&[point]).expect("packed").remove(0).1,
            pack_outline(0..rows, &|_| columns.clone(), &|_| None).expect("packed").remove(0),
        ];
        for part in parts {
            let mut plain = zstd::decode_all(part.as_slice()).expect("zstd");
            for (at, byte) in &blows {
                let at = at.index(plain.len());
                plain[at] = *byte;
            }
            let part = zstd::encode_all(plain.as_slice(), 1).expect("zstd");
            let _ = (unpack_spans(&part), unpack_logs(&part), unpack_metrics(&part));
            if let Ok(columns) = read_outline(&part, &mut Vec::new()) {
                let _ = Outline::new().extend(columns);
            }
        }
    }
}
