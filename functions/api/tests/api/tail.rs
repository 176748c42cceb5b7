//! A running trace, followed: time moves when the test says so.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use quillon_runtime::Body;
use serde_json::{Value, json};

use crate::events::{Sent, events_of};
use crate::otlp::{TRACE, span, span_id};
use crate::telemetry::asked;
use crate::world::{TestOrg, World};

const SPANS: &str = include_str!("../documents/GetSpanUpdates.graphql");
const WHOLE: &str = include_str!("../documents/GetSpanUpdates-whole.graphql");
const LOGS: &str = include_str!("../documents/GetSpanLogs.graphql");

/// A client in the middle of a stream.
struct Client<'a> {
    world: &'a World,
    pieces: BoxStream<'static, Bytes>,
}

impl<'a> Client<'a> {
    async fn new(world: &'a World, org: &TestOrg, document: &str, variables: Value) -> Self {
        match world.stream(&org.token, document, variables).await {
            Body::Stream(pieces) => Self { world, pieces },
            Body::Whole(_) => panic!("the answer does not stream"),
        }
    }

    /// The next event; half a second passes whenever the stream has nothing to say.
    async fn next(&mut self) -> Sent {
        loop {
            let piece = tokio::select! {
                biased;
                piece = self.pieces.next() => piece.expect("an event before the end"),
                () = idle() => {
                    self.world.clock.advance(Duration::from_millis(500));
                    continue;
                }
            };
            if let Some(event) = events_of(&piece).pop() {
                return event;
            }
        }
    }

    /// The names or bodies of the next batch.
    async fn batch(&mut self, field: &str, of: &str) -> Vec<String> {
        match self.next().await {
            Sent::Next(answer) => {
                let items = answer["data"][field].as_array().cloned().unwrap_or_else(|| panic!("no batch: {answer}"));
                items.iter().map(|item| item[of].as_str().unwrap_or_default().to_owned()).collect()
            }
            Sent::Complete => panic!("the stream has ended"),
        }
    }

    async fn spans(&mut self) -> Vec<String> {
        self.batch("spansUpdated", "name").await
    }

    async fn records(&mut self) -> Vec<String> {
        self.batch("logsEmitted", "body").await
    }
}

/// Lets everything run that can: the engines answer in a few turns.
async fn idle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn spans_arrive_while_the_trace_runs_and_the_stream_ends_with_it() {
    let world = World::following(3_600).await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &[span(1, None, "dagger check").running()]).await;
    let mut client = Client::new(&world, &acme, WHOLE, asked(&acme, json!({}))).await;
    assert_eq!(client.spans().await, ["dagger check"]);
    assert!(client.spans().await.is_empty(), "caught up");
    world.take_spans(acme.id, &[span(2, Some(1), "connect").running()]).await;
    assert_eq!(client.spans().await, ["dagger check", "connect"], "the root has a child more");
    world.take_spans(acme.id, &[span(2, Some(1), "connected"), span(3, Some(1), "exec")]).await;
    assert_eq!(client.spans().await, ["dagger check", "connected", "exec"]);
    world.take_spans(acme.id, &[span(1, None, "dagger check")]).await;
    assert_eq!(client.spans().await, ["dagger check"]);
    world.take_spans(acme.id, &[span(4, Some(1), "cleanup")]).await;
    assert_eq!(client.spans().await, ["dagger check", "cleanup"], "what was under way when the root ended");
    assert_eq!(client.next().await, Sent::Complete);
    assert!(client.pieces.next().await.is_none());
}

