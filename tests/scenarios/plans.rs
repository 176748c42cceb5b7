//! Plans where they are paid for: what an org gets with one, and that nothing is lost when it ends.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::SignedDuration;
use quillon_core::id::OrgId;
use quillon_core::member::Roles;
use quillon_core::plan::Billing;
use quillon_core::run::Phase;
use quillon_core::session::Holder;
use quillon_tenancy::secret;
use quillon_test_vendors::stripe::Stripe;
use quillon_tests::{Behaviour, Setup, World, run_of, trace_id};
use serde_json::json;

const DAY: u64 = 86_400;

async fn world() -> (World, Stripe, OrgId) {
    let world = World::with(Setup { bills: true, ..Setup::default() }).await;
    let stripe = world.stripe.clone().expect("a Stripe");
    let org = world.org_named("acme").await;
    (world, stripe, org)
}

/// The operator, on the pages, sends a form of the org's plan; the status and the page.
async fn post(world: &World, step: &str) -> (StatusCode, String) {
    let (_, text) = world.tenancy().begin_session(Holder::Operator, "a browser", None, world.clock.now()).await.expect("a session");
    let csrf = world.instance_key().await.sign("form", &secret::hash(text.expose()));
    let request = Request::post(format!("/acme/billing/{step}"))
        .header("host", "127.0.0.1:8800")
        .header("cookie", format!("quillon_session={}", text.expose()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(format!("csrf={csrf}")))
        .expect("a request");
    let answer = world.system.http(request).await;
    (answer.status(), String::from_utf8_lossy(answer.body()).into_owned())
}

/// Stripe tells of the org's customer.
async fn tell(world: &World, stripe: &Stripe, kind: &str) -> StatusCode {
    let (customer, _) = stripe.customers().pop().expect("a customer");
    let webhook = stripe.webhook(kind, &customer);
    let request = Request::post("/billing/webhook")
        .header("host", "127.0.0.1:8800")
        .header("stripe-signature", webhook.signature)
        .body(Bytes::from(webhook.body))
        .expect("a request");
    world.system.http(request).await.status()
}

/// The org pays at the checkout, and Stripe tells of it; the subscription.
async fn pay(world: &World, stripe: &Stripe) -> String {
    let (status, page) = post(world, "checkout").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let open = stripe.sessions().into_iter().find(|(_, session)| !session.is_complete).expect("a session");
    let subscription = stripe.pay(&open.0);
    assert_eq!(tell(world, stripe, "customer.subscription.created").await, StatusCode::OK);
    subscription
}

#[tokio::test]
async fn a_team_gets_checks_while_it_pays_and_keeps_what_it_had() {
    let (mut world, stripe, _) = world().await;
    let unpaid = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&unpaid).await.runs.is_empty());
    assert_eq!(world.statuses(&unpaid), Vec::<String>::new());

    let subscription = pay(&world, &stripe).await;
    let trial = world.push("main").await;
    world.settle().await;
    world.expect_status(&trial, "quillon", "success");

    // The trial ends, and nobody tells us anything more: three days later that is taken for its end.
    world.advance(Duration::from_secs(17 * DAY));
    let late = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&late).await.runs.is_empty());
    world.expect_check(&trial, "lint", Phase::Success).await;

    stripe.renew(&subscription);
    assert_eq!(tell(&world, &stripe, "invoice.paid").await, StatusCode::OK);
    let paid = world.push("main").await;
    world.settle().await;
    world.expect_status(&paid, "quillon", "success");

    stripe.cancel(&subscription);
    assert_eq!(tell(&world, &stripe, "customer.subscription.deleted").await, StatusCode::OK);
    let over = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&over).await.runs.is_empty());
    world.expect_check(&paid, "lint", Phase::Success).await;
    world.finish().await;
}

#[tokio::test]
async fn what_runs_when_a_plan_ends_is_finished_and_not_rerun() {
    let (mut world, stripe, _) = world().await;
    let subscription = pay(&world, &stripe).await;
    world.module_has(&["app:a", "app:b", "app:c"]);
    for check in ["a", "b", "c"] {
        world.check(check, Behaviour::Hangs);
    }
    let sha = world.push("main").await;
    world.settle().await;
    let active = |stored: &quillon_core::commit::Commit| stored.attempts.iter().filter(|attempt| attempt.is_active()).count();
    assert_eq!(active(&world.stored(&sha).await), 3);

    stripe.cancel(&subscription);
    assert_eq!(tell(&world, &stripe, "customer.subscription.deleted").await, StatusCode::OK);
    world.check("a", Behaviour::Fails(1));
    for check in ["b", "c"] {
        world.check(check, Behaviour::Passes);
    }
    world.settle().await;
    world.expect_status(&sha, "quillon", "failure");

    let (id, _) = world.attempt(&sha, "a").await;
    let query = "mutation($org: ID!, $ids: [ID!]!) { rerunChecks(org: $org, checkIds: $ids) { id } }";
    let request = Request::post("/query")
        .header("host", "127.0.0.1:8800")
        .header("authorization", format!("Bearer {}", world.operator_key))
        .header("content-type", "application/json")
        .body(Bytes::from(json!({ "query": query, "variables": { "org": world.org_id().await, "ids": [id] } }).to_string()))
        .expect("a request");
    let answer = String::from_utf8_lossy(world.system.http(request).await.body()).into_owned();
    assert!(answer.contains("choose the Team plan first"), "{answer}");
    world.expect_check(&sha, "a", Phase::Failure).await;
    world.finish().await;
}

