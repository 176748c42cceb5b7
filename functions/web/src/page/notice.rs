//! Pages that say one thing: errors, the sign-in, the list of orgs, the welcome of a fresh instance.

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
    pub fn no_trace() -> Self {
        Self::new(
            "No such trace",
            &[
                "There is no trace here, or it is not public, or the link that you were given has expired or was taken back.",
                "Do you belong to its organization? Open the sign-in link that `quillon up` printed, then come back.",
            ],
        )
    }

    /// 401: nobody is signed in.
    #[must_use]
    pub fn sign_in() -> Self {
        Self::new(
            "Sign in",
            &[
                "Open the sign-in link that `quillon up` printed when it started. It holds a key, so treat it like a password.",
                "Lost it? The key is in the file `operator-key` of the data directory, and `quillon up` prints the link again.",
            ],
        )
    }

    /// 403: the sign-in link is not the right one.
    #[must_use]
    pub fn wrong_key() -> Self {
        Self::new(
            "This sign-in link does not work",
            &[
                "Its key is not the one of this instance. It may be from another data directory, or cut short while copying.",
                "Open the link that `quillon up` printed when it started.",
            ],
        )
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
