//! Reading request bodies: a limit of bytes and of nesting first, then the form.

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// How much a route takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Most bytes.
    pub(crate) bytes: usize,
    /// Most nested arrays and objects.
    pub(crate) depth: usize,
}

/// What the small routes take.
pub(crate) const SMALL: Limits = Limits { bytes: 16 * 1024, depth: 8 };

/// Reads a JSON body.
pub(crate) fn json<T: DeserializeOwned>(request: &Request<Bytes>, limits: Limits) -> Result<T, ApiError> {
    if request.body().len() > limits.bytes {
        return Err(ApiError::TooLarge { limit: limits.bytes });
    }
    if !is_json(request) {
        return Err(ApiError::UnsupportedMediaType);
    }
    if depth(request.body()) > limits.depth {
        return Err(ApiError::BadRequest(format!("the body is nested deeper than {} levels: flatten it", limits.depth)));
    }
    serde_json::from_slice(request.body()).map_err(|error| ApiError::BadRequest(format!("the body is not what this path takes: {error}")))
}

/// A browser can send other types across origins without asking; those are no requests of ours.
fn is_json(request: &Request<Bytes>) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// How deep arrays and objects are nested, from the brackets outside of strings. Whether it is JSON is somebody else's question.
fn depth(body: &[u8]) -> usize {
    let (mut open, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0_usize, false, false);
    for &byte in body {
        if is_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => is_text = true,
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The parameters of a query string, decoded; later ones win.
pub(crate) fn query(request: &Request<Bytes>) -> std::collections::BTreeMap<String, String> {
    let query = request.uri().query().unwrap_or_default();
    let decode = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (decode(name), decode(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_type: &str, body: &'static str) -> Request<Bytes> {
        Request::builder().header(CONTENT_TYPE, content_type).body(Bytes::from_static(body.as_bytes())).expect("a request")
    }

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        assert_eq!(depth(br#"{"a":[{"b":"[[[[\"[["}]}"#), 3);
        assert_eq!(depth(b"]]]["), 1);
        assert_eq!(depth(b"\"never closed [[["), 0);
    }

    #[test]
    fn every_limit_has_its_own_answer() {
        let read = |request: &Request<Bytes>| json::<serde_json::Value>(request, Limits { bytes: 10, depth: 2 });
        assert!(read(&request("application/json; charset=utf-8", "[[1]]")).is_ok());
        assert!(matches!(read(&request("application/json", "[1,2,3,4,5]")), Err(ApiError::TooLarge { limit: 10 })));
        assert!(matches!(read(&request("application/json", "[[[]]]")), Err(ApiError::BadRequest(_))));
        assert!(matches!(read(&request("application/json", "{")), Err(ApiError::BadRequest(_))));
        assert!(matches!(read(&request("text/plain", "{}")), Err(ApiError::UnsupportedMediaType)));
    }

    #[test]
    fn query_strings_are_decoded() {
        let request = Request::builder().uri("/x?org=a%20b&after=c%2Bd&flag").body(Bytes::new()).expect("a request");
        let query = query(&request);
        assert_eq!(query.get("org").map(String::as_str), Some("a b"));
        assert_eq!(query.get("after").map(String::as_str), Some("c+d"));
        assert_eq!(query.get("flag").map(String::as_str), Some(""));
    }
}
