//! What the pages of this function say: the way to Stripe, and what went wrong.

use bytes::Bytes;
use http::{Response, StatusCode};
use quillon_core::access::Refusal;
use quillon_core::org::OrgName;
use quillon_core::text::sentence;
use quillon_runtime::{Notice, see_other};
use quillon_tenancy::Error as TenancyError;
use url::Url;

use crate::route::Step;

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
    /// The form cannot be read, or says what no form of ours does.
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

impl Problem {
    /// Its page, which leads on to the org's plan where it tells of that at all.
    pub(crate) fn page(&self, public: &Url, org: Option<&OrgName>) -> Response<Bytes> {
        let home = format!("{}/", public.as_str().trim_end_matches('/'));
        let sign_in = format!("{home}sign-in");
        let plan = org.map_or_else(|| home.clone(), |org| format!("{home}{org}/settings?tab=Plan"));
        let page = |status, title: &str, text: &str| Notice::new(status, title, text).link("To your orgs", &home).page();
        let back = |status, title: &str, text: &str| Notice::new(status, title, text).link("Back", &plan);
        match self {
            Self::Unknown | Self::Tenancy(TenancyError::NotFound(_)) => {
                let text = "Perhaps the org has another name now, or this installation takes no payments.";
                page(StatusCode::NOT_FOUND, "There is nothing here", text)
            }
            Self::OtherHost => {
                let text = format!("This installation is at {}.", public.host_str().unwrap_or_default());
                page(StatusCode::MISDIRECTED_REQUEST, "Another address", &text)
            }
            Self::SignedOut(Step::Back) => see_other(&sign_in, &[]),
            Self::SignedOut(Step::Choose | Step::Checkout | Step::Portal) => {
                let text = "Your session is over, or you signed out in another window. Nothing was changed.";
                Notice::new(StatusCode::UNAUTHORIZED, "You are not signed in", text).link("Sign in", sign_in).page()
            }
            Self::ForeignForm => page(StatusCode::FORBIDDEN, "Nothing was changed", &sentence(&self.to_string())),
            Self::Damaged => page(StatusCode::BAD_REQUEST, "Nothing was changed", &sentence(&self.to_string())),
            Self::Forbidden(refusal) => page(StatusCode::FORBIDDEN, "You may not do this", &sentence(&refusal.to_string())),
            Self::Tenancy(TenancyError::Refused(why) | TenancyError::Invalid(why)) => {
                back(StatusCode::CONFLICT, "This cannot be done", &sentence(why)).page()
            }
            Self::Stripe(error @ quillon_billing::Error::Unavailable(_)) => {
                tracing::warn!("{error}");
                let text = "Stripe, which takes the payments, does not answer. Nothing was changed and nothing was charged: try again in a minute.";
                back(StatusCode::SERVICE_UNAVAILABLE, "Payments do not work at the moment", text).page()
            }
            Self::Stripe(error @ (quillon_billing::Error::Refused(_) | quillon_billing::Error::Malformed(_))) => {
                tracing::error!("{error}");
                let text = "Stripe, which takes the payments, did not accept what this installation asked for. Nothing was charged. \
                            Whoever runs this installation finds the cause in the log of the function `Payments`.";
                back(StatusCode::BAD_GATEWAY, "Payments are not set up well", text).because(error.to_string()).page()
            }
            Self::NoPrice
            | Self::Tenancy(TenancyError::Store(_) | TenancyError::Entropy(_) | TenancyError::Contended(_))
            | Self::Store(_)
            | Self::Secret(_) => {
                tracing::error!("a step of billing failed: {}", quillon_core::text::with_causes(self));
                back(StatusCode::SERVICE_UNAVAILABLE, "Something is broken here", "Nothing was changed: try again in a minute.").page()
            }
        }
    }
}

/// A page that leads to one of Stripe.
pub(crate) fn leads_to(url: &str, title: &str, text: &str) -> Response<Bytes> {
    let is_address = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_address {
        let error = quillon_billing::Error::Malformed("a page of its own has no address".to_owned());
        tracing::error!("{error}");
        let notice = Notice::new(StatusCode::BAD_GATEWAY, "Payments are not set up well", "Nothing was charged.");
        return notice.because(error.to_string()).link("Back", "/").page();
    }
    Notice::new(StatusCode::OK, title, text).lead_to("Go on to Stripe", url).page()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stripe_says_is_escaped_and_leads_nowhere_strange() {
        let page = leads_to("https://checkout.stripe.example/c/pay/cs_1?a=\"><script>", "Payment details", "");
        let html = String::from_utf8(page.body().to_vec()).expect("text");
        assert!(html.contains("http-equiv=\"refresh\"") && !html.contains("<script"), "{html}");
        for wrong in ["javascript:alert(1)", "data:text/html,x", "//evil.example", "", "mailto:a@b"] {
            let page = leads_to(wrong, "", "");
            assert_eq!(page.status(), StatusCode::BAD_GATEWAY, "{wrong}");
            assert!(wrong.is_empty() || !String::from_utf8_lossy(page.body()).contains(wrong), "{wrong}");
        }
    }
}
