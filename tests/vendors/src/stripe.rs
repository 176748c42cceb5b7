//! Stripe: customers, checkout and portal sessions, subscriptions, prices, and signed webhooks.
//!
//! What it requires is what <https://docs.stripe.com/api> documents of the few operations that are there: the key, a version, forms
//! without fields that it does not know, idempotency keys that mean one request. A person at its pages is [`Stripe::pay`] and the like.

mod answers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::Clock;
use crate::jwt::unguessable;
use crate::server::{Server, lock};
use answers::{Fields, no};

/// The price of the Team plan, in cents a month.
pub const PRICE_CENTS: u64 = 5_000;

const DAY: i64 = 86_400;
const MONTH: i64 = 30 * DAY;

/// A Stripe account in test mode; ends with its last clone.
#[derive(Clone)]
pub struct Stripe {
    inner: Arc<Inner>,
    server: Arc<Server>,
}

struct Inner {
    key: String,
    webhook_secret: String,
    clock: Clock,
    state: Mutex<Account>,
}

#[derive(Default)]
struct Account {
    next: u64,
    is_down: bool,
    busy: u32,
    requests: Vec<String>,
    customers: BTreeMap<String, Value>,
    sessions: BTreeMap<String, Session>,
    subscriptions: BTreeMap<String, Value>,
    portals: Vec<String>,
    /// By idempotency key: what was asked for, and what came of it.
    answered: BTreeMap<String, (String, StatusCode, Value)>,
}

/// A checkout session: what was asked for with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its customer.
    pub customer: String,
    /// `client_reference_id`.
    pub reference: String,
    /// Days of trial, if any.
    pub trial_days: Option<i64>,
    /// Where the browser goes afterwards.
    pub success_url: String,
    /// Whether somebody has paid here.
    pub is_complete: bool,
}

/// A webhook as Stripe sends it.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The header `Stripe-Signature`.
    pub signature: String,
    /// The body.
    pub body: String,
}

impl Stripe {
    /// An account with one product of one price.
    pub async fn start(clock: Clock) -> Self {
        let inner = Arc::new(Inner {
            key: format!("sk_test_{}", unguessable()),
            webhook_secret: format!("whsec_{}", unguessable()),
            clock,
            state: Mutex::default(),
        });
        let router = Router::new()
            .route("/v1/customers", post(create))
            .route("/v1/checkout/sessions", post(create))
            .route("/v1/billing_portal/sessions", post(create))
            .route("/v1/subscriptions", get(subscriptions))
            .route("/v1/prices/{id}", get(price))
            .with_state(Arc::clone(&inner));
        let server = Server::start(|_| router).await;
        Self { inner, server: Arc::new(server) }
    }

