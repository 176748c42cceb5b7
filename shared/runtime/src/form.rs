//! The parameters of requests: each at most once, an empty one is none ([RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;

/// Largest form that is read, in bytes.
const MAX_FORM: usize = 8 * 1024;

/// Most parameters that are read.
const MAX_PARAMETERS: usize = 32;

/// Parameters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

/// Why they are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    /// It is something else.
    #[error("the body is not `application/x-www-form-urlencoded`")]
    Type,
    /// It is too much to read.
    #[error("the request is larger than {MAX_FORM} bytes")]
    TooLarge,
    /// Which value counts is not known.
    #[error("a parameter is there more than once, or there are too many")]
    Repeated,
}

impl Form {
    /// Those of a query.
    ///
    /// # Errors
    /// When they are too many, too long, or not unique.
    pub fn of_query(request: &Request<Bytes>) -> Result<Self, BadForm> {
        Self::parse(request.uri().query().unwrap_or_default().as_bytes())
    }

    /// Those of a body.
    ///
    /// # Errors
    /// The same, and when it is no form.
    pub fn of_body(request: &Request<Bytes>) -> Result<Self, BadForm> {
        let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(BadForm::Type);
        }
        Self::parse(request.body())
    }

    fn parse(bytes: &[u8]) -> Result<Self, BadForm> {
        if bytes.len() > MAX_FORM {
            return Err(BadForm::TooLarge);
        }
        let mut found = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            if found.insert(name.into_owned(), value.into_owned()).is_some() || found.len() > MAX_PARAMETERS {
                return Err(BadForm::Repeated);
            }
        }
        found.retain(|_, value| !value.is_empty());
        Ok(Self(found))
    }

    /// One of them.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_stands_once() {
        let form = Form::parse(b"a=1&b=&c=%2Fx+y").expect("a form");
        assert_eq!((form.value("a"), form.value("b"), form.value("c"), form.value("d")), (Some("1"), None, Some("/x y"), None));
        assert_eq!(Form::parse(b"a=1&a=1"), Err(BadForm::Repeated));
        assert_eq!(Form::parse(b"a=1&a="), Err(BadForm::Repeated));
        assert_eq!(Form::parse(&b"a".repeat(MAX_FORM + 1)), Err(BadForm::TooLarge));
        let many: String = (0..=MAX_PARAMETERS).map(|index| format!("p{index}=1&")).collect();
        assert_eq!(Form::parse(many.as_bytes()), Err(BadForm::Repeated));
        assert!(Form::parse(b"%ff=%00&%=&=").is_ok(), "bytes that are no text are replaced");
    }

    #[test]
    fn a_body_says_what_it_is() {
        for (media, expected) in [
            ("application/x-www-form-urlencoded", Ok(())),
            ("Application/X-WWW-Form-URLencoded; charset=utf-8", Ok(())),
            ("application/json", Err(BadForm::Type)),
            ("", Err(BadForm::Type)),
        ] {
            let request = Request::post("/").header(CONTENT_TYPE, media).body(Bytes::from_static(b"a=1")).expect("a request");
            assert_eq!(Form::of_body(&request).map(|_| ()), expected, "{media}");
        }
    }
}
