//! The few pages of this function: one thing said, why, and where to go next; and redirects.

use std::sync::OnceLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use quillon_identity::Error as IdentityError;
use quillon_tenancy::Error as TenancyError;
use sha2::{Digest, Sha256};
use url::Url;

use crate::provider::Provider;

/// In the page itself: the style sheet of the other pages has a name that only they know.
const STYLE: &str = include_str!("../templates/notice.css");

/// A page that says one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    status: StatusCode,
    title: String,
    text: String,
    cause: Option<String>,
    links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    href: String,
    label: String,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Rendered<'a> {
    style: &'static str,
    title: &'a str,
    text: &'a str,
    cause: Option<&'a str>,
    links: &'a [Link],
}

impl Notice {
    /// A page without links.
    pub(crate) fn new(status: StatusCode, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { status, title: title.into(), text: text.into(), cause: None, links: vec![] }
    }

    /// With the cause as it was found.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// With one more way on.
    pub(crate) fn link(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.links.push(Link { href: href.into(), label: label.into() });
        self
    }

    /// With the way to sign in anew.
    fn again(self, public: &Url) -> Self {
        self.link("Sign in", format!("{}sign-in", base(public)))
    }

    /// Nothing is at this address.
    pub(crate) fn unknown(public: &Url) -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing here", "Perhaps this way of signing in is not set up on this installation.")
            .again(public)
    }

    /// The browser did not begin what it wants to end.
    pub(crate) fn not_begun(public: &Url) -> Self {
        let text = "It was not begun in this browser, it was ended before, or it took longer than ten minutes. Nothing was changed.";
        Self::new(StatusCode::BAD_REQUEST, "This sign-in cannot be finished", text).again(public)
    }

    /// A parameter is missing or damaged.
    pub(crate) fn damaged(public: &Url, cause: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "This address is damaged", "Go back and try again from the page that you came from.")
            .because(cause)
            .again(public)
    }

    /// The provider sent the person back without a code.
    pub(crate) fn declined(public: &Url, provider: &Provider, error: &str) -> Self {
        let label = provider.label();
        if error == "access_denied" {
            let text = format!("{label} says that you, or somebody who decides for you there, did not allow it. Nothing was changed.");
            return Self::new(StatusCode::BAD_REQUEST, "Sign-in was cancelled", text).again(public);
        }
        let word: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(60).collect();
        let text = format!("{label} sent you back with an error. If it happens again, tell whoever runs this installation.");
        Self::new(StatusCode::BAD_REQUEST, format!("{label} did not sign you in"), text).because(word).again(public)
    }

    /// The provider did not say who the person is.
    pub(crate) fn unidentified(public: &Url, provider: &Provider, error: &IdentityError) -> Self {
        let label = provider.label();
        let (status, text) = match error {
            IdentityError::Unavailable { .. } => {
                (StatusCode::BAD_GATEWAY, format!("{label} does not answer as it should. Nothing was changed: try again in a minute."))
            }
            IdentityError::Refused { .. } => (
                StatusCode::BAD_REQUEST,
                format!(
                    "{label} did not accept the sign-in. Try again; if it happens again, whoever runs this installation has to compare its client id and secret with those at {label}."
                ),
            ),
            IdentityError::Token { .. } => (
                StatusCode::BAD_REQUEST,
                format!(
                    "What {label} signed is not for this sign-in. Try again; if it happens again, tell whoever runs this installation."
                ),
            ),
        };
        Self::new(status, format!("{label} did not sign you in"), text).because(error.to_string()).again(public)
    }

    /// What is stored refuses, or cannot be reached.
    pub(crate) fn failed(public: &Url, error: &TenancyError) -> Self {
        match error {
            TenancyError::Refused(why) | TenancyError::Invalid(why) => {
                Self::new(StatusCode::CONFLICT, "This cannot be done", sentence(why))
                    .link("Your account", format!("{}account", base(public)))
            }
            TenancyError::NotFound(what) => {
                Self::new(StatusCode::NOT_FOUND, "There is nothing here", format!("There is no {what}.")).again(public)
            }
            TenancyError::Store(_) | TenancyError::Entropy(_) | TenancyError::Contended(_) => Self::broken(public, error),
        }
    }

    /// Something of ours does not work now.
    pub(crate) fn broken(public: &Url, error: &dyn std::error::Error) -> Self {
        tracing::error!("a sign-in failed: {}", quillon_core::text::with_causes(error));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Something is broken here", "Nothing was changed: try again in a minute.").again(public)
    }

    /// The page.
    pub(crate) fn page(&self) -> Response<Bytes> {
        let links = self.links.as_slice();
        let rendered = Rendered { style: STYLE, title: &self.title, text: &self.text, cause: self.cause.as_deref(), links }.render();
        let html = rendered.unwrap_or_else(|_| "<!doctype html><title>Something is broken</title>".to_owned());
        let mut response = empty(self.status);
        *response.body_mut() = Bytes::from(html);
        put(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
        response
    }
}

/// The address of this installation, with a slash at its end.
fn base(public: &Url) -> String {
    format!("{}/", public.as_str().trim_end_matches('/'))
}

/// A message as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(char::to_uppercase).into_iter().flatten().collect();
    format!("{first}{}.", chars.as_str())
}

/// Leads elsewhere, and sets cookies.
pub(crate) fn see_other(to: &str, cookies: &[String]) -> Response<Bytes> {
    let mut response = with_cookies(empty(StatusCode::SEE_OTHER), cookies);
    put(&mut response, LOCATION, to);
    response
}

/// The same answer with cookies.
pub(crate) fn with_cookies(mut response: Response<Bytes>, cookies: &[String]) -> Response<Bytes> {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
    response
}

/// For a method that the address does not know.
pub(crate) fn wrong_method(allowed: &'static str) -> Response<Bytes> {
    let mut response = quillon_runtime::text(StatusCode::METHOD_NOT_ALLOWED, &format!("this address is asked with {allowed}"));
    put(&mut response, ALLOW, allowed);
    response
}

/// A response without a body, with the headers that all have.
fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let fixed: [(HeaderName, &str); 6] = [
        (CONTENT_SECURITY_POLICY, policy()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Codes and states stand in addresses here.
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        put(&mut response, name, value);
    }
    response
}

/// Nothing but the style that stands in the page, known by its hash.
fn policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
    })
}

/// Sets a header; a value that no header can hold is left out.
pub(crate) fn put(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> Url {
        Url::parse("https://ci.example.com").expect("a URL")
    }

    #[test]
    fn what_others_say_is_escaped_and_no_script_can_run() {
        let page = Notice::damaged(&public(), "<script>alert(1)</script>").page();
        let html = String::from_utf8(page.body().to_vec()).expect("text");
        assert!(!html.contains("<script") && html.contains("&#60;script"), "{html}");
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        assert!(html.contains(&format!("<style>{STYLE}</style>")), "the hash is of what stands there");
        assert!(html.contains("https://ci.example.com/sign-in"), "{html}");
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("an org needs an admin: make one"), "An org needs an admin: make one.");
        assert_eq!(sentence(""), ".");
    }
}
