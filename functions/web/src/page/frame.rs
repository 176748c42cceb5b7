//! The frame around every page: head, top bar, messages, footer.

use askama::Template;

use crate::asset::Assets;
use crate::flash::Flash;

/// A whole page.
#[derive(Debug, Clone, Template)]
#[template(path = "frame.html")]
pub struct Frame<'a> {
    /// What the page is, for the window's title.
    pub title: &'a str,
    /// Name and Checks page of the org, where there is one.
    pub org: Option<Org>,
    /// The token for the sign-out form; none where nobody is signed in.
    pub csrf: Option<&'a str>,
    /// Whether the script keeps the page fresh.
    pub refresh: Refresh,
    /// Whether the page has a place for the tree of a trace.
    pub has_trace: bool,
    /// What came of the last action.
    pub flash: Option<Flash>,
    /// The main part, rendered already and escaped there.
    pub main: &'a str,
    /// Addresses of style sheet and scripts.
    pub assets: &'static Assets,
}

/// The org in the top bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Its name.
    pub name: String,
    /// Its Checks page.
    pub checks_href: String,
    /// The list of its traces.
    pub traces_href: String,
    /// Which of them this page belongs to.
    pub section: Section,
}

/// A part of an org's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Checks.
    Checks,
    /// Traces.
    Traces,
}

/// How often a page is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Never: it does not change by itself.
    Never,
    /// Seldom: something new may appear.
    Idle,
    /// Often: something is under way.
    Live,
}

impl Refresh {
    /// The word in the page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Idle => "idle",
            Self::Live => "live",
        }
    }

    /// Of a page with or without something under way.
    #[must_use]
    pub fn of(is_live: bool) -> Self {
        if is_live { Self::Live } else { Self::Idle }
    }
}
