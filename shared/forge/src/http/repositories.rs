//! Everything below `/repos/{owner}/{repo}` and `/repositories/{id}`: finding the repository, then the route.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    Forge, Repository,
    http::{
        api::unknown_route,
        app::{known, number},
        auth::Need,
        call::{Call, Refusal, Reply, sha},
        contents, pulls, statuses,
    },
};

/// A call about one repository.
pub(crate) struct RepositoryCall<'a> {
    pub(crate) forge: &'a Forge,
    pub(crate) call: &'a Call,
    pub(crate) repository: Repository,
}

impl RepositoryCall<'_> {
    pub(crate) fn allow(&self, need: Need) -> Result<(), Refusal> {
        self.forge.allow(&self.call.caller, &self.repository, need)
    }

    pub(crate) fn allow_with(&self, need: Need, parameters: &[&str]) -> Result<(), Refusal> {
        self.allow(need)?;
        known(self.call, parameters)
    }

    pub(crate) fn page(&self, items: Vec<Value>) -> Result<Reply, Refusal> {
        let (page, link) = self.call.page(self.forge.api_url(), items)?;
        Ok(Reply::ok(Value::Array(page)).linked(link))
    }
}

/// A repository by its name; a former name is answered with a redirect to the id, as GitHub does.
pub(crate) async fn by_name(forge: &Forge, call: &Call, owner: &str, name: &str, rest: &[&str]) -> Result<Reply, Refusal> {
    let (found, moved) = {
        let state = forge.state();
        (state.repository_by_name(owner, name).cloned(), state.moved_repository(owner, name).cloned())
    };
    match (found, moved) {
        (Some(repository), _) => route(RepositoryCall { forge, call, repository }, rest).await,
        (None, Some(repository)) => {
            forge.allow(&call.caller, &repository, Need::METADATA)?;
            Err(moved_to(forge, call, &repository, owner, name))
        }
        (None, None) => Err(Refusal::not_found()),
    }
}

/// A repository by its id, which no rename changes.
pub(crate) async fn by_id(forge: &Forge, call: &Call, id: &str, rest: &[&str]) -> Result<Reply, Refusal> {
    let repository = forge.state().repositories.get(&number(id)?).cloned().ok_or_else(Refusal::not_found)?;
    route(RepositoryCall { forge, call, repository }, rest).await
}

fn moved_to(forge: &Forge, call: &Call, repository: &Repository, owner: &str, name: &str) -> Refusal {
    let rest = call.path.strip_prefix(&format!("/repos/{owner}/{name}")).unwrap_or_default();
    let mut location = format!("{}/repositories/{}{rest}", forge.api_url(), repository.id);
    if !call.query.is_empty() {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
        location = format!("{location}?{query}");
    }
    let (status, message) = match call.method {
        Method::GET => (StatusCode::MOVED_PERMANENTLY, "Moved Permanently"),
        _ => (StatusCode::TEMPORARY_REDIRECT, "Temporary Redirect"),
    };
    Refusal { headers: vec![(header::LOCATION, location)], ..Refusal::new(status, message) }
}

async fn route(call: RepositoryCall<'_>, rest: &[&str]) -> Result<Reply, Refusal> {
    match (call.call.method.as_str(), rest) {
        ("GET", []) => read(&call),
        ("GET", ["branches"]) => branches(&call),
        ("GET", ["git", "ref", name @ ..]) => contents::reference(&call, &name.join("/")).await,
        ("GET", ["git", "matching-refs", name @ ..]) => contents::matching_refs(&call, &name.join("/")).await,
        ("GET", ["git", "commits", sha]) => contents::git_commit(&call, sha).await,
        ("GET", ["git", "trees", tree]) => contents::tree(&call, tree).await,
        ("GET", ["git", "tags", sha]) => contents::git_tag(&call, sha).await,
        ("GET", ["git", "blobs", sha]) => contents::blob(&call, sha).await,
        ("GET", ["contents", path @ ..]) => contents::contents(&call, &path.join("/")).await,
        ("GET", ["pulls"]) => pulls::list(&call),
        ("GET", ["pulls", number]) => pulls::one(&call, number).await,
        ("POST", ["statuses", sha]) => statuses::post(&call, sha).await,
        ("GET", ["commits", id, "branches-where-head"]) => branches_where_head(&call, id),
        ("GET", ["commits", name @ .., "pulls"]) if !name.is_empty() => pulls::of_commit(&call, &name.join("/")).await,
        ("GET", ["commits", name @ .., "statuses"]) if !name.is_empty() => statuses::list(&call, &name.join("/")).await,
        ("GET", ["commits", name @ .., "status"]) if !name.is_empty() => statuses::combined(&call, &name.join("/")).await,
        ("GET", ["commits", name @ ..]) if !name.is_empty() => contents::commit(&call, &name.join("/")).await,
        _ => Err(unknown_route()),
    }
}

fn read(call: &RepositoryCall<'_>) -> Result<Reply, Refusal> {
    call.allow_with(Need::METADATA, &[])?;
    let state = call.forge.state();
    Ok(Reply::ok(call.forge.shapes(&state).full_repository(&call.repository)))
}

fn branches(call: &RepositoryCall<'_>) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &["per_page", "page", "protected"])?;
    call.page(branch_shapes(call, |_| true))
}

/// The branches that end at a commit, all at once as on GitHub.
fn branches_where_head(call: &RepositoryCall<'_>, id: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &[])?;
    let id = sha(id)?;
    Ok(Reply::ok(Value::Array(branch_shapes(call, |tip| tip == id))))
}

fn branch_shapes(call: &RepositoryCall<'_>, wanted: impl Fn(&str) -> bool) -> Vec<Value> {
    let state = call.forge.state();
    let url = call.forge.shapes(&state).repository_url(&call.repository);
    let refs = state.refs.get(&call.repository.id).into_iter().flatten();
    let heads = refs.filter_map(|(name, tip)| Some((name.strip_prefix("refs/heads/")?, tip))).filter(|(_, tip)| wanted(tip));
    let shapes = heads.map(|(name, tip)| {
        json!({
            "name": name, "protected": false, "protection_url": format!("{url}/branches/{name}/protection"),
            "commit": { "sha": tip, "url": format!("{url}/commits/{tip}") },
            "protection": { "enabled": false, "required_status_checks": { "enforcement_level": "off", "contexts": [], "checks": [] } },
        })
    });
    shapes.collect()
}
