//! One REST call as data, and the answers to it in GitHub's words.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::{ForgeError, http::auth::Caller, names::is_sha};

/// Where GitHub explains its API.
const DOCUMENTATION: &str = "https://docs.github.com/rest";
/// Largest page.
const PER_PAGE_MAX: usize = 100;
/// Page size where none is asked for.
const PER_PAGE: usize = 30;

/// Splits a path and decodes each part; `None` where a part is not UTF-8.
pub(crate) fn decode_path(path: &str) -> Option<Vec<String>> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8().ok().map(|part| part.into_owned()))
        .collect()
}

/// A request to the REST API, read and authenticated.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path below `/api/v3`, as it was sent.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) caller: Caller,
}

impl Call {
    /// A query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Refuses parameters that the route does not have: GitHub ignores them, a typing error should not be ignored.
    pub(crate) fn unknown_parameter(&self, known: &[&str]) -> Option<&str> {
        self.query.iter().map(|(key, _)| key.as_str()).find(|key| !known.contains(key))
    }

    /// The body as a JSON object with no other keys than these.
    pub(crate) fn object(&self, keys: &[&str]) -> Result<Map<String, Value>, Refusal> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Map::new());
        }
        let declared = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if declared.split(';').next().unwrap_or_default().trim() != "application/json" {
            let refusal =
                Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported 'Content-Type' header. Must be 'application/json'.");
            return Err(refusal.violates("the body is not declared as `application/json`"));
        }
        let body = match serde_json::from_slice(&self.body) {
            Ok(Value::Object(body)) => body,
            Ok(_) => {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "Body should be a JSON object").violates("the body is not an object"));
            }
            Err(_) => {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "Problems parsing JSON").violates("the body is not JSON"));
            }
        };
        if let Some(key) = body.keys().find(|key| !keys.contains(&key.as_str())) {
            let message = format!("Invalid request.\n\n\"{key}\" is not a permitted key.");
            return Err(Refusal::unprocessable(&message).violates(&format!("the body has the unknown field `{key}`")));
        }
        Ok(body)
    }

    /// Cuts one page out of a list, with the `Link` header that leads to the others.
    pub(crate) fn page<T>(&self, api: &str, items: Vec<T>) -> Result<(Vec<T>, Option<String>), Refusal> {
        let per_page = self.per_page()?;
        let page = self.number("page")?.unwrap_or(1).max(1);
        let last = items.len().div_ceil(per_page).max(1);
        let link = |number: usize, relation: &str| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            let others = self.query.iter().filter(|(key, _)| key != "page");
            query.extend_pairs(others).append_pair("page", &number.to_string());
            format!("<{api}{}?{}>; rel=\"{relation}\"", self.path, query.finish())
        };
        let mut links = Vec::new();
        if page > 1 {
            links.push(link(page.saturating_sub(1).min(last), "prev"));
        }
        if page < last {
            links.extend([link(page + 1, "next"), link(last, "last")]);
        }
        if page > 1 {
            links.push(link(1, "first"));
        }
        let items = items.into_iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
        Ok((items, (!links.is_empty()).then(|| links.join(", "))))
    }

    pub(crate) fn per_page(&self) -> Result<usize, Refusal> {
        Ok(self.number("per_page")?.unwrap_or(PER_PAGE).clamp(1, PER_PAGE_MAX))
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        match self.parameter(name).map(str::parse) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => {
                let refusal = Refusal::unprocessable(&format!("Invalid value for `{name}`"));
                Err(refusal.violates(&format!("`{name}` is not a number")))
            }
        }
    }
}

/// Pairs of a query or a form, by name.
pub(crate) trait PairsExt {
    /// The first value of a name that is not empty.
    fn value(&self, name: &str) -> Option<&str>;

    /// The same as a number.
    fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }
}

impl PairsExt for [(String, String)] {
    fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A full object id in a path.
pub(crate) fn sha(text: &str) -> Result<String, Refusal> {
    let lower = text.to_ascii_lowercase();
    if is_sha(&lower) {
        return Ok(lower);
    }
    Err(Refusal::unprocessable("The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
        .violates("the object id is not 40 hexadecimal digits"))
}

/// An answer that GitHub gives with pleasure.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: ReplyBody,
}

#[derive(Debug)]
pub(crate) enum ReplyBody {
    Json(Value),
    Raw(Vec<u8>),
    Empty,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Reply {
        Reply { status: StatusCode::OK, headers: Vec::new(), body: ReplyBody::Json(body) }
    }

    pub(crate) fn status(status: StatusCode, body: Value) -> Reply {
        Reply { status, ..Reply::ok(body) }
    }

    pub(crate) fn empty(status: StatusCode) -> Reply {
        Reply { status, headers: Vec::new(), body: ReplyBody::Empty }
    }

    pub(crate) fn raw(bytes: Vec<u8>) -> Reply {
        Reply { status: StatusCode::OK, headers: Vec::new(), body: ReplyBody::Raw(bytes) }
    }

    pub(crate) fn linked(mut self, link: Option<String>) -> Reply {
        self.headers.extend(link.map(|link| (header::LINK, link)));
        self
    }
}

/// An answer that says no; some of them mean that the client is wrong, and those are kept.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) errors: Vec<Value>,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) violation: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: &str) -> Refusal {
        Refusal { status, message: message.to_owned(), errors: Vec::new(), headers: Vec::new(), violation: None }
    }

    pub(crate) fn not_found() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn forbidden(message: &str) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn unauthorized(message: &str) -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(crate) fn unprocessable(message: &str) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// GitHub's answer to one field that it does not like.
    pub(crate) fn invalid(resource: &str, field: Option<&str>, message: &str) -> Refusal {
        let mut error = json!({ "resource": resource, "code": "custom", "message": message });
        if let Some(field) = field {
            error["field"] = json!(field);
        }
        Refusal { errors: vec![error], ..Refusal::unprocessable("Validation Failed") }
    }

    /// Marks the call as one that should never have been made.
    pub(crate) fn violates(self, reason: &str) -> Refusal {
        Refusal { violation: Some(reason.to_owned()), ..self }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "message": self.message, "documentation_url": DOCUMENTATION, "status": self.status.as_u16().to_string(),
        });
        if !self.errors.is_empty() {
            body["errors"] = Value::Array(self.errors.clone());
        }
        body
    }
}

impl From<ForgeError> for Refusal {
    fn from(error: ForgeError) -> Refusal {
        match error {
            ForgeError::Missing(_) => Refusal::not_found(),
            ForgeError::Taken(_) | ForgeError::Invalid { .. } | ForgeError::Refused(_) => Refusal::unprocessable(&error.to_string()),
            ForgeError::Git { .. } | ForgeError::Storage(_) | ForgeError::Document(_) | ForgeError::Files { .. } | ForgeError::Key(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the forge could not answer");
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
            }
        }
    }
}
