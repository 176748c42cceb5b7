//! A sign-in begins: the browser gets a cookie and is sent to the provider.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::Timestamp;
use quillon_core::local_path::LocalPath;
use quillon_core::person::ProviderId;
use quillon_runtime::{Cookie, Form, Notice, see_other};
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::flow::{Flow, LIFETIME_S, Purpose};
use crate::provider::Provider;
use crate::route::Route;
use crate::{Deps, page, session};

/// `GET /auth/{provider}?next=<path of ours>&purpose=sign-in|link|sources`.
pub(crate) async fn begin(deps: &Deps, id: &ProviderId, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    let Some(provider) = deps.provider(id) else { return page::unknown(&deps.public).page() };
    let query = match Form::of_query(request) {
        Ok(query) => query,
        Err(problem) => return page::damaged(&deps.public, problem.to_string()).page(),
    };
    let next = next(query.value("next"));
    let wish = match query.value("purpose") {
        None | Some("sign-in") => return send(deps, provider, Purpose::SignIn, next, now).await,
        Some("link") => "link",
        Some("sources") if matches!(provider, Provider::Github(_)) => "sources",
        Some(_) => return page::damaged(&deps.public, "its `purpose` is none of `sign-in`, `link`, `sources`").page(),
    };
    let here = format!("/auth/{id}?purpose={wish}&next={}", coded(next.as_str()));
    let session = match session::of_browser(deps, request.headers(), now).await {
        Ok(session) => session,
        Err(error) => return page::failed(&deps.public, &error).page(),
    };
    let Some(session) = session else { return see_other(&format!("/sign-in?next={}", coded(&here)), &[]) };
    if session::person(&session).is_none() {
        return no_person(deps).page();
    }
    // A page of somebody else must not be able to begin this in a browser that is signed in at the provider as somebody else.
    if !is_our_link(request.headers()) {
        let text = format!("You are about to connect {} with your account here.", provider.label());
        return Notice::new(StatusCode::OK, format!("Connect {}?", provider.label()), text)
            .link("Connect", here)
            .link("Not now", "/")
            .page();
    }
    let session = session.id;
    let purpose = if wish == "link" { Purpose::Link { session } } else { Purpose::Sources { session } };
    send(deps, provider, purpose, next, now).await
}

/// `GET /github/setup?installation_id=…&setup_action=…&state=<path of ours>`: where GitHub sends people after they have installed the App.
///
/// Nothing of the query is believed: what the person administers is asked of GitHub, as themselves
/// (<https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/about-the-setup-url>).
pub(crate) async fn after_setup(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    let state = Form::of_query(request).ok().and_then(|query| query.value("state").map(str::to_owned));
    let next = next(state.as_deref());
    let Some(provider) = deps.provider(&ProviderId::github()) else { return see_other(next.as_str(), &[]) };
    match session::of_browser(deps, request.headers(), now).await {
        Ok(Some(session)) if session::person(&session).is_some() => {
            send(deps, provider, Purpose::Sources { session: session.id }, next, now).await
        }
        // Whoever runs the installation claims by command.
        Ok(Some(_)) => see_other(next.as_str(), &[]),
        Ok(None) => send(deps, provider, Purpose::SignIn, next, now).await,
        Err(error) => page::failed(&deps.public, &error).page(),
    }
}

/// The page for whoever runs the installation, who is no person of it.
fn no_person(deps: &Deps) -> Notice {
    let text = "The operator's session belongs to nobody that an account could be linked to. Sign out, and sign in as yourself.";
    Notice::new(StatusCode::FORBIDDEN, "You are signed in as the operator", text).link("Your account", deps.address("/account"))
}

async fn send(deps: &Deps, provider: &Provider, purpose: Purpose, next: LocalPath, now: Timestamp) -> Response<Bytes> {
    let flow = match Flow::begin(provider.id(), purpose, next, now) {
        Ok(flow) => flow,
        Err(error) => return page::broken(&deps.public, &error).page(),
    };
    let key = match deps.secrets.instance_key(&deps.session_secret_arn, now).await {
        Ok(key) => key,
        Err(error) => return page::broken(&deps.public, &error).page(),
    };
    let Some(redirect) = callback_url(deps, provider) else { return page::unknown(&deps.public).page() };
    match provider.authorize_url(&deps.issuers, &redirect, &flow, now).await {
        Ok(url) => see_other(url.as_str(), &[Cookie::SignIn.set(&deps.public, &flow.seal(&key), LIFETIME_S)]),
        Err(error) => {
            tracing::warn!("a sign-in cannot begin: {error}");
            page::unidentified(&deps.public, provider, &error).page()
        }
    }
}

/// Where a provider sends browsers back to; each has its own, so that no answer of one is taken for another's.
pub(crate) fn callback_url(deps: &Deps, provider: &Provider) -> Option<Url> {
    Url::parse(&deps.address(&Route::Callback(provider.id()).path())).ok()
}

/// Where the person goes afterwards: a path of ours, or the first page.
fn next(text: Option<&str>) -> LocalPath {
    text.and_then(|text| text.parse().ok()).unwrap_or_else(LocalPath::home)
}

fn coded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Whether a link was followed on a page of ours, or typed.
fn is_our_link(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or("?"));
    matches!(site, None | Some("same-origin" | "none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_come_back_to_our_own_pages_only() {
        for text in ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", "", "evil"] {
            assert_eq!(next(Some(text)), LocalPath::home(), "{text:?}");
        }
        assert_eq!(next(Some("/acme/settings?tab=Tokens")).as_str(), "/acme/settings?tab=Tokens");
        assert_eq!(next(None), LocalPath::home());
    }
}
