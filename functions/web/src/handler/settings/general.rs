//! The org itself: its name, how much it runs at once, its end.

use askama::Template;
use quillon_core::access::Permission;
use quillon_core::org::{Org, OrgName};
use quillon_core::plan::entitlements;
use quillon_tenancy::SettingsChange;

use super::{Again, Done};
use crate::flash::Flash;
use crate::handler::form::{Form, with_flash};
use crate::handler::{Problem, Visit};
use crate::link::settings::{GeneralAction, SettingsAction, Tab};
use crate::page::onboarding::why_no_name;
use crate::page::settings::general::{GeneralForms, GeneralPage};

/// Shows the tab.
pub(super) fn show(visit: &Visit<'_>, org: &Org, again: Option<&Again<'_>>) -> Result<String, Problem> {
    let paths = visit.deps.site.paths(&org.name);
    let typed = |action: GeneralAction, name: &str| {
        again.filter(|again| again.action == SettingsAction::General(action)).map(|again| again.form.kept(name))
    };
    let page = GeneralPage {
        id: org.id.to_string(),
        name: org.name.to_string(),
        since: org.created_at.strftime("%-d %b %Y").to_string(),
        concurrency: org.concurrency,
        limit: limit(visit, org),
        forms: visit.may(Permission::ManageOrg).then(|| GeneralForms {
            csrf: visit.form_token().unwrap_or_default(),
            rename: paths.settings_action(SettingsAction::General(GeneralAction::Rename)),
            concurrency: paths.settings_action(SettingsAction::General(GeneralAction::Concurrency)),
            delete: paths.settings_action(SettingsAction::General(GeneralAction::Delete)),
            typed_name: typed(GeneralAction::Rename, "name"),
            typed_concurrency: typed(GeneralAction::Concurrency, "concurrency"),
            typed_confirm: typed(GeneralAction::Delete, "confirm"),
            is_ending: org.deletion.is_some(),
        }),
    };
    Ok(page.render()?)
}

/// Does what a form says.
pub(super) async fn act(visit: &Visit<'_>, org: &Org, action: GeneralAction, form: &Form) -> Result<Done, Problem> {
    let (tenancy, deed) = (&visit.deps.tenancy, visit.deed());
    match action {
        GeneralAction::Rename => {
            let name = form.text("name");
            let name: OrgName = name.parse().map_err(|_| Problem::Invalid(why_no_name(name)))?;
            let renamed = tenancy.rename(org.id, name, &deed).await?;
            let tab = visit.deps.site.paths(&renamed.name).settings(Tab::General);
            Ok(Done::To(with_flash(&tab, Flash::OrgRenamed)))
        }
        GeneralAction::Concurrency => {
            let wanted: u32 =
                form.text("concurrency").parse().map_err(|_| Problem::BadForm("how many checks run at once is a whole number"))?;
            if let Some(limit) = limit(visit, org).filter(|limit| wanted > *limit) {
                return Err(Problem::Refused(format!("the plan allows {limit} at once: choose another plan for more")));
            }
            let change = SettingsChange { concurrency: Some(wanted), public_traces: None };
            tenancy.change_settings(org.id, change, &deed).await?;
            Ok(Done::Back(Flash::OrgChanged))
        }
        GeneralAction::Delete => {
            if form.text("confirm") != org.name.as_str() {
                return Err(Problem::Invalid(format!("to delete the organization, type its name: `{}`", org.name)));
            }
            tenancy.delete_org(org.id, &deed).await?;
            Ok(Done::Back(Flash::OrgDeleted))
        }
        GeneralAction::Undelete => {
            tenancy.undelete_org(org.id, &deed).await?;
            Ok(Done::Back(Flash::OrgKept))
        }
    }
}

/// How many checks its plan lets run at once; none for no limit.
fn limit(visit: &Visit<'_>, org: &Org) -> Option<u32> {
    let allowed = entitlements(visit.deps.billing, org.subscription.as_ref(), visit.now).concurrency;
    (allowed != u32::MAX).then_some(allowed)
}
