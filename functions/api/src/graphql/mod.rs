//! `POST /query`: the GraphQL that the stock CLI speaks, and a little more.
//!
//! Subscriptions come over the same path to whoever accepts `text/event-stream` ([`sse`]).
//!
//! Two client styles arrive: with and without `operationName`, both with `variables` that may be null. Both want 200 for
//! everything that was understood, with `errors` in the body.

mod budget;
mod error;
mod feed;
mod mutation;
mod nodes;
mod org;
mod portal;
mod query;
mod sources;
mod spelling;
mod sse;
mod telemetry;
mod types;

use std::sync::LazyLock;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection};
use async_graphql::{Request as Query, Schema, ServerError, Variables};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use quillon_runtime::Body;
use serde::Deserialize;

use crate::Deps;
use crate::body::{self, Limits};
use crate::credential;
use crate::error::ApiError;

pub use spelling::Forge;

/// What a request may hold: 512 ids have 20 KB, the list of 5,000 repositories some 250.
const LIMITS: Limits = Limits { bytes: 512 * 1024, depth: 16 };

/// Longest document, in bytes: the CLI's largest has 2 KB.
const MAX_DOCUMENT: usize = 64 * 1024;

/// Deepest nesting of fields: an introspection query has 15.
const MAX_DEPTH: usize = 20;

/// Highest complexity: a field counts one, a list of checks fifty more.
const MAX_COMPLEXITY: usize = 500;

type QuillonSchema = Schema<query::Query, mutation::Mutation, telemetry::Subscription>;

/// The schema is the same for every request, and building it is not free: it is made with the first one.
static SCHEMA: LazyLock<QuillonSchema> = LazyLock::new(|| {
    Schema::build(query::Query, mutation::Mutation, telemetry::Subscription)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .limit_directives(8)
        .finish()
});

/// The schema in GraphQL's own language, as `schema.graphql` holds it.
#[must_use]
pub fn sdl() -> String {
    SCHEMA.sdl()
}

/// The body of a request. Not the library's own: that takes uploads and extensions too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Variables,
}

/// Answers an operation.
pub(crate) async fn handle(deps: &Deps, request: &Request<Bytes>, request_id: &str) -> Result<Response<Body>, ApiError> {
    let asker = credential::identify(deps, request.headers(), deps.clock.now()).await?;
    let asked: Asked = body::json(request, LIMITS)?;
    if asked.query.len() > MAX_DOCUMENT {
        return Err(ApiError::TooLarge { limit: MAX_DOCUMENT });
    }
    let name = asked.operation_name.filter(|name| !name.is_empty());
    let mut query = Query::new(asked.query).variables(asked.variables);
    if let Some(name) = &name {
        query = query.operation_name(name);
    }
    let reads_events = sse::is_wanted(request.headers());
    let refusal = match query.parsed_query() {
        Err(error) => Some(error),
        Ok(document) => complaint(document, name.as_deref(), reads_events).map(|complaint| ServerError::new(complaint, None)),
    };
    let query = query.data(deps.clone()).data(asker).data(types::WholeCommits::default());
    if !reads_events {
        let answer = match refusal {
            Some(error) => error::refused(error),
            None => SCHEMA.execute(query).await,
        };
        return Ok(quillon_runtime::json(StatusCode::OK, &error::finish(answer, request_id)).map(Body::from));
    }
    let answers = match refusal {
        Some(error) => stream::iter([error::refused(error)]).boxed(),
        None => SCHEMA.execute_stream(query).boxed(),
    };
    let request_id = request_id.to_owned();
    Ok(sse::answer(answers.map(move |answer| error::finish(answer, &request_id)), deps.clock.clone()))
}

/// What is wrong with a document before anything walks it.
fn complaint(document: &ExecutableDocument, name: Option<&str>, reads_events: bool) -> Option<String> {
    if !budget::fits(document) {
        return Some(format!("the query asks for more than {} fields: ask for less at once", budget::MAX_SELECTIONS));
    }
    let operation = operation(document, name).filter(|operation| operation.ty == OperationType::Subscription)?;
    if !reads_events {
        return Some("a subscription is answered as a stream: send `Accept: text/event-stream`".to_owned());
    }
    // https://spec.graphql.org/October2021/#sec-Single-root-field
    let is_single = matches!(operation.selection_set.node.items.as_slice(), [item] if matches!(item.node, Selection::Field(_)));
    (!is_single).then(|| "a subscription asks for exactly one field: send one request for each".to_owned())
}

/// The operation that is asked for; none where that is not clear, which validation complains about.
fn operation<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<&'a OperationDefinition> {
    let mut operations = document.operations.iter();
    let (_, operation) = match name {
        Some(name) => operations.find(|(known, _)| known.is_some_and(|known| known == name)),
        None => operations.next(),
    }?;
    Some(&operation.node)
}
