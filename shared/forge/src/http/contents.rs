//! Refs, commits, trees and files.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::{
    http::{
        auth::Need,
        call::{Refusal, Reply, sha},
        repositories::RepositoryCall,
    },
    names::{check_path, check_short_ref, is_sha},
    objects::{CommitInfo, TreeEntry},
    shapes::{date, node_id, unsigned},
};

/// Files above this size are answered without their content, as GitHub does above one megabyte.
const INLINE_MAX: u64 = 1 << 20;

/// `GET /git/ref/{ref}`, where the ref is `heads/…` or `tags/…`.
pub(crate) async fn reference(call: &RepositoryCall<'_>, name: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &[])?;
    refuse_empty(call)?;
    let full = full_ref(name)?;
    let tip = call.forge.state().ref_sha(call.repository.id, &full).map(str::to_owned).ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(ref_shape(call, &full, &tip).await?))
}

/// `GET /git/matching-refs/{ref}`: all refs that begin like this.
pub(crate) async fn matching_refs(call: &RepositoryCall<'_>, name: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &["per_page", "page"])?;
    refuse_empty(call)?;
    let prefix = format!("refs/{name}");
    let found: Vec<(String, String)> = {
        let state = call.forge.state();
        let refs = state.refs.get(&call.repository.id).into_iter().flatten();
        refs.filter(|(name, _)| name.starts_with(&prefix)).map(|(name, tip)| (name.clone(), tip.clone())).collect()
    };
    let (page, link) = call.call.page(call.forge.api_url(), found)?;
    let mut shapes = Vec::with_capacity(page.len());
    for (name, tip) in &page {
        shapes.push(ref_shape(call, name, tip).await?);
    }
    Ok(Reply::ok(Value::Array(shapes)).linked(link))
}

/// `GET /git/commits/{sha}`.
pub(crate) async fn git_commit(call: &RepositoryCall<'_>, id: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &[])?;
    refuse_empty(call)?;
    let commit = known_commit(call, &sha(id)?).await?.ok_or_else(Refusal::not_found)?;
    let state = call.forge.state();
    Ok(Reply::ok(call.forge.shapes(&state).git_commit(&call.repository, &commit)))
}

/// `GET /git/tags/{sha}`: an annotated tag.
pub(crate) async fn git_tag(call: &RepositoryCall<'_>, id: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &[])?;
    let id = sha(id)?;
    let tag = call.forge.inner.git.tag(call.repository.id, &id).await?.ok_or_else(Refusal::not_found)?;
    let state = call.forge.state();
    let url = call.forge.shapes(&state).repository_url(&call.repository);
    Ok(Reply::ok(json!({
        "node_id": node_id("T", &id), "sha": id, "url": format!("{url}/git/tags/{id}"), "tag": tag.name, "message": tag.message,
        "tagger": { "name": tag.tagger.name, "email": tag.tagger.email, "date": date(tag.tagged_at) },
        "object": { "type": tag.kind, "sha": tag.object, "url": format!("{url}/git/{}s/{}", tag.kind, tag.object) },
        "verification": unsigned(),
    })))
}

/// `GET /commits/{ref}`.
pub(crate) async fn commit(call: &RepositoryCall<'_>, name: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &["per_page", "page"])?;
    refuse_empty(call)?;
    let id = resolve(call, name).await?;
    let logged = call.forge.inner.git.show(call.repository.id, &id).await?.ok_or_else(|| no_commit(name))?;
    let state = call.forge.state();
    Ok(Reply::ok(call.forge.shapes(&state).commit(&call.repository, &logged)))
}

