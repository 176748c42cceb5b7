//! Who asks: the session behind the cookie, what its holder is to the org, and whether the form is one of ours. The one place where
//! that is checked.

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use quillon_core::access::{self, Needs, Verdict};
use quillon_core::org::{Org, OrgName};
use quillon_runtime::{Cookie, Form, guard};
use quillon_tenancy::{Viewer, secret};

use crate::Deps;
use crate::page::Problem;
use crate::route::Step;

/// Somebody who may do what they ask for.
#[derive(Debug)]
pub(crate) struct Asking {
    /// Who, as people read it.
    pub(crate) who: String,
    /// The address that they come from.
    pub(crate) from: Option<String>,
    /// The org.
    pub(crate) org: Org,
    /// The fields of the form; none where there is no form.
    pub(crate) form: Option<Form>,
}

/// Whoever asks, if they may.
pub(crate) async fn asking(
    deps: &Deps,
    name: &OrgName,
    step: Step,
    needs: Needs,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<Asking, Problem> {
    let headers = request.headers();
    if !guard::is_our_host(&deps.public, headers, request.uri().authority().map(http::uri::Authority::as_str)) {
        return Err(Problem::OtherHost);
    }
    let (viewer, hash) = signed_in(deps, request, now).await?.ok_or(Problem::SignedOut(step))?;
    // A form of another site is refused whatever its sender may do, and before anything is told of the org.
    let form = if request.method() == http::Method::POST {
        let form = Form::of_body(request).map_err(|_| Problem::Damaged)?;
        let key = deps.secrets.instance_key(&deps.session_secret_arn, now).await?;
        if !guard::is_our_form(headers) || !key.verify("form", &hash, form.value("csrf").unwrap_or_default()) {
            return Err(Problem::ForeignForm);
        }
        Some(form)
    } else {
        None
    };
    let org = deps.store.org_by_name(name).await?.ok_or(Problem::Unknown)?;
    let standing = deps.tenancy.standing(&viewer, org.id).await?;
    let Needs::In(permission) = needs else { return Err(Problem::Unknown) };
    match access::allows(&standing, permission) {
        Verdict::Allowed => Ok(Asking { who: viewer.name(), from: guard::source_address(headers), org, form }),
        Verdict::Refused(refusal) => Err(Problem::Forbidden(refusal)),
        Verdict::Hidden => Err(Problem::Unknown),
    }
}

/// The holder of a session that is not over, and the hash that its forms are signed with.
async fn signed_in(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Result<Option<(Viewer, String)>, Problem> {
    let found = deps.tenancy.session_among(Cookie::Session.values(&deps.public, request.headers()), now).await?;
    let Some((session, value)) = found else { return Ok(None) };
    Ok(deps.tenancy.viewer(&session).await?.map(|viewer| (viewer, secret::hash(value))))
}
