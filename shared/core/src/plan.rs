//! Plans: what an org pays for, what that entitles it to, and how both change.
//!
//! What an org may is a function of its subscription and of the time ([`entitlements`]), so nothing has to happen at the moment a
//! trial or a paid period ends. Nothing is lost then either: what was kept stays and can be read, new checks are not run.

mod decide;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use decide::{Event, Refused, Report, Standing, decide};

use crate::attempt::later;
use crate::id::InvalidId;

/// How long a trial lasts, in days.
pub const TRIAL_DAYS: u32 = 14;

/// How long what was paid for goes on after its end without a word of the payment provider: it tries for
/// [three days](https://docs.stripe.com/webhooks#behaviors) to tell us of a renewal.
pub const NEWS_GRACE: SignedDuration = SignedDuration::from_hours(3 * 24);

/// How long a plan goes on after a payment failed. The provider tries again for as long.
pub const PAYMENT_GRACE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// For one person: traces.
    Individual,
    /// For a team: traces and checks.
    Team,
}

impl Plan {
    /// All of them, the cheapest first.
    pub const ALL: [Self; 2] = [Self::Individual, Self::Team];

    /// Its word, as in forms and in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Individual => "individual",
            Self::Team => "team",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Individual => "Individual",
            Self::Team => "Team",
        }
    }

    /// What it is, in a sentence for whoever chooses.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Individual => "traces for one person, free",
            Self::Team => "traces and checks for everybody in the org, 14 days free, then paid",
        }
    }

    /// Whether it has a price, and so begins at the checkout.
    #[must_use]
    pub fn is_paid(self) -> bool {
        match self {
            Self::Individual => false,
            Self::Team => true,
        }
    }

    /// What it entitles an org to.
    #[must_use]
    pub fn entitlements(self) -> Entitlements {
        match self {
            // What was queued when a plan ended still gets its turn, one after another.
            Self::Individual => Entitlements { checks: false, members: Some(1), retention_days: Some(14), concurrency: 1 },
            Self::Team => Entitlements { checks: true, members: None, retention_days: Some(90), concurrency: u32::MAX },
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl FromStr for Plan {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|plan| plan.word() == text).ok_or_else(|| InvalidId::new(text, "a plan: `individual` or `team`"))
    }
}

/// Whether an installation takes money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Billing {
    /// No: everything is free for everybody.
    #[default]
    Off,
    /// By Stripe.
    On,
}

impl FromStr for Billing {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "off" => Ok(Self::Off),
            "stripe" => Ok(Self::On),
            _ => Err(InvalidId::new(text, "`off` or `stripe`")),
        }
    }
}

/// What an org may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entitlements {
    /// Whether its commits are checked.
    pub checks: bool,
    /// Most members; none for no limit.
    pub members: Option<u32>,
    /// Longest that its new traces are kept, in days; none for as long as the installation keeps any.
    pub retention_days: Option<u32>,
    /// Most attempts at once; the org's own limit holds too.
    pub concurrency: u32,
}

/// What every org may where nothing is paid for.
const EVERYTHING: Entitlements = Entitlements { checks: true, members: None, retention_days: None, concurrency: u32::MAX };

/// What an org may now. Without a subscription, or with one that is over, that is what the free plan gives.
#[must_use]
pub fn entitlements(billing: Billing, subscription: Option<&Subscription>, now: Timestamp) -> Entitlements {
    match billing {
        Billing::Off => EVERYTHING,
        Billing::On => {
            let plan = subscription.filter(|subscription| subscription.is_in_force(now)).map_or(Plan::Individual, |it| it.plan);
            plan.entitlements()
        }
    }
}

/// An org is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plan of the org has room for {limit} {}: choose the Team plan first", if *.limit == 1 { "member" } else { "members" })]
pub struct MembersFull {
    /// How many it has room for.
    pub limit: u32,
}

/// Whether somebody may join an org that has so many members.
///
/// # Errors
/// When the plan has no room for another one. Those who are in stay in, however many they are.
pub fn may_join(entitlements: &Entitlements, members: usize) -> Result<(), MembersFull> {
    match entitlements.members {
        Some(limit) if members >= limit as usize => Err(MembersFull { limit }),
        Some(_) | None => Ok(()),
    }
}

/// The plan has no checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plan of the org has no checks: choose the Team plan first")]
pub struct NoChecks;

/// Whether new checks may be run.
///
/// # Errors
/// When the plan has none.
pub fn may_check(entitlements: &Entitlements) -> Result<(), NoChecks> {
    if entitlements.checks { Ok(()) } else { Err(NoChecks) }
}

/// The org is still paying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Team plan is still running: end it at the payment provider first, so that nothing more is charged")]
pub struct StillPaying;

/// Whether an org may be deleted.
///
/// # Errors
/// While the payment provider would go on charging for it.
pub fn may_delete(subscription: Option<&Subscription>) -> Result<(), StillPaying> {
    // What was cancelled to the end of its period is not charged for again.
    if subscription.is_some_and(|it| it.is_running() && it.ends_at.is_none()) { Err(StillPaying) } else { Ok(()) }
}

/// What an org pays for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Which plan.
    pub plan: Plan,
    /// How it stands.
    pub state: SubscriptionState,
    /// When the payment provider ends it by itself, because somebody cancelled it; none while it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// The customer at the payment provider, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The subscription at the payment provider, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    /// As of when the payment provider said the newest that was taken in; what is older is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// When somebody chose the free plan; that a paid one ended before then is no news.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_at: Option<Timestamp>,
}

/// How a subscription stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

