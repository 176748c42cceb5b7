//! The fields of a form: each at most once.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;

use crate::page::Problem;

/// Largest form that is read, in bytes.
const MAX_FORM: usize = 8 * 1024;

/// Most fields that are read.
const MAX_FIELDS: usize = 16;

/// Fields by name.
#[derive(Debug)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Those of a request.
    pub(crate) fn read(request: &Request<Bytes>) -> Result<Self, Problem> {
        let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_form = media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if !is_form || request.body().len() > MAX_FORM {
            return Err(Problem::Damaged);
        }
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(request.body()) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() || fields.len() > MAX_FIELDS {
                return Err(Problem::Damaged);
            }
        }
        Ok(Self(fields))
    }

    /// One of them; the empty text where it is not there.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}
