//! `POST enroll`: a one-time token becomes an agent.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_core::id::AgentId;
use quillon_core::org::Agent;
use quillon_core::protocol::{EnrollAnswer, EnrollRequest};
use quillon_core::text::first_line;
use quillon_store::Written;

use crate::Deps;
use crate::body::{self, SMALL};
use crate::credential::is_alive;
use crate::error::ApiError;
use quillon_tenancy::secret;

/// Longest name of an agent, in characters.
const MAX_NAME: usize = 100;

pub(super) async fn handle(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
    const UNKNOWN: ApiError =
        ApiError::Unauthenticated("the enrolment token is unknown, used or expired: make a new one with `quillon admin agent enrol`");
    let wanted: EnrollRequest = body::json(request, SMALL)?;
    let now = deps.clock.now();
    let name = first_line(&wanted.name, MAX_NAME);
    if name.is_empty() {
        return Err(ApiError::Unprocessable("an agent needs a name: send a `name` that is not empty".to_owned()));
    }
    let enrolment = deps.store.take_enrolment(&secret::hash(&wanted.token), now).await?;
    let enrolment = enrolment.filter(|enrolment| is_alive(Some(enrolment.expires_at), now)).ok_or(UNKNOWN)?;
    let id = secret::new_id(AgentId::from_parts, now)?;
    let token = format!("{id}_{}", secret::fresh()?.expose());
    let agent = Agent { id, name, org: enrolment.org, runs_forks: wanted.runs_forks, enrolled_at: now };
    match deps.store.create_agent(&agent, &secret::hash(&token)).await? {
        Written::Done => {
            tracing::info!(agent.id = %id, agent.name = agent.name, "an agent enrolled");
            Ok(quillon_runtime::json(StatusCode::OK, &EnrollAnswer { agent: id, token }))
        }
        Written::Lost => Err(ApiError::Internal { cause: format!("the fresh agent id `{id}` is taken") }),
    }
}
