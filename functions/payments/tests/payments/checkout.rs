//! Choosing, paying, changing how it is paid, coming back.

use quillon_core::audit::AuditAction;
use quillon_core::plan::{Plan, SubscriptionState};
use quillon_store::Page;

use crate::world::{PUBLIC, World, asked};

#[tokio::test]
async fn from_the_checkout_to_a_trial_to_the_end() {
    let world = World::new().await;
    assert!(!world.entitled().await.checks);
    let page = world.post("/acme/billing/checkout", &world.ann, &[]).await.stripe_page();
    assert!(page.starts_with(world.stripe.url()), "{page}");
    let (id, session) = world.stripe.sessions().pop_first().expect("a session");
    assert_eq!((session.reference.as_str(), session.trial_days), (world.org.to_string().as_str(), Some(14)));
    assert_eq!(session.success_url, format!("{PUBLIC}/acme/billing/back?from=checkout"));
    assert!(!world.entitled().await.checks, "nothing is given before it is paid for");

    let subscription = world.stripe.pay(&id);
    world.get("/acme/billing/back?from=checkout", Some(&world.ann)).await.expect(303, "/acme/settings?tab=Plan&checkout=done");
    assert!(matches!(world.subscription().await.state, SubscriptionState::Trialing { .. }));
    assert!(world.entitled().await.checks);

    world.post("/acme/billing/portal", &world.ann, &[]).await.expect(200, "/p/session/");
    assert_eq!(world.stripe.portals(), [world.customer().await]);
    world.stripe.cancel_at_period_end(&subscription);
    world.get("/acme/billing/back", Some(&world.ann)).await.expect(303, "/acme/settings?tab=Plan");
    let ending = world.subscription().await;
    assert!(matches!(ending.state, SubscriptionState::Trialing { ends_at, .. } if ending.ends_at == Some(ends_at)), "{ending:?}");
    assert!(world.entitled().await.checks, "what was paid for goes on to its end");
    world.stripe.cancel(&subscription);
    world.get("/acme/billing/back", Some(&world.ann)).await.expect(303, "/acme/settings?tab=Plan");
    assert!(!world.entitled().await.checks);

    let entries = world.store.audit(world.org, &Page::first(50)).await.expect("a table").items;
    let plan: Vec<_> = entries.iter().filter(|entry| matches!(entry.action, AuditAction::PlanChosen | AuditAction::PlanChanged)).collect();
    let mut told: Vec<(&str, &str)> = plan.iter().map(|entry| (entry.who.as_str(), entry.detail.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [("Stripe", "cancelled"), ("Stripe", "trialing"), ("Stripe", "trialing, and ends by itself")]);
    assert_eq!(entries.iter().filter(|entry| entry.action == AuditAction::PortalOpened).count(), 1);
}

#[tokio::test]
async fn two_checkouts_at_once_make_one_customer_and_one_page() {
    let world = World::new().await;
    let boris = world.operator().await;
    let wish = |browser| world.post("/acme/billing/checkout", browser, &[]);
    let (first, second) = tokio::join!(wish(&world.ann), wish(&boris));
    assert_eq!(first.stripe_page(), second.stripe_page(), "somebody can pay there once");
    assert_eq!(world.stripe.customers().len(), 1);
    let again = wish(&world.ann).await;
    assert_eq!(again.stripe_page(), first.stripe_page());
    assert_eq!(asked(&world.stripe)["POST /v1/customers"], 2, "the third wish knows the customer");
}

#[tokio::test]
async fn what_is_paid_for_is_not_paid_for_twice() {
    let world = World::new().await;
    let paid = world.pay().await;
    // Nobody has told us yet.
    let second = world.post("/acme/billing/choose", &world.ann, &[("plan", "team")]).await;
    second.expect(409, "The org has the Team plan already");
    assert_eq!(world.stripe.sessions().len(), 1);
    world.post("/acme/billing/choose", &world.ann, &[("plan", "individual")]).await.expect(409, "end it at the payment provider first");

    world.stripe.cancel(&paid);
    world.get("/acme/billing/back", Some(&world.ann)).await.expect(303, "tab=Plan");
    world.post("/acme/billing/checkout", &world.ann, &[]).await.stripe_page();
    let trials: Vec<_> = world.stripe.sessions().into_values().map(|session| session.trial_days).collect();
    assert_eq!(trials, [Some(14), None], "everybody has one trial");
}

#[tokio::test]
async fn the_free_plan_is_chosen_at_once() {
    let world = World::new().await;
    let chosen = world.post("/acme/billing/choose", &world.ann, &[("plan", "individual"), ("next", "/acme/welcome")]).await;
    assert_eq!((chosen.status.as_u16(), chosen.location.as_str()), (303, "/acme/welcome"));
    assert_eq!(world.subscription().await.plan, Plan::Individual);
    assert_eq!(world.entitled().await, Plan::Individual.entitlements());
    for next in ["https://evil.example", "//evil.example", "/\\evil.example", ""] {
        let chosen = world.post("/acme/billing/choose", &world.ann, &[("plan", "individual"), ("next", next)]).await;
        assert_eq!(chosen.location, "/acme/settings?tab=Plan", "{next}");
    }
    world.post("/acme/billing/choose", &world.ann, &[("plan", "enterprise")]).await.expect(400, "Nothing was changed");
    world.post("/acme/billing/portal", &world.ann, &[]).await.expect(409, "Nothing is paid for yet");
    assert_eq!(world.stripe.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn after_a_paid_plan_the_free_one_stays_chosen() {
    let world = World::new().await;
    let paid = world.pay().await;
    world.stripe.cancel(&paid);
    let customer = world.customer().await;
    world.deliver(&world.stripe.webhook("customer.subscription.deleted", &customer)).await.expect(200, "taken in");
    assert!(matches!(world.subscription().await.state, SubscriptionState::Cancelled { .. }));
    world.pass_days(1);
    world.post("/acme/billing/choose", &world.ann, &[("plan", "individual")]).await.expect(303, "tab=Plan");
    world.deliver(&world.stripe.webhook("customer.subscription.deleted", &customer)).await.expect(200, "taken in");
    let kept = world.subscription().await;
    assert_eq!((kept.plan, kept.state), (Plan::Individual, SubscriptionState::Active { until: None }));
}

#[tokio::test]
async fn while_stripe_is_down_nothing_is_changed_and_the_page_says_so() {
    let world = World::new().await;
    world.stripe.set_down(true);
    for path in ["/acme/billing/checkout", "/acme/billing/choose"] {
        let page = world.post(path, &world.ann, &[("plan", "team")]).await;
        page.expect(503, "does not answer");
        page.expect(503, "nothing was charged");
        page.expect(503, "/acme/settings?tab=Plan");
    }
    assert_eq!(world.stored().await.subscription, None);
    world.stripe.set_down(false);
    let _paid = world.pay().await;
    world.stripe.set_down(true);
    world.get("/acme/billing/back", Some(&world.ann)).await.expect(303, "tab=Plan");
    world.post("/acme/billing/portal", &world.ann, &[]).await.expect(503, "does not answer");
    assert!(!world.entitled().await.checks);
    world.stripe.set_down(false);
    world.get("/acme/billing/back", Some(&world.ann)).await.expect(303, "tab=Plan");
    assert!(world.entitled().await.checks);
}

#[tokio::test]
async fn a_wrong_key_is_the_operator_s_business_and_shown_nowhere() {
    let world = World::with_key("sk_test_of_another_account").await;
    let page = world.post("/acme/billing/checkout", &world.ann, &[]).await;
    page.expect(502, "Payments are not set up well");
    assert!(!page.body.contains("sk_test"), "{page:?}");
}

#[tokio::test]
async fn an_org_that_is_being_deleted_buys_nothing() {
    let world = World::new().await;
    let deed = quillon_tenancy::Deed { who: "ann", from: None, now: world.clock.now() };
    world.tenancy.delete_org(world.org, &deed).await.expect("a deletion");
    world.post("/acme/billing/checkout", &world.ann, &[]).await.expect(409, "being deleted");
}