    /// The base of its API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// The secret key of the account.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.inner.key
    }

    /// The secret that its webhooks are signed with.
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        &self.inner.webhook_secret
    }

    /// The id of the price.
    #[must_use]
    pub fn price(&self) -> &'static str {
        "price_team"
    }

    /// Answers nothing but 503 from now on, or answers again.
    pub fn set_down(&self, is_down: bool) {
        lock(&self.inner.state).is_down = is_down;
    }

    /// Says so many times that a request with the same key is still being worked on.
    pub fn set_busy(&self, times: u32) {
        lock(&self.inner.state).busy = times;
    }

    /// Method and path of every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.inner.state).requests.clone()
    }

    /// Its customers, and the org that each is of.
    #[must_use]
    pub fn customers(&self) -> Vec<(String, String)> {
        let state = lock(&self.inner.state);
        let org = |customer: &Value| customer["metadata"]["org"].as_str().unwrap_or_default().to_owned();
        state.customers.iter().map(|(id, customer)| (id.clone(), org(customer))).collect()
    }

    /// Its checkout sessions by id.
    #[must_use]
    pub fn sessions(&self) -> BTreeMap<String, Session> {
        lock(&self.inner.state).sessions.clone()
    }

    /// The customers of the portal sessions so far.
    #[must_use]
    pub fn portals(&self) -> Vec<String> {
        lock(&self.inner.state).portals.clone()
    }

    /// Somebody gives payment details at a checkout session; the subscription that begins.
    ///
    /// # Panics
    /// When there is no such session, or somebody has paid there already.
    #[must_use]
    pub fn pay(&self, session: &str) -> String {
        let now = self.now();
        let mut state = lock(&self.inner.state);
        let id = state.named("sub");
        let session = state.sessions.get_mut(session).expect("a checkout session");
        assert!(!session.is_complete, "a checkout session is good for one payment");
        session.is_complete = true;
        let ends = session.trial_days.map(|days| now + days * DAY);
        let subscription = json!({
            "id": id, "object": "subscription", "customer": session.customer, "created": now,
            "status": if ends.is_some() { "trialing" } else { "active" },
            "metadata": { "org": session.reference },
            "trial_start": ends.map(|_| now), "trial_end": ends, "canceled_at": null, "ended_at": null,
            "cancel_at": null, "cancel_at_period_end": false,
            "items": { "object": "list", "has_more": false, "data": [{
                "id": "si_1", "object": "subscription_item", "quantity": 1,
                "current_period_start": now, "current_period_end": ends.unwrap_or(now + MONTH),
                "price": { "id": self.price(), "object": "price", "product": "prod_team" },
            }]},
        });
        state.subscriptions.insert(id.clone(), subscription);
        id
    }

    /// A new period begins and is paid for.
    pub fn renew(&self, subscription: &str) {
        self.begin_period(subscription, "active");
    }

    /// A new period begins and is not paid for.
    pub fn fail_payment(&self, subscription: &str) {
        self.begin_period(subscription, "past_due");
    }

    /// Somebody cancels at the portal: it goes on to the end of its period.
    pub fn cancel_at_period_end(&self, subscription: &str) {
        let now = self.now();
        self.change(subscription, |subscription| {
            subscription["canceled_at"] = json!(now);
            subscription["cancel_at"] = subscription["items"]["data"][0]["current_period_end"].clone();
            subscription["cancel_at_period_end"] = json!(true);
        });
    }

    /// A subscription ends now.
    pub fn cancel(&self, subscription: &str) {
        let now = self.now();
        self.change(subscription, |subscription| {
            subscription["status"] = json!("canceled");
            subscription["canceled_at"] = json!(now);
            subscription["ended_at"] = json!(now);
        });
    }

    /// An event about a customer, signed now. What it says of the customer is nothing but the id: who wants to know more asks.
    #[must_use]
    pub fn webhook(&self, kind: &str, customer: &str) -> Webhook {
        let object = if kind.starts_with("customer.subscription") { "subscription" } else { "invoice" };
        self.event(kind, &json!({ "id": "x_1", "object": object, "customer": customer }))
    }

    /// Any event, signed now.
    #[must_use]
    pub fn event(&self, kind: &str, object: &Value) -> Webhook {
        let now = self.now();
        let id = lock(&self.inner.state).named("evt");
        let event = json!({
            "id": id, "object": "event", "api_version": "2025-03-31.basil", "created": now, "type": kind, "livemode": false,
            "pending_webhooks": 1, "data": { "object": object },
        });
        let body = event.to_string();
        let signature = answers::signature(&self.inner.webhook_secret, now, &body);
        Webhook { signature, body }
    }

    fn begin_period(&self, subscription: &str, status: &str) {
        let now = self.now();
        self.change(subscription, |subscription| {
            subscription["status"] = json!(status);
            subscription["items"]["data"][0]["current_period_start"] = json!(now);
            subscription["items"]["data"][0]["current_period_end"] = json!(now + MONTH);
        });
    }

    fn change(&self, subscription: &str, change: impl FnOnce(&mut Value)) {
        change(lock(&self.inner.state).subscriptions.get_mut(subscription).expect("a subscription"));
    }

    fn now(&self) -> i64 {
        (self.inner.clock)().as_second()
    }
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stripe").field("url", &self.server.url).finish_non_exhaustive()
    }
}

impl Account {
    fn named(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}_{:04}", self.next)
    }

    /// What comes of a form.
    fn create(&mut self, path: &str, base: &str, mut fields: Fields) -> Result<Value, (StatusCode, Value)> {
        match path {
            "/v1/customers" => {
                let id = self.named("cus");
                let (name, org) = (fields.take("name"), fields.take("metadata[org]"));
                fields.take("description");
                fields.take("email");
                fields.finish()?;
                let customer = json!({ "id": id, "object": "customer", "name": name, "metadata": { "org": org } });
                self.customers.insert(id, customer.clone());
                Ok(customer)
            }
            "/v1/checkout/sessions" => self.create_session(base, fields),
            _ => {
                let customer = self.customer(&mut fields)?;
                fields.address("return_url")?;
                fields.finish()?;
                self.portals.push(customer.clone());
                let id = self.named("bps");
                Ok(json!({ "id": id, "object": "billing_portal.session", "customer": customer, "url": format!("{base}/p/session/{id}") }))
            }
        }
    }

    fn create_session(&mut self, base: &str, mut fields: Fields) -> Result<Value, (StatusCode, Value)> {
        fields.one_of("mode", &["subscription"])?;
        let customer = self.customer(&mut fields)?;
        let price = fields.required("line_items[0][price]")?;
        if price != "price_team" {
            return Err(no("resource_missing", "line_items[0][price]"));
        }
        if fields.required("line_items[0][quantity]")? != "1" {
            return Err(no("parameter_invalid_integer", "line_items[0][quantity]"));
        }
        let success_url = fields.address("success_url")?;
        fields.address("cancel_url")?;
        fields.one_of("payment_method_collection", &["always", "if_required"])?;
        let trial_days = match fields.take("subscription_data[trial_period_days]") {
            None => None,
            Some(days) => match days.parse::<i64>() {
                Ok(days @ 1..=730) => Some(days),
                Ok(_) | Err(_) => return Err(no("parameter_invalid_integer", "subscription_data[trial_period_days]")),
            },
        };
        if trial_days.is_some() {
            let end = "subscription_data[trial_settings][end_behavior][missing_payment_method]";
            fields.one_of(end, &["cancel", "create_invoice", "pause"])?;
        }
        let reference = fields.take("client_reference_id").unwrap_or_default();
        fields.take("subscription_data[metadata][org]");
        fields.finish()?;
        let id = self.named("cs_test");
        let url = format!("{base}/c/pay/{id}");
        self.sessions.insert(id.clone(), Session { customer, reference, trial_days, success_url, is_complete: false });
        Ok(json!({ "id": id, "object": "checkout.session", "mode": "subscription", "status": "open", "url": url }))
    }

    fn customer(&self, fields: &mut Fields) -> Result<String, (StatusCode, Value)> {
        let customer = fields.required("customer")?;
        if self.customers.contains_key(&customer) { Ok(customer) } else { Err(no("resource_missing", "customer")) }
    }
}

