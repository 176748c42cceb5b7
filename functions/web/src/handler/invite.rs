//! An invitation: who invites, into which org, as what; the person's yes.
//!
//! The address is the secret. Looking at it changes nothing, so that whatever looks at links in messages uses none up.

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};

use super::form::{Form, with_flash};
use super::{Problem, Visit};
use crate::flash::Flash;
use crate::page::frame::Refresh;
use crate::page::invite::InvitePage;
use crate::page::notice::Notice;
use crate::page::objection::Objection;
use crate::respond;

/// Shows an invitation, or accepts it.
pub(super) async fn answer(visit: &Visit<'_>, secret: &str) -> Result<Response<Bytes>, Problem> {
    let response = if visit.is_form() { accept(visit, secret).await? } else { show(visit, secret, None).await? };
    Ok(respond::with_origin_only(response))
}

async fn show(visit: &Visit<'_>, secret: &str, problem: Option<String>) -> Result<Response<Bytes>, Problem> {
    let user = visit.user()?;
    let Some((invite, org)) = visit.deps.tenancy.invite_of(secret, visit.now).await? else {
        return Ok(respond::notice(StatusCode::NOT_FOUND, &Notice::no_invite(), visit.person()));
    };
    let page = InvitePage {
        problem: problem.as_deref().map(Objection::new),
        action: format!("/invite/{secret}"),
        csrf: visit.form_token().unwrap_or_default(),
        ..InvitePage::new(&invite, &org, user)
    };
    let title = format!("Invitation to {}", org.name);
    if page.problem.is_some() {
        return Ok(respond::once(StatusCode::CONFLICT, &visit.page(title, page.render()?))?);
    }
    visit.show_plain(title, Refresh::Never, page.render()?)
}

async fn accept(visit: &Visit<'_>, secret: &str) -> Result<Response<Bytes>, Problem> {
    Form::read(visit)?;
    let user = visit.user()?;
    match visit.deps.tenancy.accept(secret, user, &visit.deed()).await.map_err(Problem::from) {
        Ok(org) => {
            let start = super::home::start_of_user(visit, &org).await?;
            Ok(respond::see_other(&with_flash(&start, Flash::Joined), None))
        }
        Err(Problem::NotFound) => Ok(respond::notice(StatusCode::NOT_FOUND, &Notice::no_invite(), visit.person())),
        Err(Problem::Refused(text) | Problem::Invalid(text)) => show(visit, secret, Some(text)).await,
        Err(problem) => Err(problem),
    }
}
