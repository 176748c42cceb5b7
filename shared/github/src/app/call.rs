//! One call over octocrab: time limit, size limit, and every way to fail as an [`Error`].

use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quillon_core::id::{AppId, InstallationId};
use quillon_core::text::shorten;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::Error;

/// Longest time that a call may take, its token included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Largest answer that is read, in bytes; GitHub cuts a tree at 7 MB.
const MAX_ANSWER: usize = 32 << 20;

/// What may stand bare in a path: a branch keeps its slashes, as GitHub's routes want it.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A name as part of a path or a query.
pub(crate) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, PATH).to_string()
}

/// The client of the App itself. Must be made within a runtime: it keeps a task there.
pub(crate) fn client(api_url: &Url, app_id: AppId, key: octocrab::jsonwebtoken::EncodingKey) -> Result<Octocrab, Error> {
    let base = api_url.as_str().trim_end_matches('/');
    let builder = Octocrab::builder().app(app_id.0.into(), key).base_uri(base).map_err(|error| of_octocrab(&error))?;
    let builder = builder
        .add_header(ACCEPT, "application/vnd.github+json".to_owned())
        .set_connect_timeout(Some(TIMEOUT))
        .set_read_timeout(Some(TIMEOUT))
        .set_write_timeout(Some(TIMEOUT));
    builder.build().map_err(|error| of_octocrab(&error))
}

/// A call that was not sent yet.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    /// Path with query, below the base URL.
    path: String,
    body: Option<serde_json::Value>,
}

impl Call {
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None }
    }

    pub(crate) fn post(path: String) -> Self {
        Self { method: Method::POST, path, body: None }
    }

    pub(crate) fn with(self, body: &impl Serialize) -> Result<Self, Error> {
        let unreadable = |error: serde_json::Error| Error::Unreadable { what: self.what().to_owned(), detail: error.to_string() };
        Ok(Self { body: Some(serde_json::to_value(body).map_err(unreadable)?), ..self })
    }

    /// The path, for people.
    fn what(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Sends it and reads the whole answer, which is 2xx.
    pub(crate) async fn send(&self, client: &Octocrab) -> Result<Answer, Error> {
        let late = |_| Error::Transient { detail: format!("no answer to `{}` within {} s", self.what(), TIMEOUT.as_secs()) };
        tokio::time::timeout(TIMEOUT, self.exchange(client)).await.map_err(late)?
    }

    async fn exchange(&self, client: &Octocrab) -> Result<Answer, Error> {
        let request = http::request::Builder::new().method(self.method.clone()).uri(&self.path);
        let request = client.build_request(request, self.body.as_ref()).map_err(|error| of_octocrab(&error))?;
        // An error here is of the connection or of the token; what the call itself is answered comes as a response.
        let response = client.execute(request).await.map_err(|error| of_octocrab(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| match error.downcast_ref() {
            Some(http_body_util::LengthLimitError { .. }) => {
                Error::Unreadable { what: self.what().to_owned(), detail: format!("it has more than {MAX_ANSWER} bytes") }
            }
            None => Error::Transient { detail: format!("the answer to `{}` broke off: {}", self.what(), chain(error.as_ref())) },
        })?;
        let answer = Answer { what: self.what().to_owned(), headers: parts.headers, body: body.to_bytes().to_vec() };
        tracing::debug!(http.method = %self.method, http.path = %answer.what, http.status = parts.status.as_u16(), "asked GitHub");
        if parts.status.is_success() {
            Ok(answer)
        } else {
            Err(Error::of_answer(&answer.what, parts.status, &answer.headers, &answer.body))
        }
    }
}

/// An answer 2xx.
#[derive(Debug)]
pub(crate) struct Answer {
    what: String,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Unreadable { what: self.what.clone(), detail: shorten(&error.to_string(), 200) })
    }

    /// Reads the items of a listing; one that cannot be used (an absurd branch name) must not hide the others.
    pub(crate) fn items<W: DeserializeOwned, V: From<W>>(&self, items: Vec<serde_json::Value>) -> Vec<V> {
        let read = |item| match serde_json::from_value::<W>(item) {
            Ok(wire) => Some(V::from(wire)),
            Err(error) => {
                tracing::debug!(http.path = %self.what, "passed over an item: {error}");
                None
            }
        };
        items.into_iter().filter_map(read).collect()
    }
}

