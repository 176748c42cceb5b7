//! Telemetry over the API: what a client reads of a run while it runs, after it, and once it is sealed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use quillon::engine::server::AccessKey;
use quillon::system::{Gateway, Origins};
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_tests::{Export, Generated, Setup, World};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

const SPANS: &str = "subscription Spans($org: ID!, $trace: ID!, $root: Boolean!, $listen: [ID!], $incremental: Boolean) {
  spansUpdated(org: $org, traceId: $trace, root: $root, listen: $listen, incremental: $incremental) {
    id traceId traceState parentId name kind timestamp endTime attributes status { message code }
    events { timestamp name attributes } links { traceId spanId traceState attributes } scope { name version }
    hasLogs childCount partial
  }
}";

const LOGS: &str = "subscription Logs($org: ID!, $trace: ID!, $span: ID!) {
  logsEmitted(org: $org, traceId: $trace, spanId: $span, descendants: true) { spanId timestamp body attributes }
}";

/// A world that takes in as much as comes, and the org and token of its telemetry.
async fn world(follow_s: u32) -> (World, String, OrgId) {
    let mut world = World::with(Setup { ingest_kb_per_s: 1_000_000, follow_s, ..Setup::default() }).await;
    world.settle().await;
    let token = world.telemetry_token("acme").await;
    let org = world.org_named("acme").await;
    (world, token, org)
}

fn export(request: &quillon_telemetry::Request) -> Export {
    Export { path: request.path(), body: request.encode().into() }
}

fn subscription(world: &World, document: &str, variables: &Value) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", format!("Bearer {}", world.operator_key)),
        ("content-type", "application/json".to_owned()),
        ("accept", "text/event-stream".to_owned()),
    ] {
        headers.insert(name, value.parse().expect("a header"));
    }
    (headers, json!({ "query": document, "variables": variables }).to_string().into())
}

/// The items of all batches of a text of events.
fn items(text: &str, field: &str) -> Vec<Value> {
    let answers = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.is_empty());
    let batch = |data: &str| {
        let answer: Value = serde_json::from_str(data).expect("JSON");
        answer["data"][field].as_array().unwrap_or_else(|| panic!("no batch: {answer}")).clone()
    };
    answers.flat_map(batch).collect()
}

/// All that a subscription gives before it ends by itself.
async fn read(world: &World, document: &str, field: &str, variables: Value) -> Vec<Value> {
    let (headers, body) = subscription(world, document, &variables);
    let mut request = Request::post("/query").header("host", "quillon.test").body(body).expect("a request");
    request.headers_mut().extend(headers);
    let answer = world.system.http(request).await;
    let text = String::from_utf8_lossy(answer.body());
    assert_eq!(answer.status(), StatusCode::OK, "{text}");
    assert!(text.ends_with("event: complete\ndata: \n\n"), "the answer was cut");
    items(&text, field)
}

/// The spans of a trace by id, each once.
async fn spans(world: &World, org: OrgId, trace: TraceId, changed: Value) -> BTreeMap<String, Value> {
    let mut variables = json!({ "org": org.to_string(), "trace": trace.to_string(), "root": true, "incremental": false });
    variables.as_object_mut().expect("a map").extend(changed.as_object().cloned().unwrap_or_default());
    let mut spans = BTreeMap::new();
    for span in read(world, SPANS, "spansUpdated", variables).await {
        let id = span["id"].as_str().expect("an id").to_owned();
        assert_eq!(spans.insert(id.clone(), span), None, "{id} came twice");
    }
    spans
}

/// The log records of a run.
async fn logs(world: &World, org: OrgId, trace: TraceId, spans: &BTreeMap<String, Value>) -> Vec<Value> {
    let root = spans.values().find(|span| span["parentId"].is_null()).expect("a root");
    read(world, LOGS, "logsEmitted", json!({ "org": org.to_string(), "trace": trace.to_string(), "span": root["id"] })).await
}

#[tokio::test]
async fn every_span_and_record_comes_back_once_before_and_after_sealing() {
    let (mut world, token, org) = world(0).await;
    let mut run = Generated::new(7, 700).starting_at(world.clock.now());
    let trace = TraceId::of_bytes(&run.trace()).expect("a trace");
    let requests: Vec<_> = run.by_ref().collect();
    let counts = run.counts();
    for request in &requests {
        world.export_all(&token, &[export(request)]).await;
        world.advance(Duration::from_millis(10));
    }
    let told = spans(&world, org, trace, json!({})).await;
    assert_eq!(u64::try_from(told.len()).expect("few"), counts.spans);
    assert!(told.values().all(|span| !span["endTime"].is_null() && span["partial"] == false));
    let records = logs(&world, org, trace, &told).await;
    assert_eq!(u64::try_from(records.len()).expect("few"), counts.logs);
    assert!(records.is_sorted_by_key(|record| record["timestamp"].as_str().map(str::to_owned)));
    let children: i64 = told.values().filter_map(|span| span["childCount"].as_i64()).sum();
    assert_eq!(children, i64::try_from(told.len() - 1).expect("few"), "everything but the root is somebody's child");

    // Spans that are sent again, the last first, change nothing.
    for request in requests.iter().rev().filter(|request| request.path() == "/v1/traces") {
        world.export_all(&token, &[export(request)]).await;
    }
    assert_eq!(spans(&world, org, trace, json!({})).await, told);

    world.pass_sealing_minutes(5).await;
    assert!(world.trace_items(org, trace).await.contains_key("Z"), "it is sealed");
    assert_eq!(spans(&world, org, trace, json!({})).await, told);
    assert_eq!(logs(&world, org, trace, &told).await, records);
    world.finish().await;
}

