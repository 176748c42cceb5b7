//! What admins of an org do about its plan: choose, pay, change how they pay, come back.

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use quillon_billing::Checkout;
use quillon_core::local_path::LocalPath;
use quillon_core::org::{Org, OrgName};
use quillon_core::plan::{Event, Plan, Refused, Subscription, TRIAL_DAYS, decide};
use quillon_runtime::see_other;
use quillon_secrets::StripeSecret;
use quillon_tenancy::{Deed, Error as TenancyError};

use crate::Deps;
use crate::asking::{Asking, asking};
use crate::page::{self, Problem};
use crate::route::{Route, Step};

/// Within this time a wish to go to the checkout leads to the same page.
const SAME_WISH_S: i64 = 3_600;

/// Takes one step.
pub(crate) async fn take(deps: &Deps, name: &OrgName, step: Step, request: &Request<Bytes>) -> Result<Response<Bytes>, Problem> {
    let now = deps.clock.now();
    let needs = Route::Billing { org: name.clone(), step }.needs();
    let asking = asking(deps, name, step, needs, request, now).await?;
    match step {
        Step::Choose => choose(deps, &asking, now).await,
        Step::Checkout => checkout(deps, &asking, now).await,
        Step::Portal => portal(deps, &asking, now).await,
        Step::Back => Ok(back(deps, &asking, request, now).await),
    }
}

fn deed(asking: &Asking, now: Timestamp) -> Deed<'_> {
    Deed { who: &asking.who, from: asking.from.as_deref(), now }
}

/// The tab of an org's settings where its plan is, on this site.
fn plan_tab(org: &Org, more: &str) -> String {
    format!("/{}/settings?tab=Plan{more}", org.name)
}

async fn choose(deps: &Deps, asking: &Asking, now: Timestamp) -> Result<Response<Bytes>, Problem> {
    let form = asking.form.as_ref().ok_or(Problem::Damaged)?;
    match form.value("plan").unwrap_or_default().parse().map_err(|_| Problem::Damaged)? {
        Plan::Team => checkout(deps, asking, now).await,
        Plan::Individual => {
            deps.tenancy.change_subscription(asking.org.id, &Event::Chosen(Plan::Individual), &deed(asking, now)).await?;
            let next: Option<LocalPath> = form.value("next").and_then(|next| next.parse().ok());
            Ok(see_other(&next.map_or_else(|| plan_tab(&asking.org, ""), |path| path.to_string()), &[]))
        }
    }
}

/// Sends somebody to the page where payment details are given. What is asked for twice leads to the same page, where somebody can
/// pay once.
async fn checkout(deps: &Deps, asking: &Asking, now: Timestamp) -> Result<Response<Bytes>, Problem> {
    let org = &asking.org;
    if !org.is_open() {
        return Err(TenancyError::Refused("the org is being deleted: have it back first".to_owned()).into());
    }
    may_begin(org.subscription.as_ref(), now)?;
    let secret = deps.stripe_secret(now).await?;
    let customer = customer(deps, &secret, asking, now).await?;
    // Perhaps they have paid and we have not heard of it yet: a second subscription would be paid for too.
    let subscription = deps.look(&secret, org, &customer).await?;
    may_begin(subscription.as_ref(), now)?;
    let had_trial = subscription.as_ref().or(org.subscription.as_ref()).is_some_and(Subscription::had_trial);
    let checkout = Checkout {
        org: org.id,
        customer: &customer,
        price: &deps.price_team,
        trial_days: (!had_trial).then_some(TRIAL_DAYS),
        success_url: &deps.address(&format!("/{}/billing/back?from=checkout", org.name)),
        cancel_url: &deps.address(&plan_tab(org, "&checkout=left")),
    };
    let last = subscription.and_then(|subscription| subscription.external).unwrap_or_default();
    let wish = format!("{} after `{last}`", now.as_second() / SAME_WISH_S);
    let url = deps.stripe.checkout(&secret.key, &checkout, &wish).await?;
    Ok(page::leads_to(&url, "Payment details", "Stripe asks for them, takes the payments and keeps the details: they never come here."))
}

fn may_begin(subscription: Option<&Subscription>, now: Timestamp) -> Result<(), Problem> {
    match decide(subscription, &Event::Chosen(Plan::Team), now) {
        Ok(_) | Err(Refused::NeedsCheckout) => Ok(()),
        Err(refused) => Err(TenancyError::Refused(refused.to_string()).into()),
    }
}

/// The customer that an org is at Stripe; one is made for it where there is none.
async fn customer(deps: &Deps, secret: &StripeSecret, asking: &Asking, now: Timestamp) -> Result<String, Problem> {
    let org = &asking.org;
    if let Some(customer) = known_customer(org) {
        return Ok(customer.to_owned());
    }
    let wish = (now.as_second() / SAME_WISH_S).to_string();
    let customer = deps.stripe.create_customer(&secret.key, org.id, org.name.as_str(), &wish).await?;
    let known = Event::Known { customer: customer.clone() };
    match deps.tenancy.change_subscription(org.id, &known, &deed(asking, now)).await {
        Ok(_) => Ok(customer),
        // Somebody else was faster: theirs counts.
        Err(TenancyError::Refused(why)) => {
            let stored = deps.store.org(org.id).await?;
            stored.as_ref().and_then(known_customer).map(str::to_owned).ok_or_else(|| TenancyError::Refused(why).into())
        }
        Err(error) => Err(error.into()),
    }
}

fn known_customer(org: &Org) -> Option<&str> {
    org.subscription.as_ref()?.customer.as_deref()
}

async fn portal(deps: &Deps, asking: &Asking, now: Timestamp) -> Result<Response<Bytes>, Problem> {
    let org = &asking.org;
    let customer =
        known_customer(org).ok_or_else(|| TenancyError::Refused("nothing is paid for yet: choose the Team plan first".to_owned()))?;
    let secret = deps.stripe_secret(now).await?;
    let back = deps.address(&format!("/{}/billing/back", org.name));
    let url = deps.stripe.portal(&secret.key, customer, &back).await?;
    deps.tenancy.open_portal(org, &deed(asking, now)).await?;
    Ok(page::leads_to(&url, "Payments", "Stripe shows invoices, changes payment details and ends the plan."))
}

/// The way back from Stripe: what happened there is read now, because a webhook may come later. Whoever comes is led to the plan in
/// any case, which says how things stand.
async fn back(deps: &Deps, asking: &Asking, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    let org = &asking.org;
    if let Some(customer) = known_customer(org) {
        let looked = async {
            let secret = deps.stripe_secret(now).await?;
            deps.look(&secret, org, customer).await
        };
        if let Err(problem) = looked.await {
            tracing::warn!(org.id = %org.id, "how a subscription stands was not read, the webhook will tell: {problem}");
        }
    }
    let is_checkout = request.uri().query() == Some("from=checkout");
    see_other(&plan_tab(org, if is_checkout { "&checkout=done" } else { "" }), &[])
}