impl SubscriptionState {
    /// Its word, as in the API.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Trialing { .. } => "trialing",
            Self::Active { .. } => "active",
            Self::PastDue { .. } => "past_due",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

impl Subscription {
    /// The free plan, chosen now.
    #[must_use]
    pub fn free(now: Timestamp) -> Self {
        let state = SubscriptionState::Active { until: None };
        Self { plan: Plan::Individual, state, ends_at: None, customer: None, external: None, as_of: None, chosen_at: Some(now) }
    }

    /// Until when the plan is in force unless there is news; none for ever.
    #[must_use]
    pub fn lasts_until(&self) -> Option<Timestamp> {
        let lasts = match &self.state {
            SubscriptionState::Trialing { ends_at, .. } => Some(later(*ends_at, NEWS_GRACE)),
            SubscriptionState::Active { until } => until.map(|until| later(until, NEWS_GRACE)),
            SubscriptionState::PastDue { since } => Some(later(*since, PAYMENT_GRACE)),
            SubscriptionState::Cancelled { at } => Some(*at),
        };
        match (lasts, self.ends_at) {
            // No news of a renewal is to come.
            (Some(lasts), Some(ends_at)) => Some(lasts.min(ends_at)),
            (lasts, ends_at) => lasts.or(ends_at),
        }
    }

    /// Whether the plan is in force.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.lasts_until().is_none_or(|end| now < end)
    }

    /// Whether the payment provider goes on charging for it, as far as we know.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.plan.is_paid() && !matches!(self.state, SubscriptionState::Cancelled { .. })
    }

    /// Whether the org has had its trial: everyone has one.
    #[must_use]
    pub fn had_trial(&self) -> bool {
        self.external.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    const DAY: i64 = 86_400;

    fn team(state: SubscriptionState) -> Subscription {
        Subscription { plan: Plan::Team, state, ..Subscription::free(at(0)) }
    }

    #[test]
    fn without_billing_everybody_may_everything() {
        let over = team(SubscriptionState::Cancelled { at: at(-1) });
        for subscription in [None, Some(&over), Some(&Subscription::free(at(0)))] {
            assert_eq!(entitlements(Billing::Off, subscription, at(0)), EVERYTHING);
        }
        assert_eq!(may_join(&EVERYTHING, usize::MAX), Ok(()));
        assert_eq!(may_check(&EVERYTHING), Ok(()));
    }

    #[test]
    fn a_plan_is_in_force_until_its_time_and_then_the_free_one_is() {
        let (free, paid) = (Plan::Individual.entitlements(), Plan::Team.entitlements());
        for (state, last) in [
            (SubscriptionState::Trialing { started_at: at(0), ends_at: at(14 * DAY) }, Some(17 * DAY)),
            (SubscriptionState::Active { until: Some(at(30 * DAY)) }, Some(33 * DAY)),
            (SubscriptionState::Active { until: None }, None),
            (SubscriptionState::PastDue { since: at(DAY) }, Some(15 * DAY)),
            (SubscriptionState::Cancelled { at: at(0) }, Some(0)),
        ] {
            let subscription = team(state);
            let of = |seconds| entitlements(Billing::On, Some(&subscription), at(seconds));
            match last {
                Some(last) => assert_eq!((of(last - 1), of(last)), (paid, free), "{subscription:?}"),
                None => assert_eq!(of(10_000 * DAY), paid),
            }
        }
        let ending = Subscription { ends_at: Some(at(30 * DAY)), ..team(SubscriptionState::Active { until: Some(at(30 * DAY)) }) };
        let of = |seconds| entitlements(Billing::On, Some(&ending), at(seconds));
        assert_eq!((of(30 * DAY - 1), of(30 * DAY)), (paid, free), "cancelled: no renewal is waited for");
        assert_eq!(entitlements(Billing::On, None, at(0)), free);
        assert_eq!(entitlements(Billing::On, Some(&Subscription::free(at(0))), at(10_000 * DAY)), free);
    }

    #[test]
    fn one_person_or_a_team() {
        let full = may_join(&Plan::Individual.entitlements(), 1);
        assert_eq!(
            full.map_err(|full| full.to_string()),
            Err("the plan of the org has room for 1 member: choose the Team plan first".into())
        );
        assert_eq!(may_join(&Plan::Individual.entitlements(), 0), Ok(()));
        assert_eq!(may_join(&Plan::Team.entitlements(), 1_000_000), Ok(()));
        assert_eq!(may_check(&Plan::Individual.entitlements()), Err(NoChecks));
        assert_eq!(may_check(&Plan::Team.entitlements()), Ok(()));
    }

    #[test]
    fn no_org_is_deleted_that_would_still_be_charged_for() {
        assert_eq!(may_delete(None), Ok(()));
        assert_eq!(may_delete(Some(&Subscription::free(at(0)))), Ok(()));
        assert_eq!(may_delete(Some(&team(SubscriptionState::Cancelled { at: at(0) }))), Ok(()));
        assert_eq!(may_delete(Some(&team(SubscriptionState::PastDue { since: at(0) }))), Err(StillPaying));
        let paid = team(SubscriptionState::Active { until: Some(at(DAY)) });
        assert_eq!(may_delete(Some(&paid)), Err(StillPaying));
        assert_eq!(may_delete(Some(&Subscription { ends_at: Some(at(DAY)), ..paid })), Ok(()));
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for plan in Plan::ALL {
            assert_eq!(plan.to_string().parse(), Ok(plan));
        }
        assert_eq!(("off".parse(), "stripe".parse()), (Ok(Billing::Off), Ok(Billing::On)));
        assert!("on".parse::<Billing>().is_err() && "Team".parse::<Plan>().is_err());
    }
}
