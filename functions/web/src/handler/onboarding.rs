//! From nothing to the first trace: a new org, its plan, others in it, a token, its repositories.

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use quillon_core::access::{OrgCreation, Permission};
use quillon_core::id::OrgId;
use quillon_core::org::{Org, OrgName, Scope};
use quillon_core::person::ProviderId;
use quillon_core::plan::Billing;
use quillon_tenancy::Viewer;

use super::form::{Form, with_flash};
use super::settings::members;
use super::{Problem, Visit};
use crate::flash::Flash;
use crate::link::settings::{MembersAction, SettingsAction, Step, Tab};
use crate::page::frame::Refresh;
use crate::page::objection::Objection;
use crate::page::onboarding::{GithubStep, NewOrgPage, PlanStep, Progress, TeamStep, TokenMade, TokenStep, why_no_name};
use crate::page::settings::members::{InviteDraft, open_invites};
use crate::page::time::settled;
use crate::respond;

/// What the first token is called.
const FIRST_TOKEN: &str = "ci";

/// Asks for the name of a new org, or makes it.
pub(super) async fn new_org(visit: &Visit<'_>) -> Result<Response<Bytes>, Problem> {
    if !visit.is_form() {
        let main = new_org_page(visit, String::new(), None).await?.render()?;
        return visit.show_plain("New organization".to_owned(), Refresh::Never, main);
    }
    let form = Form::read(visit)?;
    let wanted: Option<OrgId> = if form.value("adopt").is_some() { Some(form.named("adopt")?) } else { None };
    let done = match wanted {
        Some(id) => adopt(visit, id).await,
        None => make(visit, form.text("name")).await,
    };
    let (status, problem) = match done {
        Ok(org) if wanted.is_some() => {
            let start = super::home::start_of_user(visit, &org).await?;
            return Ok(respond::see_other(&with_flash(&start, Flash::Joined), None));
        }
        Ok(org) => {
            let first = if visit.deps.billing == Billing::On { Step::Plan } else { Step::Team };
            return Ok(respond::see_other(&visit.deps.site.paths(&org.name).welcome(first), None));
        }
        Err(Problem::Refused(text)) => (StatusCode::CONFLICT, text),
        Err(Problem::Invalid(text)) => (StatusCode::BAD_REQUEST, text),
        Err(problem) => return Err(problem),
    };
    let page = new_org_page(visit, form.kept("name"), Some(Objection::new(&problem))).await?;
    Ok(respond::once(status, &visit.page("New organization".to_owned(), page.render()?))?)
}

async fn make(visit: &Visit<'_>, name: &str) -> Result<Org, Problem> {
    let name: OrgName = name.parse().map_err(|_| Problem::Invalid(why_no_name(name)))?;
    let (tenancy, deed) = (&visit.deps.tenancy, visit.deed());
    match visit.viewer().ok_or(Problem::SignedOut)? {
        Viewer::Person(_) if visit.deps.org_creation == OrgCreation::Operator => Err(Problem::Refused(
            "only whoever runs this installation makes organizations: ask them for one, or for an invitation".to_owned(),
        )),
        Viewer::Person(user) => Ok(tenancy.create_org(user, name, &deed).await?),
        Viewer::Operator => Ok(tenancy.found_org(name, &deed).await?),
    }
}

async fn new_org_page(visit: &Visit<'_>, name: String, problem: Option<Objection>) -> Result<NewOrgPage, Problem> {
    let (may_make, is_first, adoptable) = match visit.viewer() {
        Some(Viewer::Person(user)) => {
            let tenancy = &visit.deps.tenancy;
            let may_make = visit.deps.org_creation == OrgCreation::Anyone;
            (may_make, tenancy.memberships(user.id).await?.is_empty(), tenancy.adoptable(user.id, visit.now).await?)
        }
        Some(Viewer::Operator) | None => (true, false, vec![]),
    };
    let site = visit.deps.site.public.as_str().trim_end_matches('/').to_owned();
    let github = visit.deps.providers.iter().find(|provider| provider.id == ProviderId::github() && visit.user().is_ok());
    Ok(NewOrgPage {
        name,
        problem,
        may_make,
        is_first,
        site,
        csrf: visit.form_token().unwrap_or_default(),
        look_up: github.map(|github| github.href(&[("purpose", "sources"), ("next", "/orgs/new")])),
        adoptable: adoptable.iter().map(|org| (org.name.to_string(), org.id.to_string())).collect(),
    })
}

