//! The API: GraphQL for the `dagger` CLI, the runner protocol for agents, and the operator's commands.
//!
//! | path | who | what |
//! |---|---|---|
//! | `POST /query` | token of an org, operator | GraphQL, subscriptions as events ([`graphql`]) |
//! | `POST /runner/v1/*` | agents | `quillon_core::protocol` ([`runner`]) |
//! | `/operator/v1/*` | operator | tokens, agents, settings ([`operator`]) |
//! | `GET /healthz` | anybody | `ok` |

mod body;
mod credential;
mod deps;
mod error;
mod fault;
mod graphql;
pub mod operator;
mod runner;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use quillon_runtime::Body;

pub use credential::{Caller, OrgAccess};
pub use deps::{Deps, Options};
pub use error::ApiError;
pub use graphql::{Forge, sdl};

/// Serves one request. Never fails: what goes wrong is an answer too.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Body> {
    let request_id = request_id(request.headers());
    match route(deps, &request, &request_id).await {
        Ok(response) => response,
        Err(error) => error.response(&request_id).map(Body::from),
    }
}

async fn route(deps: &Deps, request: &Request<Bytes>, request_id: &str) -> Result<Response<Body>, ApiError> {
    let path = request.uri().path();
    if path == "/healthz" {
        return only(request, &[Method::GET, Method::HEAD], "GET, HEAD")
            .map(|()| quillon_runtime::text(StatusCode::OK, "ok").map(Body::from));
    }
    if path == "/query" {
        only(request, &[Method::POST], "POST")?;
        return graphql::handle(deps, request, request_id).await;
    }
    if let Some(rest) = path.strip_prefix("/runner/v1/") {
        only(request, &[Method::POST], "POST")?;
        return Ok(runner::handle(deps, request, rest).await?.map(Body::from));
    }
    if let Some(rest) = path.strip_prefix("/operator/v1/") {
        return Ok(operator::handle(deps, request, rest).await?.map(Body::from));
    }
    Err(ApiError::NotFound("there is nothing at this path".to_owned()))
}

fn only(request: &Request<Bytes>, methods: &[Method], allow: &'static str) -> Result<(), ApiError> {
    if methods.contains(request.method()) { Ok(()) } else { Err(ApiError::MethodNotAllowed { allow }) }
}

fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The id under which the log knows the request: the gateway's, or one of our own.
fn request_id(headers: &HeaderMap) -> String {
    let given = ["x-request-id", "x-amzn-trace-id"].iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let is_plain = |text: &&str| text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic());
    match given.filter(is_plain) {
        Some(id) => id.to_owned(),
        None => quillon_tenancy::secret::entropy().map(|entropy| format!("{entropy:032x}")).unwrap_or_default(),
    }
}
