//! Orgs of an installation that takes money: what they see of their plan, and what it keeps them from.

use std::sync::Arc;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use quillon_core::Sensitive;
use quillon_core::id::OrgId;
use quillon_core::member::Roles;
use quillon_core::org::Org;
use quillon_core::plan::{Plan, Subscription, SubscriptionState};
use quillon_test_vendors::stripe::Stripe;
use serde_json::{Value, json};

use crate::world::World;

const ORG_DETAILS: &str = include_str!("../documents/GetOrgDetails.graphql");
const PORTAL: &str = include_str!("../documents/CreatePortalSession.graphql");
const RERUN_CHECKS: &str = include_str!("../documents/RerunChecks.graphql");

struct Scene {
    world: World,
    stripe: Stripe,
    org: OrgId,
    ann: String,
}

impl Scene {
    async fn new() -> Self {
        let stripe = Stripe::start(Arc::new(|| Timestamp::from_second(1_800_000_000).expect("a time"))).await;
        let world = World::paid(stripe.url(), stripe.key()).await;
        let org = world.org("acme").await.id;
        let ann = world.member(org, "ann", Roles::BOTH).await;
        Self { world, stripe, org, ann }
    }

    async fn pay(&self, state: SubscriptionState, customer: Option<String>) {
        let now = self.world.clock.now();
        let subscription =
            Subscription { plan: Plan::Team, state, customer, external: Some("sub_1".to_owned()), ..Subscription::free(now) };
        let change = |org: Org| Some(Org { subscription: Some(subscription.clone()), ..org });
        assert!(self.world.deps.store.change_org(self.org, change).await.expect("a table").is_some());
    }

    async fn details(&self) -> Value {
        self.world.query(&self.ann, ORG_DETAILS, json!({ "org": "acme" })).await["org"].clone()
    }

    async fn portal(&self) -> Value {
        let (status, answer) = self.world.ask(&self.ann, PORTAL, json!({ "org": self.org.to_string() })).await;
        assert_eq!(status, StatusCode::OK);
        answer
    }

    /// What comes of asking for a rerun, of nothing.
    async fn rerun(&self) -> String {
        let (_, answer) = self.world.ask(&self.ann, RERUN_CHECKS, json!({ "org": self.org.to_string(), "checkIds": [] })).await;
        answer["errors"][0]["message"].as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn an_org_without_a_plan_has_traces_and_no_checks() {
    let scene = Scene::new().await;
    let org = scene.details().await;
    assert_eq!(org["subscription"], Value::Null);
    assert_eq!((&org["features"][0]["status"], &org["features"][1]["status"]), (&json!("active"), &json!("inactive")));
    assert_eq!(scene.rerun().await, "the plan of the org has no checks: choose the Team plan first");
    let answer = scene.portal().await;
    let expected = "nothing is paid for yet: choose a plan at http://127.0.0.1:8800/acme/settings?tab=Plan";
    assert_eq!(answer["errors"][0]["message"], expected, "{answer}");
}

#[tokio::test]
async fn a_trial_says_from_when_to_when() {
    let scene = Scene::new().await;
    let started_at = scene.world.clock.now();
    let ends_at = started_at.checked_add(SignedDuration::from_hours(14 * 24)).expect("a time");
    scene.pay(SubscriptionState::Trialing { started_at, ends_at }, None).await;
    let (start, end) = ("2027-01-15T08:00:00Z", "2027-01-29T08:00:00Z");
    let org = scene.details().await;
    assert_eq!(
        org["subscription"],
        json!({ "status": "trialing", "trialStart": start, "trialEnd": end, "subscriptionID": "sub_1", "planID": "team", "hasCaching": false })
    );
    assert_eq!(org["features"][1], json!({ "name": "checks", "status": "active", "trialStart": start, "trialEnd": end }));
    assert_eq!(scene.rerun().await, "");
    // Long after its end nobody has paid.
    scene.world.pass(40 * 86_400);
    let (_, checks) = (scene.details().await["features"][0].clone(), scene.details().await["features"][1].clone());
    assert_eq!(checks, json!({ "name": "checks", "status": "inactive", "trialStart": null, "trialEnd": null }));
}

#[tokio::test]
async fn who_pays_is_sent_to_the_portal() {
    let scene = Scene::new().await;
    let provider = scene.world.deps.stripe.as_ref().expect("a payment provider");
    let key = Sensitive::new(scene.stripe.key().to_owned());
    let customer = provider.create_customer(&key, scene.org, "acme", "wish").await.expect("a customer");
    scene.pay(SubscriptionState::Active { until: None }, Some(customer.clone())).await;
    let answer = scene.portal().await;
    let url = answer["data"]["createPortalSession"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(url.starts_with(scene.stripe.url()), "{url}");
    assert_eq!(scene.stripe.portals(), [customer]);
    scene.stripe.set_down(true);
    let answer = scene.portal().await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
    let deeds = scene.world.deeds(scene.org).await;
    assert_eq!(deeds.iter().filter(|(_, deed)| *deed == "portal_opened").count(), 1, "{deeds:?}");
}
