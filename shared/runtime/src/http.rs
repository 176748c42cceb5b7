//! The HTTP entry point: API Gateway events in, plain requests for the handler, plain responses out.

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use lambda_http::RequestExt;
use serde::Serialize;
use tracing::Instrument;

use crate::Body;

/// Largest body that a Lambda can be handed; the local gateway keeps to it too.
pub const MAX_BODY: usize = 6 * 1024 * 1024;

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
        let path = request.raw_http_path().to_owned();
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
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The token of an `Authorization: Bearer` header.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
