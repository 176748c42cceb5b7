//! Small pages for people: repositories, commits with their statuses, pull requests; so that links lead somewhere.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{Method, StatusCode};

use crate::{Forge, ForgeError, Repository, Status, Violation, http::text, names::is_sha, objects::LoggedCommit, shapes::date};

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    html: String,
    repositories: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "repository.html")]
struct RepositoryPage {
    html: String,
    name: String,
    clone_url: String,
    branches: Vec<(String, String)>,
    pulls: Vec<PullLine>,
}

struct PullLine {
    number: u64,
    title: String,
    state: &'static str,
    head_ref: String,
    base_ref: String,
    head_sha: String,
}

#[derive(Template)]
#[template(path = "commit.html")]
struct CommitPage {
    html: String,
    name: String,
    sha: String,
    subject: String,
    rest: String,
    author: String,
    at: String,
    parents: Vec<String>,
    combined: &'static str,
    statuses: Vec<Status>,
    files: Vec<(&'static str, String)>,
}

pub(crate) async fn serve(forge: &Forge, method: &Method, segments: &[&str]) -> Response {
    if method != Method::GET {
        return unknown(forge, method, segments);
    }
    let page = match segments {
        [] => index(forge),
        ["avatars", "u" | "in", id] => return avatar(forge, id),
        [owner, name] => repository(forge, owner, name.strip_suffix(".git").unwrap_or(name)),
        [owner, name, "commit", sha] => commit(forge, owner, name, sha).await,
        [owner, name, "tree", branch @ ..] if !branch.is_empty() => {
            let sha = find(forge, owner, name).and_then(|found| forge.head(found.id, &branch.join("/")));
            commit(forge, owner, name, sha.as_deref().unwrap_or_default()).await
        }
        [owner, name, "pull", number] => {
            let found = find(forge, owner, name);
            let pull = found.and_then(|found| forge.pull(found.id, number.parse().unwrap_or_default()).ok());
            commit(forge, owner, name, pull.map(|pull| pull.head_sha).as_deref().unwrap_or_default()).await
        }
        _ => return unknown(forge, method, segments),
    };
    match page {
        Ok(Some(page)) => Html(page).into_response(),
        Ok(None) => text(StatusCode::NOT_FOUND, "not found"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a page could not be made");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made")
        }
    }
}

/// An address that the forge does not have: a client that asks for it believes in another GitHub.
fn unknown(forge: &Forge, method: &Method, segments: &[&str]) -> Response {
    // Browsers ask for it on their own.
    if segments != ["favicon.ico"] {
        let path = format!("/{}", segments.join("/"));
        forge.state().violate(Violation { method: method.to_string(), path, reason: "there is no such page".to_owned() });
    }
    text(StatusCode::NOT_FOUND, "not found")
}

/// A picture with the first letter of an account.
fn avatar(forge: &Forge, id: &str) -> Response {
    let state = forge.state();
    let account = id.parse().ok().and_then(|id: u64| state.accounts.get(&id));
    // A login begins with a letter or a digit, which is no markup.
    let letter = account.and_then(|account| account.login.chars().next()).unwrap_or('?').to_ascii_uppercase();
    let picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" fill="#57606a"/><text x="20" y="27" font-family="sans-serif" font-size="20" text-anchor="middle" fill="#fff">{letter}</text></svg>"##
    );
    ([(http::header::CONTENT_TYPE, "image/svg+xml")], picture).into_response()
}

fn index(forge: &Forge) -> Result<Option<String>, ForgeError> {
    let state = forge.state();
    let visible = state.repositories.values().filter(|repository| visible(forge, repository));
    let repositories = visible.map(|repository| (state.full_name(repository), repository.default_branch.clone())).collect();
    render(&Index { html: forge.inner.links.html.clone(), repositories })
}

fn repository(forge: &Forge, owner: &str, name: &str) -> Result<Option<String>, ForgeError> {
    let Some(repository) = find(forge, owner, name) else { return Ok(None) };
    let state = forge.state();
    let refs = state.refs.get(&repository.id).into_iter().flatten();
    let branches = refs.filter_map(|(name, sha)| Some((name.strip_prefix("refs/heads/")?.to_owned(), sha.clone())));
    let pulls = state.pulls_of(repository.id).rev().map(|pull| PullLine {
        number: pull.number,
        title: pull.title.clone(),
        state: match (pull.open, &pull.merged) {
            (true, _) => "open",
            (false, Some(_)) => "merged",
            (false, None) => "closed",
        },
        head_ref: pull.head_ref.clone(),
        base_ref: pull.base_ref.clone(),
        head_sha: pull.head_sha.clone(),
    });
    let full_name = state.full_name(&repository);
    render(&RepositoryPage {
        html: forge.inner.links.html.clone(),
        clone_url: format!("{}/{full_name}.git", forge.inner.links.html),
        name: full_name,
        branches: branches.collect(),
        pulls: pulls.take(100).collect(),
    })
}

async fn commit(forge: &Forge, owner: &str, name: &str, sha: &str) -> Result<Option<String>, ForgeError> {
    let Some(repository) = find(forge, owner, name).filter(|_| is_sha(sha)) else { return Ok(None) };
    let Some(LoggedCommit { commit, added, removed, modified }) = forge.inner.git.show(repository.id, sha).await? else {
        return Ok(None);
    };
    let statuses = forge.latest_statuses(repository.id, sha)?;
    let (subject, rest) = commit.message.split_once('\n').unwrap_or((&commit.message, ""));
    let named = |word: &'static str, files: Vec<String>| files.into_iter().map(move |file| (word, file));
    let files = named("added", added).chain(named("modified", modified)).chain(named("removed", removed));
    render(&CommitPage {
        html: forge.inner.links.html.clone(),
        name: forge.full_name(repository.id)?,
        sha: commit.sha.clone(),
        subject: subject.to_owned(),
        rest: rest.trim().to_owned(),
        author: commit.author.name.clone(),
        at: date(commit.committed_at),
        parents: commit.parents.clone(),
        combined: if statuses.is_empty() { "" } else { crate::statuses::combine(&statuses) },
        statuses,
        files: files.take(1000).collect(),
    })
}

fn find(forge: &Forge, owner: &str, name: &str) -> Option<Repository> {
    let found = forge.find_repository(&format!("{owner}/{name}"))?;
    visible(forge, &found).then_some(found)
}

fn visible(forge: &Forge, repository: &Repository) -> bool {
    !repository.private || forge.inner.config.private_pages
}

fn render(page: &impl Template) -> Result<Option<String>, ForgeError> {
    page.render().map(Some).map_err(|error| ForgeError::Refused(format!("the page could not be rendered: {error}")))
}
