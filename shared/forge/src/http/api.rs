//! The REST API: reads a call, checks what GitHub checks on every call, routes it, and dresses the answer.

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    Forge, Violation,
    http::{
        app,
        auth::Caller,
        call::{Call, Refusal, Reply, ReplyBody},
        repositories, user,
    },
    state::RateWindow,
};

/// Largest body of a call.
const BODY_MAX: usize = 1 << 20;
/// Seconds of a rate window.
const RATE_WINDOW: i64 = 3600;
/// Versions of the API that `X-GitHub-Api-Version` may name.
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// The rate limit's state that goes into every answer.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) limit: u32,
    pub(crate) used: u32,
    pub(crate) reset: i64,
}

pub(crate) async fn serve(forge: &Forge, request: Request, full_path: &str, segments: &[&str]) -> Response {
    let (parts, body) = request.into_parts();
    let method = parts.method.clone();
    let refuse = |refusal: Refusal| answer_refusal(forge, &method, full_path, refusal, None);
    if let Err(refusal) = check_headers(&parts.headers) {
        return refuse(refusal);
    }
    let caller = match forge.authenticate(&parts.headers) {
        Ok(caller) => caller,
        Err(refusal) => return refuse(refusal),
    };
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return refuse(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large").violates("the body is over one MiB"));
    };
    let query = parts.uri.query().unwrap_or_default();
    let call = Call {
        method: method.clone(),
        path: full_path.strip_prefix("/api/v3").unwrap_or(full_path).to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body,
        caller,
    };
    let rate = forge.count(&call.caller, segments == ["rate_limit"]);
    if rate.used > rate.limit {
        let refusal = Refusal::forbidden("API rate limit exceeded for installation.");
        return answer_refusal(forge, &method, full_path, refusal, Some(rate));
    }
    match route(forge, &call, segments, rate).await {
        Ok(reply) => answer(forge, &call, reply, rate),
        Err(refusal) => answer_refusal(forge, &method, full_path, refusal, Some(rate)),
    }
}

/// Sends a call to the function that answers it.
async fn route(forge: &Forge, call: &Call, segments: &[&str], rate: Rate) -> Result<Reply, Refusal> {
    match (call.method.as_str(), segments) {
        ("GET", ["rate_limit"]) => Ok(rate_limit(rate)),
        (_, ["app", ..]) => app::route(forge, call, segments),
        ("GET", ["installation", "repositories"]) => app::installation_repositories(forge, call),
        ("DELETE", ["installation", "token"]) => app::revoke(forge, call),
        ("GET", ["repos", owner, name, "installation"]) => app::installation_of(forge, call, owner, name),
        (_, ["user", ..]) => user::route(forge, call, segments),
        (_, ["repos", owner, name, rest @ ..]) => repositories::by_name(forge, call, owner, name, rest).await,
        (_, ["repositories", id, rest @ ..]) => repositories::by_id(forge, call, id, rest).await,
        _ => Err(unknown_route()),
    }
}

/// The answer to an address that GitHub has and the forge does not, or that nobody has.
pub(crate) fn unknown_route() -> Refusal {
    Refusal::not_found().violates("there is no such route")
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = |name: HeaderName| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if value(header::USER_AGENT).is_none_or(|agent| agent.trim().is_empty()) {
        let message = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
        return Err(Refusal::forbidden(message).violates("there is no `User-Agent` header"));
    }
    if let Some(accept) = value(header::ACCEPT) {
        let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let served = |kind: &str| {
            kind == "*/*" || kind == "application/json" || kind == "application/*" || kind.starts_with("application/vnd.github")
        };
        if !kinds.into_iter().any(served) {
            let message = format!("Unsupported 'Accept' header: '{accept}'. Must accept 'application/json'.");
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message).violates("the `Accept` header excludes JSON"));
        }
    }
    match value(HeaderName::from_static("x-github-api-version")) {
        Some(version) if !VERSIONS.contains(&version.as_str()) => {
            let refusal = Refusal::new(StatusCode::BAD_REQUEST, &format!("{version} is not a supported API version"));
            Err(refusal.violates("`X-GitHub-Api-Version` names no version"))
        }
        _ => Ok(()),
    }
}

