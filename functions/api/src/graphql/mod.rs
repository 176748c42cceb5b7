//! `POST /query`: the GraphQL that the stock CLI speaks, and a little more.
//!
//! Two client styles arrive: with and without `operationName`, both with `variables` that may be null. Both want 200 for
//! everything that was understood, with `errors` in the body.

mod budget;
mod error;
mod mutation;
mod nodes;
mod query;
mod spelling;
mod types;

use std::sync::LazyLock;

use async_graphql::{EmptySubscription, Request as Query, Schema, ServerError, Variables};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Deserialize;

use crate::Deps;
use crate::body::{self, Limits};
use crate::credential;
use crate::error::ApiError;

pub use spelling::Forge;

/// What a request may hold: the CLI's largest has 2 KB, and 512 ids have 20.
const LIMITS: Limits = Limits { bytes: 64 * 1024, depth: 16 };

/// Deepest nesting of fields: an introspection query has 15.
const MAX_DEPTH: usize = 20;

/// Highest complexity: a field counts one, a list of checks fifty more.
const MAX_COMPLEXITY: usize = 500;

type QuillonSchema = Schema<query::Query, mutation::Mutation, EmptySubscription>;

/// The schema is the same for every request, and building it is not free: it is made with the first one.
static SCHEMA: LazyLock<QuillonSchema> = LazyLock::new(|| {
    Schema::build(query::Query, mutation::Mutation, EmptySubscription)
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
struct Body {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Variables,
}

/// Answers a query or mutation.
pub(crate) async fn handle(deps: &Deps, request: &Request<Bytes>, request_id: &str) -> Result<Response<Bytes>, ApiError> {
    let caller = credential::identify(deps, request.headers(), deps.clock.now()).await?;
    let body: Body = body::json(request, LIMITS)?;
    let mut query = Query::new(body.query).variables(body.variables);
    if let Some(name) = body.operation_name.filter(|name| !name.is_empty()) {
        query = query.operation_name(name);
    }
    let answer = match query.parsed_query() {
        Err(error) => error::refused(error),
        Ok(document) if !budget::fits(document) => error::refused(ServerError::new(
            format!("the query asks for more than {} fields: ask for less at once", budget::MAX_SELECTIONS),
            None,
        )),
        Ok(_) => SCHEMA.execute(query.data(deps.clone()).data(caller).data(types::WholeCommits::default())).await,
    };
    Ok(quillon_runtime::json(StatusCode::OK, &error::finish(answer, request_id)))
}
