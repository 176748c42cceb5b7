//! Pages that say one thing: errors, the list of orgs, the welcome of a fresh instance.

use askama::Template;

use super::advice::{Advice, Piece, Step, step};

/// A page that says one thing.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    /// The heading.
    pub title: String,
    /// What it means and what to do, as paragraphs.
    pub steps: Vec<Step>,
    /// Where to go from here.
    pub link: Option<(String, String)>,
}

impl Notice {
    fn new(title: &str, steps: &[&str]) -> Self {
        Self { title: title.to_owned(), steps: steps.iter().map(|text| step(text)).collect(), link: None }
    }

    /// 404: it does not exist, or not for this org.
    #[must_use]
    pub fn not_found() -> Self {
        let steps = [
            "There is no such page, commit or check here. It may have been renamed, or its record may have been too old to keep.",
            "If a commit should be here: Quillon runs checks on new events only, so push again.",
        ];
        Self { link: Some(("/".to_owned(), "To the checks".to_owned())), ..Self::new("Not found", &steps) }
    }

    /// 404 for somebody who is not signed in: there is no such trace, or it is not public. Which of the two is not said.
    #[must_use]
    pub fn no_trace(sign_in: &str) -> Self {
        Self::new(
            "No such trace",
            &[
                "There is no trace here, or it is not public, or the link that you were given has expired or was taken back.",
                "Do you belong to its organization? Then sign in.",
            ],
        )
        .leading_to(sign_in, "Sign in")
    }

    fn leading_to(mut self, href: &str, text: &str) -> Self {
        self.link = Some((href.to_owned(), text.to_owned()));
        self
    }

    /// 401: nobody is signed in.
    #[must_use]
    pub fn signed_out(sign_in: &str) -> Self {
        let steps = ["Nobody is signed in here any more, so nothing was changed.", "Sign in, then try again."];
        Self { link: Some((sign_in.to_owned(), "Sign in".to_owned())), ..Self::new("Sign in first", &steps) }
    }

    /// 403: they lack what it takes.
    #[must_use]
    pub fn forbidden(refusal: &str, is_form: bool) -> Self {
        let refusal = sentence(refusal);
        let notice = if is_form {
            Self::new("You may not do this here", &[&refusal, "Nothing was changed."])
        } else {
            Self::new("You may not see this", &[&refusal])
        };
        notice.leading_to("/", "To your organizations")
    }

    /// 403: the operator wants what only a person can.
    #[must_use]
    pub fn no_person() -> Self {
        let steps = [
            "You are signed in as the operator of this instance, who is no person: an account, a membership and a device belong to somebody.",
            "Sign out, then sign in as yourself.",
        ];
        Self { link: Some(("/account".to_owned(), "To the sign-out".to_owned())), ..Self::new("This takes a person", &steps) }
    }

    /// 403: the sign-in link is not the right one.
    #[must_use]
    pub fn wrong_key() -> Self {
        Self::new(
            "This sign-in link does not work",
            &[
                "Its key is not the one of this instance. It may be from another data directory, or cut short while copying.",
                "Open the link that `quillon up` printed when it started, or let `quillon admin sign-in` print it again.",
            ],
        )
    }

    /// 404: an invitation that cannot be accepted.
    #[must_use]
    pub fn no_invite() -> Self {
        let steps = [
            "It was accepted already, or taken back, or it has expired: an invitation lasts seven days and works once.",
            "Have you accepted it? Then you are in: the organization is among yours. Else ask whoever sent it for another one.",
        ];
        Self::new("This invitation does not work", &steps).leading_to("/", "To your organizations")
    }

    /// A device was approved.
    #[must_use]
    pub fn device_approved() -> Self {
        let steps = [
            "Go back to it: it goes on by itself in a few seconds.",
            "You can sign it out again at any time, on the page of your account.",
        ];
        Self::new("The device is signed in", &steps).leading_to("/account", "Your account")
    }

    /// A device was denied.
    #[must_use]
    pub fn device_denied() -> Self {
        let steps = [
            "It was not signed in, and its code works no more.",
            "Did you not start it? Then somebody else tried: tell whoever sent you the code no more than that.",
        ];
        Self::new("The device was turned away", &steps).leading_to("/", "To your organizations")
    }

    /// 403: a form that is not ours, or from an older session.
    #[must_use]
    pub fn refused_form() -> Self {
        let steps = [
            "Nothing was changed. The page that the button was on belongs to an older session, or to another site.",
            "Reload it and try again.",
        ];
        Self { link: Some(("/".to_owned(), "To the checks".to_owned())), ..Self::new("This request was refused", &steps) }
    }

    /// 400: a form without what it needs.
    #[must_use]
    pub fn bad_form(reason: &str) -> Self {
        let mut notice = Self::new("This request cannot be read", &["Nothing was changed."]);
        notice.steps.push(Step { pieces: vec![Piece { is_code: false, text: super::text::label(reason) }] });
        notice
    }

    /// 405: another method.
    #[must_use]
    pub fn wrong_method() -> Self {
        Self::new("This address takes another method", &["Nothing was changed. Use the buttons on the pages."])
    }

    /// 409: it cannot be done now.
    #[must_use]
    pub fn refused(reason: &str) -> Self {
        let mut notice = Self::new("That cannot be done", &["Nothing was changed."]);
        notice.steps.push(Step { pieces: vec![Piece { is_code: false, text: super::text::label(reason) }] });
        notice.link = Some(("/".to_owned(), "To the checks".to_owned()));
        notice
    }

    /// 421: asked for under another name.
    #[must_use]
    pub fn wrong_host(public_url: &str) -> Self {
        Self::new(
            "Wrong host name",
            &[
                &format!("These pages are at `{public_url}`."),
                "Under another name? Set `QUILLON_PUBLIC_URL` to the address that you open, and start again.",
            ],
        )
    }

    /// 500 or 503: our fault.
    #[must_use]
    pub fn broken(is_transient: bool) -> Self {
        if is_transient {
            Self::new("Not available for a moment", &["The tables did not answer in time. Reload the page; runs go on in the meantime."])
        } else {
            Self::new("Something is broken", &["The page could not be made; the server's log says why. Runs go on in the meantime."])
        }
    }

    /// A fresh instance: no org yet.
    #[must_use]
    pub fn welcome(public_url: &str) -> Self {
        Self::new(
            "Welcome to Quillon",
            &[
                "Everything runs, and nothing is connected yet. Do one of these:",
                "Install your GitHub App on the account that owns your repositories: its org appears here by itself.",
                "Or try it without GitHub: in any git repository with a Dagger module, `quillon push <name>` gives its head commit checks.",
                &format!("Webhooks of the App go to `{public_url}/github/webhook`."),
            ],
        )
    }
}

/// The list of orgs.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "orgs.html")]
pub struct OrgsPage {
    /// Name and Checks page of each.
    pub orgs: Vec<(String, String)>,
    /// The next page.
    pub more_href: Option<String>,
}

/// A message that begins and ends as a sentence does.
#[must_use]
pub fn sentence(text: &str) -> String {
    quillon_core::text::sentence(&super::text::label(text))
}

impl From<Advice> for Notice {
    fn from(advice: Advice) -> Self {
        Self { title: advice.title, steps: advice.steps, link: None }
    }
}

/// A link that opens a trace, shown once.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "trace/share.html")]
pub struct ShareLink {
    /// The link.
    pub link: String,
    /// How long it opens the trace, in words.
    pub words: &'static str,
    /// Until when.
    pub until: String,
    /// Whether everyone may read the trace anyway.
    pub is_public: bool,
    /// The page of the trace.
    pub trace_href: String,
}