fn rate_limit(rate: Rate) -> Reply {
    let core = json!({ "limit": rate.limit, "remaining": rate.limit.saturating_sub(rate.used), "reset": rate.reset, "used": rate.used });
    let search = json!({ "limit": 30, "remaining": 30, "reset": rate.reset, "used": 0 });
    Reply::ok(json!({ "resources": { "core": core, "search": search }, "rate": core }))
}

fn answer(forge: &Forge, call: &Call, reply: Reply, rate: Rate) -> Response {
    let (bytes, kind) = match reply.body {
        ReplyBody::Json(body) => (body.to_string().into_bytes(), "application/json; charset=utf-8"),
        ReplyBody::Raw(bytes) => (bytes, "application/vnd.github.raw+json; charset=utf-8"),
        ReplyBody::Empty => (Vec::new(), ""),
    };
    let mut rate = rate;
    let cacheable = call.method == Method::GET && reply.status == StatusCode::OK;
    let etag = cacheable.then(|| format!("W/\"{}\"", hex::encode(Sha256::digest(&bytes))));
    let known = call.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unchanged = etag
        .as_deref()
        .is_some_and(|etag| known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag.trim_start_matches("W/")));
    let mut response = if unchanged {
        // A conditional read that finds nothing new is free.
        rate = forge.uncount(&call.caller).unwrap_or(rate);
        respond(StatusCode::NOT_MODIFIED, Vec::new(), "")
    } else {
        respond(reply.status, bytes, kind)
    };
    let headers = response.headers_mut();
    for (name, value) in reply.headers.into_iter().chain(etag.map(|etag| (header::ETAG, etag))) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(name, value);
        }
    }
    dress(forge, headers, Some(rate));
    response
}

fn answer_refusal(forge: &Forge, method: &Method, path: &str, refusal: Refusal, rate: Option<Rate>) -> Response {
    if let Some(reason) = &refusal.violation {
        forge.state().violate(Violation { method: method.to_string(), path: path.to_owned(), reason: reason.clone() });
    }
    let mut response = respond(refusal.status, refusal.body().to_string().into_bytes(), "application/json; charset=utf-8");
    let headers = response.headers_mut();
    for (name, value) in refusal.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(name, value);
        }
    }
    dress(forge, headers, rate);
    response
}

fn respond(status: StatusCode, bytes: Vec<u8>, kind: &'static str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    if !kind.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

/// The headers that every answer of the API has.
fn dress(forge: &Forge, headers: &mut HeaderMap, rate: Option<Rate>) {
    headers.insert("x-github-media-type", HeaderValue::from_static("github.v3; format=json"));
    headers.insert("x-github-request-id", header_value(&uuid::Uuid::new_v4().simple().to_string()));
    let Some(rate) = rate else { return };
    headers.insert("x-ratelimit-limit", HeaderValue::from(rate.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(rate.limit.saturating_sub(rate.used)));
    headers.insert("x-ratelimit-used", HeaderValue::from(rate.used.min(rate.limit)));
    headers.insert("x-ratelimit-reset", HeaderValue::from(rate.reset));
    headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
    let date = forge.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    headers.insert(header::DATE, header_value(&date));
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

impl Forge {
    /// Counts a call against its installation's hour; asking for the limit itself is free.
    fn count(&self, caller: &Caller, free: bool) -> Rate {
        let (now, limit) = (self.now().as_second(), self.inner.config.rate_limit);
        let mut state = self.state();
        let window = state.rates.entry(rate_key(caller)).or_insert(RateWindow { reset: now + RATE_WINDOW, used: 0 });
        if window.reset <= now {
            *window = RateWindow { reset: now + RATE_WINDOW, used: 0 };
        }
        if !free {
            window.used = window.used.saturating_add(1);
        }
        Rate { limit, used: window.used, reset: window.reset }
    }

    fn uncount(&self, caller: &Caller) -> Option<Rate> {
        let limit = self.inner.config.rate_limit;
        let mut state = self.state();
        let window = state.rates.get_mut(&rate_key(caller))?;
        window.used = window.used.saturating_sub(1);
        Some(Rate { limit, used: window.used, reset: window.reset })
    }
}

fn rate_key(caller: &Caller) -> u64 {
    match caller {
        Caller::App => 0,
        Caller::Installation { id, .. } | Caller::User { id } => *id,
    }
}
