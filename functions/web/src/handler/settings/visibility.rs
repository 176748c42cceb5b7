//! Who may read traces.

use askama::Template;
use quillon_core::access::Permission;
use quillon_core::id::RepositoryId;
use quillon_core::name::RepositoryName;
use quillon_core::org::Org;
use quillon_core::trace::card::Card;
use quillon_tenancy::SettingsChange;

use super::sources::repositories;
use super::{Again, Done};
use crate::flash::Flash;
use crate::handler::form::Form;
use crate::handler::{Problem, Visit, trace_action};
use crate::link::settings::{SettingsAction, VisibilityAction};
use crate::page::settings::visibility::{OverrideRow, TraceForms, VisibilityForms, VisibilityPage, of_word, trace_of};

/// Most names that the box offers; others can be typed.
const OFFERED: usize = 200;

/// Shows the tab.
pub(super) async fn show(visit: &Visit<'_>, org: &Org, again: Option<&Again<'_>>) -> Result<String, Problem> {
    let known = repositories(visit, org).await?;
    let paths = visit.deps.site.paths(&org.name);
    let to = |action| paths.settings_action(SettingsAction::Visibility(action));
    let kept = |action, name: &str| {
        let form = again.filter(|again| again.action == SettingsAction::Visibility(action)).map(|again| again.form);
        form.map(|form| form.kept(name)).unwrap_or_default()
    };
    let csrf = || visit.form_token().unwrap_or_default();
    let page = VisibilityPage {
        allows_public: org.public_traces,
        overrides: known.iter().filter_map(OverrideRow::of).collect(),
        forms: visit.may(Permission::ManageVisibility).then(|| VisibilityForms {
            csrf: csrf(),
            public_traces: to(VisibilityAction::PublicTraces),
            repository: to(VisibilityAction::RepositoryTraces),
            names: known.iter().filter(|known| known.is_enabled).take(OFFERED).map(|known| known.name.to_string()).collect(),
            name: kept(VisibilityAction::RepositoryTraces, "name"),
            access: Some(kept(VisibilityAction::RepositoryTraces, "access"))
                .filter(|word| !word.is_empty())
                .unwrap_or_else(|| "private".to_owned()),
        }),
        trace: (visit.may(Permission::ShareTraces) && visit.may(Permission::DeleteTraces)).then(|| TraceForms {
            csrf: csrf(),
            visibility: to(VisibilityAction::Trace),
            delete: to(VisibilityAction::DeleteTrace),
            link: kept(VisibilityAction::Trace, "trace"),
            link_to_delete: kept(VisibilityAction::DeleteTrace, "trace"),
            is_deleting: again.is_some_and(|again| again.action == SettingsAction::Visibility(VisibilityAction::DeleteTrace)),
        }),
    };
    Ok(page.render()?)
}

/// Does what a form says.
pub(super) async fn act(visit: &Visit<'_>, org: &Org, action: VisibilityAction, form: &Form) -> Result<Done, Problem> {
    let tenancy = &visit.deps.tenancy;
    match action {
        VisibilityAction::PublicTraces => {
            let public_traces = match form.text("public") {
                "yes" => true,
                "no" => false,
                _ => return Err(Problem::BadForm("neither public nor private")),
            };
            let change = SettingsChange { concurrency: None, public_traces: Some(public_traces) };
            tenancy.change_settings(org.id, change, &visit.deed()).await?;
            Ok(Done::Back(Flash::VisibilityChanged))
        }
        VisibilityAction::RepositoryTraces => {
            let access = of_word(form.text("access")).ok_or(Problem::BadForm("choose who may read its traces"))?;
            let repository = repository(visit, org, form).await?;
            tenancy.set_repository_traces(org.id, repository, access, &visit.deed()).await?;
            Ok(Done::Back(Flash::VisibilityChanged))
        }
        VisibilityAction::Trace => {
            let card = card(visit, org, form).await?;
            Ok(Done::Back(trace_action::set_visibility(visit, org, &card, form).await?))
        }
        VisibilityAction::DeleteTrace => {
            let card = card(visit, org, form).await?;
            trace_action::delete(visit, org, &card, form).await?;
            Ok(Done::Back(Flash::TraceDeleted))
        }
    }
}

/// The repository that a form means: a row's, or one by its name.
async fn repository(visit: &Visit<'_>, org: &Org, form: &Form) -> Result<RepositoryId, Problem> {
    if form.value("repository").is_some() {
        return form.named("repository");
    }
    let typed = form.text("name");
    let unknown = || {
        Problem::Refused(format!(
            "there is no repository `{}` here: see Git Sources for their names",
            quillon_core::text::shorten(typed, 100)
        ))
    };
    let name: RepositoryName = typed.parse().map_err(|_| unknown())?;
    let known = visit.deps.store.repository_by_name(org.id, &name).await?;
    Ok(known.ok_or_else(unknown)?.id)
}

/// The trace that a link leads to, if it is one of this org.
async fn card(visit: &Visit<'_>, org: &Org, form: &Form) -> Result<Card, Problem> {
    let unknown = || Problem::Refused("there is no such trace in this organization: copy the link from its page, or its id".to_owned());
    let trace = trace_of(form.text("trace")).ok_or_else(unknown)?;
    visit.deps.traces.card(org.id, trace).await?.ok_or_else(unknown)
}
