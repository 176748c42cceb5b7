//! The handlers of the template's functions, by their logical ids. The one list of them in the local cloud.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quillon_runtime::{Body, Settings, SettingsError, drain};
use serde_json::Value;

use super::OpenError;
use crate::cloud::Cloud;

/// What every function works with, built from the template exactly as its Lambda shell builds it from the environment.
#[derive(Debug)]
pub struct Functions {
    /// Takes webhooks in.
    pub webhook: quillon_webhook::Deps,
    /// Turns hints into runs.
    pub scheduler: quillon_scheduler::Deps,
    /// Lets attempts start.
    pub dispatcher: quillon_dispatcher::Deps,
    /// Tells GitHub.
    pub reporter: quillon_reporter::Deps,
    /// Takes telemetry in.
    pub ingest: quillon_ingest::Deps,
    /// Makes traces small.
    pub sealer: quillon_sealer::Deps,
    /// GraphQL, agents, operators.
    pub api: quillon_api::Deps,
    /// Signs in browsers, devices and CI jobs.
    pub auth: quillon_auth::Deps,
    /// Plans, and what is paid for them.
    pub payments: quillon_payments::Deps,
    /// Pages.
    pub web: quillon_web::Deps,
}

impl Functions {
    /// Builds all of them.
    ///
    /// # Errors
    /// When a function does not accept what the template gives it.
    pub fn new(cloud: &Cloud) -> Result<Self, OpenError> {
        // Each may do what the template allows it, as on AWS.
        let sdk = |function: &str| cloud.sdk_config(function);
        let clock = cloud.clock();
        let settings = |function: &str| Settings::new(cloud.environment(function));
        Ok(Self {
            webhook: accepted("Webhook", quillon_webhook::Deps::new(&settings("Webhook"), &sdk("Webhook"), clock.clone()))?,
            scheduler: accepted("Scheduler", quillon_scheduler::Deps::new(&settings("Scheduler"), &sdk("Scheduler"), clock.clone()))?,
            dispatcher: accepted("Dispatcher", quillon_dispatcher::Deps::new(&settings("Dispatcher"), &sdk("Dispatcher"), clock.clone()))?,
            reporter: accepted("Reporter", quillon_reporter::Deps::new(&settings("Reporter"), &sdk("Reporter"), clock.clone()))?,
            ingest: accepted("Ingest", quillon_ingest::Deps::new(&settings("Ingest"), &sdk("Ingest"), clock.clone()))?,
            sealer: accepted("Sealer", quillon_sealer::Deps::new(&settings("Sealer"), &sdk("Sealer"), clock.clone()))?,
            api: accepted("Api", quillon_api::Deps::new(&settings("Api"), &sdk("Api"), clock.clone()))?,
            payments: accepted("Payments", quillon_payments::Deps::new(&settings("Payments"), &sdk("Payments"), clock.clone()))?,
            auth: accepted("Auth", quillon_auth::Deps::new(&settings("Auth"), &sdk("Auth"), clock.clone()))?,
            web: accepted("Web", quillon_web::Deps::new(&settings("Web"), &sdk("Web"), clock.clone()))?,
        })
    }

    /// Invokes a function with an HTTP request.
    pub async fn http(&self, function: &str, request: Request<Bytes>) -> Response<Body> {
        // Boxed: the futures of whole functions are large, and every connection would carry the largest.
        match function {
            "Webhook" => Box::pin(quillon_webhook::handle(&self.webhook, request)).await.map(Body::from),
            "Ingest" => Box::pin(quillon_ingest::handle(&self.ingest, request)).await.map(Body::from),
            "Api" => Box::pin(quillon_api::handle(&self.api, request)).await,
            "Payments" => Box::pin(quillon_payments::handle(&self.payments, request)).await.map(Body::from),
            "Auth" => Box::pin(quillon_auth::handle(&self.auth, request)).await.map(Body::from),
            "Web" => Box::pin(quillon_web::handle(&self.web, request)).await.map(Body::from),
            other => {
                let why = format!("the function `{other}` serves no HTTP in this build");
                quillon_runtime::text(StatusCode::BAD_GATEWAY, &why).map(Body::from)
            }
        }
    }

    /// Invokes a function with a batch of its queue.
    ///
    /// # Errors
    /// When it reads no queue.
    pub async fn batch(&self, function: &str, event: SqsEvent) -> Result<SqsBatchResponse, String> {
        Ok(match function {
            "Scheduler" => Box::pin(drain(event, &|message| quillon_scheduler::handle(&self.scheduler, message))).await,
            "Dispatcher" => Box::pin(drain(event, &|message| quillon_dispatcher::handle(&self.dispatcher, message))).await,
            "Reporter" => Box::pin(drain(event, &|message| quillon_reporter::handle(&self.reporter, message))).await,
            "Sealer" => Box::pin(drain(event, &|message| quillon_sealer::handle(&self.sealer, message))).await,
            other => return Err(format!("the function `{other}` reads no queue in this build")),
        })
    }

    /// Invokes a function with the input of a schedule, JSON text.
    ///
    /// # Errors
    /// When it knows no schedules, or failed.
    pub async fn schedule(&self, function: &str, input: &str) -> Result<(), String> {
        let input: Value = serde_json::from_str(input).unwrap_or_default();
        let name = input["schedule"].as_str().ok_or_else(|| format!("the schedule of `{function}` has no name in its input"))?;
        match function {
            "Scheduler" => Box::pin(quillon_scheduler::on_schedule(&self.scheduler, name)).await.map_err(|failure| failure.to_string()),
            "Sealer" => Box::pin(quillon_sealer::on_schedule(&self.sealer, name)).await.map_err(|failure| failure.to_string()),
            other => Err(format!("the function `{other}` has no schedules in this build")),
        }
    }
}

fn accepted<T>(function: &'static str, deps: Result<T, SettingsError>) -> Result<T, OpenError> {
    deps.map_err(|source| OpenError::Settings { function, source })
}
