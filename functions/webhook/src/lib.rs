//! The webhook function: takes deliveries of GitHub, and leaves a hint for the scheduler.
//!
//! It can do nothing else: no table, no key of the App, one queue that it may send to. A delivery is on that queue before
//! it is answered with 2xx; if it cannot be put there, the answer is 500 and the reconciler asks GitHub for it again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use bytes::Bytes;
use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use quillon_core::id::DeliveryId;
use quillon_core::message::EventMessage;
use quillon_github::webhook::{Parsed, Rejection, Unverified, Verified, parse};
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::{Clock, Settings, SettingsError, json};
use quillon_secrets::Secrets;
use serde::Serialize;

/// How often a signature that matches no known secret may make us read the secret again: a rotation is noticed at once, and
/// somebody who sends rubbish causes one call a minute.
const REFRESH_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What the function works with.
#[derive(Debug)]
pub struct Deps {
    /// Where hints go.
    pub queues: Queues,
    /// The webhook secret, current and previous.
    pub secrets: Secrets,
    /// Where that secret is.
    pub secret_arn: String,
    /// The time.
    pub clock: Clock,
    /// When a wrong signature last made us read the secret again.
    refreshed_at: Mutex<Option<Timestamp>>,
}

impl Deps {
    /// Reads settings; makes no call.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: &Settings, sdk: &SdkConfig, clock: Clock) -> Result<Self, SettingsError> {
        let mut read = settings.reader();
        let events = read.required("QUEUE_EVENTS_URL");
        let secret_arn = read.required("WEBHOOK_SECRET_ARN");
        read.finish()?;
        Ok(Self {
            queues: Queues::new(aws_sdk_sqs::Client::new(sdk), QueueUrls { events: Some(events), ..QueueUrls::default() }),
            secrets: Secrets::new(aws_sdk_secretsmanager::Client::new(sdk)),
            secret_arn,
            clock,
            refreshed_at: Mutex::new(None),
        })
    }

    /// Whether it is time to read the secret again; says yes once a minute.
    fn may_refresh(&self, now: Timestamp) -> bool {
        let mut refreshed_at = self.refreshed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = refreshed_at.is_none_or(|last| now.duration_since(last) >= REFRESH_EVERY);
        if is_time {
            *refreshed_at = Some(now);
        }
        is_time
    }
}

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The request is at fault: 4xx.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// We are: 500.
    #[error(transparent)]
    Secret(#[from] quillon_secrets::Error),
    /// We are: 500.
    #[error(transparent)]
    Queue(#[from] quillon_queue::Error),
}

/// The body of an answer, for people who read the App's delivery log.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Accepted(DeliveryId),
    Ignored(String),
    Error(String),
}

/// Answers one request: 202 when it was accepted or ignored, 4xx when it is wrong, 500 when we are.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    if request.method() != Method::POST {
        let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &Said::Error("webhooks are sent with POST".to_owned()));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    match take(deps, &request).await {
        Ok(said) => json(StatusCode::ACCEPTED, &said),
        Err(Error::Rejected(rejection)) => {
            tracing::info!(http.status = rejection.status().as_u16(), "refused a webhook: {rejection}");
            json(rejection.status(), &Said::Error(rejection.to_string()))
        }
        Err(error @ (Error::Secret(_) | Error::Queue(_))) => {
            // The cause names our queue and our secret: it is for the log only.
            tracing::error!("a webhook was not accepted: {error}");
            json(StatusCode::INTERNAL_SERVER_ERROR, &Said::Error("the delivery was not accepted, redeliver it".to_owned()))
        }
    }
}

async fn take(deps: &Deps, request: &Request<Bytes>) -> Result<Said, Error> {
    let unverified = Unverified::read(request.headers(), request.body())?;
    let verified = verify(deps, &unverified).await?;
    let delivery = verified.delivery();
    match parse(&verified)? {
        Parsed::Ignored { reason } => {
            tracing::debug!(github.delivery = %delivery, github.event = verified.event(), "ignored a webhook: {reason}");
            Ok(Said::Ignored(reason))
        }
        Parsed::Hint(hint) => {
            deps.queues.send_event(&EventMessage::Delivery(hint), &format!("gh:{delivery}"), Duration::ZERO).await?;
            tracing::info!(github.delivery = %delivery, github.event = verified.event(), "accepted a webhook");
            Ok(Said::Accepted(delivery.clone()))
        }
    }
}

async fn verify<'a>(deps: &Deps, unverified: &Unverified<'a>) -> Result<Verified<'a>, Error> {
    let now = deps.clock.now();
    let secrets = deps.secrets.webhook(&deps.secret_arn, now).await?;
    match unverified.verify(&secrets.accepted()) {
        Err(Rejection::BadSignature) if deps.may_refresh(now) => {
            deps.secrets.doubt(&deps.secret_arn).await;
            let secrets = deps.secrets.webhook(&deps.secret_arn, now).await?;
            Ok(unverified.verify(&secrets.accepted())?)
        }
        verified => Ok(verified?),
    }
}

#[cfg(test)]
mod tests;
