//! Stripe's webhook: a signed hint that there is something to look at.
//!
//! It is answered with 2xx once what Stripe says is stored, and with 503 where that did not work, so that Stripe sends it again, for up
//! to three days (<https://docs.stripe.com/webhooks#behaviors>). What is in its body beside the customer is not even read.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_billing::webhook;
use quillon_core::plan::Billing;
use quillon_runtime::text;
use quillon_tenancy::Error as TenancyError;

use crate::Deps;
use crate::page::Problem;

/// Takes one in.
pub(crate) async fn take(deps: &Deps, request: &Request<Bytes>) -> Response<Bytes> {
    if deps.billing == Billing::Off {
        return text(StatusCode::NOT_FOUND, "this installation takes no payments");
    }
    let now = deps.clock.now();
    let secret = match deps.stripe_secret(now).await {
        Ok(secret) => secret,
        Err(error) => return failed(&error),
    };
    let signature = request.headers().get("stripe-signature").map(|value| value.to_str().unwrap_or_default());
    let notice = match webhook::read(&secret.accepted(), signature, request.body(), now) {
        Ok(notice) => notice,
        Err(rejection) => {
            tracing::warn!("a webhook was refused: {rejection}");
            return text(rejection.status(), &rejection.to_string());
        }
    };
    let Some(customer) = notice.customer else { return text(StatusCode::OK, "it is about nobody") };
    let org = match deps.store.org_of_customer(&customer).await {
        Ok(Some(org)) => deps.store.org(org).await,
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let org = match org {
        Ok(Some(org)) => org,
        // The account at Stripe may have customers that are none of ours.
        Ok(None) => return text(StatusCode::OK, "no such customer here"),
        Err(error) => return failed(&error),
    };
    match deps.look(&secret, &org, &customer).await {
        Ok(subscription) => {
            let state = subscription.map_or("none", |subscription| subscription.state.word());
            tracing::info!(org.id = %org.id, stripe.event = notice.id, "`{}`: the subscription is {state}", notice.kind.escape_debug());
            text(StatusCode::OK, "taken in")
        }
        // Nothing will change that: Stripe need not send it again.
        Err(Problem::Tenancy(error @ (TenancyError::Refused(_) | TenancyError::NotFound(_) | TenancyError::Invalid(_)))) => {
            tracing::warn!(org.id = %org.id, stripe.event = notice.id, "what Stripe says was not taken in: {error}");
            text(StatusCode::OK, "not taken in")
        }
        Err(problem) => failed(&problem),
    }
}

fn failed(error: &dyn std::error::Error) -> Response<Bytes> {
    tracing::error!("a webhook was not taken in: {}", quillon_core::text::with_causes(error));
    text(StatusCode::SERVICE_UNAVAILABLE, "it cannot be taken in now, send it again")
}
