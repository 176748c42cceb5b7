//! Telemetry read back with the documents of the stock CLI.

use http::StatusCode;
use quillon_core::trust::Trust;
use serde_json::{Value, json};

use crate::events::Sent;
use crate::otlp::{SpanText, TRACE, nanoseconds, span, span_id};
use crate::world::{TestOrg, World, sha};

const SPANS: &str = include_str!("../documents/GetSpanUpdates.graphql");
/// What CLIs before 1.0 send, and newer ones that want everything.
const WHOLE: &str = include_str!("../documents/GetSpanUpdates-whole.graphql");
const LOGS: &str = include_str!("../documents/GetSpanLogs.graphql");
const METADATA: &str = include_str!("../documents/GetTraceMetadata.graphql");

/// The variables of `GetSpanUpdates` as the CLI sends them, nulls among them, with some changed.
pub(crate) fn asked(org: &TestOrg, changed: Value) -> Value {
    let mut variables = json!({
        "orgID": org.id.to_string(), "traceID": TRACE, "root": true, "after": null, "before": null, "listen": null, "incremental": true,
    });
    merge(&mut variables, changed);
    variables
}

fn logs_of(org: &TestOrg, id: u64, is_deep: bool, changed: Value) -> Value {
    let mut variables =
        json!({ "orgID": org.id.to_string(), "traceID": TRACE, "spanID": span_id(id), "descendants": is_deep, "after": null });
    merge(&mut variables, changed);
    variables
}

fn merge(into: &mut Value, changed: Value) {
    for (name, value) in changed.as_object().cloned().unwrap_or_default() {
        into[name] = value;
    }
}

/// Everything that a stream sent under a field, once it is certain that it ended well and said that it was caught up.
fn collected(events: &[Sent], field: &str) -> Vec<Value> {
    let (items, is_caught_up) = all_sent(events, field);
    assert!(is_caught_up, "{} items", items.len());
    items
}

/// Everything that a stream sent under a field, and whether it said that this was all.
fn all_sent(events: &[Sent], field: &str) -> (Vec<Value>, bool) {
    assert_eq!(events.last(), Some(&Sent::Complete));
    let mut items = Vec::new();
    let mut is_caught_up = false;
    for event in events {
        let Sent::Next(answer) = event else { continue };
        assert_eq!(answer.get("errors"), None, "{answer}");
        let batch = answer["data"][field].as_array().unwrap_or_else(|| panic!("no batch: {answer}"));
        is_caught_up |= batch.is_empty();
        items.extend(batch.iter().cloned());
    }
    (items, is_caught_up)
}

