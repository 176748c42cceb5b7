//! Payments, by [Stripe's API](https://docs.stripe.com/api): checkout, portal, and what Stripe tells us.
//!
//! Stripe knows who pays; we ask it. Its webhooks ([`webhook`]) are hints that say no more than "look at this customer":
//! [`Stripe::report`] then reads how the customer's subscription stands, and only that is believed. So a webhook that is late,
//! repeated or out of order does no harm.

mod call;
mod subscription;
pub mod webhook;

use std::sync::Arc;

use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::id::OrgId;
use quillon_core::plan::Report;
use reqwest::Client;
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

/// The version of the API that this room is written against, sent with every request:
/// <https://docs.stripe.com/api/versioning>.
pub const VERSION: &str = "2025-03-31.basil";

/// Most subscriptions of a customer that are looked at, the newest first.
const MAX_SUBSCRIPTIONS: u32 = 100;

/// Why Stripe did not do something, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or is busy: the person tries again later.
    #[error("Stripe cannot be asked: {0}")]
    Unavailable(String),
    /// It says no: whoever runs this installation has to correct its settings here or at Stripe.
    #[error("Stripe refused: {0}")]
    Refused(String),
    /// Its answer is not what is documented.
    #[error("the answer of Stripe cannot be read: {0}")]
    Malformed(String),
}

/// A price at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// Stripe's name for it.
    pub id: String,
    /// The product that it is of.
    pub product: String,
    /// How much, in the smallest unit of the currency.
    pub cents: u64,
    /// Which currency, three lower-case letters.
    pub currency: String,
    /// For how long: `day`, `week`, `month` or `year`.
    pub period: String,
}

/// What a checkout is for.
#[derive(Debug, Clone)]
pub struct Checkout<'a> {
    /// Which org will pay.
    pub org: OrgId,
    /// As which customer.
    pub customer: &'a str,
    /// For what.
    pub price: &'a str,
    /// How many days are free; none for an org that has had its trial.
    pub trial_days: Option<u32>,
    /// Where the browser goes afterwards.
    pub success_url: &'a str,
    /// Where it goes when the person leaves.
    pub cancel_url: &'a str,
}

/// Asks Stripe. Clones share their connections; the secret key comes with every call, because it may be replaced.
#[derive(Debug, Clone)]
pub struct Stripe {
    base: Url,
    client: Arc<OnceCell<Client>>,
}

impl Stripe {
    /// Connects to nothing.
    ///
    /// `base` is `https://api.stripe.com`, or what stands in for it.
    #[must_use]
    pub fn new(base: Url) -> Self {
        Self { base, client: Arc::default() }
    }

    /// Makes an org a customer. The same wish within a day is the same customer.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn create_customer(&self, key: &Sensitive<String>, org: OrgId, name: &str, wish: &str) -> Result<String, Error> {
        let org = org.to_string();
        let fields = [("name", name), ("description", "an org of Quillon"), ("metadata[org]", org.as_str())];
        let Named { id } = self.post("/v1/customers", key, &fields, Some(wish)).await?;
        Ok(id)
    }

    /// The address of a page of Stripe on which somebody gives payment details and begins the subscription. Details are asked for
    /// before a trial too; a trial without any would end. The same wish within a day is the same page, where somebody can pay once.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn checkout(&self, key: &Sensitive<String>, checkout: &Checkout<'_>, wish: &str) -> Result<String, Error> {
        let org = checkout.org.to_string();
        let days = checkout.trial_days.map(|days| days.to_string());
        let mut fields = vec![
            ("mode", "subscription"),
            ("customer", checkout.customer),
            ("client_reference_id", org.as_str()),
            ("line_items[0][price]", checkout.price),
            ("line_items[0][quantity]", "1"),
            ("payment_method_collection", "always"),
            ("subscription_data[metadata][org]", org.as_str()),
            ("success_url", checkout.success_url),
            ("cancel_url", checkout.cancel_url),
        ];
        if let Some(days) = &days {
            fields.push(("subscription_data[trial_period_days]", days));
            fields.push(("subscription_data[trial_settings][end_behavior][missing_payment_method]", "cancel"));
        }
        let Page { url } = self.post("/v1/checkout/sessions", key, &fields, Some(wish)).await?;
        url.ok_or_else(|| Error::Malformed("the checkout session has no address".to_owned()))
    }

    /// The address of a page of Stripe on which a customer changes payment details, reads invoices and ends the subscription.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn portal(&self, key: &Sensitive<String>, customer: &str, return_url: &str) -> Result<String, Error> {
        let fields = [("customer", customer), ("return_url", return_url)];
        // Every visit gets a page of its own: they are good for minutes.
        let Page { url } = self.post("/v1/billing_portal/sessions", key, &fields, None).await?;
        url.ok_or_else(|| Error::Malformed("the portal session has no address".to_owned()))
    }

    /// How the subscription of a customer stands as of `now`; none when there never was one that began.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn report(&self, key: &Sensitive<String>, customer: &str, now: Timestamp) -> Result<Option<Report>, Error> {
        let limit = MAX_SUBSCRIPTIONS.to_string();
        let query = [("customer", customer), ("status", "all"), ("limit", limit.as_str())];
        let list: subscription::List = self.read("/v1/subscriptions", key, &query).await?;
        subscription::report(list, customer, now)
    }

    /// A price.
    ///
    /// # Errors
    /// Any [`Error`]; a price that is not a fixed amount per period is [`Error::Malformed`].
    pub async fn price(&self, key: &Sensitive<String>, id: &str) -> Result<Price, Error> {
        if !is_id(id) {
            return Err(Error::Refused("the name of the price in the settings is none".to_owned()));
        }
        let wire: WirePrice = self.read(&format!("/v1/prices/{id}"), key, &[]).await?;
        match (wire.unit_amount, wire.recurring) {
            (Some(cents), Some(recurring)) => {
                Ok(Price { id: wire.id, product: wire.product, cents, currency: wire.currency, period: recurring.interval })
            }
            (None, _) | (_, None) => Err(Error::Malformed(format!("the price `{id}` is not a fixed amount per period"))),
        }
    }
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Page {
    url: Option<String>,
}

#[derive(Deserialize)]
struct WirePrice {
    id: String,
    product: String,
    currency: String,
    unit_amount: Option<u64>,
    recurring: Option<Recurring>,
}

#[derive(Deserialize)]
struct Recurring {
    interval: String,
}

/// Whether a text is a name that Stripe gives to things, and so one segment of a path or a key.
fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