#[tokio::test]
async fn what_waits_when_a_plan_ends_gets_its_turn_one_after_another() {
    let (mut world, stripe, _) = world().await;
    let subscription = pay(&world, &stripe).await;
    world.module_has(&["app:a", "app:b", "app:c"]);
    for check in ["a", "b", "c"] {
        world.check(check, Behaviour::Hangs);
    }
    world.limit_concurrency(1).await;
    let sha = world.push("main").await;
    world.settle().await;
    stripe.cancel(&subscription);
    assert_eq!(tell(&world, &stripe, "customer.subscription.deleted").await, StatusCode::OK);
    world.limit_concurrency(20).await;
    world.check("a", Behaviour::Passes);
    world.settle().await;
    let stored = world.stored(&sha).await;
    assert_eq!(stored.attempts.iter().filter(|attempt| attempt.is_active()).count(), 1, "the plan's limit is one, whatever the org's is");
    for check in ["b", "c"] {
        world.check(check, Behaviour::Passes);
    }
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn the_portal_is_the_customer_s() {
    let (world, stripe, org) = world().await;
    let ask = || async {
        let query = "mutation CreatePortalSession($org: ID!) { createPortalSession(org: $org) }";
        let request = Request::post("/query")
            .header("host", "127.0.0.1:8800")
            .header("authorization", format!("Bearer {}", world.operator_key))
            .header("content-type", "application/json")
            .body(Bytes::from(json!({ "query": query, "variables": { "org": org.to_string() } }).to_string()))
            .expect("a request");
        String::from_utf8_lossy(world.system.http(request).await.body()).into_owned()
    };
    let answer = ask().await;
    assert!(answer.contains("nothing is paid for yet"), "{answer}");
    let _subscription = pay(&world, &stripe).await;
    let answer = ask().await;
    assert!(answer.contains(&format!("{}/p/session/", stripe.url())), "{answer}");
    assert_eq!(stripe.portals(), [stripe.customers()[0].0.clone()]);
    stripe.set_down(true);
    let answer = ask().await;
    assert!(answer.contains("errors") && !answer.contains("sk_test"), "{answer}");
}

#[tokio::test]
async fn a_second_person_joins_a_team_only() {
    let (world, stripe, org) = world().await;
    let tenancy = world.tenancy().with_billing(Billing::On);
    let join = |login: &'static str| {
        let tenancy = tenancy.clone();
        let (world, deed) = (&world, world.deed());
        async move { tenancy.add_member(org, world.person(login).await.0.id, Roles::MEMBER, &deed).await.map_err(|error| error.to_string()) }
    };
    assert!(join("ann").await.is_ok());
    let full = join("ben").await;
    assert_eq!(full, Err("the plan of the org has room for 1 member: choose the Team plan first".to_owned()));
    let subscription = pay(&world, &stripe).await;
    assert!(join("ben").await.is_ok());
    stripe.cancel(&subscription);
    assert_eq!(tell(&world, &stripe, "customer.subscription.deleted").await, StatusCode::OK);
    assert!(join("ben").await.is_ok(), "who is in stays in");
    assert!(join("cleo").await.is_err());
}

#[tokio::test]
async fn telemetry_is_kept_as_long_as_the_plan_says() {
    let (world, stripe, org) = world().await;
    let token = world.telemetry_token("acme").await;
    let kept = async |number: u8| {
        let (trace, now) = (trace_id(number), world.clock.now());
        world.export_all(&token, &run_of(trace, "https://example.com/acme/app.git", now)).await;
        let head = world.trace_store().head(org, trace).await.expect("a table").expect("a head");
        head.expires_at.expect("an end").duration_since(now).as_hours() / 24
    };
    assert_eq!(kept(1).await, 14);
    let subscription = pay(&world, &stripe).await;
    // What an org may is read once a minute.
    world.advance(Duration::from_secs(61));
    assert_eq!(kept(2).await, 90);
    stripe.cancel(&subscription);
    assert_eq!(tell(&world, &stripe, "customer.subscription.deleted").await, StatusCode::OK);
    world.advance(Duration::from_secs(61));
    assert_eq!(kept(3).await, 14);
    let first_paid = world.trace_store().head(org, trace_id(2)).await.expect("a table").expect("a head");
    let end = world.clock.now().checked_add(SignedDuration::from_hours(24 * 89)).expect("a time");
    assert!(first_paid.expires_at > Some(end), "what was paid for is kept as long as it was to be");
}
