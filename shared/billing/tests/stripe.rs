//! The client against a Stripe at the wire that is as strict as the real one.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use quillon_billing::{Checkout, Error, Price, Stripe, webhook};
use quillon_core::Sensitive;
use quillon_core::id::OrgId;
use quillon_core::plan::Standing;
use quillon_test_vendors::stripe::{PRICE_CENTS, Stripe as Fake};
use url::Url;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_600_000 + seconds).expect("in range")
}

fn org() -> OrgId {
    OrgId::from_parts(7, 7)
}

async fn open() -> (Fake, Stripe, Sensitive<String>) {
    let fake = Fake::start(Arc::new(|| at(0))).await;
    let stripe = Stripe::new(Url::parse(fake.url()).expect("a URL"));
    let key = Sensitive::new(fake.key().to_owned());
    (fake, stripe, key)
}

fn checkout<'a>(fake: &Fake, customer: &'a str, trial_days: Option<u32>) -> Checkout<'a> {
    let (success_url, cancel_url) = ("https://ci.example/acme/billing/back", "https://ci.example/acme/settings");
    Checkout { org: org(), customer, price: fake.price(), trial_days, success_url, cancel_url }
}

#[tokio::test]
async fn from_nothing_to_a_trial_to_its_end() {
    let (fake, stripe, key) = open().await;
    let customer = stripe.create_customer(&key, org(), "acme", "customer-1").await.expect("a customer");
    assert_eq!(fake.customers(), [(customer.clone(), org().to_string())]);
    assert_eq!(stripe.report(&key, &customer, at(0)).await.expect("a list"), None);

    let url = stripe.checkout(&key, &checkout(&fake, &customer, Some(14)), "checkout-1").await.expect("a page");
    let (id, session) = fake.sessions().pop_first().expect("a session");
    assert!(url.starts_with(fake.url()) && url.ends_with(&id), "{url}");
    assert_eq!((session.reference, session.trial_days), (org().to_string(), Some(14)));

    let subscription = fake.pay(&id);
    let report = stripe.report(&key, &customer, at(5)).await.expect("a list").expect("a report");
    let ends_at = at(0) + SignedDuration::from_hours(14 * 24);
    assert_eq!((report.as_of, &report.external, &report.customer), (at(5), &subscription, &customer));
    assert_eq!(report.standing, Standing::Trialing { started_at: at(0), ends_at });

    fake.fail_payment(&subscription);
    let standing = || async { stripe.report(&key, &customer, at(9)).await.expect("a list").expect("a report").standing };
    assert_eq!(standing().await, Standing::PaymentFailed { since: at(0) });
    fake.renew(&subscription);
    assert_eq!(standing().await, Standing::Paid { until: at(30 * 86_400) });
    fake.cancel(&subscription);
    assert_eq!(standing().await, Standing::Ended { at: at(0) });

    let portal = stripe.portal(&key, &customer, "https://ci.example/acme/billing/back").await.expect("a page");
    assert!(portal.starts_with(fake.url()), "{portal}");
    assert_eq!(fake.portals(), [customer]);
}

#[tokio::test]
async fn the_same_wish_twice_is_one_customer() {
    let (fake, stripe, key) = open().await;
    let ask = || stripe.create_customer(&key, org(), "acme", "customer-1");
    let (first, second) = (ask().await.expect("a customer"), ask().await.expect("the same"));
    assert_eq!(first, second);
    assert_eq!(fake.customers().len(), 1);
    stripe.create_customer(&key, org(), "another name", "customer-1").await.expect("a customer");
    stripe.create_customer(&key, org(), "acme", "customer-2").await.expect("a customer");
    assert_eq!(fake.customers().len(), 3);
}

#[tokio::test]
async fn a_request_that_is_being_worked_on_is_waited_for() {
    let (fake, stripe, key) = open().await;
    fake.set_busy(2);
    stripe.create_customer(&key, org(), "acme", "customer-1").await.expect("a customer");
    assert_eq!(fake.requests().len(), 3);
    fake.set_busy(100);
    let busy = stripe.create_customer(&key, org(), "acme", "customer-2").await;
    assert!(matches!(busy, Err(Error::Unavailable(_))), "{busy:?}");
}

#[tokio::test]
async fn an_org_that_had_its_trial_pays_at_once() {
    let (fake, stripe, key) = open().await;
    let customer = stripe.create_customer(&key, org(), "acme", "customer-1").await.expect("a customer");
    stripe.checkout(&key, &checkout(&fake, &customer, None), "checkout-1").await.expect("a page");
    let (id, session) = fake.sessions().pop_first().expect("a session");
    assert_eq!(session.trial_days, None);
    assert!(!fake.pay(&id).is_empty());
    let report = stripe.report(&key, &customer, at(0)).await.expect("a list").expect("a report");
    assert_eq!(report.standing, Standing::Paid { until: at(30 * 86_400) });
}

#[tokio::test]
async fn a_price_is_read() {
    let (fake, stripe, key) = open().await;
    let price = stripe.price(&key, fake.price()).await.expect("a price");
    let expected =
        Price { id: "price_team".into(), product: "prod_team".into(), cents: PRICE_CENTS, currency: "usd".into(), period: "month".into() };
    assert_eq!(price, expected);
    for wrong in ["price_other", "", "../customers", "a?b"] {
        assert!(matches!(stripe.price(&key, wrong).await, Err(Error::Refused(_))), "{wrong}");
    }
}

#[tokio::test]
async fn errors_say_whose_turn_it_is_and_no_secrets() {
    let (fake, stripe, key) = open().await;
    let wrong = Sensitive::new("sk_test_wrong".to_owned());
    let refused = stripe.create_customer(&wrong, org(), "acme", "c").await.expect_err("a wrong key");
    assert_eq!(refused.to_string(), "Stripe refused: it answered 401 `invalid_request_error` (request `req_fake`)");
    let unknown = stripe.portal(&key, "cus_unknown", "https://ci.example").await.expect_err("no customer");
    let why = "Stripe refused: it answered 400 `invalid_request_error` code `resource_missing` param `customer` (request `req_fake`)";
    assert_eq!(unknown.to_string(), why);
    fake.set_down(true);
    let down = stripe.report(&key, "cus_1", at(0)).await.expect_err("it is down");
    assert!(matches!(down, Error::Unavailable(_)), "{down:?}");
    let nobody = Stripe::new(Url::parse("http://127.0.0.1:1").expect("a URL"));
    let nobody = nobody.create_customer(&key, org(), "acme", "c").await.expect_err("nobody listens");
    assert!(matches!(&nobody, Error::Unavailable(why) if !why.contains("sk_test")), "{nobody:?}");
}

#[tokio::test]
async fn its_webhooks_are_genuine() {
    let (fake, ..) = open().await;
    let sent = fake.webhook("customer.subscription.updated", "cus_1");
    let read = |now| webhook::read(&[fake.webhook_secret()], Some(&sent.signature), sent.body.as_bytes(), now);
    assert_eq!(read(at(0)).expect("genuine").customer.as_deref(), Some("cus_1"));
    assert_eq!(read(at(301)), Err(webhook::Rejection::OtherTime));
}
