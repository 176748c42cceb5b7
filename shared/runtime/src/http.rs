//! The HTTP entry point: API Gateway events in, plain requests for the handler, plain responses out.

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Request, Response, StatusCode};
use lambda_http::RequestExt;
use serde::Serialize;
use tracing::Instrument;

use crate::Body;

/// Largest body that a Lambda can be handed; the local gateway keeps to it too.
pub const MAX_BODY: usize = 6 * 1024 * 1024;

/// From how many hexadecimal digits on a segment of a path may be a secret: ids of commits have 40, secrets of ours 64.
const SECRET: usize = 41;

/// Serves HTTP events until the sandbox ends; a streamed answer is collected, for it can only be given whole.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn serve<F, A, B>(handle: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Request<Bytes>) -> A,
    A: Future<Output = Response<B>> + Send,
    B: Into<Body> + Send,
{
    lambda_http::run(lambda_http::service_fn(|request: lambda_http::Request| {
        let path = loggable(request.raw_http_path());
        let span = tracing::info_span!("request", http.method = %request.method(), http.path = %path);
        let response = handle(plain(request));
        async move {
            let (parts, body) = response.await.into_parts();
            let body: Body = body.into();
            let body = lambda_http::Body::from(body.whole().await.to_vec());
            Ok::<_, std::convert::Infallible>(Response::from_parts(parts, body))
        }
        .instrument(span)
    }))
    .await
}

/// A path as it may stand in a log: a segment as long as a secret, such as that of an invitation, is left out.
fn loggable(path: &str) -> String {
    let is_secret = |segment: &&str| segment.len() >= SECRET && segment.bytes().all(|byte| byte.is_ascii_hexdigit());
    let segments: Vec<&str> = path.split('/').map(|segment| if is_secret(&segment) { "…" } else { segment }).collect();
    segments.join("/")
}

fn plain(request: lambda_http::Request) -> Request<Bytes> {
    request.map(|body| match body {
        lambda_http::Body::Empty => Bytes::new(),
        lambda_http::Body::Text(text) => Bytes::from(text),
        lambda_http::Body::Binary(bytes) => Bytes::from(bytes),
        // The enum is open: a kind of body that this build does not know has no bytes for it.
        _ => Bytes::new(),
    })
}

/// A JSON answer.
#[must_use]
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    match serde_json::to_vec(body) {
        Ok(bytes) => answer(status, "application/json", bytes),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the answer does not serialize"),
    }
}

/// A plain text answer.
#[must_use]
pub fn text(status: StatusCode, body: &str) -> Response<Bytes> {
    answer(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

/// For a method that the address does not know ([RFC 9110 section 15.5.6](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6)).
#[must_use]
pub fn wrong_method(allowed: &'static str) -> Response<Bytes> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, &format!("this address is asked with {allowed}"));
    put_header(&mut response, ALLOW, allowed);
    response
}

/// Sets a header; a value that no header can hold is left out.
pub fn put_header(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let fixed = [
        (CONTENT_TYPE, content_type),
        // Some answers hold tokens (RFC 6750 section 5.3), and none is worth keeping; whoever knows better says so.
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The token of an `Authorization: Bearer` header.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_path_comes_into_no_log() {
        let secret = "0123456789abcdef".repeat(4);
        for (path, expected) in [
            (format!("/invite/{secret}"), "/invite/…".to_owned()),
            (format!("/invite/{}/x", secret.to_uppercase()), "/invite/…/x".to_owned()),
            (format!("/acme/traces/{}", &secret[..32]), format!("/acme/traces/{}", &secret[..32])),
            (
                format!("/acme/checks/git.example/acme/api@{}", &secret[..40]),
                format!("/acme/checks/git.example/acme/api@{}", &secret[..40]),
            ),
            ("/".to_owned(), "/".to_owned()),
            (String::new(), String::new()),
        ] {
            assert_eq!(loggable(&path), expected);
        }
    }

    #[test]
    fn answers_stay_in_no_cache_unless_their_function_says_so() {
        for mut response in [json(StatusCode::OK, &"x"), text(StatusCode::NOT_FOUND, "x")] {
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
            put_header(&mut response, CACHE_CONTROL, "max-age=60");
            assert_eq!(response.headers().get_all(CACHE_CONTROL).iter().count(), 1);
        }
    }
}