/// The number of the page after `page`, if the `Link` header announces one.
pub(crate) fn next_page(headers: &HeaderMap, page: u32) -> Option<u32> {
    next_link(headers).map(|_| page.saturating_add(1))
}

/// The cursor of the next page, if the `Link` header announces one.
pub(crate) fn next_cursor(headers: &HeaderMap) -> Option<String> {
    let url = next_link(headers)?;
    url.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
}

/// The link `rel="next"`: <https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api>.
fn next_link(headers: &HeaderMap) -> Option<Url> {
    let links = headers.get_all(http::header::LINK).iter().filter_map(|value| value.to_str().ok());
    let mut links = links.flat_map(|value| value.split(','));
    let next = links.find(|link| link.split(';').skip(1).any(|parameter| parameter.trim() == r#"rel="next""#))?;
    let address = next.split(';').next()?.trim().strip_prefix('<')?.strip_suffix('>')?;
    Url::parse(address).ok()
}

/// What octocrab fails with before there is an answer to the call itself.
pub(crate) fn of_octocrab(error: &octocrab::Error) -> Error {
    match error {
        // Only the request for the installation's token is judged by octocrab.
        octocrab::Error::GitHub { source, .. } => {
            let headers = source.headers.clone().unwrap_or_default();
            let error = Error::of_message("the installation", source.status_code, &headers, shorten(&source.message, 300));
            match error {
                // The installation is gone, which must not read as "the branch is gone".
                Error::NotFound { .. } => Error::Forbidden { message: "the installation does not exist any more".to_owned() },
                other => other,
            }
        }
        octocrab::Error::JWT { source, .. } => Error::Settings { name: "private key", detail: source.to_string() },
        octocrab::Error::UriParse { .. } | octocrab::Error::Uri { .. } | octocrab::Error::Http { .. } => {
            Error::Settings { name: "API URL", detail: chain(error) }
        }
        // What is left is the way to GitHub; the enum is open.
        other => Error::Transient { detail: shorten(&chain(other), 300) },
    }
}

/// A refused token of an installation, whichever way it was asked for.
pub(crate) fn of_token_request(installation: InstallationId, error: Error) -> Error {
    match error {
        Error::NotFound { .. } => Error::Forbidden { message: format!("the installation {installation} does not exist any more") },
        other => other,
    }
}

/// An error with its causes; octocrab's own text may hold a backtrace, of which the first line is enough.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = vec![];
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string().lines().next().unwrap_or_default().to_owned();
        if !parts.last().is_some_and(|last| last.ends_with(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(value: &str) -> HeaderMap {
        [(http::header::LINK, value.parse().expect("a header value"))].into_iter().collect()
    }

    #[test]
    fn the_next_page_is_read_from_the_link_header() {
        let both = r#"<https://api.github.com/x?page=1>; rel="prev", <https://api.github.com/x?page=3>; rel="next""#;
        assert_eq!(next_page(&linked(both), 2), Some(3));
        assert_eq!(next_page(&linked(r#"<https://api.github.com/x?page=1>; rel="first""#), 2), None);
        assert_eq!(next_page(&HeaderMap::new(), 1), None);
        for odd in ["", ";", "<>", r#"x; rel="next""#, r#"<not a url>; rel="next""#, r#"; rel="next""#] {
            assert_eq!(next_page(&linked(odd), 1), None, "{odd}");
        }
    }

    #[test]
    fn a_cursor_is_decoded() {
        let link = r#"<https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_12%3D%2F>; rel="next""#;
        assert_eq!(next_cursor(&linked(link)), Some("v1_12=/".to_owned()));
        assert_eq!(next_cursor(&linked(r#"<https://api.github.com/x?page=2>; rel="next""#)), None);
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(encoded("feature/a#b?c=d&e%2f ü"), "feature/a%23b%3Fc%3Dd%26e%252f%20%C3%BC");
    }
}
