//! The settings of an org: one file per tab, the frame around them, and what becomes of a form that was refused.

mod general;
pub(super) mod members;
mod plan;
mod sources;
mod tokens;
mod visibility;

use std::fmt::Display;
use std::str::FromStr;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use quillon_core::id::{InstallationId, TokenId, UserId};
use quillon_core::org::Org;

use super::form::{Form, with_flash};
use super::{Problem, Visit, audit, onboarding};
use crate::flash::Flash;
use crate::link::settings::{GeneralAction, MembersAction, SettingsAction, SourcesAction, Step, Tab, TokensAction, VisibilityAction};
use crate::page::frame::Refresh;
use crate::page::objection::Objection;
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

impl Again<'_> {
    /// The id of the row that the form belongs to, where it is one of several.
    pub(super) fn row(&self) -> Option<String> {
        match self.action {
            SettingsAction::Members(MembersAction::Roles | MembersAction::Remove) => self.id::<UserId>("user"),
            SettingsAction::Sources(SourcesAction::Mode | SourcesAction::Release) => self.id::<InstallationId>("installation"),
            SettingsAction::Tokens(TokensAction::Rotate | TokensAction::Revoke) => self.id::<TokenId>("token"),
            SettingsAction::General(_)
            | SettingsAction::Members(MembersAction::Leave | MembersAction::Invite | MembersAction::RevokeInvite)
            | SettingsAction::Sources(SourcesAction::Claim | SourcesAction::Autocheck | SourcesAction::Repository)
            | SettingsAction::Tokens(TokensAction::Create | TokensAction::Trust | TokensAction::Distrust)
            | SettingsAction::Visibility(_) => None,
        }
    }

    fn id<T: FromStr + Display>(&self, name: &str) -> Option<String> {
        self.form.named::<T>(name).ok().map(|id| id.to_string())
    }

    /// The id of the field or the row, on the page of the tab, that was refused.
    fn place(&self) -> Option<String> {
        let field = match self.action {
            SettingsAction::General(GeneralAction::Rename) => "name",
            SettingsAction::General(GeneralAction::Concurrency) => "concurrency",
            SettingsAction::General(GeneralAction::Delete) => "confirm",
            SettingsAction::Members(MembersAction::Invite) => "invitee",
            SettingsAction::Members(MembersAction::Leave) => "leave",
            SettingsAction::Tokens(TokensAction::Create) => "token-name",
            SettingsAction::Tokens(TokensAction::Trust) => "trust-project",
            SettingsAction::Visibility(VisibilityAction::RepositoryTraces) => "rule-name",
            SettingsAction::Visibility(VisibilityAction::Trace) => "trace-link",
            SettingsAction::Visibility(VisibilityAction::DeleteTrace) => "delete-link",
            SettingsAction::Sources(SourcesAction::Mode | SourcesAction::Release) => {
                return self.row().map(|id| format!("installation-{id}"));
            }
            SettingsAction::Members(MembersAction::Roles | MembersAction::Remove)
            | SettingsAction::Tokens(TokensAction::Rotate | TokensAction::Revoke) => return self.row(),
            // A button without a field, or a page of its own.
            SettingsAction::General(GeneralAction::Undelete)
            | SettingsAction::Members(MembersAction::RevokeInvite)
            | SettingsAction::Sources(SourcesAction::Claim | SourcesAction::Autocheck | SourcesAction::Repository)
            | SettingsAction::Tokens(TokensAction::Distrust)
            | SettingsAction::Visibility(VisibilityAction::PublicTraces) => return None,
        };
        Some(field.to_owned())
    }
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
    if action == SettingsAction::Members(MembersAction::Invite) && form.value("from") == Some(Step::Team.word()) {
        return onboarding::team_again(visit, org, status, &form, &problem).await;
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
        problem: again.map(|again| Objection::new(&again.problem).at(again.place())),
        body,
    };
    Ok(page.render()?)
}
