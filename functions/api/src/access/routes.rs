//! The routes of this function: which method and path is what, and what it needs. Whatever has no row here does not exist.

use http::Method;
use quillon_core::access::{Needs, Permission};

use crate::error::ApiError;

/// A call of the runner protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerCall {
    /// A one-time token becomes an agent.
    Enroll,
    /// An agent asks for work.
    Lease,
    /// An agent shows that it lives.
    Heartbeat,
    /// A job asks for the right to fetch.
    GitCredential,
    /// An agent gives a job back.
    Release,
    /// A job has ended.
    Result,
}

/// A call of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorCall {
    /// Makes a token, and its org where that is new.
    CreateToken,
    /// Lists the tokens of an org.
    ListTokens,
    /// Revokes a token.
    RevokeToken,
    /// Makes a right to enrol an agent.
    EnrolAgent,
    /// Lists the agents.
    ListAgents,
    /// Sends an agent away.
    RemoveAgent,
    /// Shows how a repository is treated.
    ShowRepository,
    /// Changes how a repository is treated.
    ChangeRepository,
    /// Lists the orgs.
    ListOrgs,
    /// Makes an org.
    CreateOrg,
    /// Renames an org and changes its limits.
    ChangeOrg,
    /// Deletes an org, after a time of grace.
    DeleteOrg,
    /// Takes a deletion back.
    RestoreOrg,
    /// Lists the members of an org.
    ListMembers,
    /// Puts somebody into an org, or changes their roles.
    AddMember,
    /// Takes somebody out.
    RemoveMember,
    /// Lists the invitations of an org.
    ListInvites,
    /// Invites somebody.
    Invite,
    /// Takes an invitation back.
    RevokeInvite,
    /// Lists the installations of the App.
    ListInstallations,
    /// Claims one for an org.
    ClaimInstallation,
}

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A sign of life.
    Health,
    /// GraphQL: a credential is needed, and what its fields ask for.
    Query,
    /// Cloud engines.
    Engines,
    /// The runner protocol: each call has a credential of its own kind.
    Runner(RunnerCall),
    /// The operator's calls.
    Operator(OperatorCall),
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; `{}` stands for a segment that is a name or an id.
    pub path: &'static str,
    /// What a caller needs.
    pub needs: Needs,
    /// What is there.
    pub endpoint: Endpoint,
}

const fn open(method: Method, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, needs: Needs::Nothing, endpoint }
}

const fn runner(path: &'static str, call: RunnerCall) -> Route {
    open(Method::POST, path, Endpoint::Runner(call))
}

const fn operator(method: Method, path: &'static str, call: OperatorCall) -> Route {
    Route { method, path, needs: Needs::Operator, endpoint: Endpoint::Operator(call) }
}

