//! The Checks page of an org.

use std::collections::BTreeMap;

use askama::Template;
use bytes::Bytes;
use http::Response;
use quillon_core::id::RepositoryId;
use quillon_core::name::RepositoryName;
use quillon_core::org::{Org, Repository};
use quillon_core::run::Run;
use quillon_store::{Page, Paged};

use super::{Problem, Visit};
use crate::page::card::{Scene, phase_of};
use crate::page::checks::{ChecksPage, Feed};
use crate::page::filter::Filter;
use crate::page::frame::Refresh;
use crate::page::time::settled;

/// Runs on one page.
const RUNS: u32 = 25;

/// Runs of one read where a state is looked for, and how often it is read for one page.
const SEARCHED: u32 = 50;
const SEARCHES: usize = 3;

/// Repositories that the filter offers.
const OFFERED: u32 = 100;

/// The Checks page.
pub(super) async fn checks(visit: &Visit<'_>, org: &Org) -> Result<Response<Bytes>, Problem> {
    let store = &visit.deps.store;
    let query = visit.query();
    let (mut filter, mut problems) = Filter::read(query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let offered = store.repositories_of(org.id, &Page::first(OFFERED)).await?.items;
    let repository = match &filter.repository {
        None => None,
        Some(name) => match named(visit, org, &offered, name).await? {
            Some(repository) => Some(repository),
            None => {
                problems.push(format!("{name} is not known here: is the GitHub App installed on its account?"));
                return show(visit, org, &filter, problems, &Found::default(), &offered).await;
            }
        },
    };
    let found = match search(visit, org, &filter, repository.as_ref()).await {
        Err(Problem::Store(quillon_store::Error::InvalidCursor)) => {
            problems.push("this page of the list is gone, here is the newest".to_owned());
            filter.after = None;
            search(visit, org, &filter, repository.as_ref()).await?
        }
        found => found?,
    };
    show(visit, org, &filter, problems, &found, &offered).await
}

/// The runs for one page.
#[derive(Debug, Default)]
struct Found {
    runs: Vec<Run>,
    next: Option<String>,
    looked_at: usize,
}

/// Reads one page; where a state is looked for, up to [`SEARCHES`] times [`SEARCHED`] runs for it.
async fn search(visit: &Visit<'_>, org: &Org, filter: &Filter, repository: Option<&Repository>) -> Result<Found, Problem> {
    let Some(wanted) = filter.state else {
        let page = read(visit, org, filter, repository, Page { after: filter.after.clone(), limit: RUNS }).await?;
        return Ok(Found { looked_at: page.items.len(), runs: page.items, next: page.next });
    };
    let mut found = Found { next: filter.after.clone(), ..Found::default() };
    for _ in 0..SEARCHES {
        let page = read(visit, org, filter, repository, Page { after: found.next.take(), limit: SEARCHED }).await?;
        found.looked_at += page.items.len();
        found.runs.extend(page.items.into_iter().filter(|run| wanted.fits(phase_of(run))));
        found.next = page.next;
        if found.next.is_none() || found.runs.len() >= RUNS as usize {
            break;
        }
    }
    Ok(found)
}

async fn read(visit: &Visit<'_>, org: &Org, filter: &Filter, repository: Option<&Repository>, page: Page) -> Result<Paged<Run>, Problem> {
    let store = &visit.deps.store;
    let mut found = match (repository, &filter.reference) {
        (Some(repository), Some(reference)) => store.ref_feed(repository.id, reference, &page).await?,
        (Some(repository), None) => store.repository_feed(repository.id, &page).await?,
        (None, _) => store.org_feed(org.id, &page).await?,
    };
    // A transferred repository keeps its number: what it did in another org stays there.
    found.items.retain(|run| run.org == org.id);
    Ok(found)
}

/// The repository of a name, from those at hand if it is among them.
async fn named(visit: &Visit<'_>, org: &Org, offered: &[Repository], name: &RepositoryName) -> Result<Option<Repository>, Problem> {
    let is_it = |repository: &&Repository| repository.is_enabled && repository.name.to_string().eq_ignore_ascii_case(&name.to_string());
    match offered.iter().find(is_it) {
        Some(repository) => Ok(Some(repository.clone())),
        None => Ok(visit.deps.store.repository_by_name(org.id, name).await?),
    }
}

async fn show(
    visit: &Visit<'_>,
    org: &Org,
    filter: &Filter,
    problems: Vec<String>,
    found: &Found,
    offered: &[Repository],
) -> Result<Response<Bytes>, Problem> {
    let is_live = found.runs.iter().any(|run| phase_of(run).is_some_and(|phase| !phase.is_terminal()));
    let names: BTreeMap<RepositoryId, RepositoryName> = offered.iter().map(|repository| (repository.id, repository.name.clone())).collect();
    let site = &visit.deps.site;
    let scene = Scene { site, paths: &site.paths(&org.name), now: settled(visit.now, is_live) };
    let feed = Feed { runs: &found.runs, next: found.next.clone(), looked_at: found.looked_at, names: &names };
    let page = ChecksPage::new(&feed, filter, problems, visit.forms(org), scene);
    let title = match &filter.repository {
        Some(repository) => format!("Checks of {repository}"),
        None => format!("Checks of {}", org.name),
    };
    visit.show(org, title, Refresh::of(is_live), page.render()?).await
}
