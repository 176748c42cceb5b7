//! How a subscription changes: total, pure, one arm per case.
//!
//! What the payment provider says is taken in whole (how the subscription stands as of a time), never as a difference, and what is
//! newer wins. So it does not matter in which order, or how often, its news comes.

use jiff::Timestamp;

use super::{Plan, Subscription, SubscriptionState};

/// What can happen to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody of the org chooses a plan.
    Chosen(Plan),
    /// The payment provider knows the org as this customer.
    Known {
        /// The provider's name for it.
        customer: String,
    },
    /// The payment provider says how things stand.
    Reported(Report),
}

/// How a paid subscription stands at the payment provider, as of a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// As of when it is so.
    pub as_of: Timestamp,
    /// Whose it is.
    pub customer: String,
    /// Which one.
    pub external: String,
    /// How it stands.
    pub standing: Standing,
    /// When it ends by itself, because somebody cancelled it.
    pub ends_at: Option<Timestamp>,
}

/// How a paid subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Payment details are there, nothing is charged yet.
    Trialing {
        /// Since when.
        started_at: Timestamp,
        /// Until when.
        ends_at: Timestamp,
    },
    /// Paid, also after it was late or had been stopped.
    Paid {
        /// Until when.
        until: Timestamp,
    },
    /// The last payment failed.
    PaymentFailed {
        /// When.
        since: Timestamp,
    },
    /// It is over.
    Ended {
        /// When.
        at: Timestamp,
    },
}

/// Why a subscription does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A plan with a price begins at the payment provider.
    #[error("the Team plan begins with payment details: go to the checkout")]
    NeedsCheckout,
    /// The org has it already.
    #[error("the org has the Team plan already: change it at the payment provider")]
    Running,
    /// It would be paid for without being used.
    #[error("the Team plan is still running: end it at the payment provider first")]
    EndFirst,
    /// The org is another customer.
    #[error("the org is known to the payment provider as another customer")]
    OtherCustomer,
}

/// The subscription after an event.
///
/// # Errors
/// When it must not happen; the subscription stays as it is.
pub fn decide(subscription: Option<&Subscription>, event: &Event, now: Timestamp) -> Result<Subscription, Refused> {
    match event {
        Event::Chosen(plan) => choose(subscription, *plan, now),
        Event::Known { customer } => {
            let known = subscription.cloned().unwrap_or_else(|| Subscription { chosen_at: None, ..Subscription::free(now) });
            of_customer(known, customer)
        }
        Event::Reported(report) => take_in(subscription, report, now),
    }
}

fn choose(subscription: Option<&Subscription>, plan: Plan, now: Timestamp) -> Result<Subscription, Refused> {
    let is_running = subscription.is_some_and(Subscription::is_running);
    match (plan, subscription) {
        (Plan::Team, _) if is_running => Err(Refused::Running),
        (Plan::Team, _) => Err(Refused::NeedsCheckout),
        (Plan::Individual, _) if is_running => Err(Refused::EndFirst),
        (Plan::Individual, None) => Ok(Subscription::free(now)),
        // Chosen before: it stays as it is, so that the same form twice is the same as once.
        (Plan::Individual, Some(known)) if known.plan == Plan::Individual && known.chosen_at.is_some() => Ok(known.clone()),
        (Plan::Individual, Some(known)) => Ok(Subscription {
            customer: known.customer.clone(),
            external: known.external.clone(),
            as_of: known.as_of,
            ..Subscription::free(now)
        }),
    }
}

fn of_customer(subscription: Subscription, customer: &str) -> Result<Subscription, Refused> {
    match &subscription.customer {
        Some(known) if known != customer => Err(Refused::OtherCustomer),
        Some(_) | None => Ok(Subscription { customer: Some(customer.to_owned()), ..subscription }),
    }
}

fn take_in(subscription: Option<&Subscription>, report: &Report, now: Timestamp) -> Result<Subscription, Refused> {
    let known = subscription.cloned().unwrap_or_else(|| Subscription { chosen_at: None, ..Subscription::free(now) });
    let known = of_customer(known, &report.customer)?;
    let reported = as_reported(&known, report);
    // Two reports as of the same moment: any order between them will do that is the same whichever came first.
    let is_news = rank(&known) < rank(&reported);
    Ok(if is_news { reported } else { known })
}

/// What a report makes of a subscription, were it the newest: it depends on nothing that another report would change.
fn as_reported(known: &Subscription, report: &Report) -> Subscription {
    let (plan, state) = match report.standing {
        Standing::Trialing { started_at, ends_at } => (Plan::Team, SubscriptionState::Trialing { started_at, ends_at }),
        Standing::Paid { until } => (Plan::Team, SubscriptionState::Active { until: Some(until) }),
        Standing::PaymentFailed { since } => (Plan::Team, SubscriptionState::PastDue { since }),
        Standing::Ended { at } if known.chosen_at.is_some_and(|chosen_at| at <= chosen_at) => {
            (Plan::Individual, SubscriptionState::Active { until: None })
        }
        Standing::Ended { at } => (Plan::Team, SubscriptionState::Cancelled { at }),
    };
    Subscription {
        plan,
        // What has ended, or is free, has no end to come.
        ends_at: report.ends_at.filter(|_| plan.is_paid() && !matches!(state, SubscriptionState::Cancelled { .. })),
        state,
        customer: known.customer.clone(),
        external: Some(report.external.clone()),
        as_of: Some(report.as_of),
        chosen_at: known.chosen_at,
    }
}

fn rank(subscription: &Subscription) -> (Option<Timestamp>, &SubscriptionState, &Option<String>, Plan, Option<Timestamp>) {
    (subscription.as_of, &subscription.state, &subscription.external, subscription.plan, subscription.ends_at)
}
