//! The settings of an org: one file per tab, the frame around them, and what becomes of a form that was refused.

mod general;
mod members;
mod plan;
mod sources;
mod tokens;
mod visibility;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use quillon_core::org::Org;

use super::form::{Form, with_flash};
use super::{Problem, Visit, audit};
use crate::flash::Flash;
use crate::link::settings::{SettingsAction, Tab};
use crate::page::frame::Refresh;
use crate::page::notice::sentence;
use crate::page::settings::{SettingsPage, TabLink};
use crate::respond;

/// What came of a form.
pub(super) enum Done {
    /// It is done: back to its tab.
    Back(Flash),
    /// It is done, and leads elsewhere on this site.
    To(String),
    /// It is done, and this is seen once: a secret.
    Once {
        /// What the page is, for the window's title.
        title: String,
        /// Its main part.
        main: String,
    },
}

/// A form that was refused: its tab is shown again with it.
pub(super) struct Again<'a> {
    /// What was refused.
    pub(super) action: SettingsAction,
    /// What was typed.
    pub(super) form: &'a Form,
    /// Why.
    pub(super) problem: String,
}

/// Shows a tab.
pub(super) async fn page(visit: &Visit<'_>, org: &Org, tab: Tab) -> Result<Response<Bytes>, Problem> {
    let main = framed(visit, org, tab, None).await?;
    visit.show(org, format!("{} settings of {}", tab.word(), org.name), Refresh::Never, main).await
}

/// Does what a form says; what is refused is shown on its tab, with what was typed.
pub(super) async fn act(visit: &Visit<'_>, org: &Org, action: SettingsAction) -> Result<Response<Bytes>, Problem> {
    let form = Form::read(visit)?;
    let done = match action {
        SettingsAction::General(action) => general::act(visit, org, action, &form).await,
        SettingsAction::Members(action) => members::act(visit, org, action, &form).await,
        SettingsAction::Sources(action) => sources::act(visit, org, action, &form).await,
        SettingsAction::Tokens(action) => tokens::act(visit, org, action, &form).await,
        SettingsAction::Visibility(action) => visibility::act(visit, org, action, &form).await,
    };
    let (status, problem) = match done {
        Ok(Done::Back(flash)) => {
            let tab = visit.deps.site.paths(&org.name).settings(action.tab());
            return Ok(respond::see_other(&with_flash(&tab, flash), None));
        }
        Ok(Done::To(path)) => return Ok(respond::see_other(&path, None)),
        Ok(Done::Once { title, main }) => {
            let page = respond::Page { org: visit.org_in_frame(org).await?, ..visit.page(title, main) };
            return Ok(respond::once(StatusCode::OK, &page)?);
        }
        Err(Problem::Refused(text)) => (StatusCode::CONFLICT, text),
        Err(Problem::Invalid(text)) => (StatusCode::BAD_REQUEST, text),
        Err(Problem::BadForm(text)) => (StatusCode::BAD_REQUEST, text.to_owned()),
        Err(problem) => return Err(problem),
    };
    if !visit.may(action.tab().permission()) {
        return Err(Problem::Refused(problem));
    }
    let again = Again { action, form: &form, problem };
    let main = framed(visit, org, action.tab(), Some(&again)).await?;
    let title = format!("{} settings of {}", action.tab().word(), org.name);
    let page = respond::Page { org: visit.org_in_frame(org).await?, ..visit.page(title, main) };
    Ok(respond::once(status, &page)?)
}

/// A tab with the navigation beside it.
async fn framed(visit: &Visit<'_>, org: &Org, tab: Tab, again: Option<&Again<'_>>) -> Result<String, Problem> {
    let body = match tab {
        Tab::General => general::show(visit, org, again)?,
        Tab::Members => members::show(visit, org, again).await?,
        Tab::Sources => sources::show(visit, org, again).await?,
        Tab::Tokens => tokens::show(visit, org, again).await?,
        Tab::Visibility => visibility::show(visit, org, again).await?,
        Tab::Plan => plan::show(visit, org).await?,
        Tab::Audit => audit::show(visit, org).await?,
    };
    let paths = visit.deps.site.paths(&org.name);
    let seen = Tab::ALL.into_iter().filter(|known| visit.may(known.permission()));
    let page = SettingsPage {
        org: org.name.to_string(),
        tab: tab.word(),
        tabs: seen.map(|known| TabLink { name: known.word(), href: paths.settings(known), is_current: known == tab }).collect(),
        problem: again.map(|again| sentence(&again.problem)),
        body,
    };
    Ok(page.render()?)
}
