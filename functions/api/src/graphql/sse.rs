//! Server-sent events by hand: the responses of an operation as the stock CLI reads them.
//!
//! `next` carries a GraphQL response, `complete` ends the stream; both have a `data` line, because clients skip events without one.
//! Comments between them show that the connection lives
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>, <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).

use async_graphql::Response;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use quillon_runtime::{Body, Clock};

/// How often a silent stream says that it lives.
const BEAT_MS: i64 = 15_000;

const CONTENT: &str = "text/event-stream";

/// Whether a client reads events.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = values.flat_map(|value| value.split(',')).map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.any(|kind| kind.eq_ignore_ascii_case(CONTENT))
}

/// The answer that sends these responses as they come.
pub(super) fn answer(responses: impl Stream<Item = Response> + Send + 'static, clock: Clock) -> http::Response<Body> {
    let mut answer = http::Response::new(Body::Stream(events(responses.boxed(), clock)));
    *answer.status_mut() = StatusCode::OK;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies of the nginx kind hold answers back until they have a page of them.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

/// A stream on its way out.
struct Events {
    responses: BoxStream<'static, Response>,
    clock: Clock,
    step: Step,
}

/// What comes next.
enum Step {
    /// A first sign of life.
    Greeting,
    /// Responses.
    Responses,
    /// Nothing.
    Over,
}

fn events(responses: BoxStream<'static, Response>, clock: Clock) -> BoxStream<'static, Bytes> {
    let events = Events { responses, clock, step: Step::Greeting };
    stream::unfold(events, |mut events| async move {
        match events.step {
            Step::Greeting => {
                events.step = Step::Responses;
                Some((Bytes::from_static(b": connected\n\n"), events))
            }
            Step::Responses => {
                let beat_at = events.clock.now_ms().saturating_add(BEAT_MS);
                tokio::select! {
                    biased;
                    response = events.responses.next() => Some(match response {
                        Some(response) => (next(&response), events),
                        None => {
                            events.step = Step::Over;
                            (Bytes::from_static(b"event: complete\ndata: \n\n"), events)
                        }
                    }),
                    () = events.clock.until(beat_at) => Some((Bytes::from_static(b": alive\n\n"), events)),
                }
            }
            Step::Over => None,
        }
    })
    .boxed()
}

fn next(response: &Response) -> Bytes {
    // JSON has no line ends of its own, so one `data` line holds it.
    match serde_json::to_string(response) {
        Ok(json) => format!("event: next\ndata: {json}\n\n").into(),
        Err(_) => {
            Bytes::from_static(b"event: next\ndata: {\"data\":null,\"errors\":[{\"message\":\"the answer does not serialize\"}]}\n\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_graphql::Value;

    use super::*;

    #[test]
    fn clients_that_read_events_say_so() {
        let wants = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            is_wanted(&headers)
        };
        assert!(wants("text/event-stream") && wants("application/json, Text/Event-Stream;q=0.5"));
        assert!(!wants("application/json") && !wants("*/*") && !wants("text/event-streams"));
    }

    #[tokio::test]
    async fn every_event_has_data_and_silence_is_broken() {
        let clock = Clock::at_ms(0);
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        let mut events = events(receiver.boxed(), clock.clone());
        assert_eq!(events.next().await.expect("a comment"), ": connected\n\n");
        sender.unbounded_send(Response::new(Value::String("a\nb".to_owned()))).expect("a reader");
        assert_eq!(events.next().await.expect("an event"), "event: next\ndata: {\"data\":\"a\\nb\"}\n\n");
        let silence = tokio::spawn(async move { (events.next().await, events) });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(15));
        let (beat, mut events) = silence.await.expect("a task");
        assert_eq!(beat.expect("a comment"), ": alive\n\n");
        drop(sender);
        assert_eq!(events.next().await.expect("an event"), "event: complete\ndata: \n\n");
        assert_eq!(events.next().await, None);
    }
}
