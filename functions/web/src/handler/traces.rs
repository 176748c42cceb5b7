//! The list of an org's traces, and how to send some.

use askama::Template;
use bytes::Bytes;
use http::Response;
use quillon_core::id::PullNumber;
use quillon_core::org::Org;
use quillon_core::trace::card::{Card, NO_REMOTE, yyyymmdd};
use quillon_core::trace::label::Remote;
use quillon_core::trace::state::TraceState;
use quillon_store::Page;

use super::{Problem, Visit};
use crate::page::card::Scene;
use crate::page::frame::Refresh;
use crate::page::time::settled;
use crate::page::trace::filter::{Source, TraceFilter};
use crate::page::trace::list::{Feed, TracesPage};
use crate::page::trace::origin::source_of;
use crate::page::trace::setup::SetupPage;

/// Traces on one page.
const TRACES: u32 = 50;

/// Repositories that the filter offers.
const OFFERED: u32 = 100;

/// How often the newest traces are looked through for those of one source.
const SEARCHES: usize = 3;

/// How to send traces.
pub(super) async fn setup(visit: &Visit<'_>, org: Option<&Org>) -> Result<Response<Bytes>, Problem> {
    let site = &visit.deps.site;
    let traces_href = org.map(|org| site.paths(&org.name).traces());
    let page = SetupPage::new(site.public.as_str(), org.map(|org| org.name.as_str()), traces_href, false);
    let main = page.render()?;
    match org {
        Some(org) => visit.show(org, page.title, Refresh::Never, main).await,
        None => visit.show_plain(page.title, Refresh::Never, main),
    }
}

/// The list of traces, or how to send some where there is none.
pub(super) async fn list(visit: &Visit<'_>, org: &Org) -> Result<Response<Bytes>, Problem> {
    let query = visit.query();
    let (mut filter, mut problems) = TraceFilter::read(query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let found = match find(visit, org, &filter).await {
        Err(Problem::Traces(quillon_traces::Error::InvalidCursor | quillon_traces::Error::Store(quillon_store::Error::InvalidCursor))) => {
            problems.push("this page of the list is gone, here is the newest".to_owned());
            filter.after = None;
            find(visit, org, &filter).await?
        }
        found => found?,
    };
    let site = &visit.deps.site;
    let paths = site.paths(&org.name);
    let is_fresh = filter.after.is_none() && !filter.is_set() && found.cards.is_empty() && problems.is_empty();
    if is_fresh {
        let mut page = SetupPage::new(site.public.as_str(), Some(org.name.as_str()), Some(paths.traces()), true);
        // The newest weeks are empty: what is older is one click away.
        page.older_href = found.next.map(|next| paths.filtered_traces(&filter.from(Some(next))));
        return visit.show(org, format!("Traces of {}", org.name), Refresh::Idle, page.render()?).await;
    }
    let offered = visit.deps.store.repositories_of(org.id, &Page::first(OFFERED)).await?.items;
    let host = site.forge_host();
    let repositories: Vec<String> = offered.iter().map(|repository| format!("{host}/{}", repository.name)).collect();
    let is_live = found.cards.iter().any(|(_, state)| *state == TraceState::Running);
    let scene = Scene { site, paths: &paths, now: settled(visit.now, is_live) };
    let feed = Feed { cards: &found.cards, next: found.next.as_deref(), repositories: &repositories };
    let page = TracesPage::new(&feed, &filter, &problems, scene);
    visit.show(org, format!("Traces of {}", org.name), Refresh::of(is_live), page.render()?).await
}

struct Listed {
    cards: Vec<(Card, TraceState)>,
    next: Option<String>,
}

async fn find(visit: &Visit<'_>, org: &Org, filter: &TraceFilter) -> Result<Listed, Problem> {
    let wanted = wanted(filter, &visit.deps.site.forge_host());
    let mut listed = Listed { cards: vec![], next: filter.after.clone() };
    for _ in 0..SEARCHES {
        let page = Page { after: listed.next.take(), limit: TRACES };
        let found = visit.deps.traces.list(org.id, &wanted, &page, visit.now).await?;
        let fits = |card: &Card| filter.source.is_none_or(|source| source_of(card) == source);
        listed.cards.extend(found.items.into_iter().filter(|view| fits(&view.card)).map(|view| (view.card, view.state)));
        listed.next = found.next;
        // All but the source is looked for by the room of traces itself.
        if filter.source.is_none() || listed.next.is_none() || listed.cards.len() >= TRACES as usize {
            break;
        }
    }
    Ok(listed)
}

/// The filter as the room of traces takes it. A repository without host is one of the forge.
fn wanted(filter: &TraceFilter, forge_host: &str) -> quillon_traces::Filter {
    let remote = |text: &String| {
        // The text of a filter may name a host or not.
        let is_short = text.matches('/').count() == 1;
        let full = if is_short { format!("{forge_host}/{text}") } else { text.clone() };
        full.parse::<Remote>().map_or_else(|_| text.to_lowercase(), |remote| remote.folded())
    };
    let repository = filter.repository.as_ref().map(remote);
    quillon_traces::Filter {
        repository: repository.or_else(|| (filter.source == Some(Source::NoRepository)).then(|| NO_REMOTE.to_owned())),
        branch: filter.branch.clone(),
        pull: filter.pull.map(PullNumber),
        command: filter.command.clone(),
        state: filter.state,
        min_duration_ms: filter.min_duration_ms,
        text: filter.text.clone(),
        day: filter.day.map(yyyymmdd),
    }
}
