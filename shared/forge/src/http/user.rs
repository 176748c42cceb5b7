//! What a person's token may ask: who they are, which installations they see, what they are in an organization.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    Forge,
    http::{
        api::unknown_route,
        app::{known, number},
        auth::Caller,
        call::{Call, Refusal, Reply},
    },
    people::Membership,
    shapes::{merged, selection_word},
};

pub(crate) fn route(forge: &Forge, call: &Call, segments: &[&str]) -> Result<Reply, Refusal> {
    let Caller::User { id, .. } = call.caller else {
        let refusal = Refusal::forbidden("Resource not accessible by integration");
        return Err(refusal.violates("a route of a person is asked for without a person's token"));
    };
    match (call.method.as_str(), segments) {
        ("GET", ["user"]) => user(forge, call, id),
        ("GET", ["user", "emails"]) => emails(forge, call, id),
        ("GET", ["user", "installations"]) => installations(forge, call, id),
        ("GET", ["user", "installations", installation, "repositories"]) => repositories(forge, call, id, number(installation)?),
        ("GET", ["user", "memberships", "orgs", organization]) => membership(forge, call, id, organization),
        _ => Err(unknown_route()),
    }
}

fn user(forge: &Forge, call: &Call, id: u64) -> Result<Reply, Refusal> {
    known(call, &[])?;
    let state = forge.state();
    let name = state.profiles.get(&id).and_then(|profile| profile.name.clone());
    let repositories = state.repositories.values().filter(|repository| repository.owner == id && !repository.private).count();
    let more = json!({
        "name": name, "company": null, "blog": "", "location": null, "email": null, "notification_email": null, "hireable": null,
        "bio": null, "twitter_username": null, "public_repos": repositories, "public_gists": 0, "followers": 0, "following": 0,
        "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
    });
    Ok(Reply::ok(merged(forge.shapes(&state).user(id), more)))
}

fn emails(forge: &Forge, call: &Call, id: u64) -> Result<Reply, Refusal> {
    known(call, &["per_page", "page"])?;
    if !forge.inner.config.email_permission {
        // An App may do without: no violation.
        return Err(Refusal::forbidden("Resource not accessible by integration"));
    }
    let state = forge.state();
    let emails = state.profiles.get(&id).map(|profile| profile.emails.clone()).unwrap_or_default();
    let shapes = emails.into_iter().map(|email| {
        let visibility = email.primary.then_some("private");
        json!({ "email": email.address, "primary": email.primary, "verified": email.verified, "visibility": visibility })
    });
    let (page, link) = call.page(forge.api_url(), shapes.collect())?;
    Ok(Reply::ok(Value::Array(page)).linked(link))
}

fn installations(forge: &Forge, call: &Call, id: u64) -> Result<Reply, Refusal> {
    known(call, &["per_page", "page"])?;
    let state = forge.state();
    let shapes = forge.shapes(&state);
    let seen: Vec<Value> = state.installations_for(id).map(|installation| shapes.installation(installation)).collect();
    let total = seen.len();
    let (page, link) = call.page(forge.api_url(), seen)?;
    Ok(Reply::ok(json!({ "total_count": total, "installations": page })).linked(link))
}

fn repositories(forge: &Forge, call: &Call, id: u64, installation: u64) -> Result<Reply, Refusal> {
    known(call, &["per_page", "page"])?;
    let state = forge.state();
    let shapes = forge.shapes(&state);
    let found = state.installations_for(id).find(|found| found.id == installation).ok_or_else(Refusal::not_found)?;
    if found.suspended_at.is_some() {
        return Err(Refusal::forbidden("This installation has been suspended"));
    }
    let is_admin = state.administers(id, found.account);
    let access = json!({ "admin": is_admin, "maintain": is_admin, "push": is_admin, "triage": is_admin, "pull": true });
    let covered = state.repositories.values().filter(|repository| state.covers(found, repository));
    let covered: Vec<Value> = covered.map(|found| merged(shapes.repository(found), json!({ "permissions": access }))).collect();
    let total = covered.len();
    let selection = selection_word(&found.selection);
    let (page, link) = call.page(forge.api_url(), covered)?;
    Ok(Reply::ok(json!({ "total_count": total, "repository_selection": selection, "repositories": page })).linked(link))
}

/// An App sees this of organizations that it is installed on, with the permission `members`.
fn membership(forge: &Forge, call: &Call, id: u64, organization: &str) -> Result<Reply, Refusal> {
    known(call, &[])?;
    let state = forge.state();
    let account = state.account_by_login(organization).ok_or_else(Refusal::not_found)?;
    let membership: Membership = state.membership(account.id, id).ok_or_else(Refusal::not_found)?;
    let installation = state.installations.values().find(|installation| installation.account == account.id);
    let may_see = installation.is_some_and(|found| found.suspended_at.is_none() && found.permissions.contains_key("members"));
    if !may_see {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Resource not accessible by integration"));
    }
    let shapes = forge.shapes(&state);
    let url = format!("{}/orgs/{}", forge.api_url(), account.login);
    Ok(Reply::ok(json!({
        "url": format!("{url}/memberships/{}", state.login(id)), "state": "active", "role": membership.as_str(),
        "organization_url": url, "organization": shapes.organization(account), "user": shapes.user(id),
    })))
}
