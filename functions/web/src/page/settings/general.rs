//! The org itself, as plain data.

use askama::Template;

/// The tab.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/general.html")]
pub struct GeneralPage {
    /// The org's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, as a day.
    pub since: String,
    /// How many checks run at once.
    pub concurrency: u32,
    /// How many its plan allows; none for no limit.
    pub limit: Option<u32>,
    /// The forms; none for those who only look.
    pub forms: Option<GeneralForms>,
}

/// The forms of the tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneralForms {
    /// The token of the forms.
    pub csrf: String,
    /// Where a name is posted to.
    pub rename: String,
    /// Where the limit is posted to.
    pub concurrency: String,
    /// Where the end is posted to.
    pub delete: String,
    /// The name that was refused.
    pub typed_name: Option<String>,
    /// The limit that was refused.
    pub typed_concurrency: Option<String>,
    /// What was typed to confirm the end, and was refused.
    pub typed_confirm: Option<String>,
    /// Whether it waits for its deletion already.
    pub is_ending: bool,
}
