//! The forge as a server: every request is recorded, judged for faults, routed, and answered as GitHub would.

mod api;
mod app;
mod auth;
mod call;
mod contents;
mod git;
mod installing;
mod oauth;
mod pages;
mod pulls;
mod repositories;
mod statuses;
mod user;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{Answer, Forge, RateLimit, faults::Verdict, http::call::decode_path};

pub(crate) fn router(forge: &Forge) -> Router {
    Router::new().route("/", any(serve)).route("/{*path}", any(serve)).with_state(forge.clone())
}

async fn serve(State(forge): State<Forge>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let verdict = forge.judge(request.method(), &path);
    match verdict {
        Verdict::Pass => dispatch(&forge, request, &path).await,
        Verdict::LoseAnswer(answer) => {
            let answered = dispatch(&forge, request, &path).await;
            lose(answered, answer)
        }
        Verdict::Refuse { status, body, retry_after } => refuse(status, body, retry_after),
        Verdict::Limit { limit, retry_after } => limited(&forge, limit, retry_after),
    }
}

async fn dispatch(forge: &Forge, request: Request, path: &str) -> Response {
    let Some(segments) = decode_path(path) else {
        return text(StatusCode::BAD_REQUEST, "the path is not UTF-8");
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["api", "v3", rest @ ..] => api::serve(forge, request, path, rest).await,
        [owner, name, service @ ..] if git::is_service(service) => git::serve(forge, request, owner, name, service).await,
        ["login", "oauth", "authorize"] => oauth::authorize(forge, request).await,
        ["login", "oauth", "access_token"] => oauth::access_token(forge, request).await,
        ["apps", slug, "installations", "new"] if *slug == forge.inner.app.slug => installing::new(forge, request).await,
        ["settings", "installations", id] | ["organizations", _, "settings", "installations", id] => {
            installing::settings(forge, request, id).await
        }
        rest => pages::serve(forge, request.method(), rest).await,
    }
}

/// Drops an answer: the effect stays, the client never learns of it.
fn lose(answered: Response, answer: Answer) -> Response {
    match answer {
        Answer::Status(status) => refuse(status, String::new(), None),
        Answer::Cut => {
            // A body that fails at once ends the connection before anything of the answer is written.
            let (parts, _) = answered.into_parts();
            let broken = futures::stream::once(async { Err::<bytes::Bytes, _>(std::io::Error::other("the answer is lost")) });
            Response::from_parts(parts, Body::from_stream(broken))
        }
    }
}

fn refuse(status: u16, body: String, retry_after: Option<u32>) -> Response {
    let body = if body.is_empty() { json!({ "message": "Server Error" }).to_string() } else { body };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn limited(forge: &Forge, limit: RateLimit, retry_after: u32) -> Response {
    let message = match limit {
        RateLimit::Primary => {
            "API rate limit exceeded for installation. If you reach out to GitHub Support for help, please include the request ID."
        }
        RateLimit::Secondary => "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    };
    let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api" });
    let mut response = refuse(403, body.to_string(), (limit == RateLimit::Secondary).then_some(retry_after));
    let reset = forge.now().as_second().saturating_add(i64::from(retry_after));
    let headers = response.headers_mut();
    let of_limit = HeaderValue::from(forge.inner.config.rate_limit);
    headers.insert("x-ratelimit-limit", of_limit.clone());
    headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
    headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
    let remaining = match limit {
        RateLimit::Primary => {
            headers.insert("x-ratelimit-used", of_limit);
            0
        }
        RateLimit::Secondary => forge.inner.config.rate_limit.saturating_sub(1),
    };
    headers.insert("x-ratelimit-remaining", HeaderValue::from(remaining));
    response
}

/// A plain answer of a few words.
fn text(status: StatusCode, words: &'static str) -> Response {
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
