//! What is paid for. It is changed at the function that payments go through.

use askama::Template;
use quillon_core::access::Permission;
use quillon_core::org::Org;
use quillon_core::plan::{Billing, SubscriptionState};

use crate::handler::{Problem, Visit};
use crate::link::settings::Step;
use crate::page::settings::plan::{Counts, PlanForms, PlanPage};

/// Shows the tab.
pub(super) async fn show(visit: &Visit<'_>, org: &Org) -> Result<String, Problem> {
    let (deps, subscription) = (visit.deps, org.subscription.as_ref());
    let counts = Counts { members: deps.store.count_members(org.id).await?, concurrency: org.concurrency };
    let mut page = PlanPage::new(deps.billing, subscription, counts, visit.now);
    let to = |word: &str| format!("/{}/billing/{word}", org.name);
    page.forms = match deps.billing {
        Billing::On if visit.may(Permission::ManagePlan) => Some(PlanForms {
            csrf: visit.form_token().unwrap_or_default(),
            choose: to("choose"),
            checkout: to("checkout"),
            portal: to("portal"),
            has_customer: subscription.is_some_and(|it| it.customer.is_some()),
            wants_payment: subscription.is_some_and(|it| it.plan.is_paid() && matches!(it.state, SubscriptionState::Cancelled { .. })),
        }),
        Billing::On | Billing::Off => None,
    };
    // A word of the address only: what was really paid, the payment provider says.
    page.news = match visit.parameter("checkout").as_deref() {
        Some("done") => Some("Thank you. The plan changes as soon as the payment is confirmed, usually within seconds."),
        Some("left") => Some("Nothing was bought: the checkout was left."),
        Some(_) | None => None,
    };
    // Whoever sets an org up was on the way to its other steps.
    let has_paid = visit.parameter("checkout").as_deref() == Some("done");
    page.onward = (has_paid && visit.may(Step::Team.permission())).then(|| deps.site.paths(&org.name).welcome(Step::Team));
    Ok(page.render()?)
}
