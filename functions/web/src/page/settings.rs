//! The settings of an org as plain data: the frame, and one file per tab.

pub mod audit;
pub mod general;
pub mod members;
pub mod plan;
pub mod sources;
pub mod tokens;
pub mod visibility;

use askama::Template;

use crate::page::objection::Objection;

/// The navigation beside a tab.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/frame.html")]
pub struct SettingsPage {
    /// The org's name.
    pub org: String,
    /// The tab's name.
    pub tab: &'static str,
    /// The tabs that whoever looks may see.
    pub tabs: Vec<TabLink>,
    /// Why a form was refused.
    pub problem: Option<Objection>,
    /// The tab, rendered already and escaped there.
    pub body: String,
}

/// A tab in the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TabLink {
    /// Its name.
    pub name: &'static str,
    /// Its page.
    pub href: String,
    /// Whether it is this one.
    pub is_current: bool,
}
