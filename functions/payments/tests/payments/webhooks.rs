//! What Stripe tells: late, twice, in any order, or not Stripe at all.

use quillon_core::plan::SubscriptionState;
use quillon_test_vendors::stripe::Webhook;
use serde_json::json;

use crate::world::{World, asked};

#[tokio::test]
async fn a_webhook_makes_us_look() {
    let world = World::new().await;
    let paid = world.pay().await;
    let customer = world.customer().await;
    world.deliver(&world.stripe.webhook("customer.subscription.created", &customer)).await.expect(200, "taken in");
    assert!(world.entitled().await.checks);

    world.pass_days(14);
    world.stripe.fail_payment(&paid);
    world.deliver(&world.stripe.webhook("invoice.payment_failed", &customer)).await.expect(200, "taken in");
    assert!(matches!(world.subscription().await.state, SubscriptionState::PastDue { .. }));
    assert!(world.entitled().await.checks, "Stripe tries again for two weeks");
    world.pass_days(14);
    assert!(!world.entitled().await.checks, "and nothing has to happen for that to be over");

    world.stripe.renew(&paid);
    world.deliver(&world.stripe.webhook("invoice.paid", &customer)).await.expect(200, "taken in");
    assert!(world.entitled().await.checks);
    world.pass_days(30);
    assert!(world.entitled().await.checks, "news of the renewal may be late");
    world.pass_days(3);
    assert!(!world.entitled().await.checks);
}

#[tokio::test]
async fn a_trial_that_nobody_hears_of_again_is_over_by_itself() {
    let world = World::new().await;
    let _paid = world.pay().await;
    world.get("/acme/billing/back", Some(&world.ann)).await.expect(303, "tab=Plan");
    world.pass_days(16);
    assert!(world.entitled().await.checks);
    world.pass_days(1);
    assert!(!world.entitled().await.checks);
    assert!(matches!(world.subscription().await.state, SubscriptionState::Trialing { .. }));
}

#[tokio::test]
async fn forged_and_recorded_ones_do_nothing() {
    let world = World::new().await;
    let paid = world.pay().await;
    let customer = world.customer().await;
    let good = world.stripe.webhook("customer.subscription.created", &customer);
    let before = world.stripe.requests().len();
    let with = |signature: &str| Webhook { signature: signature.to_owned(), body: good.body.clone() };
    world.deliver(&with("")).await.expect(400, "only Stripe's webhooks");
    world.deliver(&with("t=1,v1=00")).await.expect(401, "does not match");
    world.deliver(&with(&good.signature.replace("v1=", "v1=0"))).await.expect(401, "does not match");
    let other = Webhook { body: good.body.replace("created", "deleted"), ..good.clone() };
    world.deliver(&other).await.expect(401, "does not match");
    let huge = Webhook { body: " ".repeat(300 * 1024), ..good.clone() };
    world.deliver(&huge).await.expect(413, "at most");
    world.pass_days(1);
    world.deliver(&good).await.expect(401, "of another time");
    assert_eq!(world.stripe.requests().len(), before, "nobody is asked because of them");
    assert!(!world.entitled().await.checks);
    world.stripe.cancel(&paid);
}

#[tokio::test]
async fn the_same_one_again_and_old_ones_late_change_nothing() {
    let world = World::new().await;
    let paid = world.pay().await;
    let customer = world.customer().await;
    let created = world.stripe.webhook("customer.subscription.created", &customer);
    let trial_ends = world.stripe.webhook("customer.subscription.trial_will_end", &customer);
    world.stripe.cancel(&paid);
    let deleted = world.stripe.webhook("customer.subscription.deleted", &customer);
    world.deliver(&deleted).await.expect(200, "taken in");
    let ended = world.subscription().await;
    for late in [&created, &deleted, &trial_ends, &created] {
        world.deliver(late).await.expect(200, "taken in");
        let now = world.subscription().await;
        assert_eq!((&now.state, &now.external), (&ended.state, &ended.external), "what is believed is Stripe, not the webhook");
    }
    assert!(!world.entitled().await.checks);
}

#[tokio::test]
async fn many_at_once_end_as_stripe_says() {
    let world = World::new().await;
    let paid = world.pay().await;
    let customer = world.customer().await;
    let webhook = world.stripe.webhook("customer.subscription.updated", &customer);
    world.stripe.renew(&paid);
    let answers = futures::future::join_all((0..8).map(|_| world.deliver(&webhook))).await;
    for answer in answers {
        answer.expect(200, "taken in");
    }
    assert!(matches!(world.subscription().await.state, SubscriptionState::Active { until: Some(_) }));
}

#[tokio::test]
async fn what_is_about_nobody_here_is_acknowledged() {
    let world = World::new().await;
    world.deliver(&world.stripe.webhook("invoice.paid", "cus_of_another_shop")).await.expect(200, "no such customer here");
    world.deliver(&world.stripe.event("price.updated", &json!({ "id": "price_1", "object": "price" }))).await.expect(200, "about nobody");
    assert_eq!(world.stripe.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn while_stripe_is_down_it_is_asked_to_send_again() {
    let world = World::new().await;
    let _paid = world.pay().await;
    let customer = world.customer().await;
    let webhook = world.stripe.webhook("customer.subscription.created", &customer);
    world.stripe.set_down(true);
    world.deliver(&webhook).await.expect(503, "send it again");
    assert!(!world.entitled().await.checks);
    world.stripe.set_down(false);
    world.deliver(&webhook).await.expect(200, "taken in");
    assert!(world.entitled().await.checks);
    assert!(asked(&world.stripe)["GET /v1/subscriptions"] >= 3);
}
