//! What an org pays for, what that entitles it to and what it uses of it, as plain data.

use askama::Template;
use jiff::Timestamp;
use quillon_core::plan::{Billing, Entitlements, Plan, Subscription, SubscriptionState, entitlements};

use crate::page::text::counted;

/// The tab.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/plan.html")]
pub struct PlanPage {
    /// The plan's name; none where nothing is paid for.
    pub plan: Option<&'static str>,
    /// How it stands.
    pub state: Stand,
    /// What the org may and what it uses of it.
    pub usage: Vec<Usage>,
    /// The plans that can be chosen; none where nothing is paid for.
    pub plans: Vec<Offer>,
    /// The forms; none for those who only look, and where nothing is paid for.
    pub forms: Option<PlanForms>,
    /// What came of the visit at the payment provider, where somebody comes back from it.
    pub news: Option<&'static str>,
    /// Where setting the org up goes on for somebody who has paid.
    pub onward: Option<String>,
}

/// How a plan stands, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// Key of its sign and color.
    pub key: &'static str,
    /// The sentence.
    pub words: String,
}

/// One thing that an org may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// What.
    pub name: &'static str,
    /// How much of it.
    pub allowed: String,
    /// How much is used; none where that is no number.
    pub used: Option<String>,
    /// Whether more is used than the plan allows now.
    pub is_over: bool,
}

/// A plan to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its word in the form.
    pub word: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// What it is.
    pub explanation: &'static str,
    /// Whether it is the one in force.
    pub is_current: bool,
    /// Whether it holds by itself once the one in force has ended.
    pub is_next: bool,
}

/// The forms of the tab: they go to the function that payments go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanForms {
    /// The token of the forms.
    pub csrf: String,
    /// Where a choice is posted to.
    pub choose: String,
    /// Where somebody pays who has chosen.
    pub checkout: String,
    /// Where the pages of the payment provider are asked for.
    pub portal: String,
    /// Whether there is anything to see there.
    pub has_customer: bool,
    /// Whether there is something to pay for now: the plan is chosen, but its payment is missing.
    pub wants_payment: bool,
}

/// What an org has, at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// How many people are in it.
    pub members: usize,
    /// How many of its checks run at once.
    pub concurrency: u32,
}

impl PlanPage {
    /// The tab without forms.
    #[must_use]
    pub fn new(billing: Billing, subscription: Option<&Subscription>, counts: Counts, now: Timestamp) -> Self {
        let allowed = entitlements(billing, subscription, now);
        let (plan, plans, state) = match billing {
            Billing::Off => (
                None,
                vec![],
                Stand { key: "success", words: "This installation takes no payments: everything is free for everybody.".to_owned() },
            ),
            Billing::On => {
                let in_force = subscription.filter(|it| it.is_in_force(now)).map_or(Plan::Individual, |it| it.plan);
                let is_ending = subscription.is_some_and(|it| it.ends_at.is_some() && it.is_in_force(now));
                let offers = Plan::ALL.into_iter().map(|plan| Offer::of(plan, in_force, is_ending));
                (Some(in_force.label()), offers.collect(), stand(subscription, now))
            }
        };
        Self { plan, state, usage: usage(&allowed, counts), plans, forms: None, news: None, onward: None }
    }
}

impl Offer {
    fn of(plan: Plan, in_force: Plan, is_ending: bool) -> Self {
        let (is_current, is_next) = (plan == in_force, is_ending && !plan.is_paid());
        Self { word: plan.word(), label: plan.label(), explanation: plan.explanation(), is_current, is_next }
    }
}

/// How a subscription stands.
fn stand(subscription: Option<&Subscription>, now: Timestamp) -> Stand {
    let day = |at: Timestamp| at.strftime("%-d %b %Y");
    let Some(subscription) = subscription else {
        return Stand { key: "nothing", words: "Nobody has chosen a plan yet: the free one holds.".to_owned() };
    };
    let label = subscription.plan.label();
    if let Some(ends_at) = subscription.ends_at.filter(|ends_at| now < *ends_at) {
        let words = format!("The {label} plan was cancelled and ends on {}. It can be resumed until then.", day(ends_at));
        return Stand { key: "cancelled", words };
    }
    match &subscription.state {
        SubscriptionState::Trialing { ends_at, .. } if now < *ends_at => {
            let days = usize::try_from((ends_at.duration_since(now).as_hours() + 23) / 24).unwrap_or(0);
            Stand {
                key: "running",
                words: format!("The trial of the {label} plan ends on {}, in {}.", day(*ends_at), counted(days, "day")),
            }
        }
        SubscriptionState::Trialing { ends_at, .. } => {
            Stand { key: "error", words: format!("The trial of the {label} plan ended on {}.", day(*ends_at)) }
        }
        SubscriptionState::Active { until: None } => Stand { key: "success", words: format!("The {label} plan is free and has no end.") },
        SubscriptionState::Active { until: Some(until) } if now < *until => {
            Stand { key: "success", words: format!("The {label} plan is paid until {}, and renewed then.", day(*until)) }
        }
        SubscriptionState::Active { until: Some(until) } => {
            Stand { key: "error", words: format!("The {label} plan was paid until {}; its renewal is not known yet.", day(*until)) }
        }
        SubscriptionState::PastDue { since } => {
            let end = subscription.lasts_until().map(|end| format!(" Without a payment it ends on {}.", day(end))).unwrap_or_default();
            Stand { key: "failure", words: format!("A payment for the {label} plan failed on {}.{end}", day(*since)) }
        }
        SubscriptionState::Cancelled { at } if now < *at => {
            Stand { key: "cancelled", words: format!("The {label} plan was cancelled and ends on {}.", day(*at)) }
        }
        SubscriptionState::Cancelled { at } => {
            Stand { key: "cancelled", words: format!("The {label} plan ended on {}. Nothing was lost; the free plan holds.", day(*at)) }
        }
    }
}

