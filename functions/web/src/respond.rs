//! Responses: one set of strict headers for every page, and `304` where nothing changed.

use std::io::Write as _;

use askama::Template;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    LINK, LOCATION, REFERRER_POLICY, SET_COOKIE, VARY,
};
use http::{HeaderMap, Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::asset::{Asset, Assets};
use crate::flash::Flash;
use crate::page::frame::{Frame, Org, Person, Refresh};
use crate::page::notice::Notice;

/// Only what is ours, nothing inline, and nobody frames it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// How often the script asks again, in an answer that has no frame.
const REFRESH: HeaderName = HeaderName::from_static("x-quillon-refresh");

/// A page to be sent.
#[derive(Debug)]
pub(crate) struct Page {
    /// What it is, for the window's title.
    pub(crate) title: String,
    /// The org in the top bar.
    pub(crate) org: Option<Org>,
    /// Who is signed in.
    pub(crate) person: Option<Person>,
    /// How often the script asks again.
    pub(crate) refresh: Refresh,
    /// Whether the page has a place for the tree of a trace.
    pub(crate) has_trace: bool,
    /// What came of the last action.
    pub(crate) flash: Option<Flash>,
    /// The main part.
    pub(crate) main: String,
}

/// Sends a page that a form was answered with: no browser keeps it.
pub(crate) fn once(status: StatusCode, page: &Page) -> Result<Response<Bytes>, askama::Error> {
    // The title is what is read out first.
    let title = if status.is_success() { page.title.clone() } else { format!("Not done: {}", page.title) };
    let mut response = html_response(status, framed(&title, page)?);
    put(&mut response, CACHE_CONTROL, "no-store");
    Ok(response)
}

/// Sends a page, whole or its main part only, unless the browser has it.
pub(crate) fn page(page: &Page, is_fragment: bool, headers: &HeaderMap) -> Result<Response<Bytes>, askama::Error> {
    let html = if is_fragment { page.main.clone() } else { framed(&page.title, page)? };
    let etag = format!("\"{}\"", &hex::encode(Sha256::digest(html.as_bytes()))[..32]);
    let mut response = if is_known(headers, &etag) { empty(StatusCode::NOT_MODIFIED) } else { html_response(StatusCode::OK, html) };
    put(&mut response, ETAG, &etag);
    put(&mut response, REFRESH, page.refresh.word());
    Ok(response)
}

/// Sends a page that says one thing.
pub(crate) fn notice(status: StatusCode, notice: &Notice, person: Option<Person>) -> Response<Bytes> {
    let main = notice.render();
    let title = notice.title.clone();
    let html = main.and_then(|main| {
        framed(&notice.title, &Page { title, org: None, person, refresh: Refresh::Never, has_trace: false, flash: None, main })
    });
    match html {
        Ok(html) => html_response(status, html),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            html_response(StatusCode::INTERNAL_SERVER_ERROR, "<!doctype html><title>Something is broken</title>".to_owned())
        }
    }
}

fn framed(title: &str, page: &Page) -> Result<String, askama::Error> {
    let frame = Frame {
        title,
        org: page.org.clone(),
        person: page.person.clone(),
        refresh: page.refresh,
        has_trace: page.has_trace,
        flash: page.flash,
        main: &page.main,
        assets: Assets::all(),
    };
    frame.render()
}

/// Leads elsewhere on this site.
pub(crate) fn see_other(path: &str, cookie: Option<&str>) -> Response<Bytes> {
    let mut response = empty(StatusCode::SEE_OTHER);
    put(&mut response, LOCATION, path);
    put(&mut response, CACHE_CONTROL, "no-store");
    if let Some(cookie) = cookie {
        put(&mut response, SET_COOKIE, cookie);
    }
    response
}

/// Sends a style sheet, a script or the sign.
pub(crate) fn asset(asset: &Asset, headers: &HeaderMap) -> Response<Bytes> {
    let mut response = if is_known(headers, &asset.etag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut response = empty(StatusCode::OK);
        *response.body_mut() = Bytes::from_static(asset.content.as_bytes());
        put(&mut response, CONTENT_TYPE, asset.media_type);
        response
    };
    put(&mut response, ETAG, &asset.etag);
    put(&mut response, CACHE_CONTROL, "public, max-age=31536000, immutable");
    response
}

/// Sends JSON.
pub(crate) fn json(body: &serde_json::Value) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = Bytes::from(body.to_string());
    put(&mut response, CONTENT_TYPE, "application/json");
    response
}

/// Sends bytes, compressed where the browser takes that.
pub(crate) fn bytes(media_type: &str, body: Vec<u8>, headers: &HeaderMap) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    put(&mut response, CONTENT_TYPE, media_type);
    put(&mut response, VARY, "accept-encoding");
    let body = if takes_gzip(headers) {
        match gzip(&body) {
            Ok(small) => {
                put(&mut response, CONTENT_ENCODING, "gzip");
                small
            }
            Err(_) => body,
        }
    } else {
        body
    };
    *response.body_mut() = Bytes::from(body);
    response
}

/// Whether a browser takes gzip: it names it, and not with a weight of zero.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Says where the next part of a long answer is.
pub(crate) fn with_next(mut response: Response<Bytes>, next: Option<(&str, &str)>) -> Response<Bytes> {
    if let Some((cursor, path)) = next {
        put(&mut response, HeaderName::from_static("x-next"), cursor);
        put(&mut response, LINK, &format!("<{path}>; rel=\"next\""));
    }
    response
}

/// Takes what only a sign-in link has out of sight of every other page.
pub(crate) fn without_referrer(mut response: Response<Bytes>) -> Response<Bytes> {
    put(&mut response, REFERRER_POLICY, "no-referrer");
    put(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// Keeps the path of a page, which holds a secret, out of what the browser tells anybody; its forms are known as ours by their
/// origin, which stays.
pub(crate) fn with_origin_only(mut response: Response<Bytes>) -> Response<Bytes> {
    put(&mut response, REFERRER_POLICY, "strict-origin");
    put(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// Sends a file to be kept.
pub(crate) fn file(name: &str, media_type: &str, content: String) -> Response<Bytes> {
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = Bytes::from(content);
    put(&mut response, CONTENT_TYPE, media_type);
    put(&mut response, CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    put(&mut response, CACHE_CONTROL, "no-store");
    response
}

fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|known| known.trim().trim_start_matches("W/") == etag)
}

fn html_response(status: StatusCode, html: String) -> Response<Bytes> {
    let mut response = empty(status);
    *response.body_mut() = Bytes::from(html);
    put(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
    response
}

/// A response without a body, with the headers that all have.
fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let fixed: [(HeaderName, &str); 8] = [
        (http::header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (http::header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
        (CACHE_CONTROL, "private, no-cache"),
    ];
    for (name, value) in fixed {
        put(&mut response, name, value);
    }
    response
}

/// Sets a header; a value that no header can hold is left out.
fn put(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
