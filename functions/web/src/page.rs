//! The pages as plain data: pure functions from the core's types to what a template prints.

pub mod account;
pub mod advice;
pub mod axis;
pub mod card;
pub mod check;
pub mod checks;
pub mod commit;
pub mod device;
pub mod filter;
pub mod frame;
pub mod invite;
pub mod log;
pub mod notice;
pub mod objection;
pub mod onboarding;
pub mod row;
pub mod settings;
pub mod sign_in;
pub mod state;
pub mod text;
pub mod time;
pub mod trace;

use crate::link::{Action, Paths};

/// What every form of an org's page needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forms {
    /// Where reruns go.
    pub rerun: String,
    /// Where reruns of loads go.
    pub rerun_load: String,
    /// Where cancellations go.
    pub cancel: String,
    /// The token that proves that the form is ours.
    pub csrf: String,
    /// The path to come back to.
    pub back: String,
}

impl Forms {
    /// The forms of a page of an org.
    #[must_use]
    pub fn new(paths: &Paths, csrf: String, back: String) -> Self {
        Self {
            rerun: paths.action(Action::Rerun),
            rerun_load: paths.action(Action::RerunLoad),
            cancel: paths.action(Action::Cancel),
            csrf,
            back,
        }
    }
}
