//! Signing in and out.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use quillon_secrets::InstanceKey;
use url::form_urlencoded;

use super::action::Form;
use super::{Problem, Visit};
use crate::Deps;
use crate::page::notice::Notice;
use crate::respond;
use crate::session::{self, Session};

/// Follows the sign-in link: the key goes out of the address into a session.
pub(super) fn sign_in(deps: &Deps, key: &InstanceKey, query: Option<&str>, now: Timestamp) -> Response<Bytes> {
    let presented = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "key");
    let is_operator = presented.is_some_and(|(_, value)| key.is_operator_key(&value));
    let response = if is_operator {
        let (_, value) = Session::begin(key, uuid::Uuid::new_v4().simple().to_string(), now);
        respond::see_other("/", Some(&session::set_cookie(&deps.site.public, &value)))
    } else {
        tracing::warn!("somebody tried to sign in with a wrong key");
        respond::notice(StatusCode::FORBIDDEN, &Notice::wrong_key(), None)
    };
    respond::without_referrer(response)
}

/// Ends the session of this browser.
pub(super) fn sign_out(visit: &Visit<'_>) -> Result<Response<Bytes>, Problem> {
    Form::read(visit)?;
    Ok(respond::see_other("/", Some(&session::clear_cookie(&visit.deps.site.public))))
}
