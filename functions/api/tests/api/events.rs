//! Streams of events, read as the client of the stock CLI reads them.

use bytes::Bytes;
use http::{Request, StatusCode};
use quillon_api::handle;
use quillon_runtime::Body;
use serde_json::{Value, json};

use crate::world::{World, operation_name};

/// An event of a stream, as the client of the stock CLI reads it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sent {
    /// A GraphQL response.
    Next(Value),
    /// The end.
    Complete,
}

/// Reads events: comments are none, and an event without data is skipped, as the specification says.
pub(crate) fn events_of(body: &[u8]) -> Vec<Sent> {
    let text = std::str::from_utf8(body).expect("UTF-8");
    let blocks = text.split("\n\n").filter(|block| block.lines().any(|line| line.starts_with("data:")));
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
        match field("event:") {
            "next" => Sent::Next(serde_json::from_str(field("data:")).expect("JSON")),
            "complete" => Sent::Complete,
            other => panic!("the CLI knows no `{other}`"),
        }
    };
    blocks.map(event).collect()
}

impl World {
    /// The events of an operation, once the stream has ended.
    pub(crate) async fn events(&self, authorization: &str, document: &str, variables: Value) -> Vec<Sent> {
        self.events_and_bytes(authorization, document, variables).await.0
    }

    /// The events of an operation and how long the answer was.
    pub(crate) async fn events_and_bytes(&self, authorization: &str, document: &str, variables: Value) -> (Vec<Sent>, usize) {
        let body = self.stream(authorization, document, variables).await.whole().await;
        let events = events_of(&body);
        for event in &events {
            if let Sent::Next(answer) = event
                && !answer["data"].is_null()
            {
                crate::strict::assert_selected(document, &answer["data"]);
            }
        }
        (events, body.len())
    }

    /// The body of an operation whose client reads events.
    pub(crate) async fn stream(&self, authorization: &str, document: &str, variables: Value) -> Body {
        let name = operation_name(document);
        let body = json!({ "operationName": name, "query": document, "variables": variables });
        let request = Request::post("/query")
            .header("authorization", authorization)
            .header("content-type", "application/json; charset=utf-8")
            .header("accept", "text/event-stream");
        let (parts, body) = handle(&self.deps, request.body(Bytes::from(body.to_string())).expect("a request")).await.into_parts();
        assert_eq!((parts.status, &parts.headers["content-type"]), (StatusCode::OK, &"text/event-stream".parse().expect("a header")));
        body
    }
}