fn usage(allowed: &Entitlements, counts: Counts) -> Vec<Usage> {
    let members = counted(counts.members, "member");
    let kept =
        allowed.retention_days.map_or_else(|| "as long as this installation keeps any".to_owned(), |days| counted(days as usize, "day"));
    let at_once = match allowed.concurrency {
        u32::MAX => "as many as the organization's own limit".to_owned(),
        limit => counted(limit as usize, "check"),
    };
    vec![
        Usage {
            name: "Checks",
            allowed: if allowed.checks { "on every push and pull request" } else { "none: traces only" }.to_owned(),
            used: None,
            is_over: false,
        },
        Usage {
            name: "Checks at once",
            allowed: at_once,
            used: Some(format!("limited to {} in General", counts.concurrency)),
            is_over: false,
        },
        Usage {
            name: "Members",
            allowed: allowed.members.map_or_else(|| "no limit".to_owned(), |limit| counted(limit as usize, "member")),
            used: Some(format!("{members} now")),
            is_over: allowed.members.is_some_and(|limit| counts.members > limit as usize),
        },
        Usage { name: "Traces and logs are kept", allowed: kept, used: None, is_over: false },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const COUNTS: Counts = Counts { members: 3, concurrency: 20 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn team(state: SubscriptionState) -> Subscription {
        Subscription { plan: Plan::Team, state, ..Subscription::free(at(0)) }
    }

    #[test]
    fn without_payments_everything_is_free_and_there_is_nothing_to_choose() {
        let page = PlanPage::new(Billing::Off, None, COUNTS, at(0));
        assert!(page.plans.is_empty() && page.plan.is_none() && page.state.words.contains("everything is free"));
        assert!(page.usage.iter().all(|usage| !usage.is_over));
    }

    #[test]
    fn every_state_is_told_in_words() {
        for (state, at_day, expected) in [
            (SubscriptionState::Trialing { started_at: at(0), ends_at: at(14 * DAY) }, 1, "in 13 days"),
            (SubscriptionState::Trialing { started_at: at(0), ends_at: at(14 * DAY) }, 15, "ended on 29 Jan 2027"),
            (SubscriptionState::Active { until: None }, 1, "has no end"),
            (SubscriptionState::Active { until: Some(at(30 * DAY)) }, 1, "is paid until 14 Feb 2027"),
            (SubscriptionState::Active { until: Some(at(DAY)) }, 2, "renewal is not known yet"),
            (SubscriptionState::PastDue { since: at(0) }, 1, "failed on 15 Jan 2027. Without a payment it ends on 29 Jan 2027."),
            (SubscriptionState::Cancelled { at: at(DAY) }, 0, "was cancelled and ends on"),
            (SubscriptionState::Cancelled { at: at(DAY) }, 2, "Nothing was lost"),
        ] {
            let words = stand(Some(&team(state)), at(at_day * DAY)).words;
            assert!(words.contains(expected), "{words}");
        }
    }

    #[test]
    fn a_plan_that_is_not_renewed_says_when_it_ends() {
        let ends_at = Some(at(30 * DAY));
        for state in [
            SubscriptionState::Active { until: ends_at },
            SubscriptionState::Trialing { started_at: at(0), ends_at: at(30 * DAY) },
            SubscriptionState::PastDue { since: at(0) },
        ] {
            let words = stand(Some(&Subscription { ends_at, ..team(state) }), at(DAY)).words;
            assert_eq!(words, "The Team plan was cancelled and ends on 14 Feb 2027. It can be resumed until then.");
        }
    }

    #[test]
    fn more_members_than_the_free_plan_has_room_for_are_marked() {
        let over = team(SubscriptionState::Cancelled { at: at(0) });
        let page = PlanPage::new(Billing::On, Some(&over), COUNTS, at(1));
        assert_eq!(page.plan, Some("Individual"));
        assert!(page.usage.iter().any(|usage| usage.name == "Members" && usage.is_over));
    }
}
