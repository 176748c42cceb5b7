//! The first page: where somebody's work is, or which org they mean.

use askama::Template;
use bytes::Bytes;
use http::Response;
use quillon_core::access::{Permission, Verdict, allows};
use quillon_core::org::{Org, OrgName};
use quillon_store::Page;
use quillon_tenancy::Viewer;

use super::{Problem, Visit};
use crate::link::settings::Tab;
use crate::page::frame::Refresh;
use crate::page::notice::{Notice, OrgsPage};
use crate::respond;

/// Orgs on one page.
const ORGS: u32 = 50;

/// Leads to the only org, shows all of them, or makes the first one.
pub(super) async fn home(visit: &Visit<'_>) -> Result<Response<Bytes>, Problem> {
    let viewer = visit.viewer().ok_or(Problem::SignedOut)?;
    let tenancy = &visit.deps.tenancy;
    if let Some(name) = visit.parameter("org") {
        let name: OrgName = name.parse().map_err(|_| Problem::NotFound)?;
        let org = visit.deps.store.org_by_name(&name).await?.ok_or(Problem::NotFound)?;
        let start = start_of(visit, viewer, &org).await?;
        if let Viewer::Person(user) = viewer
            && user.last_org != Some(org.id)
        {
            tenancy.set_last_org(user.id, org.id).await?;
        }
        return Ok(respond::see_other(&start, None));
    }
    let after = visit.parameter("after");
    let is_first = after.is_none();
    let orgs = match tenancy.orgs_of(viewer, &Page { after, limit: ORGS }).await {
        Err(quillon_tenancy::Error::Store(quillon_store::Error::InvalidCursor)) => return Ok(respond::see_other("/", None)),
        orgs => orgs?,
    };
    if let (true, None, [only]) = (is_first, &orgs.next, orgs.items.as_slice()) {
        return Ok(respond::see_other(&start_of(visit, viewer, only).await?, None));
    }
    if is_first && orgs.items.is_empty() {
        return match viewer {
            Viewer::Operator => {
                let notice = Notice::welcome(visit.deps.site.public.as_str().trim_end_matches('/'));
                visit.show_plain(notice.title.clone(), Refresh::Idle, notice.render()?)
            }
            Viewer::Person(_) => Ok(respond::see_other("/orgs/new", None)),
        };
    }
    let page = OrgsPage {
        more_href: orgs.next.map(|next| format!("/?after={next}")),
        orgs: orgs.items.iter().map(|org| (org.name.to_string(), format!("/?org={}", org.name))).collect(),
    };
    visit.show_plain("Organizations".to_owned(), Refresh::Never, page.render()?)
}

/// Where whoever asks begins in an org.
pub(super) async fn start_of_user(visit: &Visit<'_>, org: &Org) -> Result<String, Problem> {
    start_of(visit, visit.viewer().ok_or(Problem::SignedOut)?, org).await
}

/// Where somebody begins in an org: its checks, or its settings for those who do not see its runs.
async fn start_of(visit: &Visit<'_>, viewer: &Viewer, org: &Org) -> Result<String, Problem> {
    let standing = visit.deps.tenancy.standing(viewer, org.id).await?;
    let paths = visit.deps.site.paths(&org.name);
    match allows(&standing, Permission::ViewRuns) {
        Verdict::Allowed => Ok(paths.checks()),
        Verdict::Refused(_) => Ok(paths.settings(Tab::General)),
        Verdict::Hidden => Err(Problem::NotFound),
    }
}
