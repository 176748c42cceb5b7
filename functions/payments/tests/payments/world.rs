//! A small instance with billing, its Stripe, an org and its people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use quillon::cloud::Cloud;
use quillon::engine::{Engines, Storage};
use quillon::template::{BUNDLED, Parameters, Template};
use quillon_core::Sensitive;
use quillon_core::id::OrgId;
use quillon_core::member::Roles;
use quillon_core::org::Org;
use quillon_core::person::{Profile, ProviderId, User};
use quillon_core::plan::{Billing, Entitlements, Subscription, entitlements};
use quillon_core::session::Holder;
use quillon_payments::{Deps, handle};
use quillon_runtime::{Clock, Settings};
use quillon_secrets::InstanceKey;
use quillon_store::{Store, Tables};
use quillon_tenancy::{Deed, Tenancy, secret};
use quillon_test_vendors::stripe::{Stripe, Webhook};
use serde_json::{Value, json};

/// Where the instance is.
pub(crate) const PUBLIC: &str = "http://127.0.0.1:8800";

const SESSION_KEY: &str = "the key of this test's instance";

/// The instance. Its org is `acme`.
pub(crate) struct World {
    deps: Deps,
    /// Past every policy.
    pub(crate) store: Store,
    /// Past every policy.
    pub(crate) tenancy: Tenancy,
    pub(crate) clock: Clock,
    pub(crate) engines: Engines,
    pub(crate) stripe: Stripe,
    pub(crate) org: OrgId,
    /// The admin of the org.
    pub(crate) ann: Browser,
}

/// A browser that somebody is signed in with.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    secret: String,
    pub(crate) csrf: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(&self, status: u16, text: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert!(self.body.contains(text) || self.location.contains(text), "`{text}` is not in {self:?}");
    }

    /// The address of the page of Stripe that it leads to.
    pub(crate) fn stripe_page(&self) -> String {
        self.expect(200, "http-equiv=\"refresh\"");
        let rest = self.body.split("href=\"").nth(1).expect("a link");
        rest.split('"').next().expect("an address").to_owned()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Billing::On, None).await
    }

    /// One without billing.
    pub(crate) async fn free() -> Self {
        Self::with(Billing::Off, None).await
    }

    /// One whose key of Stripe is another account's.
    pub(crate) async fn with_key(key: &str) -> Self {
        Self::with(Billing::On, Some(key)).await
    }

    async fn with(billing: Billing, key: Option<&str>) -> Self {
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).expect("a time"));
        let hands = clock.clone();
        let stripe = Stripe::start(Arc::new(move || hands.now())).await;
        let parameters = Parameters::new()
            .with("PublicUrl", PUBLIC)
            .with("GithubAppId", "1")
            .with_json_text(
                "GithubAppPrivateKey",
                &format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", "A".repeat(64)),
            )
            .with("GithubWebhookSecret", "a webhook secret of some length")
            .with("BillingMode", if billing == Billing::On { "stripe" } else { "off" })
            .with("StripeApiUrl", stripe.url())
            .with("StripePriceTeam", stripe.price())
            .with_json_text("StripeSecretKey", key.unwrap_or(stripe.key()))
            .with_json_text("StripeWebhookSecret", stripe.webhook_secret());
        let template = Template::parse(BUNDLED, &parameters).expect("the template");
        let cloud = Cloud::open(template, &Storage::Memory, clock.clone()).await.expect("the engines");
        let engines = cloud.engines().clone();
        let environment = cloud.environment("Payments");
        let session = environment.get("SESSION_SECRET_ARN").expect("a session secret");
        let known = json!({ "key": SESSION_KEY }).to_string();
        engines.secrets_client().put_secret_value().secret_id(session).secret_string(known).send().await.expect("a secret");
        // With the rights that the template gives the function, and no others.
        let deps = Deps::new(&Settings::new(environment.clone()), &cloud.sdk_config("Payments"), clock.clone()).expect("the settings");
        let tables = Tables { orgs: environment["TABLE_ORGS"].clone(), modules: String::new(), checks: String::new() };
        let store = Store::new(engines.dynamodb_client(), tables);
        let tenancy = Tenancy::new(store.clone());
        let ann = person(&tenancy, &clock, "ann").await;
        let deed = Deed { who: "ann", from: None, now: clock.now() };
        let org = tenancy.create_org(&ann, "acme".parse().expect("a name"), &deed).await.expect("an org").id;
        let ann = browser(&tenancy, &clock, Holder::Person(ann.id)).await;
        Self { deps, store, tenancy, clock, engines, stripe, org, ann }
    }

    /// Somebody new, in the org with these roles if any.
    pub(crate) async fn somebody(&self, login: &str, roles: Option<Roles>) -> Browser {
        let user = person(&self.tenancy, &self.clock, login).await;
        if let Some(roles) = roles {
            let deed = Deed { who: "a test", from: None, now: self.clock.now() };
            self.tenancy.add_member(self.org, user.id, roles, &deed).await.expect("a member");
        }
        browser(&self.tenancy, &self.clock, Holder::Person(user.id)).await
    }

    pub(crate) async fn operator(&self) -> Browser {
        browser(&self.tenancy, &self.clock, Holder::Operator).await
    }

    pub(crate) fn pass_days(&self, days: u64) {
        self.clock.advance(Duration::from_secs(days * 86_400));
    }

    pub(crate) async fn get(&self, path: &str, browser: Option<&Browser>) -> Answer {
        self.send(Method::GET, path, browser, &[], Bytes::new()).await
    }

    /// A form of ours, with the token of the session.
    pub(crate) async fn post(&self, path: &str, browser: &Browser, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("csrf", browser.csrf.as_str())];
        all.extend(fields);
        self.post_raw(path, Some(browser), &all, &[("sec-fetch-site", "same-origin"), ("origin", PUBLIC)]).await
    }

    /// Any form.
    pub(crate) async fn post_raw(
        &self,
        path: &str,
        browser: Option<&Browser>,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        self.send(Method::POST, path, browser, &all, body.into()).await
    }

    /// A webhook as it was sent.
    pub(crate) async fn deliver(&self, webhook: &Webhook) -> Answer {
        let headers = [("content-type", "application/json"), ("stripe-signature", webhook.signature.as_str())];
        self.send(Method::POST, "/billing/webhook", None, &headers, Bytes::from(webhook.body.clone())).await
    }

    async fn send(&self, method: Method, path: &str, browser: Option<&Browser>, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", "127.0.0.1:8800");
        }
        if let Some(browser) = browser {
            request = request.header("cookie", format!("quillon_session={}", browser.secret));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, body) = handle(&self.deps, request.body(body).expect("a request")).await.into_parts();
        let location = parts.headers.get("location").map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default();
        Answer { status: parts.status, location, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// The org goes to the checkout and pays there; the subscription at Stripe, of which we have not heard yet.
    pub(crate) async fn pay(&self) -> String {
        let page = self.post("/acme/billing/checkout", &self.ann, &[]).await.stripe_page();
        self.stripe.pay(page.rsplit('/').next().expect("a session"))
    }

    /// The customer that the org is.
    pub(crate) async fn customer(&self) -> String {
        self.subscription().await.customer.expect("a customer")
    }

    pub(crate) async fn stored(&self) -> Org {
        self.store.org(self.org).await.expect("a table").expect("an org")
    }

    pub(crate) async fn subscription(&self) -> Subscription {
        self.stored().await.subscription.expect("a subscription")
    }

    pub(crate) async fn entitled(&self) -> Entitlements {
        entitlements(Billing::On, self.stored().await.subscription.as_ref(), self.clock.now())
    }

    pub(crate) async fn plans(&self) -> Value {
        let answer = self.get("/plans", None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).expect("JSON")
    }
}

