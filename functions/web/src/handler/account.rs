//! One's own account: who vouches for one, where one is signed in, and the devices that are.

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use quillon_core::id::{LoginId, SessionId};
use quillon_core::person::ProviderId;
use quillon_tenancy::Viewer;

use super::form::{Form, with_flash};
use super::{Problem, Visit};
use crate::flash::Flash;
use crate::link::settings::AccountAction;
use crate::page::account::{AccountPage, OperatorPage};
use crate::page::frame::Refresh;
use crate::page::objection::Objection;
use crate::page::time::settled;
use crate::respond;

/// Shows it, with the reason why a form was refused.
pub(super) async fn page(visit: &Visit<'_>, problem: Option<String>) -> Result<Response<Bytes>, Problem> {
    let who = visit.who.ok_or(Problem::SignedOut)?;
    let (csrf, now) = (who.form_token(visit.key), settled(visit.now, false));
    let main = match &who.viewer {
        Viewer::Operator => OperatorPage::new(csrf, &who.session, now).render()?,
        Viewer::Person(user) => {
            let tenancy = &visit.deps.tenancy;
            let (sessions, logins) = (tenancy.sessions(user.id, visit.now).await?, tenancy.logins(user.id, visit.now).await?);
            let orgs = tenancy.memberships(user.id).await?;
            let mut page = AccountPage::new(user, &visit.deps.providers, visit.deps.site.public.as_str(), csrf);
            page.show_sessions(&sessions, who.session.id, now);
            page.show_devices(&logins, now);
            page.show_orgs(&orgs);
            page.problem = problem.as_deref().map(Objection::new);
            page.render()?
        }
    };
    if problem.is_some() {
        return Ok(respond::once(StatusCode::CONFLICT, &visit.page("Your account".to_owned(), main))?);
    }
    visit.show_plain("Your account".to_owned(), Refresh::Never, main)
}

/// Does what a button says.
pub(super) async fn act(visit: &Visit<'_>, action: AccountAction) -> Result<Response<Bytes>, Problem> {
    let form = Form::read(visit)?;
    let user = visit.user()?;
    let tenancy = &visit.deps.tenancy;
    let who = visit.who.ok_or(Problem::SignedOut)?;
    let done = match action {
        AccountAction::Unlink => {
            let provider: ProviderId = form.named("provider")?;
            let done = tenancy.unlink(user.id, &provider, form.text("subject")).await;
            done.map(|_| Flash::Unlinked)
        }
        AccountAction::EndSession => {
            let session: SessionId = form.named("session")?;
            tenancy.end_session_of(user.id, session).await.map(|()| Flash::SessionEnded)
        }
        AccountAction::EndOthers => {
            for session in tenancy.sessions(user.id, visit.now).await?.iter().filter(|session| session.id != who.session.id) {
                match tenancy.end_session_of(user.id, session.id).await {
                    // It ended by itself in the meantime.
                    Ok(()) | Err(quillon_tenancy::Error::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(Flash::SignedOutElsewhere)
        }
        AccountAction::EndLogin => {
            let login: LoginId = form.named("login")?;
            tenancy.end_login(user.id, login).await.map(|()| Flash::DeviceSignedOut)
        }
    };
    match done.map_err(Problem::from) {
        Ok(flash) => Ok(respond::see_other(&with_flash("/account", flash), None)),
        Err(Problem::Refused(text) | Problem::Invalid(text)) => page(visit, Some(text)).await,
        Err(problem) => Err(problem),
    }
}
