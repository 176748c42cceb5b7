//! Pages that say one thing, for functions that have no pages otherwise: what happened, why, and where to go next; and redirects.

use std::sync::OnceLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::http::put_header;

/// In the page itself: the style sheet of the other pages has a name that only they know.
const STYLE: &str = include_str!("../templates/notice.css");

/// A page that says one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    status: StatusCode,
    title: String,
    text: String,
    cause: Option<String>,
    links: Vec<Link>,
    leads_to: Option<String>,
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
    leads_to: Option<&'a str>,
}

impl Notice {
    /// A page without links.
    pub fn new(status: StatusCode, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { status, title: title.into(), text: text.into(), cause: None, links: vec![], leads_to: None }
    }

    /// With the cause as it was found.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// With one more way on. The caller answers for the address: `javascript:` would run.
    #[must_use]
    pub fn link(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.links.push(Link { href: href.into(), label: label.into() });
        self
    }

    /// With a way that the browser goes by itself. Not a redirect: pages with our forms say that a form leads nowhere but here
    /// (`form-action`), which browsers apply to redirects too.
    #[must_use]
    pub fn lead_to(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        let href = href.into();
        self.leads_to = Some(href.clone());
        self.link(label, href)
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> Response<Bytes> {
        let rendered = Rendered {
            style: STYLE,
            title: &self.title,
            text: &self.text,
            cause: self.cause.as_deref(),
            links: &self.links,
            leads_to: self.leads_to.as_deref(),
        };
        let html = rendered.render().unwrap_or_else(|_| "<!doctype html><title>Something is broken</title>".to_owned());
        let mut response = empty(self.status);
        *response.body_mut() = Bytes::from(html);
        put_header(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
        response
    }
}

/// Leads elsewhere, and sets cookies.
#[must_use]
pub fn see_other(to: &str, cookies: &[String]) -> Response<Bytes> {
    let mut response = with_cookies(empty(StatusCode::SEE_OTHER), cookies);
    put_header(&mut response, LOCATION, to);
    response
}

/// The same answer with cookies.
#[must_use]
pub fn with_cookies(mut response: Response<Bytes>, cookies: &[String]) -> Response<Bytes> {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
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
        put_header(&mut response, name, value);
    }
    response
}

/// Nothing but the style that stands in the page, known by its hash ([CSP](https://www.w3.org/TR/CSP3/#grammardef-hash-source)).
fn policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(page: &Response<Bytes>) -> String {
        String::from_utf8(page.body().to_vec()).expect("text")
    }

    #[test]
    fn what_others_say_is_escaped_and_no_script_can_run() {
        let page = Notice::new(StatusCode::BAD_REQUEST, "A title", "A text.").because("<script>alert(1)</script>").page();
        let html = html(&page);
        assert!(!html.contains("<script") && html.contains("&#60;script"), "{html}");
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        assert!(html.contains(&format!("<style>{STYLE}</style>")), "the hash is of what stands there");
    }

    #[test]
    fn an_address_cannot_leave_its_attribute() {
        let page = Notice::new(StatusCode::OK, "", "").lead_to("Go on", "https://pay.example/c?a=\"><script>").page();
        let html = html(&page);
        assert!(html.contains("http-equiv=\"refresh\"") && !html.contains("<script"), "{html}");
        let page = Notice::new(StatusCode::OK, "", "").link("Go on", "https://pay.example/").page();
        assert!(!self::html(&page).contains("refresh"), "nobody is led who was not meant to be");
    }

    #[test]
    fn a_redirect_sets_every_cookie_and_no_header_is_injected() {
        let response = see_other("/acme", &["a=1".to_owned(), "b=2\r\nx: y".to_owned(), "c=3".to_owned()]);
        assert_eq!((response.status(), &response.headers()[LOCATION]), (StatusCode::SEE_OTHER, &HeaderValue::from_static("/acme")));
        let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "c=3"]);
    }
}
