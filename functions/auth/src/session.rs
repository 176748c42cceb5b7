//! The session that a browser has already.

use http::HeaderMap;
use jiff::Timestamp;
use quillon_core::id::UserId;
use quillon_core::session::{Holder, Session};
use quillon_runtime::Cookie;
use quillon_tenancy::Error;

use crate::Deps;

/// The session of a browser, if it has one that is alive.
pub(crate) async fn of_browser(deps: &Deps, headers: &HeaderMap, now: Timestamp) -> Result<Option<Session>, Error> {
    let found = deps.tenancy.session_among(Cookie::Session.values(&deps.public, headers), now).await?;
    Ok(found.map(|(session, _)| session))
}

/// Ends whatever sessions a browser has: what it becomes next has nothing to do with what it was, whoever gave it that.
pub(crate) async fn end_all(deps: &Deps, headers: &HeaderMap) -> Result<(), Error> {
    for secret in Cookie::Session.values(&deps.public, headers) {
        deps.tenancy.end_session(secret).await?;
    }
    Ok(())
}

/// The person behind a session; whoever runs the installation is none.
pub(crate) fn person(session: &Session) -> Option<UserId> {
    match session.holder {
        Holder::Person(user) => Some(user),
        Holder::Operator => None,
    }
}
