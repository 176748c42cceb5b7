//! Settings, Plan: what is paid for and what it gives, in words.

use http::StatusCode;
use jiff::SignedDuration;
use quillon_core::member::Roles;
use quillon_core::org::Org;
use quillon_core::plan::{Billing, Plan, Subscription, SubscriptionState};

use crate::world::World;

const TAB: &str = "/acme/settings?tab=Plan";

#[tokio::test]
async fn without_payments_everything_is_free_and_nothing_is_sold() {
    let world = World::new().await;
    world.org(1, "acme").await;
    let page = world.sign_in().await.get(TAB).await;
    assert!(page.status == StatusCode::OK && page.text.contains("everything is free for everybody"), "{}", page.text);
    assert!(!page.text.contains("/billing/"));
}

#[tokio::test]
async fn an_admin_chooses_a_member_looks_and_a_stranger_finds_nothing() {
    let mut world = World::new().await;
    world.deps.billing = Billing::On;
    let acme = world.org(1, "acme").await;
    let (ann, ben, eve) = (world.person(1, "ann").await, world.person(2, "ben").await, world.person(3, "eve").await);
    world.join(&acme, &ann, Roles::ADMIN).await;
    world.join(&acme, &ben, Roles::MEMBER).await;
    let (admin, member, stranger) = (world.browser_of(&ann).await, world.browser_of(&ben).await, world.browser_of(&eve).await);
    let free = admin.get(TAB).await.text;
    assert!(
        free.contains("Nobody has chosen a plan yet") && free.contains("The Individual plan") && free.contains("more than the plan allows")
    );
    assert!(free.contains("action=\"/acme/billing/choose\"") && free.contains("value=\"team\"") && !free.contains("/acme/billing/portal"));
    let seen = member.get(TAB).await.text;
    assert!(seen.contains("The Individual plan") && !seen.contains("/billing/"));
    assert_eq!(stranger.get(TAB).await.status, StatusCode::NOT_FOUND);

    let ends_at = world.now() + SignedDuration::from_hours(24 * 14);
    let state = SubscriptionState::Trialing { started_at: world.now(), ends_at };
    let trial = Subscription { plan: Plan::Team, state, customer: Some("cus_1".to_owned()), ..Subscription::free(world.now()) };
    let subscribed = |org: Org| Some(Org { subscription: Some(trial.clone()), ..org });
    world.deps.store.change_org(acme.id, subscribed).await.expect("a table").expect("an org");
    let page = admin.get(&format!("{TAB}&checkout=done")).await.text;
    assert!(
        page.contains("The trial of the Team plan ends on 29 Jan 2027, in 14 days.") && page.contains("on every push and pull request")
    );
    assert!(page.contains("action=\"/acme/billing/portal\"") && page.contains("Thank you."));
    assert!(page.contains("Choose Individual") && page.contains("<a href=\"/acme/welcome/team\">Go on with setting up</a>"));
    let ending = Subscription { ends_at: Some(ends_at), ..trial.clone() };
    world
        .deps
        .store
        .change_org(acme.id, |org| Some(Org { subscription: Some(ending.clone()), ..org }))
        .await
        .expect("a table")
        .expect("an org");
    let cancelled = admin.get(TAB).await.text;
    assert!(cancelled.contains("The Team plan was cancelled and ends on 29 Jan 2027. It can be resumed until then."), "{cancelled}");
    assert!(!cancelled.contains("Go on with setting up"));
    assert!(cancelled.contains("comes next") && !cancelled.contains("Choose Individual") && cancelled.contains("/acme/billing/portal"));
    let forged = admin.get(&format!("{TAB}&checkout=%3Cscript%3E")).await.text;
    assert!(!forged.contains("<script>\"") && !forged.contains("Thank you."));
}
