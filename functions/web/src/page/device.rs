//! A device that waits to be signed in, as plain data.

use askama::Template;
use jiff::Timestamp;
use quillon_core::device::DeviceGrant;

use super::objection::Objection;
use super::text::label;
use super::time::Moment;

/// The page: the form for the code, or what the code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "activate.html")]
pub struct DevicePage {
    /// What was typed.
    pub typed: String,
    /// Why it led nowhere.
    pub problem: Option<Objection>,
    /// The device.
    pub asked: Option<Asked>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The code to compare.
    pub code: String,
    /// What the device calls itself.
    pub client: String,
    /// The address that it asks from.
    pub from: Option<String>,
    /// When it asked.
    pub at: Moment,
    /// As whom it would act.
    pub me: String,
    /// The token of the form.
    pub csrf: String,
}

impl Asked {
    /// A device's wish, as whoever is signed in sees it.
    #[must_use]
    pub fn new(grant: &DeviceGrant, me: &str, csrf: String, now: Timestamp) -> Self {
        Self {
            code: grant.user_code.to_string(),
            client: label(&grant.client),
            from: grant.from.as_deref().map(label),
            at: Moment::new(grant.created_at, now),
            me: label(me),
            csrf,
        }
    }
}

impl DevicePage {
    /// The form for the code.
    #[must_use]
    pub fn ask(typed: String, problem: Option<Objection>) -> Self {
        Self { typed, problem, asked: None }
    }

    /// What the code stands for.
    #[must_use]
    pub fn of(asked: Asked) -> Self {
        Self { typed: String::new(), problem: None, asked: Some(asked) }
    }
}
