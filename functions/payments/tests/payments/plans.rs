//! What can be chosen.

use quillon_test_vendors::stripe::PRICE_CENTS;

use crate::world::{World, asked, table};

fn row(plan: &str, cents: u64, id: &str) -> (String, u64, String, String) {
    (plan.to_owned(), cents, "month".to_owned(), id.to_owned())
}

#[tokio::test]
async fn without_billing_everything_is_free() {
    let world = World::free().await;
    assert_eq!(table(&world.plans().await), [row("Free", 0, "free")]);
    for path in ["/acme/billing/choose", "/acme/billing/checkout", "/acme/billing/portal"] {
        world.post(path, &world.ann, &[("plan", "team")]).await.expect(404, "There is nothing here");
    }
    world.get("/acme/billing/back", Some(&world.ann)).await.expect(404, "There is nothing here");
    world.deliver(&world.stripe.webhook("invoice.paid", "cus_1")).await.expect(404, "takes no payments");
    assert_eq!(world.stripe.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_price_is_that_of_stripe_and_asked_for_once_an_hour() {
    let world = World::new().await;
    let expected = [row("Individual", 0, "individual"), row("Team", PRICE_CENTS, "price_team")];
    for _ in 0..3 {
        assert_eq!(table(&world.plans().await), expected);
    }
    assert_eq!(asked(&world.stripe)["GET /v1/prices/price_team"], 1);
    world.stripe.set_down(true);
    world.pass_days(1);
    assert_eq!(table(&world.plans().await), expected, "the known price serves on");
    assert_eq!(table(&world.plans().await), expected);
    assert_eq!(asked(&world.stripe)["GET /v1/prices/price_team"], 2, "Stripe is left alone for a while");
}

#[tokio::test]
async fn a_price_that_was_never_known_is_asked_for_again_but_not_at_once() {
    let world = World::new().await;
    world.stripe.set_down(true);
    for _ in 0..3 {
        world.get("/plans", None).await.expect(503, "try again in a minute");
    }
    assert_eq!(world.stripe.requests().len(), 1);
    world.stripe.set_down(false);
    world.pass_days(1);
    assert_eq!(table(&world.plans().await).len(), 2);
}