fn names(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// The error of a stream that has one.
fn error_of(events: &[Sent]) -> (String, String) {
    let [Sent::Next(answer), Sent::Complete] = events else { panic!("{events:?}") };
    assert!(answer["data"].is_null(), "{answer}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&answer["errors"][0]["extensions"]["code"]), text(&answer["errors"][0]["message"]))
}

/// A check with a failed exec below it, a span that is revealed, and two that nobody needs at first sight.
fn run() -> Vec<SpanText> {
    let failed = json!({ "code": 2, "message": "exit code: 1" });
    let check = span(3, Some(2), "hello:test").is("dagger.io/check.name", json!({ "stringValue": "hello:test" }));
    vec![
        span(1, None, "dagger check").with("status", failed.clone()),
        span(2, Some(1), "checks").with("status", failed.clone()),
        check.is("dagger.io/check.passed", json!({ "boolValue": false })).with("status", failed.clone()),
        span(4, Some(3), "exec go test").with("status", failed),
        span(5, Some(1), "connect"),
        span(6, Some(5), "starting engine"),
        span(7, Some(5), "shown").is("dagger.io/ui.reveal", json!({ "boolValue": true })),
    ]
}

#[tokio::test]
async fn a_span_has_every_field_that_the_cli_reads() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let call = span(2, Some(1), "Container.withExec")
        .is("dagger.io/dag.cached", json!({ "boolValue": true }))
        .is("count", json!({ "intValue": "9007199254740991" }))
        .is("ratio", json!({ "doubleValue": 0.5 }))
        .is("inputs", json!({ "arrayValue": { "values": [{ "stringValue": "xxh3:a" }, { "stringValue": "xxh3:b" }] } }))
        .is("raw", json!({ "bytesValue": "AAE=" }))
        .with("kind", json!(3))
        .with("traceState", json!("a=b"))
        .with("status", json!({ "code": 2, "message": "it broke" }))
        .with("events", json!([{ "timeUnixNano": nanoseconds(3), "name": "exception", "attributes": [{ "key": "exit.code", "value": { "intValue": "7" } }] }]))
        .with("links", json!([{ "traceId": TRACE, "spanId": span_id(1), "traceState": "c=d", "attributes": [{ "key": "dagger.io/link.purpose", "value": { "stringValue": "cause" } }] }]));
    world.take_spans(acme.id, &[span(1, None, "dagger check").running(), call]).await;
    world.take_logs(acme.id, &[(Some(2), 4, "out")]).await;
    let spans = collected(&world.events(&acme.token, WHOLE, asked(&acme, json!({}))).await, "spansUpdated");
    assert_eq!(
        spans[1],
        json!({
            "id": span_id(2), "traceId": TRACE, "traceState": "a=b", "name": "Container.withExec", "parentId": span_id(1),
            "kind": "SPAN_KIND_CLIENT", "timestamp": "2027-01-15T08:00:02.000000007Z", "endTime": "2027-01-15T08:01:40.000000007Z",
            "updateTime": "2027-01-15T08:00:00Z",
            "attributes": { "dagger.io/dag.cached": true, "count": 9_007_199_254_740_991_u64, "ratio": 0.5, "inputs": ["xxh3:a", "xxh3:b"], "raw": "AAE=" },
            "status": { "message": "it broke", "code": "STATUS_CODE_ERROR" },
            "events": [{ "timestamp": "2027-01-15T08:00:03.000000007Z", "name": "exception", "attributes": { "exit.code": 7 } }],
            "links": [{ "traceId": TRACE, "spanId": span_id(1), "traceState": "c=d", "attributes": { "dagger.io/link.purpose": "cause" } }],
            "scope": { "name": "dagger.io/cli", "version": "v1" }, "hasLogs": true, "childCount": 0, "partial": false,
        })
    );
    let root = &spans[0];
    assert_eq!(
        (&root["parentId"], &root["endTime"], &root["childCount"], &root["hasLogs"]),
        (&Value::Null, &Value::Null, &json!(1), &json!(false))
    );
    assert_eq!((&root["kind"], &root["status"]), (&json!("SPAN_KIND_INTERNAL"), &json!({ "message": "", "code": "STATUS_CODE_UNSET" })));
}

#[tokio::test]
async fn what_matters_most_comes_first_and_the_rest_when_it_is_asked_for() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &run()).await;
    let first = collected(&world.events(&acme.token, SPANS, asked(&acme, json!({}))).await, "spansUpdated");
    assert_eq!(names(&first, "name"), ["dagger check", "checks", "hello:test", "exec go test", "connect", "shown"]);
    assert!(first.iter().all(|span| span["partial"] == true), "{first:?}");

    // As the CLI goes on: the subtree of a span, as of the newest update that it has seen.
    let newest = names(&first, "updateTime").into_iter().max();
    let follow_up = json!({ "root": false, "before": newest, "listen": [span_id(5)] });
    let below = collected(&world.events(&acme.token, SPANS, asked(&acme, follow_up)).await, "spansUpdated");
    assert_eq!(names(&below, "name"), ["connect", "starting engine", "shown"]);

    let both = collected(
        &world.events(&acme.token, SPANS, asked(&acme, json!({ "listen": [span_id(6), span_id(5), span_id(5), span_id(99)] }))).await,
        "spansUpdated",
    );
    assert_eq!(both.len(), 7);
    assert!(both.iter().all(|span| span["partial"] == false), "nothing is left to ask for");

    let whole = collected(&world.events(&acme.token, WHOLE, asked(&acme, json!({}))).await, "spansUpdated");
    assert_eq!(whole.len(), 7);
    assert!(whole.iter().all(|span| span["partial"] == false));
}

#[tokio::test]
async fn times_narrow_an_answer() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &[span(1, None, "dagger check").running(), span(2, Some(1), "early").running()]).await;
    world.pass(30);
    world.take_spans(acme.id, &[span(1, None, "dagger check"), span(20, Some(1), "late")]).await;
    let of =
        async |changed: Value| names(&collected(&world.events(&acme.token, WHOLE, asked(&acme, changed)).await, "spansUpdated"), "name");
    let (start, later) = ("2027-01-15T08:00:00Z", "2027-01-15T08:00:30Z");
    assert_eq!(of(json!({ "after": start })).await, ["dagger check", "late"], "a root is as new as its trace");
    assert!(of(json!({ "after": later })).await.is_empty());
    assert_eq!(of(json!({ "before": "2027-01-15T08:00:10Z" })).await, ["dagger check", "early"], "updated since, but it was there");
    assert_eq!(of(json!({ "before": later })).await, ["dagger check", "early", "late"]);
}