#[tokio::test]
async fn subtrees_complete_what_matters_most() {
    let (world, token, org) = world(0).await;
    let mut run = Generated::new(8, 700).starting_at(world.clock.now()).in_full_batches();
    let trace = TraceId::of_bytes(&run.trace()).expect("a trace");
    for request in run.by_ref() {
        world.export_all(&token, &[export(&request)]).await;
    }
    let whole = spans(&world, org, trace, json!({})).await;
    let first = spans(&world, org, trace, json!({ "incremental": true })).await;
    assert!(first.len() < whole.len() / 2, "{} of {}", first.len(), whole.len());
    assert!(first.values().all(|span| span["partial"] == true));
    assert!(first.values().any(|span| span["status"]["code"] == "STATUS_CODE_ERROR"), "what failed is told first");
    for span in first.values().filter_map(|span| span["parentId"].as_str()) {
        assert!(first.contains_key(span), "{span} is missing above");
    }
    let root: Vec<&String> = first.iter().filter(|(_, span)| span["parentId"].is_null()).map(|(id, _)| id).collect();
    let below = spans(&world, org, trace, json!({ "root": false, "incremental": true, "listen": root })).await;
    assert_eq!(below, whole, "below the root is everything");
    world.finish().await;
}

#[tokio::test]
async fn a_run_streams_through_the_front_door_until_the_server_stops() {
    let (world, token, org) = world(3_600).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let url: url::Url = format!("http://{address}").parse().expect("a url");
    let gateway =
        Gateway { system: Arc::clone(&world.system), origins: Origins::new(&url, address), forge: None, control: AccessKey::random() };
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(gateway.serve(listener, stopping));

    let mut run = Generated::new(9, 64).starting_at(world.clock.now()).left_running();
    let trace = TraceId::of_bytes(&run.trace()).expect("a trace");
    let first = run.next().expect("a request");
    world.export_all(&token, &[export(&first)]).await;
    let variables = json!({ "org": org.to_string(), "trace": trace.to_string(), "root": true });
    let (headers, body) = subscription(&world, SPANS, &variables);
    let request = reqwest::Client::new().post(url.join("query").expect("a url")).headers(headers).body(body);
    let again = request.try_clone().expect("a request");
    let mut answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("\"spansUpdated\":[]") {
        text.push_str(&String::from_utf8_lossy(&answer.chunk().await.expect("a chunk").expect("not the end")));
    }
    let before = items(&text, "spansUpdated").len();

    for request in run.by_ref() {
        world.export_all(&token, &[export(&request)]).await;
    }
    let complete = |text: &str| {
        let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
        let ids: Vec<String> = items(whole, "spansUpdated").iter().filter_map(|span| Some(span["id"].as_str()?.to_owned())).collect();
        ids.iter().collect::<std::collections::BTreeSet<_>>().len()
    };
    let expected = usize::try_from(run.counts().spans).expect("few");
    assert!(before < expected, "{before} of {expected}");
    while complete(&text) < expected {
        // The stream looks again when time has passed, and time passes when nothing else happens.
        tokio::select! {
            biased;
            chunk = answer.chunk() => text.push_str(&String::from_utf8_lossy(&chunk.expect("a chunk").expect("not the end"))),
            () = idle() => world.clock.advance(Duration::from_millis(500)),
        }
    }
    assert_eq!(complete(&text), expected);

    // Whoever goes away is followed no longer.
    let tails = || world.system.functions().api.tails.available_permits();
    let one = tails();
    let mut gone = again.send().await.expect("an answer");
    gone.chunk().await.expect("a chunk").expect("not the end");
    assert_eq!(tails(), one - 1);
    drop(gone);
    for _ in 0..10_000 {
        if tails() == one {
            break;
        }
        idle().await;
    }
    assert_eq!(tails(), one);

    stop.send_replace(true);
    while let Some(chunk) = answer.chunk().await.expect("a clean end") {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(!text.contains("event: complete"), "the run goes on");
    serving.await.expect("a task").expect("a listener");
}

/// Lets everything run that can.
async fn idle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
