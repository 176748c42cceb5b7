//! Commit statuses: posting, listing, and the combined word.

use http::StatusCode;
use serde_json::{Map, Value, json};
use url::Url;

use crate::{
    http::{
        auth::Need,
        call::{Refusal, Reply},
        contents::{known_commit, no_commit, resolve},
        repositories::RepositoryCall,
    },
    statuses::{NewStatus, Posted, combine},
};

/// Longest context, in characters.
const CONTEXT_MAX: usize = 255;
/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 140;

/// `POST /statuses/{sha}`.
pub(crate) async fn post(call: &RepositoryCall<'_>, id: &str) -> Result<Reply, Refusal> {
    call.allow(Need::WRITE_STATUSES)?;
    if call.repository.archived {
        return Err(Refusal::forbidden("Repository was archived so is read-only."));
    }
    let new = read(&call.call.object(&["state", "target_url", "description", "context"])?)?;
    let id = id.to_ascii_lowercase();
    if known_commit(call, &id).await?.is_none() {
        return Err(no_commit(&id));
    }
    match call.forge.post_status(call.repository.id, &id, &new)? {
        Posted::Full => Err(Refusal::invalid("Status", None, "This SHA and context has reached the maximum number of statuses.")),
        Posted::Stored(status) => {
            let state = call.forge.state();
            Ok(Reply::status(StatusCode::CREATED, call.forge.shapes(&state).status(&call.repository, &status)))
        }
    }
}

/// `GET /commits/{ref}/statuses`: all of them, newest first.
pub(crate) async fn list(call: &RepositoryCall<'_>, name: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::READ_STATUSES, &["per_page", "page"])?;
    let id = resolve(call, name).await?;
    let found = call.forge.statuses(call.repository.id, &id)?;
    let (page, link) = call.call.page(call.forge.api_url(), found.into_iter().rev().collect())?;
    let state = call.forge.state();
    let shapes = call.forge.shapes(&state);
    Ok(Reply::ok(page.iter().map(|status| shapes.status(&call.repository, status)).collect()).linked(link))
}

/// `GET /commits/{ref}/status`: the newest of each context, and one word for all.
pub(crate) async fn combined(call: &RepositoryCall<'_>, name: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::READ_STATUSES, &["per_page", "page"])?;
    let id = resolve(call, name).await?;
    let latest = call.forge.latest_statuses(call.repository.id, &id)?;
    let (word, total) = (combine(&latest), latest.len());
    let (page, link) = call.call.page(call.forge.api_url(), latest)?;
    let state = call.forge.state();
    let shapes = call.forge.shapes(&state);
    let url = shapes.repository_url(&call.repository);
    let statuses: Vec<Value> = page.iter().map(|status| shapes.brief_status(&call.repository, status)).collect();
    let body = json!({
        "state": word, "statuses": statuses, "sha": id, "total_count": total, "repository": shapes.repository(&call.repository),
        "commit_url": format!("{url}/commits/{id}"), "url": format!("{url}/commits/{id}/status"),
    });
    Ok(Reply::ok(body).linked(link))
}

fn read(body: &Map<String, Value>) -> Result<NewStatus, Refusal> {
    let invalid = |field: &str, message: &str| Refusal::invalid("Status", Some(field), message).violates(message);
    let text = |field: &str| match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(field, &format!("{field} is not a string"))),
    };
    let state = text("state")?.unwrap_or_default();
    if !["error", "failure", "pending", "success"].contains(&state.as_str()) {
        return Err(invalid("state", "state is not included in the list"));
    }
    let context = text("context")?.unwrap_or_else(|| "default".to_owned());
    if context.is_empty() || context.chars().count() > CONTEXT_MAX {
        return Err(invalid("context", "context is too long (maximum is 255 characters)"));
    }
    let description = text("description")?;
    if description.as_ref().is_some_and(|description| description.chars().count() > DESCRIPTION_MAX) {
        return Err(invalid("description", "description is too long (maximum is 140 characters)"));
    }
    let target_url = text("target_url")?;
    let link = |url: &String| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if target_url.as_ref().is_some_and(|url| !link(url)) {
        return Err(invalid("target_url", "target_url must use http(s) scheme"));
    }
    Ok(NewStatus { state, context, description, target_url })
}