/// Makes somebody the first admin of an org that their GitHub account has already.
async fn adopt(visit: &Visit<'_>, id: OrgId) -> Result<Org, Problem> {
    visit.deps.tenancy.adopt(id, visit.user()?, &visit.deed()).await?;
    visit.deps.store.org(id).await?.ok_or(Problem::NotFound)
}

/// Shows a step after the org was made, or makes the first token.
pub(super) async fn welcome(visit: &Visit<'_>, org: &Org, step: Step) -> Result<Response<Bytes>, Problem> {
    let deps = visit.deps;
    let paths = deps.site.paths(&org.name);
    let progress = Progress::new(&paths, step, deps.billing);
    let csrf = visit.form_token().unwrap_or_default();
    let title = format!("Set up {}", org.name);
    let main = match step {
        Step::Plan => PlanStep::new(org, progress, csrf).render()?,
        Step::Team => {
            let is_first = deps.store.count_members(org.id).await? == 0;
            team(visit, org, InviteDraft::new(is_first), None).await?.render()?
        }
        Step::Token if visit.is_form() => {
            Form::read(visit)?;
            let made = deps.tenancy.create_token(org.id, FIRST_TOKEN, &[Scope::TelemetryWrite], None, &visit.deed()).await?;
            let page = TokenMade::new(made.1.expose(), deps.site.public.as_str(), org, progress);
            let page = respond::Page { org: visit.org_in_frame(org).await?, ..visit.page(title, page.render()?) };
            return Ok(respond::once(StatusCode::OK, &page)?);
        }
        Step::Token => {
            let known = deps.tenancy.tokens(org.id).await?.len();
            TokenStep { progress, csrf, action: paths.welcome(Step::Token), known, tokens_href: paths.settings(Tab::Tokens) }.render()?
        }
        Step::Github => {
            let provider = deps.providers.iter().find(|provider| provider.id == ProviderId::github());
            let next = paths.settings(Tab::Sources);
            // The operator is nobody whom GitHub could know.
            let provider = provider.filter(|_| visit.user().is_ok());
            let connect = provider.map(|github| github.href(&[("purpose", "sources"), ("org", org.name.as_str()), ("next", &next)]));
            let sees_runs = visit.may(Permission::ViewRuns);
            let done_href = if sees_runs { paths.checks() } else { paths.settings(Tab::General) };
            GithubStep { progress, connect, done_href }.render()?
        }
    };
    visit.show(org, title, Refresh::Never, main).await
}

/// The step that invites others.
async fn team(visit: &Visit<'_>, org: &Org, draft: InviteDraft, problem: Option<Objection>) -> Result<TeamStep, Problem> {
    let paths = visit.deps.site.paths(&org.name);
    let invites = visit.deps.tenancy.invites(org.id, visit.now).await?;
    Ok(TeamStep {
        progress: Progress::new(&paths, Step::Team, visit.deps.billing),
        csrf: visit.form_token().unwrap_or_default(),
        action: paths.settings_action(SettingsAction::Members(MembersAction::Invite)),
        invites: open_invites(&invites, settled(visit.now, false)),
        draft,
        problem,
    })
}

/// The same step with an invitation that was refused: whoever sets an org up stays at it.
pub(super) async fn team_again(
    visit: &Visit<'_>,
    org: &Org,
    status: StatusCode,
    form: &Form,
    problem: &str,
) -> Result<Response<Bytes>, Problem> {
    let step = team(visit, org, members::draft_of(form), Some(Objection::new(problem))).await?;
    let page = visit.page(format!("Set up {}", org.name), step.render()?);
    Ok(respond::once(status, &respond::Page { org: visit.org_in_frame(org).await?, ..page })?)
}
