//! Installations and repositories.

use std::time::Duration;

use askama::Template;
use quillon_core::access::Permission;
use quillon_core::id::{InstallationId, RepositoryId};
use quillon_core::local_path::LocalPath;
use quillon_core::message::EventMessage;
use quillon_core::org::{Installation, Org, Repository, RepositorySettings, SourceMode};
use quillon_core::person::ProviderId;
use quillon_store::Page;
use quillon_tenancy::Viewer;

use super::{Again, Done};
use crate::flash::Flash;
use crate::handler::form::{Form, with_flash};
use crate::handler::{Problem, Visit};
use crate::link::settings::{SettingsAction, SourcesAction, Tab};
use crate::page::settings::sources::{
    Fields, InstallationRow, RepositoryForms, RepositoryList, RepositoryPage, SeenRow, SourceForms, SourcesPage, digest, globs, reached,
};
use crate::page::settings::visibility::of_word;
use crate::page::text::label;

/// How many items are read at once.
const READ: u32 = 500;

/// Most repositories of an org that are listed.
const MAX_REPOSITORIES: usize = 5_000;

/// When the scheduler looks at a release for sure: long after this request is over.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// Shows the tab, or the page of one repository.
pub(super) async fn show(visit: &Visit<'_>, org: &Org, again: Option<&Again<'_>>) -> Result<String, Problem> {
    let refused = again.filter(|again| again.action == SettingsAction::Sources(SourcesAction::Repository)).map(|again| again.form);
    let asked = match refused {
        Some(form) => Some(form.named::<RepositoryId>("repository")?),
        None if again.is_some() => None,
        None => visit.parameter("repository").map(|text| text.parse().map_err(|_| Problem::NotFound)).transpose()?,
    };
    if let Some(id) = asked {
        return repository_page(visit, org, id, refused).await;
    }
    let installations = installations(visit, org).await?;
    let repositories = reached(listed(visit, org).await?, &ids(&installations));
    let tab = visit.deps.site.paths(&org.name).settings(Tab::Sources);
    let filter = quillon_core::text::shorten(&visit.parameter("q").unwrap_or_default(), 100);
    let number = visit.parameter("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let site = &visit.deps.site;
    let page = SourcesPage {
        installations: installations.iter().map(|known| InstallationRow::new(known, &repositories, site, visit.now)).collect(),
        seen: if visit.may(Permission::ManageSources) { seen(visit, org).await? } else { None },
        repositories: RepositoryList::new(&repositories, &filter, number, &tab, site),
        forms: visit.may(Permission::ManageSources).then(|| forms(visit, org, &tab, again)),
    };
    Ok(page.render()?)
}

fn forms(visit: &Visit<'_>, org: &Org, tab: &str, again: Option<&Again<'_>>) -> SourceForms {
    let deps = visit.deps;
    let paths = deps.site.paths(&org.name);
    let to = |action| paths.settings_action(SettingsAction::Sources(action));
    let is_operator = matches!(visit.viewer(), Some(Viewer::Operator));
    let github = deps.providers.iter().find(|provider| provider.id == ProviderId::github());
    let pairs = [("purpose", "sources"), ("org", org.name.as_str()), ("next", tab)];
    SourceForms {
        open: again.and_then(Again::row),
        csrf: visit.form_token().unwrap_or_default(),
        connect_href: github.filter(|_| !is_operator).map(|provider| provider.href(&pairs)),
        install_href: deps.github_app_slug.as_ref().map(|slug| deps.site.install_app(slug, tab)),
        is_operator,
        org: org.name.to_string(),
        claim: to(SourcesAction::Claim),
        release: to(SourcesAction::Release),
        mode: to(SourcesAction::Mode),
        autocheck: to(SourcesAction::Autocheck),
        back: if visit.is_form() { tab.to_owned() } else { visit.forms(org).back },
    }
}

fn ids(installations: &[Installation]) -> Vec<InstallationId> {
    installations.iter().map(|installation| installation.id).collect()
}

async fn installations(visit: &Visit<'_>, org: &Org) -> Result<Vec<Installation>, Problem> {
    Ok(visit.deps.store.installations_of(org.id, &Page::first(READ)).await?.items)
}

/// What the person can connect, if GitHub has said so within the last minutes.
async fn seen(visit: &Visit<'_>, org: &Org) -> Result<Option<Vec<SeenRow>>, Problem> {
    let Ok(user) = visit.user() else { return Ok(None) };
    let Some(sources) = visit.deps.tenancy.sources_of(user.id, visit.now).await? else { return Ok(None) };
    let mut rows = Vec::new();
    for seen in &sources.installations {
        let holder = visit.deps.store.installation(seen.id).await?.and_then(|known| known.org);
        rows.push(SeenRow::new(seen, holder, org.id));
    }
    Ok(Some(rows))
}

/// The repositories of an org that its installations reach, by name.
pub(super) async fn repositories(visit: &Visit<'_>, org: &Org) -> Result<Vec<Repository>, Problem> {
    let installations = installations(visit, org).await?;
    Ok(reached(listed(visit, org).await?, &ids(&installations)))
}

async fn listed(visit: &Visit<'_>, org: &Org) -> Result<Vec<Repository>, Problem> {
    let mut found = Vec::new();
    let mut page = Page::first(READ);
    loop {
        let part = visit.deps.store.repositories_of(org.id, &page).await?;
        found.extend(part.items);
        match part.next {
            Some(next) if found.len() < MAX_REPOSITORIES => page.after = Some(next),
            Some(_) | None => return Ok(found),
        }
    }
}

/// A repository of the org. Whose it is, the installation says that reaches it.
async fn repository_of(visit: &Visit<'_>, org: &Org, id: RepositoryId) -> Result<Repository, Problem> {
    let store = &visit.deps.store;
    let known = store.repository(id).await?.ok_or(Problem::NotFound)?;
    let holder = store.installation(known.installation).await?.and_then(|installation| installation.org);
    if holder == Some(org.id) { Ok(known) } else { Err(Problem::NotFound) }
}

async fn repository_page(visit: &Visit<'_>, org: &Org, id: RepositoryId, refused: Option<&Form>) -> Result<String, Problem> {
    let known = repository_of(visit, org, id).await?;
    let paths = visit.deps.site.paths(&org.name);
    let tab = paths.settings(Tab::Sources);
    let to = |action| paths.settings_action(SettingsAction::Sources(action));
    let page = RepositoryPage {
        id: known.id.0,
        name: known.name.to_string(),
        is_private: known.is_private,
        autocheck: known.settings.autocheck,
        fields: refused.map_or_else(|| Fields::of(&known.settings), |form| typed(form, &known.settings)),
        forms: visit.may(Permission::ManageSources).then(|| RepositoryForms {
            csrf: visit.form_token().unwrap_or_default(),
            save: to(SourcesAction::Repository),
            autocheck: to(SourcesAction::Autocheck),
            back: format!("{tab}&repository={id}"),
            seen: digest(&known.settings),
            has_traces: visit.may(Permission::ManageVisibility),
        }),
        back_href: tab,
    };
    Ok(page.render()?)
}

/// What was typed into a form that was refused.
fn typed(form: &Form, stored: &RepositorySettings) -> Fields {
    let long = |name: &str| quillon_core::text::shorten(form.value(name).unwrap_or_default(), 30_000);
    Fields {
        unmerged_branches: long("unmerged_branches"),
        ignored_directories: long("ignored_directories"),
        supersede: form.text("supersede") == "yes",
        timeout_s: form.kept("timeout_s"),
        traces: form.value("traces").map_or_else(|| Fields::of(stored).traces, |_| form.kept("traces")),
    }
}

/// Does what a form says.
pub(super) async fn act(visit: &Visit<'_>, org: &Org, action: SourcesAction, form: &Form) -> Result<Done, Problem> {
    let (tenancy, deed) = (&visit.deps.tenancy, visit.deed());
    match action {
        SourcesAction::Claim => {
            let id: InstallationId = form.named("installation")?;
            tenancy.claim(org.id, id, visit.user()?, &deed).await?;
            tell(visit, org, id, Duration::ZERO).await?;
            Ok(Done::Back(Flash::SourceClaimed))
        }
        SourcesAction::Release => {
            let id: InstallationId = form.named("installation")?;
            let known = installations(visit, org).await?.into_iter().find(|known| known.id == id).ok_or(Problem::NotFound)?;
            if form.text("confirm") != label(&known.login) {
                return Err(Problem::Invalid(format!("to disconnect the account, type its name: {}", label(&known.login))));
            }
            // Stopped between the two, nobody would release it again, and its repositories would stay.
            tell(visit, org, id, AFTERWARDS).await?;
            tenancy.release(org.id, id, &deed).await?;
            tell(visit, org, id, Duration::ZERO).await?;
            Ok(Done::Back(Flash::SourceReleased))
        }
        SourcesAction::Mode => {
            let id: InstallationId = form.named("installation")?;
            let (mode, keeps) = match form.text("mode") {
                "all" => (SourceMode::All, false),
                "selected" => (SourceMode::Selected, true),
                "none" => (SourceMode::Selected, false),
                _ => return Err(Problem::BadForm("choose which repositories are checked")),
            };
            let on = |known: &Repository| keeps && known.installation == id && known.settings.autocheck;
            let selected: Vec<RepositoryId> = listed(visit, org).await?.iter().filter(|known| on(known)).map(|known| known.id).collect();
            tenancy.set_mode(org.id, id, mode, &selected, &deed).await?;
            Ok(Done::Back(Flash::SourceModeChanged))
        }
        SourcesAction::Autocheck => {
            let (id, wanted) = match (form.value("on"), form.value("off")) {
                (Some(_), None) => (form.named("on")?, true),
                (None, Some(_)) => (form.named("off")?, false),
                (None, None) | (Some(_), Some(_)) => return Err(Problem::BadForm("neither on nor off")),
            };
            tenancy.set_autocheck(org.id, id, wanted, &deed).await?;
            let flash = if wanted { Flash::AutocheckOn } else { Flash::AutocheckOff };
            Ok(Done::To(with_flash(&back(visit, org, form), flash)))
        }
        SourcesAction::Repository => {
            let id: RepositoryId = form.named("repository")?;
            let known = repository_of(visit, org, id).await?;
            let wanted = wanted(visit, form, &known.settings)?;
            if form.text("seen") != digest(&known.settings) && wanted != known.settings {
                let text =
                    "the settings were changed by somebody else meanwhile: what you typed is below, open the page again to see theirs";
                return Err(Problem::Refused(text.to_owned()));
            }
            tenancy.set_repository_settings(org.id, id, &known.settings, wanted, &deed).await?;
            let page = format!("{}&repository={id}", visit.deps.site.paths(&org.name).settings(Tab::Sources));
            Ok(Done::To(with_flash(&page, Flash::RepositoryChanged)))
        }
    }
}

/// The settings that a form asks for.
fn wanted(visit: &Visit<'_>, form: &Form, stored: &RepositorySettings) -> Result<RepositorySettings, Problem> {
    let traces = match form.value("traces") {
        None => stored.traces,
        Some(text) => of_word(text).ok_or(Problem::BadForm("choose who may read its traces"))?,
    };
    if traces != stored.traces && !visit.may(Permission::ManageVisibility) {
        return Err(Problem::NotFound);
    }
    let settings = RepositorySettings {
        unmerged_branches: globs(form.value("unmerged_branches").unwrap_or_default()),
        ignored_directories: globs(form.value("ignored_directories").unwrap_or_default()),
        supersede_default_branch: form.text("supersede") == "yes",
        timeout_s: form
            .text("timeout_s")
            .parse()
            .map_err(|_| Problem::BadForm("the longest time of a check is a whole number of seconds"))?,
        traces,
        autocheck: stored.autocheck,
    };
    settings.checked().map_err(|error| Problem::Invalid(error.to_string()))
}

/// Has the scheduler take the repositories of an installation in, or out.
async fn tell(visit: &Visit<'_>, org: &Org, installation: InstallationId, delay: Duration) -> Result<(), Problem> {
    let message = EventMessage::Claim { installation, org: org.id };
    let sent = visit.deps.workflow.queues.send_event(&message, "web", delay).await;
    sent.map_err(|error| Problem::Workflow(error.into()))
}

/// The page of the tab that a switch was on.
fn back(visit: &Visit<'_>, org: &Org, form: &Form) -> String {
    let tab = visit.deps.site.paths(&org.name).settings(Tab::Sources);
    let asked = form.value("back").and_then(|path| path.parse::<LocalPath>().ok());
    let is_below = |path: &LocalPath| path.as_str().strip_prefix(&tab).is_some_and(|rest| rest.is_empty() || rest.starts_with('&'));
    asked.filter(|path| is_below(path) && !path.as_str().contains('#')).map_or(tab.clone(), |path| path.to_string())
}
