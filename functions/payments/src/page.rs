//! The few pages of this function: the way to Stripe, and what went wrong.

use std::sync::OnceLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use quillon_core::access::Refusal;
use quillon_core::org::OrgName;
use quillon_tenancy::Error as TenancyError;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::route::Step;

/// In the page itself: the style sheet of the other pages has a name that only they know.
const STYLE: &str = include_str!("../templates/notice.css");

/// Why something was not done; each has one page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// There is nothing, or nothing for whoever asks.
    #[error("there is nothing at this address")]
    Unknown,
    /// The request came under a name that is not ours.
    #[error("this installation is at another address")]
    OtherHost,
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut(Step),
    /// The form was on another site, or is of another session.
    #[error("the form is not of this session: go back, load the page again and send the form once more")]
    ForeignForm,
    /// The form cannot be read.
    #[error("the form is damaged: go back, load the page again and send the form once more")]
    Damaged,
    /// They may not.
    #[error(transparent)]
    Forbidden(Refusal),
    /// The price is not known.
    #[error("Stripe could not say the price a moment ago")]
    NoPrice,
    /// Stripe did not.
    #[error(transparent)]
    Stripe(#[from] quillon_billing::Error),
    /// It cannot be, or cannot be stored.
    #[error(transparent)]
    Tenancy(#[from] TenancyError),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// The secrets cannot be read.
    #[error(transparent)]
    Secret(#[from] quillon_secrets::Error),
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    style: &'static str,
    title: &'a str,
    text: &'a str,
    cause: Option<&'a str>,
    /// Where to go on.
    href: &'a str,
    label: &'a str,
    /// Whether the browser goes there by itself.
    goes_on: bool,
}

impl Problem {
    /// Its page, which leads on to the org's plan where it tells of that at all.
    pub(crate) fn page(&self, public: &Url, org: Option<&OrgName>) -> Response<Bytes> {
        let home = format!("{}/", public.as_str().trim_end_matches('/'));
        let sign_in = format!("{home}sign-in");
        let plan = org.map_or_else(|| home.clone(), |org| format!("{home}{org}/settings?tab=Plan"));
        let page = |status, title: &str, text: &str| notice(status, title, text, None, (&home, "To your orgs"));
        let back = |status, title: &str, text: &str, cause: Option<&str>| notice(status, title, text, cause, (&plan, "Back"));
        match self {
            Self::Unknown | Self::Tenancy(TenancyError::NotFound(_)) => {
                let text = "Perhaps the org has another name now, or this installation takes no payments.";
                page(StatusCode::NOT_FOUND, "There is nothing here", text)
            }
            Self::OtherHost => {
                let text = format!("This installation is at {}.", public.host_str().unwrap_or_default());
                page(StatusCode::MISDIRECTED_REQUEST, "Another address", &text)
            }
            Self::SignedOut(Step::Back) => see_other(&sign_in),
            Self::SignedOut(Step::Choose | Step::Checkout | Step::Portal) => {
                let text = "Your session is over, or you signed out in another window. Nothing was changed.";
                notice(StatusCode::UNAUTHORIZED, "You are not signed in", text, None, (&sign_in, "Sign in"))
            }
            Self::ForeignForm => page(StatusCode::FORBIDDEN, "Nothing was changed", &sentence(&self.to_string())),
            Self::Damaged => page(StatusCode::BAD_REQUEST, "Nothing was changed", &sentence(&self.to_string())),
            Self::Forbidden(refusal) => page(StatusCode::FORBIDDEN, "You may not do this", &sentence(&refusal.to_string())),
            Self::Tenancy(TenancyError::Refused(why) | TenancyError::Invalid(why)) => {
                back(StatusCode::CONFLICT, "This cannot be done", &sentence(why), None)
            }
            Self::Stripe(error @ quillon_billing::Error::Unavailable(_)) => {
                tracing::warn!("{error}");
                let text = "Stripe, which takes the payments, does not answer. Nothing was changed and nothing was charged: try again in a minute.";
                back(StatusCode::SERVICE_UNAVAILABLE, "Payments do not work at the moment", text, None)
            }
            Self::Stripe(error @ (quillon_billing::Error::Refused(_) | quillon_billing::Error::Malformed(_))) => {
                tracing::error!("{error}");
                let text = "Stripe, which takes the payments, did not accept what this installation asked for. Nothing was charged. \
                            Whoever runs this installation finds the cause in the log of the function `Payments`.";
                back(StatusCode::BAD_GATEWAY, "Payments are not set up well", text, Some(&error.to_string()))
            }
            Self::NoPrice
            | Self::Tenancy(TenancyError::Store(_) | TenancyError::Entropy(_) | TenancyError::Contended(_))
            | Self::Store(_)
            | Self::Secret(_) => {
                tracing::error!("a step of billing failed: {}", quillon_core::text::with_causes(self));
                back(StatusCode::SERVICE_UNAVAILABLE, "Something is broken here", "Nothing was changed: try again in a minute.", None)
            }
        }
    }
}

/// A page that leads to one of Stripe. Not a redirect: the pages with our forms say that a form leads nowhere but here
/// (`form-action`), which browsers apply to redirects too.
pub(crate) fn leads_to(url: &str, title: &str, text: &str) -> Response<Bytes> {
    let is_address = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_address {
        let error = quillon_billing::Error::Malformed("a page of its own has no address".to_owned());
        tracing::error!("{error}");
        return notice(
            StatusCode::BAD_GATEWAY,
            "Payments are not set up well",
            "Nothing was charged.",
            Some(&error.to_string()),
            ("/", "Back"),
        );
    }
    render(StatusCode::OK, &Notice { style: STYLE, title, text, cause: None, href: url, label: "Go on to Stripe", goes_on: true })
}

/// Leads elsewhere on this site.
pub(crate) fn see_other(to: &str) -> Response<Bytes> {
    let mut response = empty(StatusCode::SEE_OTHER);
    put(&mut response, LOCATION, to);
    response
}

/// For a method that the address does not know.
pub(crate) fn wrong_method(allowed: &'static str) -> Response<Bytes> {
    let mut response = quillon_runtime::text(StatusCode::METHOD_NOT_ALLOWED, &format!("this address is asked with {allowed}"));
    put(&mut response, ALLOW, allowed);
    response
}

fn notice(status: StatusCode, title: &str, text: &str, cause: Option<&str>, (href, label): (&str, &str)) -> Response<Bytes> {
    render(status, &Notice { style: STYLE, title, text, cause, href, label, goes_on: false })
}

fn render(status: StatusCode, notice: &Notice<'_>) -> Response<Bytes> {
    let html = notice.render().unwrap_or_else(|_| "<!doctype html><title>Something is broken</title>".to_owned());
    let mut response = empty(status);
    *response.body_mut() = Bytes::from(html);
    put(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
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
fn put(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A message as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(char::to_uppercase).into_iter().flatten().collect();
    format!("{first}{}.", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stripe_says_is_escaped_and_leads_nowhere_strange() {
        let page = leads_to("https://checkout.stripe.example/c/pay/cs_1?a=\"><script>", "Payment details", "");
        let html = String::from_utf8(page.body().to_vec()).expect("text");
        assert!(html.contains("http-equiv=\"refresh\"") && !html.contains("<script"), "{html}");
        assert!(html.contains(&format!("<style>{STYLE}</style>")), "the hash is of what stands there");
        for wrong in ["javascript:alert(1)", "data:text/html,x", "//evil.example", "", "mailto:a@b"] {
            let page = leads_to(wrong, "", "");
            assert_eq!(page.status(), StatusCode::BAD_GATEWAY, "{wrong}");
            assert!(wrong.is_empty() || !String::from_utf8_lossy(page.body()).contains(wrong), "{wrong}");
        }
    }
}
