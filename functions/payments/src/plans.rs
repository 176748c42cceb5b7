//! `GET /plans`: what can be chosen and what it costs, as `dagger cloud billing plans` reads it.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use quillon_billing::Price;
use quillon_core::plan::{Billing, Plan};
use quillon_runtime::json;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::Deps;
use crate::page::Problem;

/// How long a price is told without asking again.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// How long Stripe is left alone after it could not say.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// The price of the Team plan as last read.
#[derive(Debug, Default)]
pub(crate) struct Prices(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    price: Option<Price>,
    /// When to ask again.
    ask_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Answer {
    plans: Vec<Offer>,
}

#[derive(Debug, Serialize)]
struct Offer {
    item: Item,
    price: Vec<ItemPrice>,
}

#[derive(Debug, Serialize)]
struct Item {
    id: String,
    external_name: &'static str,
}

/// Amounts are in cents, as the CLI expects them.
#[derive(Debug, Serialize)]
struct ItemPrice {
    id: String,
    item_id: String,
    external_name: &'static str,
    unit: &'static str,
    price: u64,
    period_unit: String,
}

/// The answer, which needs nobody to be signed in.
pub(crate) async fn answer(deps: &Deps) -> Response<Bytes> {
    match deps.billing {
        Billing::Off => json(StatusCode::OK, &Answer { plans: vec![free("free", "Free")] }),
        Billing::On => match deps.prices.team(deps).await {
            Ok(price) => {
                let plans = vec![free(Plan::Individual.word(), Plan::Individual.label()), paid(price)];
                json(StatusCode::OK, &Answer { plans })
            }
            Err(problem) => {
                tracing::error!("the price of the Team plan is not known: {}", quillon_core::text::with_causes(&problem));
                quillon_runtime::text(StatusCode::SERVICE_UNAVAILABLE, "prices are not known at the moment, try again in a minute")
            }
        },
    }
}

fn free(word: &str, label: &'static str) -> Offer {
    offer(word.to_owned(), word.to_owned(), label, 0, "month".to_owned())
}

fn paid(price: Price) -> Offer {
    offer(price.product, price.id, Plan::Team.label(), price.cents, price.period)
}

fn offer(product: String, id: String, label: &'static str, cents: u64, period_unit: String) -> Offer {
    let price = ItemPrice { id, item_id: product.clone(), external_name: label, unit: "org", price: cents, period_unit };
    Offer { item: Item { id: product, external_name: label }, price: vec![price] }
}

impl Prices {
    /// The price of the Team plan, which Stripe is asked for now and then: whoever is anonymous makes no calls.
    async fn team(&self, deps: &Deps) -> Result<Price, Problem> {
        let now = deps.clock.now();
        // Held across the call: a burst of requests makes one call.
        let mut known = self.0.lock().await;
        if known.ask_at.is_some_and(|ask_at| now < ask_at) {
            return known.price.clone().ok_or(Problem::NoPrice);
        }
        let asked = async {
            let secret = deps.stripe_secret(now).await?;
            Ok::<_, Problem>(deps.stripe.price(&secret.key, &deps.price_team).await?)
        };
        match (asked.await, &known.price) {
            (Ok(price), _) => {
                *known = Known { price: Some(price.clone()), ask_at: now.checked_add(FRESH).ok() };
                Ok(price)
            }
            (Err(problem), Some(price)) => {
                tracing::warn!("the price of the Team plan was not read again, the known one serves on: {problem}");
                let price = price.clone();
                known.ask_at = now.checked_add(PAUSE).ok();
                Ok(price)
            }
            (Err(problem), None) => {
                known.ask_at = now.checked_add(PAUSE).ok();
                Err(problem)
            }
        }
    }
}