async fn person(tenancy: &Tenancy, clock: &Clock, login: &str) -> User {
    let profile = Profile {
        provider: ProviderId::github(),
        subject: format!("subject of {login}"),
        login: login.to_owned(),
        name: login.to_owned(),
        email: None,
        avatar_url: None,
    };
    tenancy.sign_in(&profile, None, clock.now()).await.expect("a person")
}

async fn browser(tenancy: &Tenancy, clock: &Clock, holder: Holder) -> Browser {
    let (_, text) = tenancy.begin_session(holder, "a test", None, clock.now()).await.expect("a session");
    let key = InstanceKey::new(&Sensitive::new(SESSION_KEY.to_owned()));
    Browser { csrf: key.sign("form", &secret::hash(text.expose())), secret: text.expose().clone() }
}

/// What `dagger cloud billing plans` prints of the answer: plan, price, period, price id.
pub(crate) fn table(plans: &Value) -> Vec<(String, u64, String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let rows = plans["plans"].as_array().expect("plans").iter().flat_map(|plan| {
        let name = text(&plan["item"]["external_name"]);
        plan["price"].as_array().expect("prices").iter().map(move |price| {
            assert_eq!(price["item_id"], plan["item"]["id"]);
            (name.clone(), price["price"].as_u64().expect("cents"), text(&price["period_unit"]), text(&price["id"]))
        })
    });
    rows.collect()
}

/// How often each thing was asked of Stripe.
pub(crate) fn asked(stripe: &Stripe) -> BTreeMap<String, usize> {
    stripe.requests().into_iter().fold(BTreeMap::new(), |mut counts, request| {
        *counts.entry(request).or_default() += 1;
        counts
    })
}
