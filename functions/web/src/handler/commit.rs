//! A commit's page, and the page of one of its checks.

use askama::Template;
use bytes::Bytes;
use http::Response;
use quillon_core::attempt::Attempt;
use quillon_core::commit::Commit;
use quillon_core::id::RepositoryId;
use quillon_core::name::RepositoryName;
use quillon_core::org::Org;
use quillon_core::run::{CommitKey, Run};
use quillon_store::Page;

use super::{Problem, Visit};
use crate::page::card::Scene;
use crate::page::check::{CheckPage, CheckTrace, Wanted, find};
use crate::page::commit::CommitPage;
use crate::page::frame::Refresh;
use crate::page::log::Log;
use crate::page::time::settled;
use crate::page::trace::detail::on_check_page;
use crate::route::CommitRoute;

/// Runs that are read at once to find those of a repository that is no longer here, and how often.
const SEARCHED: u32 = 200;
const SEARCHES: usize = 5;

/// The page of a commit, or of the check that the query names.
pub(super) async fn commit(visit: &Visit<'_>, org: &Org, route: &CommitRoute) -> Result<Response<Bytes>, Problem> {
    let (name, commit) = found(visit, org, route).await?.ok_or(Problem::NotFound)?;
    let query = visit.query();
    let parameter = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    match parameter("check") {
        None => whole(visit, org, &name, &commit).await,
        Some(check) => {
            let attempt = match parameter("attempt") {
                None => None,
                Some(number) => Some(number.parse().map_err(|_| Problem::NotFound)?),
            };
            let wanted = Wanted { attempt, run: parameter("run").map(str::to_owned) };
            one(visit, org, &name, &commit, route, check, &wanted).await
        }
    }
}

/// The commit of an address, with what the org has run of it, and the name of its repository.
async fn found(visit: &Visit<'_>, org: &Org, route: &CommitRoute) -> Result<Option<(RepositoryName, Commit)>, Problem> {
    let store = &visit.deps.store;
    if let Some(repository) = store.repository_by_name(org.id, &route.repository).await?
        && let Some(commit) = of_org(visit, org, repository.id, route).await?
    {
        return Ok(Some((repository.name, commit)));
    }
    // A repository that went to another org leaves its runs behind: they know it by its name of then.
    let mut page = Page::first(SEARCHED);
    for _ in 0..SEARCHES {
        let listed = store.org_feed(org.id, &page).await?;
        let is_it = |run: &&Run| {
            run.key.commit.sha == route.sha && run.repository_name.to_string().eq_ignore_ascii_case(&route.repository.to_string())
        };
        if let Some(run) = listed.items.iter().find(is_it) {
            let commit = of_org(visit, org, run.key.commit.repository, route).await?;
            return Ok(commit.map(|commit| (run.repository_name.clone(), commit)));
        }
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// What an org has run of a commit, if anything.
async fn of_org(visit: &Visit<'_>, org: &Org, repository: RepositoryId, route: &CommitRoute) -> Result<Option<Commit>, Problem> {
    let mut commit = visit.deps.store.commit(&CommitKey { repository, sha: route.sha.clone() }).await?;
    // A transferred repository keeps its number: what it did in another org stays there.
    commit.runs.retain(|run| run.org == org.id);
    commit.attempts.retain(|attempt| attempt.org == org.id);
    Ok((!commit.runs.is_empty()).then_some(commit))
}

async fn whole(visit: &Visit<'_>, org: &Org, name: &RepositoryName, commit: &Commit) -> Result<Response<Bytes>, Problem> {
    let is_live = CommitPage::is_live(commit);
    let site = &visit.deps.site;
    let scene = Scene { site, paths: &site.paths(&org.name), now: settled(visit.now, is_live) };
    let page = CommitPage::new(commit, name, visit.forms(org), scene).ok_or(Problem::NotFound)?;
    let title = format!("{name} {}", commit.key.sha.short());
    visit.show(org, title, Refresh::of(is_live), page.render()?).await
}

async fn one(
    visit: &Visit<'_>,
    org: &Org,
    name: &RepositoryName,
    commit: &Commit,
    route: &CommitRoute,
    check: &str,
    wanted: &Wanted,
) -> Result<Response<Bytes>, Problem> {
    let found = find(commit, &route.module, check, wanted).ok_or(Problem::NotFound)?;
    let log = log(visit, found.attempt).await?;
    let is_live = !found.attempt.is_terminal();
    let site = &visit.deps.site;
    let scene = Scene { site, paths: &site.paths(&org.name), now: settled(visit.now, is_live) };
    let mut page = CheckPage::new(&found, name, log, visit.forms(org), scene).ok_or(Problem::NotFound)?;
    page.trace = trace(visit, org, found.attempt, scene).await?;
    let title = format!("{} {} of {name}", page.state.word, page.name);
    visit.show_page(org, title, Refresh::of(is_live), true, page.render()?).await
}

/// The telemetry of an attempt, if any has come.
async fn trace(visit: &Visit<'_>, org: &Org, attempt: &Attempt, scene: Scene<'_>) -> Result<Option<CheckTrace>, Problem> {
    let Ok(trace) = attempt.trace.trace_id.parse() else { return Ok(None) };
    if attempt.started_at().is_none() {
        return Ok(None);
    }
    let Some(snapshot) = visit.deps.traces.open(org.id, trace, visit.now).await? else { return Ok(None) };
    let tails = super::trace::tails(visit, &snapshot).await?;
    let state = snapshot.state(visit.now.as_millisecond());
    let content = super::trace::content(&snapshot, state, &tails);
    let span = visit.parameter("span").as_deref().and_then(crate::wire::document::span_id).map(|span| span.to_string());
    let kept = visit.query().into_iter().filter(|(name, _)| !matches!(name.as_str(), "fragment" | "done" | "span"));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    let here = format!("{}?{query}", visit.request.uri().path());
    let (mount, failures) = on_check_page(content, scene, &here, span.as_deref());
    Ok(Some(CheckTrace { href: scene.paths.trace(trace), mount, failures }))
}

/// What is kept of what an attempt printed.
async fn log(visit: &Visit<'_>, attempt: &Attempt) -> Result<Log, Problem> {
    if !attempt.is_terminal() {
        return Ok(Log::none("The log comes when the attempt ends."));
    }
    if attempt.started_at().is_none() {
        return Ok(Log::none("It did not start, so it printed nothing."));
    }
    Ok(match visit.deps.store.output(attempt.id).await? {
        Some(output) => Log::new(&output.text, output.is_cut),
        None => Log::none("No log is kept: its agent was lost before it could send one, or it is older than logs are kept here."),
    })
}
