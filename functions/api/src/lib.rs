//! The API: GraphQL for the `dagger` CLI, the runner protocol for agents, and the operator's commands.
//!
//! | path | who | what |
//! |---|---|---|
//! | `POST /query` | people, tokens of orgs, CI jobs, the operator | GraphQL, subscriptions as events ([`graphql`]) |
//! | `POST /v1/engines` | the same | cloud engines, of which there are none ([`engines`]) |
//! | `POST /runner/v1/*` | agents | `quillon_core::protocol` ([`runner`]) |
//! | `/operator/v1/*` | operator | orgs, members, tokens, agents, settings ([`operator`]) |
//! | `GET /healthz` | anybody | `ok` |
//!
//! What each route and each field of GraphQL needs is in one table, and whatever is not in it does not exist ([`access`]).

pub mod access;
mod body;
mod credential;
mod deps;
mod engines;
mod error;
mod fault;
mod graphql;
pub mod operator;
mod runner;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use quillon_core::access::Needs;
use quillon_runtime::Body;

use access::{Endpoint, Route, door};
pub use credential::{Asker, Caller, OrgAccess};
pub use deps::{Deps, Options};
pub use error::ApiError;
pub use graphql::{Forge, sdl};

/// Serves one request. Never fails: what goes wrong is an answer too.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Body> {
    let request_id = request_id(request.headers());
    let (route, named) = match Route::of(request.method(), request.uri().path()) {
        Ok(found) => found,
        Err(error) => return error.response(&request_id).map(Body::from),
    };
    match answer(deps, &request, route, &named, &request_id).await {
        Ok(response) => response,
        Err(error) if route.endpoint == Endpoint::Engines => engines::refusal(&error, &request_id).map(Body::from),
        Err(error) => error.response(&request_id).map(Body::from),
    }
}

async fn answer(
    deps: &Deps,
    request: &Request<Bytes>,
    route: &Route,
    named: &[&str],
    request_id: &str,
) -> Result<Response<Body>, ApiError> {
    admit(deps, request, route.needs).await?;
    match route.endpoint {
        Endpoint::Health => Ok(quillon_runtime::text(StatusCode::OK, "ok").map(Body::from)),
        Endpoint::Query => graphql::handle(deps, request, request_id).await,
        Endpoint::Engines => Err(engines::NONE),
        Endpoint::Runner(call) => Ok(runner::handle(deps, request, call).await?.map(Body::from)),
        Endpoint::Operator(call) => Ok(operator::handle(deps, request, call, named).await?.map(Body::from)),
    }
}

/// Lets a caller in who has what a route needs.
async fn admit(deps: &Deps, request: &Request<Bytes>, needs: Needs) -> Result<(), ApiError> {
    let asker = match needs {
        Needs::Nothing => return Ok(()),
        Needs::SignedIn | Needs::Operator | Needs::In(_) | Needs::InOrPublic(_) => {
            credential::identify(deps, request.headers(), deps.clock.now()).await?
        }
    };
    match (needs, &asker.caller) {
        (Needs::Nothing, _) | (Needs::Operator, Caller::Operator) | (Needs::SignedIn, Caller::Operator | Caller::Person(_)) => Ok(()),
        (Needs::Operator, Caller::Token(_) | Caller::Person(_) | Caller::CiJob(_)) => {
            Err(ApiError::Forbidden("this takes the operator's key: `quillon admin` on the machine of the server has it".to_owned()))
        }
        (Needs::SignedIn, Caller::Token(_) | Caller::CiJob(_)) => {
            Err(ApiError::Forbidden("this takes a person: sign in with `quillon login`".to_owned()))
        }
        (Needs::In(permission) | Needs::InOrPublic(permission), _) => door::may(&asker.one_org(deps).await?, &[permission]),
    }
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
