//! The credential of a request, as the stock CLI, its exporters and agents send it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use quillon_core::Sensitive;

/// Longest credential that is looked at.
const MAX_CREDENTIAL: usize = 512;

/// The user of `Basic` (the stock CLI puts the token there), or what follows `Bearer`.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Option<Sensitive<String>> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    let text = if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        pair.split_once(':').map_or(pair.clone(), |(user, _)| user.to_owned())
    } else if scheme.eq_ignore_ascii_case("bearer") {
        rest.to_owned()
    } else {
        return None;
    };
    (!text.is_empty() && text.len() <= MAX_CREDENTIAL).then(|| Sensitive::new(text))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
        presented(&headers).map(|text| text.expose().clone())
    }

    #[test]
    fn the_stock_cli_sends_its_token_as_the_user_of_basic() {
        let basic = format!("Basic {}", STANDARD.encode("dag_acme_secret:"));
        assert_eq!(read(&basic), Some("dag_acme_secret".to_owned()));
        assert_eq!(read("bearer dag_acme_secret"), Some("dag_acme_secret".to_owned()));
    }

    #[test]
    fn damaged_credentials_are_none() {
        let long = format!("Bearer {}", "x".repeat(513));
        for value in ["", "Bearer", "Bearer ", "Basic !!!", "Basic Og==", "Digest x", "Basic /////w==", &long] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