#[tokio::test]
async fn a_command_under_a_span_of_somebody_else_is_a_root() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &[span(1, Some(99), "dagger check"), span(2, Some(1), "connect")]).await;
    let spans = collected(&world.events(&acme.token, SPANS, asked(&acme, json!({}))).await, "spansUpdated");
    assert_eq!((&spans[0]["name"], &spans[0]["parentId"]), (&json!("dagger check"), &Value::Null));
}

#[tokio::test]
async fn log_records_come_by_time_with_their_types() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &run()).await;
    world.take_logs(acme.id, &[(Some(4), 9, "three"), (Some(3), 8, "two\r\n"), (Some(5), 7, "elsewhere"), (None, 6, "nobody's")]).await;
    world.take_logs(acme.id, &[(Some(4), 5, "\u{1b}[31mone\u{1b}[0m")]).await;
    let of = async |id: u64, is_deep: bool, changed: Value| {
        collected(&world.events(&acme.token, LOGS, logs_of(&acme, id, is_deep, changed)).await, "logsEmitted")
    };
    let own = of(4, false, json!({})).await;
    assert_eq!(names(&own, "body"), ["\u{1b}[31mone\u{1b}[0m", "three"]);
    assert_eq!(
        own[1],
        json!({ "spanId": span_id(4), "timestamp": "2027-01-15T08:00:09.000000007Z", "body": "three", "attributes": { "stdio.stream": 1 } })
    );
    assert!(of(3, false, json!({})).await.iter().all(|record| record["body"] == "two\r\n"));
    assert_eq!(names(&of(3, true, json!({})).await, "body"), ["\u{1b}[31mone\u{1b}[0m", "two\r\n", "three"]);
    let all = of(1, true, json!({})).await;
    assert_eq!(
        names(&all, "body"),
        ["\u{1b}[31mone\u{1b}[0m", "nobody's", "elsewhere", "two\r\n", "three"],
        "the root's are the whole trace's"
    );
    assert!(all[1]["spanId"].is_null());
    assert_eq!(names(&of(1, true, json!({ "after": "2027-01-15T08:00:07.000000007Z" })).await, "body"), ["two\r\n", "three"]);
    assert!(of(6, true, json!({})).await.is_empty());
    assert!(of(77, false, json!({})).await.is_empty(), "a span that nobody sent has no records");
}

#[tokio::test]
async fn a_trace_names_its_commit() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let variables = json!({ "org": acme.id.to_string(), "traceID": TRACE });
    assert_eq!(world.query(&acme.token, METADATA, variables.clone()).await, json!({ "trace": null }));
    world.take_spans(acme.id, &run()).await;
    let data = world.query(&acme.token, METADATA, variables).await;
    assert_eq!(data, json!({ "trace": { "git": { "ref": "a".repeat(40) }, "ci": null } }));
}

#[tokio::test]
async fn the_trace_of_an_attempt_can_be_run_again_here() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let repository = world.repository(acme.id, 1, "acme/hello").await;
    let (_, loads) = world.run(acme.id, &repository, &sha('b'), Trust::Trusted, &["."]).await;
    world.take_span_of(&loads[0], &span(1, None, "load").with("traceId", json!(loads[0].trace.trace_id))).await;
    let variables = json!({ "org": acme.id.to_string(), "traceID": loads[0].trace.trace_id });
    let data = world.query(&acme.token, METADATA, variables).await;
    assert_eq!(data["trace"]["ci"]["isNativeCI"], true, "{data}");
}

#[tokio::test]
async fn what_a_caller_may_not_see_does_not_exist() {
    let world = World::new().await;
    let (acme, other) = (world.org("acme").await, world.org("other").await);
    world.take_spans(acme.id, &run()).await;
    let unknown = json!({ "traceID": "f".repeat(32) });
    for (token, org, changed) in [
        (&other.token, &acme, json!({})),
        (&other.token, &other, json!({})),
        (&acme.token, &acme, unknown),
        (&acme.token, &acme, json!({ "traceID": "nonsense" })),
        (&acme.token, &acme, json!({ "orgID": "org_nonsense" })),
    ] {
        let (code, message) = error_of(&world.events(token, SPANS, asked(org, changed.clone())).await);
        assert_eq!(code, "NOT_FOUND", "{changed}: {message}");
        assert!(message.starts_with("no org `") || message.contains("nothing of it has arrived"), "{message}");
    }
    for org in [&acme, &other] {
        let data = world.query(&other.token, METADATA, json!({ "org": org.id.to_string(), "traceID": TRACE })).await;
        assert_eq!(data, json!({ "trace": null }));
    }
    let writer = world.token("acme", Some(&["telemetry:write"])).await;
    for document in [SPANS, LOGS] {
        let variables = if document == SPANS { asked(&acme, json!({})) } else { logs_of(&acme, 1, true, json!({})) };
        assert_eq!(error_of(&world.events(&writer, document, variables).await).0, "FORBIDDEN");
    }
    let upper = asked(&acme, json!({ "traceID": TRACE.to_uppercase() }));
    assert!(!collected(&world.events(&acme.token, SPANS, upper).await, "spansUpdated").is_empty(), "people copy ids in capitals");
}

