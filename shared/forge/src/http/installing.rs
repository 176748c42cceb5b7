//! Where a person puts the App on an account, and says which repositories it sees; both lead to the App's setup URL.

use askama::Template;
use axum::{extract::Request, response::Response};
use http::{Method, StatusCode};

use crate::{
    AccountKind, Forge, ForgeError, Installation, Selection,
    http::{
        call::PairsExt,
        oauth::{html, pairs, to},
        text,
    },
    state::State,
};

/// Somebody who may install, and where.
struct Place {
    user: u64,
    login: String,
    account: u64,
    account_login: String,
    is_installed: bool,
}

#[derive(Template)]
#[template(path = "places.html")]
struct PlacesPage {
    html: String,
    app: String,
    action: String,
    state: String,
    places: Vec<Place>,
}

struct Choosable {
    id: u64,
    name: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "installation.html")]
struct InstallationPage {
    html: String,
    app: String,
    action: String,
    state: String,
    asks_key: bool,
    user: u64,
    login: String,
    account: u64,
    account_login: String,
    /// `None`: there is no installation yet.
    installation: Option<Installation>,
    is_all: bool,
    repositories: Vec<Choosable>,
}

/// `/apps/<slug>/installations/new`.
pub(crate) async fn new(forge: &Forge, request: Request) -> Response {
    let path = format!("/apps/{}/installations/new", forge.inner.app.slug);
    let is_change = request.method() == Method::POST;
    let Some(pairs) = pairs(request).await else { return text(StatusCode::BAD_REQUEST, "the form cannot be read") };
    let (Some(user), Some(account)) = (pairs.number("as"), pairs.number("account")) else {
        return places(forge, &path, &pairs, |_| true);
    };
    if is_change { change(forge, user, account, &pairs) } else { page(forge, &path, user, account, &pairs) }
}

/// `/settings/installations/<id>`, also below `/organizations/<login>`.
pub(crate) async fn settings(forge: &Forge, request: Request, id: &str) -> Response {
    let path = format!("/settings/installations/{id}");
    let is_change = request.method() == Method::POST;
    let found = id.parse().ok().and_then(|id: u64| forge.state().installations.get(&id).cloned());
    let Some(installation) = found else { return text(StatusCode::NOT_FOUND, "not found") };
    let Some(pairs) = pairs(request).await else { return text(StatusCode::BAD_REQUEST, "the form cannot be read") };
    let Some(user) = pairs.number("as") else {
        return places(forge, &path, &pairs, |place| place.account == installation.account);
    };
    let account = installation.account;
    if is_change { change(forge, user, account, &pairs) } else { page(forge, &path, user, account, &pairs) }
}

/// The choice of who acts and where.
fn places(forge: &Forge, path: &str, pairs: &[(String, String)], wanted: impl Fn(&Place) -> bool) -> Response {
    let state = forge.state();
    let mut places = Vec::new();
    for person in state.people() {
        for account in state.accounts.values().filter(|account| state.administers(person.id, account.id)) {
            let is_installed = installed(&state, account.id).is_some();
            let (login, account_login) = (person.login.clone(), account.login.clone());
            places.push(Place { user: person.id, login, account: account.id, account_login, is_installed });
        }
    }
    places.retain(wanted);
    html(&PlacesPage {
        html: forge.inner.links.html.clone(),
        app: forge.inner.app.slug.clone(),
        action: format!("{}{path}", forge.inner.links.html),
        state: pairs.value("state").unwrap_or_default().to_owned(),
        places,
    })
}

/// The choice of repositories.
fn page(forge: &Forge, path: &str, user: u64, account: u64, pairs: &[(String, String)]) -> Response {
    let state = forge.state();
    if !state.administers(user, account) {
        return text(StatusCode::NOT_FOUND, "not found");
    }
    let installation = installed(&state, account).cloned();
    let of_account = state.repositories.values().filter(|repository| repository.owner == account);
    let repositories = of_account.map(|repository| Choosable {
        id: repository.id,
        name: repository.name.clone(),
        is_chosen: installation.as_ref().is_some_and(|installation| state.covers(installation, repository)),
    });
    html(&InstallationPage {
        html: forge.inner.links.html.clone(),
        app: forge.inner.app.slug.clone(),
        action: format!("{}{path}", forge.inner.links.html),
        state: pairs.value("state").unwrap_or_default().to_owned(),
        asks_key: forge.inner.config.people_key.is_some(),
        user,
        login: state.login(user).to_owned(),
        account,
        account_login: state.login(account).to_owned(),
        is_all: installation.as_ref().is_none_or(|installation| installation.selection == Selection::All),
        repositories: repositories.collect(),
        installation,
    })
}

fn change(forge: &Forge, user: u64, account: u64, form: &[(String, String)]) -> Response {
    if !forge.opens(form) {
        return text(StatusCode::FORBIDDEN, "that is not the key of the forge");
    }
    let (may, installation) = {
        let state = forge.state();
        let is_person = state.accounts.get(&user).is_some_and(|account| account.kind == AccountKind::User);
        (is_person && state.administers(user, account), installed(&state, account).map(|installation| installation.id))
    };
    if !may {
        return text(StatusCode::NOT_FOUND, "not found");
    }
    let acting = forge.acting_as(user);
    let done = match (form.value("action"), installation) {
        (Some("uninstall"), Some(id)) => acting.uninstall(id).map(|()| None),
        (Some("suspend"), Some(id)) => acting.suspend(id).map(|()| None),
        (Some("unsuspend"), Some(id)) => acting.unsuspend(id).map(|()| None),
        (_, Some(id)) => acting.select(id, selection(form)).map(|()| Some((id, "update"))),
        (_, None) => acting.install(account, selection(form)).map(|made| Some((made.id, "install"))),
    };
    match done {
        Ok(Some((id, action))) => to(&set_up(forge, id, action, form.value("state"))),
        Ok(None) => to(&format!("{}/apps/{}/installations/new", forge.inner.links.html, forge.inner.app.slug)),
        Err(ForgeError::Missing(_) | ForgeError::Taken(_) | ForgeError::Invalid { .. } | ForgeError::Refused(_)) => {
            text(StatusCode::UNPROCESSABLE_ENTITY, "that cannot be done: look at the page again")
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an installation could not be changed");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the installation could not be changed")
        }
    }
}

fn selection(form: &[(String, String)]) -> Selection {
    match form.value("selection") {
        Some("selected") => {
            let chosen = form.iter().filter(|(name, _)| name == "repository");
            Selection::Selected(chosen.filter_map(|(_, id)| id.parse().ok()).collect())
        }
        _ => Selection::All,
    }
}

/// Where the browser goes afterwards ([setup URL](https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/about-the-setup-url)).
fn set_up(forge: &Forge, installation: u64, action: &str, state: Option<&str>) -> String {
    let Some(url) = &forge.inner.config.setup_url else {
        return format!("{}/settings/installations/{installation}", forge.inner.links.html);
    };
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("installation_id", &installation.to_string()).append_pair("setup_action", action);
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    url.into()
}

fn installed(state: &State, account: u64) -> Option<&Installation> {
    state.installations.values().find(|installation| installation.account == account)
}