/// `GET /git/trees/{sha}?recursive=1`; like GitHub it takes a branch, a tag or a commit too.
pub(crate) async fn tree(call: &RepositoryCall<'_>, name: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &["recursive"])?;
    refuse_empty(call)?;
    let recursive = call.call.parameter("recursive").is_some();
    let (forge, repository) = (call.forge, call.repository.id);
    let id = if is_sha(name) { name.to_owned() } else { resolve(call, name).await? };
    let entries = forge.inner.git.tree(repository, &id, recursive).await?.ok_or_else(Refusal::not_found)?;
    let limit = forge.inner.config.tree_limit;
    let state = forge.state();
    let url = forge.shapes(&state).repository_url(&call.repository);
    let shape = |entry: &TreeEntry| {
        let mut shape = json!({ "path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.sha });
        match entry.kind.as_str() {
            "commit" => {}
            "tree" => shape["url"] = json!(format!("{url}/git/trees/{}", entry.sha)),
            _ => shape["url"] = json!(format!("{url}/git/blobs/{}", entry.sha)),
        }
        if let Some(size) = entry.size {
            shape["size"] = json!(size);
        }
        shape
    };
    let listed: Vec<Value> = entries.iter().take(limit).map(shape).collect();
    // Asked for by a commit, GitHub answers with that id.
    Ok(Reply::ok(json!({ "sha": id, "url": format!("{url}/git/trees/{id}"), "tree": listed, "truncated": entries.len() > limit })))
}

/// `GET /git/blobs/{sha}`.
pub(crate) async fn blob(call: &RepositoryCall<'_>, id: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &[])?;
    let id = sha(id)?;
    let bytes = call.forge.inner.git.blob(call.repository.id, &id).await?.ok_or_else(Refusal::not_found)?;
    if wants_raw(call) {
        return Ok(Reply::raw(bytes));
    }
    let state = call.forge.state();
    let url = call.forge.shapes(&state).repository_url(&call.repository);
    Ok(Reply::ok(json!({
        "sha": id, "node_id": node_id("B", &id), "size": bytes.len(), "url": format!("{url}/git/blobs/{id}"),
        "content": wrapped(&bytes), "encoding": "base64",
    })))
}

/// `GET /contents/{path}?ref=`: a file with its content, or a directory's entries.
pub(crate) async fn contents(call: &RepositoryCall<'_>, path: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::CONTENTS, &["ref"])?;
    if call.forge.state().refs.get(&call.repository.id).is_none_or(|refs| refs.is_empty()) {
        return Err(Refusal { message: "This repository is empty.".to_owned(), ..Refusal::not_found() });
    }
    let (git, repository) = (&call.forge.inner.git, call.repository.id);
    let name = call.call.parameter("ref").unwrap_or(&call.repository.default_branch).to_owned();
    let id = resolve(call, &name).await.map_err(|refusal| match refusal.status {
        StatusCode::UNPROCESSABLE_ENTITY => Refusal { message: format!("No commit found for the ref {name}"), ..Refusal::not_found() },
        _ => refusal,
    })?;
    if !path.is_empty() {
        check_path(path).map_err(|_| Refusal::not_found())?;
        let entry = git.tree_entry(repository, &id, path).await?.ok_or_else(Refusal::not_found)?;
        if entry.kind != "tree" {
            return file(call, &name, &entry).await;
        }
    }
    let entries = git.tree(repository, &format!("{id}:{path}"), false).await?.ok_or_else(Refusal::not_found)?;
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let entries = entries.into_iter().map(|entry| TreeEntry { path: format!("{prefix}{}", entry.path), ..entry });
    Ok(Reply::ok(entries.map(|entry| entry_shape(call, &name, &entry)).collect()))
}

async fn file(call: &RepositoryCall<'_>, name: &str, entry: &TreeEntry) -> Result<Reply, Refusal> {
    let mut shape = entry_shape(call, name, entry);
    if entry.kind == "commit" {
        return Ok(Reply::ok(shape));
    }
    let inline = entry.size.unwrap_or_default() <= INLINE_MAX;
    if inline || wants_raw(call) {
        let bytes = call.forge.inner.git.blob(call.repository.id, &entry.sha).await?.ok_or_else(Refusal::not_found)?;
        if wants_raw(call) {
            return Ok(Reply::raw(bytes));
        }
        if entry.mode == "120000" {
            shape["target"] = json!(String::from_utf8_lossy(&bytes));
        }
        shape["content"] = json!(wrapped(&bytes));
        shape["encoding"] = json!("base64");
    } else {
        shape["content"] = json!("");
        shape["encoding"] = json!("none");
    }
    Ok(Reply::ok(shape))
}

fn entry_shape(call: &RepositoryCall<'_>, name: &str, entry: &TreeEntry) -> Value {
    let state = call.forge.state();
    let shapes = call.forge.shapes(&state);
    let (url, page) = (shapes.repository_url(&call.repository), shapes.repository_page(&call.repository));
    let kind = match (entry.kind.as_str(), entry.mode.as_str()) {
        ("tree", _) => "dir",
        ("commit", _) => "submodule",
        (_, "120000") => "symlink",
        _ => "file",
    };
    let this = format!("{url}/contents/{}?ref={name}", entry.path);
    let git = format!("{url}/git/{}/{}", if kind == "dir" { "trees" } else { "blobs" }, entry.sha);
    let html = format!("{page}/{}/{name}/{}", if kind == "dir" { "tree" } else { "blob" }, entry.path);
    json!({
        "type": kind, "name": entry.path.rsplit('/').next().unwrap_or_default(), "path": entry.path, "sha": entry.sha,
        "size": entry.size.unwrap_or_default(), "url": this, "git_url": git, "html_url": html,
        "download_url": (kind == "file").then(|| format!("{page}/raw/{name}/{}", entry.path)),
        "_links": { "self": this, "git": git, "html": html },
    })
}

async fn ref_shape(call: &RepositoryCall<'_>, full: &str, tip: &str) -> Result<Value, Refusal> {
    let repository = call.repository.id;
    // A branch is always a commit; only a tag may be an object of its own.
    let kind = if full.starts_with("refs/tags/") {
        call.forge.inner.git.object_type(repository, tip).await?.unwrap_or_else(|| "commit".to_owned())
    } else {
        "commit".to_owned()
    };
    let state = call.forge.state();
    let url = call.forge.shapes(&state).repository_url(&call.repository);
    Ok(json!({
        "ref": full, "node_id": node_id("REF", format!("{repository}:{full}")), "url": format!("{url}/git/{full}"),
        "object": { "type": kind, "sha": tip, "url": format!("{url}/git/{kind}s/{tip}") },
    }))
}

/// The commit that a branch, a tag, `heads/…`, `tags/…` or an object id names.
pub(crate) async fn resolve(call: &RepositoryCall<'_>, name: &str) -> Result<String, Refusal> {
    let repository = call.repository.id;
    let found = {
        let state = call.forge.state();
        let short = name.strip_prefix("refs/").unwrap_or(name);
        let candidates = [format!("refs/heads/{name}"), format!("refs/tags/{name}"), format!("refs/{short}")];
        candidates.iter().find_map(|full| Some((full.starts_with("refs/tags/"), state.ref_sha(repository, full)?.to_owned())))
    };
    let peeled = match found {
        Some((false, tip)) => Some(tip),
        Some((true, tip)) => call.forge.inner.git.peel(repository, &tip).await?,
        None => known_commit(call, &name.to_ascii_lowercase()).await?.map(|commit| commit.sha),
    };
    peeled.ok_or_else(|| no_commit(name))
}

/// A commit by its full id, remembered once it was read.
pub(crate) async fn known_commit(call: &RepositoryCall<'_>, id: &str) -> Result<Option<CommitInfo>, Refusal> {
    let repository = call.repository.id;
    if !is_sha(id) {
        return Ok(None);
    }
    if let Some(commit) = call.forge.state().known_commit(repository, id) {
        return Ok(Some(commit.clone()));
    }
    let found = call.forge.inner.git.commit_info(repository, id).await?;
    if let Some(commit) = &found {
        call.forge.state().remember_commit(repository, commit.clone());
    }
    Ok(found)
}

pub(crate) fn no_commit(name: &str) -> Refusal {
    Refusal::unprocessable(&format!("No commit found for SHA: {name}"))
}

fn refuse_empty(call: &RepositoryCall<'_>) -> Result<(), Refusal> {
    if call.forge.state().refs.get(&call.repository.id).is_none_or(|refs| refs.is_empty()) {
        return Err(Refusal::new(StatusCode::CONFLICT, "Git Repository is empty."));
    }
    Ok(())
}

fn full_ref(name: &str) -> Result<String, Refusal> {
    let name = name.strip_prefix("refs/").unwrap_or(name);
    let short = name.strip_prefix("heads/").or_else(|| name.strip_prefix("tags/"));
    let valid = short.is_some_and(|short| check_short_ref(short).is_ok());
    if valid { Ok(format!("refs/{name}")) } else { Err(Refusal::not_found().violates("the ref is not `heads/…` or `tags/…`")) }
}

fn wants_raw(call: &RepositoryCall<'_>) -> bool {
    let accept = call.call.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.starts_with("application/vnd.github") && accept.contains("raw")
}

/// Base64 in lines of 60 characters, each ended by a line break, as GitHub writes it.
fn wrapped(bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / 60 + 1);
    for line in text.as_bytes().chunks(60) {
        lines.push_str(&String::from_utf8_lossy(line));
        lines.push('\n');
    }
    lines
}