#[tokio::test]
async fn documents_of_subscriptions_are_validated_like_others() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &run()).await;
    let org = acme.id.to_string();
    let field = format!("spansUpdated(org: \"{org}\", traceId: \"{TRACE}\", root: true)");
    for document in [
        "subscription S {".to_owned(),
        "subscription S { nothing }".to_owned(),
        format!("subscription S {{ {field} {{ nothing }} }}"),
        format!("subscription S {{ a: {field} {{ id }} b: {field} {{ id }} }}"),
        format!("subscription S {{ ... on Subscription {{ {field} {{ id }} }} }}"),
        format!("subscription S($t: Time) {{ {} {{ id }} }}", field.replace(')', ", after: $t)"))
            .replace("$t: Time", "$t: Time = \"noon\""),
    ] {
        let (code, message) = error_of(&world.events(&acme.token, &document, Value::Null).await);
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{document}: {message}");
    }
    let (code, _) = error_of(&world.events(&acme.token, SPANS, asked(&acme, json!({ "listen": ["x"] }))).await);
    assert_eq!(code, "BAD_REQUEST");

    let selected = world.events(&acme.token, &format!("subscription S {{ mine: {field} {{ label: name }} }}"), Value::Null).await;
    assert_eq!(collected(&selected, "mine")[0], json!({ "label": "dagger check" }), "only what was selected, by its alias");

    let (status, answer) = world.ask(&acme.token, SPANS, asked(&acme, json!({}))).await;
    assert_eq!((status, &answer["data"]), (StatusCode::OK, &Value::Null));
    assert!(answer["errors"][0]["message"].as_str().is_some_and(|text| text.contains("text/event-stream")), "{answer}");

    let [Sent::Next(answer), Sent::Complete] = &world.events(&acme.token, "query Q { user { orgs { name } } }", Value::Null).await[..]
    else {
        panic!("a query over events is one answer");
    };
    assert_eq!(answer["data"], json!({ "user": { "orgs": [{ "name": "acme" }] } }));
}

#[tokio::test]
async fn an_answer_in_one_piece_has_what_fits_and_says_so() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let large = "\"x\"\n".repeat(2_000);
    let mut spans = run();
    let filler = |number: u64| span(number, Some(5), "filler").is("text", json!({ "stringValue": large }));
    spans.extend((10..400).map(filler));
    world.take_spans(acme.id, &spans).await;
    let (events, bytes) = world.events_and_bytes(&acme.token, WHOLE, asked(&acme, json!({}))).await;
    let sent = collected(&events, "spansUpdated");
    assert_eq!(names(&sent, "name"), ["dagger check", "checks", "hello:test", "exec go test", "connect", "shown"]);
    assert!(sent.iter().all(|span| span["partial"] == true));
    assert!(bytes < 100_000, "{bytes}");

    let (events, bytes) = world.events_and_bytes(&acme.token, SPANS, asked(&acme, json!({ "root": false, "listen": [span_id(5)] }))).await;
    let sent = collected(&events, "spansUpdated");
    assert!(sent.len() > 100 && sent.len() < 393, "{}", sent.len());
    assert!(bytes < 6_000_000 / 2, "{bytes}: written once more as JSON it must stay below what Lambda takes");

    let lines: Vec<(Option<u64>, u64, &str)> = (0..400).map(|number| (Some(4), number, large.as_str())).collect();
    world.take_logs(acme.id, &lines).await;
    let (records, is_caught_up) = all_sent(&world.events(&acme.token, LOGS, logs_of(&acme, 4, false, json!({}))).await, "logsEmitted");
    assert!(!is_caught_up);
    let last = records.last().and_then(|record| record["body"].as_str()).unwrap_or_default();
    assert!(records.len() > 100 && last.contains("the log goes on from 2027-01-15T08:0"), "{} {last:?}", records.len());
}
