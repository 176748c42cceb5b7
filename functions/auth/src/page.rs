//! What the pages of this function say.

use http::StatusCode;
use quillon_core::text::{sentence, with_causes};
use quillon_identity::Error as IdentityError;
use quillon_runtime::Notice;
use quillon_tenancy::Error as TenancyError;
use url::Url;

use crate::provider::Provider;

/// Nothing is at this address.
pub(crate) fn unknown(public: &Url) -> Notice {
    Notice::new(StatusCode::NOT_FOUND, "There is nothing here", "Perhaps this way of signing in is not set up on this installation.")
        .link("Sign in", sign_in(public))
}

/// The browser did not begin what it wants to end.
pub(crate) fn not_begun(public: &Url) -> Notice {
    let text = "It was not begun in this browser, it was ended before, or it took longer than ten minutes. Nothing was changed.";
    Notice::new(StatusCode::BAD_REQUEST, "This sign-in cannot be finished", text).link("Sign in", sign_in(public))
}

/// A parameter is missing or damaged.
pub(crate) fn damaged(public: &Url, cause: impl Into<String>) -> Notice {
    Notice::new(StatusCode::BAD_REQUEST, "This address is damaged", "Go back and try again from the page that you came from.")
        .because(cause)
        .link("Sign in", sign_in(public))
}

/// The provider sent the person back without a code.
pub(crate) fn declined(public: &Url, provider: &Provider, error: &str) -> Notice {
    let label = provider.label();
    if error == "access_denied" {
        let text = format!("{label} says that you, or somebody who decides for you there, did not allow it. Nothing was changed.");
        return Notice::new(StatusCode::BAD_REQUEST, "Sign-in was cancelled", text).link("Sign in", sign_in(public));
    }
    let word: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(60).collect();
    let text = format!("{label} sent you back with an error. If it happens again, tell whoever runs this installation.");
    Notice::new(StatusCode::BAD_REQUEST, format!("{label} did not sign you in"), text).because(word).link("Sign in", sign_in(public))
}

/// The provider did not say who the person is.
pub(crate) fn unidentified(public: &Url, provider: &Provider, error: &IdentityError) -> Notice {
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
            format!("What {label} signed is not for this sign-in. Try again; if it happens again, tell whoever runs this installation."),
        ),
    };
    Notice::new(status, format!("{label} did not sign you in"), text).because(error.to_string()).link("Sign in", sign_in(public))
}

/// Somebody whom a provider vouches for is not let in.
pub(crate) fn not_signed_in(public: &Url, error: &TenancyError) -> Notice {
    match error {
        TenancyError::Refused(why) => {
            Notice::new(StatusCode::FORBIDDEN, "You are not signed in", sentence(why)).link("Sign in with another account", sign_in(public))
        }
        TenancyError::Invalid(_)
        | TenancyError::NotFound(_)
        | TenancyError::Store(_)
        | TenancyError::Entropy(_)
        | TenancyError::Contended(_) => failed(public, error),
    }
}

/// What is stored refuses, or cannot be reached.
pub(crate) fn failed(public: &Url, error: &TenancyError) -> Notice {
    match error {
        TenancyError::Refused(why) | TenancyError::Invalid(why) => Notice::new(StatusCode::CONFLICT, "This cannot be done", sentence(why))
            .link("Your account", quillon_runtime::address(public, "/account")),
        TenancyError::NotFound(what) => {
            Notice::new(StatusCode::NOT_FOUND, "There is nothing here", format!("There is no {what}.")).link("Sign in", sign_in(public))
        }
        TenancyError::Store(_) | TenancyError::Entropy(_) | TenancyError::Contended(_) => broken(public, error),
    }
}

/// Something of ours does not work now.
pub(crate) fn broken(public: &Url, error: &dyn std::error::Error) -> Notice {
    tracing::error!("a sign-in failed: {}", with_causes(error));
    Notice::new(StatusCode::SERVICE_UNAVAILABLE, "Something is broken here", "Nothing was changed: try again in a minute.")
        .link("Sign in", sign_in(public))
}

/// Where to sign in anew.
fn sign_in(public: &Url) -> String {
    quillon_runtime::address(public, "/sign-in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_out_leads_to_the_sign_in() {
        let public = Url::parse("https://ci.example.com").expect("a URL");
        for notice in [unknown(&public), not_begun(&public), damaged(&public, "it has no `code`")] {
            let html = String::from_utf8(notice.page().body().to_vec()).expect("text");
            assert!(html.contains("\"https://ci.example.com/sign-in\""), "{html}");
        }
    }
}