#[tokio::test]
async fn of_a_partial_answer_only_the_chosen_spans_are_followed() {
    let world = World::following(3_600).await;
    let acme = world.org("acme").await;
    let check = |name: &str| span(3, Some(1), name).is("dagger.io/check.name", json!({ "stringValue": "hello:test" }));
    world.take_spans(acme.id, &[span(1, None, "dagger check").running(), span(2, Some(1), "connect").running()]).await;
    let mut client = Client::new(&world, &acme, SPANS, asked(&acme, json!({}))).await;
    assert_eq!(client.spans().await, ["dagger check"]);
    assert!(client.spans().await.is_empty());
    world.take_spans(acme.id, &[span(2, Some(1), "connect"), check("hello:test").running()]).await;
    assert_eq!(client.spans().await, ["dagger check", "hello:test"]);
    world.take_spans(acme.id, &[check("hello:test, over"), span(1, None, "over")]).await;
    assert_eq!(client.spans().await, ["over", "hello:test, over"]);
    assert_eq!(client.next().await, Sent::Complete);
}

#[tokio::test]
async fn log_records_arrive_whatever_their_time() {
    let world = World::following(3_600).await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &[span(1, None, "dagger check").running(), span(2, Some(1), "exec").running()]).await;
    world.take_logs(acme.id, &[(Some(2), 5, "one")]).await;
    let variables = json!({ "orgID": acme.id.to_string(), "traceID": TRACE, "spanID": span_id(1), "descendants": true, "after": null });
    let mut client = Client::new(&world, &acme, LOGS, variables).await;
    assert_eq!(client.records().await, ["one"]);
    assert!(client.records().await.is_empty());
    world.take_logs(acme.id, &[(Some(2), 7, "three"), (Some(2), 6, "two")]).await;
    assert_eq!(client.records().await, ["two", "three"]);
    world.take_logs(acme.id, &[(Some(2), 4, "late, from before")]).await;
    world.take_spans(acme.id, &[span(1, None, "dagger check"), span(2, Some(1), "exec")]).await;
    assert_eq!(client.records().await, ["late, from before"]);
    assert_eq!(client.next().await, Sent::Complete);
}

#[tokio::test]
async fn nobody_is_followed_for_ever() {
    let world = World::following(5).await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &[span(1, None, "dagger check").running()]).await;
    let mut client = Client::new(&world, &acme, WHOLE, asked(&acme, json!({}))).await;
    assert_eq!(client.spans().await, ["dagger check"]);
    assert!(client.spans().await.is_empty());
    assert_eq!(client.next().await, Sent::Complete);
    // What is asked for as of a time has no future.
    let mut client = Client::new(&world, &acme, SPANS, asked(&acme, json!({ "before": "2030-01-01T00:00:00Z" }))).await;
    assert_eq!(client.spans().await, ["dagger check"]);
    assert!(client.spans().await.is_empty());
    let before = world.clock.now_ms();
    assert_eq!(client.next().await, Sent::Complete);
    assert_eq!(world.clock.now_ms(), before);
}

#[tokio::test]
async fn whoever_comes_when_too_many_are_followed_gets_a_snapshot() {
    let world = World::following(3_600).await;
    let acme = world.org("acme").await;
    world.take_spans(acme.id, &[span(1, None, "dagger check").running()]).await;
    let others = world.deps.tails.available_permits();
    let others = world.deps.tails.try_acquire_many(u32::try_from(others).expect("few")).expect("all of them");
    let mut client = Client::new(&world, &acme, WHOLE, asked(&acme, json!({}))).await;
    assert_eq!(client.spans().await, ["dagger check"]);
    assert!(client.spans().await.is_empty());
    let before = world.clock.now_ms();
    assert_eq!((client.next().await, world.clock.now_ms()), (Sent::Complete, before));
    drop((client, others));
    // The right comes back with the end of a stream.
    let free = world.deps.tails.available_permits();
    let mut client = Client::new(&world, &acme, WHOLE, asked(&acme, json!({}))).await;
    assert_eq!(client.spans().await, ["dagger check"]);
    assert_eq!(world.deps.tails.available_permits(), free - 1);
    drop(client);
    assert_eq!(world.deps.tails.available_permits(), free, "a client that is gone holds nothing");
}
