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
    /// Who is signed in.
    pub person: Option<Person>,
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

/// Whoever is signed in, in the top bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What they are called.
    pub name: String,
    /// Up to two letters that stand for them.
    pub initials: String,
    /// Their tint.
    pub tint: u8,
    /// The token of their forms.
    pub csrf: String,
}

impl Person {
    /// Somebody by what they are called.
    #[must_use]
    pub fn new(name: &str, csrf: String) -> Self {
        let (initials, tint) = (super::text::initials(name), super::text::tint(name));
        Self { name: super::text::label(name), initials, tint, csrf }
    }
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
    /// Its settings.
    pub settings_href: String,
    /// Whether whoever looks sees its runs.
    pub sees_runs: bool,
    /// Which of them this page belongs to.
    pub section: Section,
    /// The orgs that can be switched to.
    pub others: Vec<OrgLink>,
    /// That it waits for its deletion.
    pub ending: Option<Ending>,
}

/// An org in the menu of orgs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgLink {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub href: String,
    /// Whether this page is of it.
    pub is_current: bool,
}

/// That an org waits for its deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Who asked for it.
    pub by: String,
    /// The day on which it is final.
    pub due: String,
    /// Where it is taken back; none for those who may not.
    pub undelete: Option<String>,
}

/// A part of an org's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Checks.
    Checks,
    /// Traces.
    Traces,
    /// Settings.
    Settings,
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