/// All routes.
pub static ROUTES: [Route; 31] = [
    open(Method::GET, "/healthz", Endpoint::Health),
    open(Method::HEAD, "/healthz", Endpoint::Health),
    open(Method::POST, "/query", Endpoint::Query),
    Route { method: Method::POST, path: "/v1/engines", needs: Needs::In(Permission::UseEngines), endpoint: Endpoint::Engines },
    runner("/runner/v1/enroll", RunnerCall::Enroll),
    runner("/runner/v1/lease", RunnerCall::Lease),
    runner("/runner/v1/heartbeat", RunnerCall::Heartbeat),
    runner("/runner/v1/git-credential", RunnerCall::GitCredential),
    runner("/runner/v1/release", RunnerCall::Release),
    runner("/runner/v1/result", RunnerCall::Result),
    operator(Method::POST, "/operator/v1/tokens", OperatorCall::CreateToken),
    operator(Method::GET, "/operator/v1/tokens", OperatorCall::ListTokens),
    operator(Method::DELETE, "/operator/v1/tokens/{}", OperatorCall::RevokeToken),
    operator(Method::POST, "/operator/v1/agent-enrolments", OperatorCall::EnrolAgent),
    operator(Method::GET, "/operator/v1/agents", OperatorCall::ListAgents),
    operator(Method::DELETE, "/operator/v1/agents/{}", OperatorCall::RemoveAgent),
    operator(Method::GET, "/operator/v1/repositories/{}/{}/settings", OperatorCall::ShowRepository),
    operator(Method::PUT, "/operator/v1/repositories/{}/{}/settings", OperatorCall::ChangeRepository),
    operator(Method::GET, "/operator/v1/orgs", OperatorCall::ListOrgs),
    operator(Method::POST, "/operator/v1/orgs", OperatorCall::CreateOrg),
    operator(Method::PUT, "/operator/v1/orgs/{}", OperatorCall::ChangeOrg),
    operator(Method::DELETE, "/operator/v1/orgs/{}", OperatorCall::DeleteOrg),
    operator(Method::POST, "/operator/v1/orgs/{}/restore", OperatorCall::RestoreOrg),
    operator(Method::GET, "/operator/v1/orgs/{}/members", OperatorCall::ListMembers),
    operator(Method::POST, "/operator/v1/orgs/{}/members", OperatorCall::AddMember),
    operator(Method::DELETE, "/operator/v1/orgs/{}/members/{}", OperatorCall::RemoveMember),
    operator(Method::GET, "/operator/v1/orgs/{}/invites", OperatorCall::ListInvites),
    operator(Method::POST, "/operator/v1/orgs/{}/invites", OperatorCall::Invite),
    operator(Method::DELETE, "/operator/v1/orgs/{}/invites/{}", OperatorCall::RevokeInvite),
    operator(Method::GET, "/operator/v1/installations", OperatorCall::ListInstallations),
    operator(Method::POST, "/operator/v1/installations/{}/claim", OperatorCall::ClaimInstallation),
];

impl Route {
    /// The route of a request, and the segments of its path that are names or ids.
    ///
    /// # Errors
    /// Not found where no row has the path, 405 with the methods of the rows that have it where none has the method.
    pub fn of<'a>(method: &Method, path: &'a str) -> Result<(&'static Self, Vec<&'a str>), ApiError> {
        let here: Vec<(&Self, Vec<&str>)> = ROUTES.iter().filter_map(|route| Some((route, named(route.path, path)?))).collect();
        let allowed: Vec<&str> = here.iter().map(|(route, _)| route.method.as_str()).collect();
        match here.iter().position(|(route, _)| route.method == *method) {
            Some(index) => here.into_iter().nth(index).ok_or_else(nothing),
            None if allowed.is_empty() => Err(nothing()),
            None => Err(ApiError::MethodNotAllowed { allow: allowed.join(", ") }),
        }
    }
}

fn nothing() -> ApiError {
    ApiError::NotFound("there is nothing at this path: the client may be newer than this server".to_owned())
}

/// The segments of a path that a pattern leaves open, where it fits.
fn named<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let mut open = Vec::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(open),
            (Some("{}"), Some(segment)) if !segment.is_empty() => open.push(segment),
            (Some(fixed), Some(segment)) if fixed == segment => {}
            (Some(_) | None, Some(_)) | (Some(_), None) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_by_its_row() {
        let (route, named) = Route::of(&Method::DELETE, "/operator/v1/orgs/acme/members/usr_1").expect("a route");
        assert_eq!((route.endpoint, named), (Endpoint::Operator(OperatorCall::RemoveMember), vec!["acme", "usr_1"]));
        for path in ["/", "/query/", "/operator/v1/orgs/", "/operator/v1/orgs//members", "/operator/v1", "/runner/v1/dance", "//query"] {
            assert!(matches!(Route::of(&Method::GET, path), Err(ApiError::NotFound(_))), "{path}");
        }
        let refused = Route::of(&Method::PATCH, "/operator/v1/orgs/acme").expect_err("no such method");
        assert!(matches!(&refused, ApiError::MethodNotAllowed { allow } if allow == "PUT, DELETE"), "{refused:?}");
    }

    #[test]
    fn no_two_rows_are_one() {
        for (index, route) in ROUTES.iter().enumerate() {
            let rest = &ROUTES[index + 1..];
            assert!(!rest.iter().any(|other| (&other.method, other.path) == (&route.method, route.path)), "{route:?}");
            assert!(route.path.starts_with("/operator/") == (route.needs == Needs::Operator), "{route:?}");
        }
    }
}
