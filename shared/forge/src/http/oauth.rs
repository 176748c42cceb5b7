//! Where a person tells an application who they are: the page of the web flow, and the exchange of its code.

use askama::Template;
use axum::{
    extract::Request,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    Forge, Violation,
    http::{call::PairsExt, text},
    keys::token_hash,
    people::{ExchangeRefused, USER_TOKEN_LIFE},
};

/// Largest form.
const FORM_MAX: usize = 64 << 10;
/// Where GitHub explains its refusals.
const TROUBLE: &str = "/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/#";
/// How long a refresh token would work, in seconds.
const REFRESH_LIFE_S: i64 = 15_897_600;

/// A person to choose.
struct Choice {
    id: u64,
    login: String,
    note: String,
}

#[derive(Template)]
#[template(path = "authorize.html")]
struct AuthorizePage {
    html: String,
    app: String,
    asks_key: bool,
    people: Vec<Choice>,
    query: Vec<(String, String)>,
}

/// A form that was posted, or the query of a page.
pub(crate) async fn pairs(request: Request) -> Option<Vec<(String, String)>> {
    let bytes = match *request.method() {
        Method::POST => axum::body::to_bytes(request.into_body(), FORM_MAX).await.ok()?.to_vec(),
        _ => request.uri().query().unwrap_or_default().as_bytes().to_vec(),
    };
    Some(url::form_urlencoded::parse(&bytes).into_owned().collect())
}

/// `/login/oauth/authorize`: shows the choice, and sends back whoever has chosen.
pub(crate) async fn authorize(forge: &Forge, request: Request) -> Response {
    let method = request.method().clone();
    let Some(pairs) = pairs(request).await else { return text(StatusCode::BAD_REQUEST, "the form cannot be read") };
    let wish = match forge.wish(&pairs) {
        Ok(wish) => wish,
        Err(why) => {
            violate(forge, &method, "/login/oauth/authorize", why);
            return text(StatusCode::BAD_REQUEST, why);
        }
    };
    if method != Method::POST {
        return page(forge, pairs);
    }
    let Some(account) = pairs.value("account") else {
        let refused = [
            ("error", "access_denied"),
            ("error_description", "The user has denied your application access."),
            ("error_uri", "/apps/managing-oauth-apps/troubleshooting-authorization-request-errors/#access-denied"),
        ];
        return to(wish.back(&refused).as_str());
    };
    if !forge.opens(&pairs) {
        return text(StatusCode::FORBIDDEN, "that is not the key of the forge");
    }
    match account.parse().ok().and_then(|user| forge.grant(user, &wish).ok()) {
        Some(location) => to(location.as_str()),
        None => text(StatusCode::UNPROCESSABLE_ENTITY, "there is no such person"),
    }
}

fn page(forge: &Forge, query: Vec<(String, String)>) -> Response {
    let state = forge.state();
    let people = state.people().map(|person| {
        let name = state.profiles.get(&person.id).and_then(|profile| profile.name.clone());
        let orgs = state.memberships.iter().filter(|((_, user), _)| *user == person.id);
        let orgs = orgs.map(|((organization, _), membership)| format!("{} of {}", membership.as_str(), state.login(*organization)));
        let note = name.into_iter().chain(orgs).collect::<Vec<_>>().join(", ");
        Choice { id: person.id, login: person.login.clone(), note }
    });
    let page = AuthorizePage {
        html: forge.inner.links.html.clone(),
        app: forge.inner.app.slug.clone(),
        asks_key: forge.inner.config.people_key.is_some(),
        people: people.collect(),
        query: query.into_iter().filter(|(name, _)| !matches!(name.as_str(), "account" | "key")).collect(),
    };
    html(&page)
}

/// `POST /login/oauth/access_token`: a refusal has status 200, as on GitHub.
pub(crate) async fn access_token(forge: &Forge, request: Request) -> Response {
    let headers = request.headers().clone();
    if request.method() != Method::POST {
        return text(StatusCode::NOT_FOUND, "not found");
    }
    let Some(form) = body(request).await else { return text(StatusCode::BAD_REQUEST, "the form cannot be read") };
    let answer = match forge.exchange(&form) {
        Ok(token) => json!({
            "access_token": token, "expires_in": USER_TOKEN_LIFE.as_secs(), "refresh_token": format!("ghr_{}", token_hash(&token)),
            "refresh_token_expires_in": REFRESH_LIFE_S, "scope": "", "token_type": "bearer",
        }),
        Err(refused) => refusal(forge, refused),
    };
    let wants_json = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("json"));
    let (kind, body) = if wants_json {
        ("application/json; charset=utf-8", answer.to_string())
    } else {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields = answer.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), text(value)));
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish(),
        )
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// The parameters as a form or as JSON, which GitHub takes too.
async fn body(request: Request) -> Option<Vec<(String, String)>> {
    if !is_json(request.headers()) {
        return pairs(request).await;
    }
    let bytes = axum::body::to_bytes(request.into_body(), FORM_MAX).await.ok()?;
    let object: serde_json::Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
    Some(object.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect())
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| kind.starts_with("application/json"))
}

fn refusal(forge: &Forge, refused: ExchangeRefused) -> Value {
    let path = "/login/oauth/access_token";
    match refused {
        ExchangeRefused::Client => {
            violate(forge, &Method::POST, path, "the client id or secret is not the App's");
            json!({
                "error": "incorrect_client_credentials", "error_uri": format!("{TROUBLE}incorrect-client-credentials"),
                "error_description": "The client_id and/or client_secret passed are incorrect.",
            })
        }
        ExchangeRefused::Redirect => {
            violate(forge, &Method::POST, path, "the `redirect_uri` is not the one that the code was sent to");
            json!({
                "error": "redirect_uri_mismatch",
                "error_uri": "/apps/managing-oauth-apps/troubleshooting-authorization-request-errors/#redirect-uri-mismatch2",
                "error_description": "The redirect_uri MUST match the registered callback URL for this application.",
            })
        }
        // No violation: a person may come late, or come back to an old page.
        ExchangeRefused::Code => json!({
            "error": "bad_verification_code", "error_uri": format!("{TROUBLE}bad-verification-code"),
            "error_description": "The code passed is incorrect or expired.",
        }),
    }
}

pub(crate) fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(page) => {
            let fixed = [
                (header::REFERRER_POLICY, "same-origin"),
                (header::CACHE_CONTROL, "no-store"),
                // A click on a page of somebody else must not be one on a button here.
                (header::X_FRAME_OPTIONS, "DENY"),
            ];
            (fixed, Html(page)).into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a page could not be made");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made")
        }
    }
}

/// Sends a browser elsewhere.
pub(crate) fn to(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the address cannot be sent"),
    }
}

pub(crate) fn violate(forge: &Forge, method: &Method, path: &str, reason: &str) {
    forge.state().violate(Violation { method: method.to_string(), path: path.to_owned(), reason: reason.to_owned() });
}

impl Forge {
    /// Whether whoever posted a form may act as a person.
    pub(crate) fn opens(&self, form: &[(String, String)]) -> bool {
        self.inner.config.people_key.as_ref().is_none_or(|key| form.value("key").is_some_and(|given| token_hash(given) == token_hash(key)))
    }
}
