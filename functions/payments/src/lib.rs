//! The payments function: what plans there are, choosing and paying for one, and Stripe's webhook.
//!
//! Nothing of a payment is decided here. People are sent to pages of Stripe and come back; how things stand is then read from Stripe
//! ([`quillon_billing::Stripe::report`]) and taken in by `quillon_core::plan::decide`, the same when they come back and when a webhook
//! says that there is something to look at. With billing off (the default) there is one free plan, and nothing else of this is there.

mod actions;
mod asking;
mod notice;
mod page;
mod plans;
pub mod route;

use aws_config::SdkConfig;
use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use quillon_billing::Stripe;
use quillon_core::org::Org;
use quillon_core::plan::{Billing, Event, Subscription};
use quillon_runtime::{Clock, Settings, SettingsError};
use quillon_secrets::{Secrets, StripeSecret};
use quillon_store::{Store, Tables};
use quillon_tenancy::{Deed, Tenancy};
use url::Url;

use page::Problem;
use plans::Prices;
use route::{NoRoute, Route};

/// Who says how a subscription stands, as people read it.
const STRIPE: &str = "Stripe";

/// What the function works with.
#[derive(Debug)]
pub struct Deps {
    /// Orgs, and which customer is whose.
    pub store: Store,
    /// Sessions, roles and subscriptions.
    pub tenancy: Tenancy,
    /// Instance secrets.
    pub secrets: Secrets,
    /// The address of this installation.
    pub public: Url,
    /// The time.
    pub clock: Clock,
    session_secret_arn: String,
    stripe_secret_arn: String,
    billing: Billing,
    stripe: Stripe,
    price_team: String,
    prices: Prices,
}

impl Deps {
    /// Reads settings; makes no call.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: &Settings, sdk: &SdkConfig, clock: Clock) -> Result<Self, SettingsError> {
        let mut read = settings.reader();
        let tables = Tables { orgs: read.required("TABLE_ORGS"), ..Tables::default() };
        let session_secret_arn = read.required("SESSION_SECRET_ARN");
        let stripe_secret_arn = read.required("STRIPE_SECRET_ARN");
        let billing = read.parsed("QUILLON_BILLING", Billing::Off);
        let price_team = read.optional("QUILLON_STRIPE_PRICE_TEAM").unwrap_or_default();
        let public = read.required_url("QUILLON_PUBLIC_URL");
        let api = read.required_url("QUILLON_STRIPE_API_URL");
        if billing == Billing::On && price_team.is_empty() {
            read.complain("`QUILLON_STRIPE_PRICE_TEAM` is not set: it is the id of the price of the Team plan at Stripe");
        }
        let (public, api) = read.finish_with(public.zip(api))?;
        let store = Store::new(aws_sdk_dynamodb::Client::new(sdk), tables);
        Ok(Self {
            tenancy: Tenancy::new(store.clone()),
            store,
            secrets: Secrets::new(aws_sdk_secretsmanager::Client::new(sdk)),
            public,
            clock,
            session_secret_arn,
            stripe_secret_arn,
            billing,
            stripe: Stripe::new(api),
            price_team,
            prices: Prices::default(),
        })
    }

    async fn stripe_secret(&self, now: Timestamp) -> Result<StripeSecret, quillon_secrets::Error> {
        self.secrets.stripe(&self.stripe_secret_arn, now).await
    }

    /// An address of this installation.
    fn address(&self, path: &str) -> String {
        quillon_runtime::address(&self.public, path)
    }

    /// Reads from Stripe how the subscription of a customer stands, and takes it in; none where Stripe knows of none.
    async fn look(&self, secret: &StripeSecret, org: &Org, customer: &str) -> Result<Option<Subscription>, Problem> {
        // Before Stripe is asked: what it says is as of then, whoever is faster to write it down.
        let as_of = self.clock.now();
        let Some(report) = self.stripe.report(&secret.key, customer, as_of).await? else { return Ok(None) };
        let deed = Deed { who: STRIPE, from: None, now: as_of };
        Ok(Some(self.tenancy.change_subscription(org.id, &Event::Reported(report), &deed).await?))
    }
}

/// Answers one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let route = match Route::of(request.method(), request.uri().path()) {
        Ok(route) => route,
        Err(NoRoute::Unknown) => return Problem::Unknown.page(&deps.public, None),
        Err(NoRoute::Method(allowed)) => return quillon_runtime::wrong_method(allowed),
    };
    match route {
        Route::Plans => plans::answer(deps).await,
        Route::Webhook => notice::take(deps, &request).await,
        Route::Billing { org, step } => {
            let answer = match deps.billing {
                Billing::Off => Err(Problem::Unknown),
                Billing::On => actions::take(deps, &org, step, &request).await,
            };
            answer.unwrap_or_else(|problem| problem.page(&deps.public, Some(&org)))
        }
    }
}
