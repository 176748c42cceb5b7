//! Plans: what an org pays for, what that entitles it to, and how both change.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a trial lasts.
pub const TRIAL: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// For one person: traces.
    Individual,
    /// For a team: traces and checks.
    Team,
}

/// What an org pays for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Which plan.
    pub plan: Plan,
    /// How it stands.
    pub state: SubscriptionState,
    /// The customer at the payment provider, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The subscription at the payment provider, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    /// When the payment provider made the newest event that was taken in; older ones are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
}

/// How a subscription stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SubscriptionState {
    /// Nothing is paid yet.
    Trialing {
        /// Since when.
        started_at: Timestamp,
        /// Until when.
        ends_at: Timestamp,
    },
    /// Paid.
    Active {
        /// Until when it is paid; none for a plan without a price.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A payment failed.
    PastDue {
        /// When.
        since: Timestamp,
    },
    /// Ended, or never paid after the trial.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}