impl Inner {
    /// What every request has to have.
    fn admit(&self, headers: &HeaderMap, what: String) -> Result<(), (StatusCode, Value)> {
        let mut state = lock(&self.state);
        state.requests.push(what);
        if state.is_down {
            return Err((StatusCode::SERVICE_UNAVAILABLE, json!({ "error": { "type": "api_error", "message": "try again" } })));
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if text("authorization") != format!("Bearer {}", self.key) {
            return Err((StatusCode::UNAUTHORIZED, json!({ "error": { "type": "invalid_request_error", "message": "no such key" } })));
        }
        // Without it the account's own version would be used, whatever that is.
        if text("stripe-version") != "2025-03-31.basil" {
            return Err(no("parameter_invalid", "Stripe-Version"));
        }
        Ok(())
    }
}

fn answer(result: Result<Value, (StatusCode, Value)>) -> Response {
    let (status, body) = result.map_or_else(|no| no, |body| (StatusCode::OK, body));
    (status, [("request-id", "req_fake")], axum::Json(body)).into_response()
}

async fn create(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if let Err(no) = inner.admit(&parts.headers, format!("POST {path}")) {
        return answer(Err(no));
    }
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap_or_default();
    let asked = format!("{path}?{}", String::from_utf8_lossy(&body));
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if text("content-type").as_deref() != Some("application/x-www-form-urlencoded") {
        return answer(Err(no("parameter_invalid", "Content-Type")));
    }
    let host = text("host").unwrap_or_default();
    let key = text("idempotency-key");
    let mut state = lock(&inner.state);
    if state.busy > 0 {
        state.busy -= 1;
        let body = json!({ "error": { "type": "idempotency_error", "code": "idempotency_key_in_use" } });
        return answer(Err((StatusCode::CONFLICT, body)));
    }
    if let Some((known, status, body)) = key.as_ref().and_then(|key| state.answered.get(key)) {
        if *known != asked {
            return answer(Err((StatusCode::BAD_REQUEST, json!({ "error": { "type": "idempotency_error" } }))));
        }
        return answer(if status.is_success() { Ok(body.clone()) } else { Err((*status, body.clone())) });
    }
    let result = if key.as_ref().is_some_and(|key| key.len() > 255) {
        Err(no("parameter_invalid", "Idempotency-Key"))
    } else {
        state.create(&path, &format!("http://{host}"), Fields::of(&body))
    };
    if let (Some(key), Ok(body)) = (key, &result) {
        state.answered.insert(key, (asked, StatusCode::OK, body.clone()));
    }
    answer(result)
}

async fn subscriptions(State(inner): State<Arc<Inner>>, headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>) -> Response {
    if let Err(no) = inner.admit(&headers, "GET /v1/subscriptions".to_owned()) {
        return answer(Err(no));
    }
    let state = lock(&inner.state);
    let mut fields = Fields::from(query);
    let result = (|| {
        let customer = state.customer(&mut fields)?;
        fields.one_of("status", &["all"])?;
        let limit = fields.required("limit")?.parse::<usize>().ok().filter(|limit| (1..=100).contains(limit));
        let limit = limit.ok_or_else(|| no("parameter_invalid_integer", "limit"))?;
        fields.finish()?;
        let of_customer = state.subscriptions.values().rev().filter(|subscription| subscription["customer"] == json!(customer));
        let data: Vec<&Value> = of_customer.take(limit).collect();
        Ok(json!({ "object": "list", "url": "/v1/subscriptions", "has_more": false, "data": data }))
    })();
    answer(result)
}

async fn price(State(inner): State<Arc<Inner>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(no) = inner.admit(&headers, format!("GET /v1/prices/{id}")) {
        return answer(Err(no));
    }
    if id != "price_team" {
        return answer(Err((StatusCode::NOT_FOUND, no("resource_missing", "price").1)));
    }
    answer(Ok(json!({
        "id": id, "object": "price", "active": true, "currency": "usd", "product": "prod_team", "type": "recurring",
        "unit_amount": PRICE_CENTS, "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" },
    })))
}
