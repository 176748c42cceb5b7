//! The App's own routes: itself, its installations, their tokens, and its webhook deliveries.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use crate::{
    DeliveryRecord, Forge, Installation,
    http::{
        api::unknown_route,
        auth::Caller,
        call::{Call, Refusal, Reply},
    },
    keys::{random_token, token_hash},
    shapes::date,
    state::Token,
    storage::DeliveryPage,
};

/// How long an installation token lives.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Most repositories that a token can be narrowed to by name or id.
const TOKEN_REPOSITORIES: usize = 500;

pub(crate) fn route(forge: &Forge, call: &Call, segments: &[&str]) -> Result<Reply, Refusal> {
    only_app(call)?;
    match (call.method.as_str(), segments) {
        ("GET", ["app"]) => Ok(Reply::ok(forge.shapes(&forge.state()).app())),
        ("GET", ["app", "installations"]) => installations(forge, call),
        ("GET", ["app", "installations", id]) => {
            let (state, id) = (forge.state(), number(id)?);
            let installation = state.installations.get(&id).ok_or_else(Refusal::not_found)?;
            Ok(Reply::ok(forge.shapes(&state).installation(installation)))
        }
        ("POST", ["app", "installations", id, "access_tokens"]) => access_token(forge, call, number(id)?),
        ("GET", ["app", "hook", "config"]) => {
            let url = forge.webhook_address();
            Ok(Reply::ok(json!({ "content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url.as_str() })))
        }
        ("GET", ["app", "hook", "deliveries"]) => deliveries(forge, call),
        ("GET", ["app", "hook", "deliveries", id]) => delivery(forge, number(id)?),
        ("POST", ["app", "hook", "deliveries", id, "attempts"]) => {
            call.object(&[])?;
            let id = number(id)?;
            let found = forge.state().storage.delivery(id)?;
            let (record, _) = found.filter(|(record, _)| record.outcome.is_some()).ok_or_else(Refusal::not_found)?;
            forge.redeliver(&record.guid)?;
            Ok(Reply::status(StatusCode::ACCEPTED, json!({})))
        }
        _ => Err(unknown_route()),
    }
}

/// `GET /repos/{owner}/{repo}/installation`.
pub(crate) fn installation_of(forge: &Forge, call: &Call, owner: &str, name: &str) -> Result<Reply, Refusal> {
    only_app(call)?;
    let state = forge.state();
    let repository = state.repository_by_name(owner, name).ok_or_else(Refusal::not_found)?;
    let installation = state.installation_of(repository).ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(forge.shapes(&state).installation(installation)))
}

/// `GET /installation/repositories`.
pub(crate) fn installation_repositories(forge: &Forge, call: &Call) -> Result<Reply, Refusal> {
    known(call, &["per_page", "page"])?;
    let Caller::Installation { id, token, .. } = &call.caller else { return Err(not_for_app()) };
    let state = forge.state();
    let installation = state.installation(*id)?;
    let covered = state.repositories.values().filter(|repository| {
        state.covers(installation, repository) && token.repositories.as_ref().is_none_or(|ids| ids.contains(&repository.id))
    });
    let shapes = forge.shapes(&state);
    let covered: Vec<Value> = covered.map(|repository| shapes.repository(repository)).collect();
    let total = covered.len();
    let (page, link) = call.page(forge.api_url(), covered)?;
    let selection = if token.repositories.is_some() { "selected" } else { crate::shapes::selection_word(&installation.selection) };
    Ok(Reply::ok(json!({ "total_count": total, "repository_selection": selection, "repositories": page })).linked(link))
}

/// `DELETE /installation/token`.
pub(crate) fn revoke(forge: &Forge, call: &Call) -> Result<Reply, Refusal> {
    let Caller::Installation { hash, .. } = &call.caller else { return Err(not_for_app()) };
    forge.state().remove_token(hash)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn installations(forge: &Forge, call: &Call) -> Result<Reply, Refusal> {
    known(call, &["per_page", "page", "since", "outdated"])?;
    let state = forge.state();
    let shapes = forge.shapes(&state);
    let all = state.installations.values().map(|installation| shapes.installation(installation)).collect();
    let (page, link) = call.page(forge.api_url(), all)?;
    Ok(Reply::ok(Value::Array(page)).linked(link))
}

fn access_token(forge: &Forge, call: &Call, id: u64) -> Result<Reply, Refusal> {
    let body = call.object(&["repositories", "repository_ids", "permissions"])?;
    let now = forge.now();
    let installation = forge.state().installation(id)?.clone();
    if installation.suspended_at.is_some() {
        return Err(Refusal::forbidden("This installation has been suspended"));
    }
    let token = Token {
        installation: id,
        permissions: narrowed_permissions(&installation, &body)?,
        repositories: narrowed_repositories(forge, &installation, &body)?,
        expires_at: now.saturating_add(TOKEN_LIFE).unwrap_or(now),
    };
    let text = random_token("ghs_")?;
    let mut state = forge.state();
    state.save_token(token_hash(&text), token.clone(), now)?;
    let mut shape = json!({
        "token": text, "expires_at": date(token.expires_at), "permissions": token.permissions,
        "repository_selection": crate::shapes::selection_word(&installation.selection),
    });
    if let Some(ids) = &token.repositories {
        let shapes = forge.shapes(&state);
        let named = ids.iter().filter_map(|id| state.repositories.get(id)).map(|repository| shapes.repository(repository));
        shape["repositories"] = named.collect();
        shape["repository_selection"] = json!("selected");
    }
    Ok(Reply::status(StatusCode::CREATED, shape))
}

fn narrowed_permissions(installation: &Installation, body: &Map<String, Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(asked) = body.get("permissions").filter(|asked| !asked.is_null()) else { return Ok(installation.permissions.clone()) };
    let ungranted = || {
        Refusal::unprocessable("The permissions requested are not granted to this installation.")
            .violates("the token asks for permissions that the installation does not have")
    };
    let mut permissions: BTreeMap<String, String> = serde_json::from_value(asked.clone()).map_err(|_| ungranted())?;
    for (name, level) in &permissions {
        let granted = installation.permissions.get(name).ok_or_else(ungranted)?;
        if !(level == "read" || level == "write" && granted == "write") {
            return Err(ungranted());
        }
    }
    permissions.entry("metadata".to_owned()).or_insert_with(|| "read".to_owned());
    Ok(permissions)
}

fn narrowed_repositories(forge: &Forge, installation: &Installation, body: &Map<String, Value>) -> Result<Option<Vec<u64>>, Refusal> {
    let inaccessible =
        || Refusal::unprocessable("There is at least one repository that does not exist or is not accessible to the parent installation.");
    let malformed =
        || Refusal::unprocessable("Invalid request.").violates("`repositories` or `repository_ids` is not a list of the right type");
    let list = |key: &str| match body.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= TOKEN_REPOSITORIES => Ok(items.clone()),
        Some(_) => Err(malformed()),
    };
    let (names, ids) = (list("repositories")?, list("repository_ids")?);
    if names.is_empty() && ids.is_empty() {
        return Ok(None);
    }
    let state = forge.state();
    let owner = state.login(installation.account).to_owned();
    let mut narrowed = Vec::new();
    for name in &names {
        let name = name.as_str().ok_or_else(malformed)?;
        narrowed.push(state.repository_by_name(&owner, name).ok_or_else(inaccessible)?);
    }
    for id in &ids {
        let id = id.as_u64().ok_or_else(malformed)?;
        narrowed.push(state.repositories.get(&id).ok_or_else(inaccessible)?);
    }
    if narrowed.iter().any(|repository| !state.covers(installation, repository)) {
        return Err(inaccessible());
    }
    let mut narrowed: Vec<u64> = narrowed.iter().map(|repository| repository.id).collect();
    narrowed.sort_unstable();
    narrowed.dedup();
    Ok(Some(narrowed))
}

fn deliveries(forge: &Forge, call: &Call) -> Result<Reply, Refusal> {
    known(call, &["per_page", "cursor", "status"])?;
    let per_page = call.per_page()?;
    let before = match call.parameter("cursor") {
        None => None,
        Some(cursor) => {
            let id = cursor.strip_prefix("v1_").and_then(|id| id.parse().ok());
            Some(id.ok_or_else(|| Refusal::unprocessable("Invalid cursor").violates("the cursor is not one that a `Link` header gave"))?)
        }
    };
    let success = match call.parameter("status") {
        None => None,
        Some("success") => Some(true),
        Some("failure") => Some(false),
        Some(_) => return Err(Refusal::unprocessable("Invalid status").violates("`status` is neither `success` nor `failure`")),
    };
    let mut found = forge.delivery_page(&DeliveryPage { before, limit: per_page + 1, success })?;
    let more = found.len() > per_page;
    found.truncate(per_page);
    let link = found.last().filter(|_| more).map(|last| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(call.query.iter().filter(|(key, _)| key != "cursor"));
        query.append_pair("cursor", &format!("v1_{}", last.id));
        format!("<{}{}?{}>; rel=\"next\"", forge.api_url(), call.path, query.finish())
    });
    Ok(Reply::ok(found.iter().map(brief_delivery).collect()).linked(link))
}

fn delivery(forge: &Forge, id: u64) -> Result<Reply, Refusal> {
    let url = forge.webhook_address();
    let state = forge.state();
    let (record, body) = state.storage.delivery(id)?.ok_or_else(Refusal::not_found)?;
    let (request, response) = state.storage.exchange(id)?.ok_or_else(Refusal::not_found)?;
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let payload: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut shape = brief_delivery(&record);
    shape["url"] = json!(url.as_str());
    shape["request"] = json!({ "headers": read(&request), "payload": payload });
    shape["response"] = read(&response);
    Ok(Reply::ok(shape))
}

fn brief_delivery(record: &DeliveryRecord) -> Value {
    let outcome = record.outcome.as_ref();
    let seconds = outcome.map(|outcome| std::time::Duration::from_millis(outcome.duration_ms).as_secs_f64());
    json!({
        "id": record.id, "guid": record.guid, "delivered_at": outcome.map(|outcome| outcome.delivered_at.to_string()),
        "redelivery": record.redelivery, "duration": seconds, "status": outcome.map(|outcome| outcome.status.as_str()),
        "status_code": outcome.map(|outcome| outcome.status_code), "event": record.event, "action": record.action,
        "installation_id": record.installation, "repository_id": record.repository, "throttled_at": null,
    })
}

/// Refuses query parameters that a route does not have.
pub(crate) fn known(call: &Call, parameters: &[&str]) -> Result<(), Refusal> {
    match call.unknown_parameter(parameters) {
        None => Ok(()),
        Some(name) => {
            let refusal = Refusal::unprocessable(&format!("Unknown query parameter `{name}`"));
            Err(refusal.violates(&format!("the query parameter `{name}` does not exist")))
        }
    }
}

/// A numeric id in a path.
pub(crate) fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::not_found().violates("the id in the path is not a number"))
}

fn only_app(call: &Call) -> Result<(), Refusal> {
    match call.caller {
        Caller::App => Ok(()),
        Caller::Installation { .. } | Caller::User { .. } => {
            Err(Refusal::unauthorized("A JSON web token could not be decoded").violates("a route of the App is asked for without its JWT"))
        }
    }
}

fn not_for_app() -> Refusal {
    Refusal::forbidden("You must authenticate with an installation access token in order to list repositories for an installation.")
        .violates("a route of an installation is asked for without its token")
}
