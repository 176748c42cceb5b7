//! The whole system in one process: the functions of the template over the local cloud, and one front door.
//!
//! Composition only. `up`, the demo, the scenario tests and the benchmarks hold the same [`System`]; a machine [runs](System::run)
//! it, a test [steps](System::step) it.

mod bodies;
mod functions;
mod gateway;
pub(crate) mod people;

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use bytes::Bytes;
use http::{Request, Response};
use jiff::SignedDuration;
use quillon_runtime::{Body, Clock, Settings, SettingsError};
use quillon_store::Store;

pub use functions::Functions;
pub use gateway::{Gateway, Origins};

use crate::cloud::{Cloud, CloudError, Due};
use crate::engine::Storage;
use crate::template::{self, Parameters, Template, TemplateError};

/// How often expired items leave the tables; DynamoDB itself takes up to two days.
const TTL_SWEEP: SignedDuration = SignedDuration::from_mins(10);

/// Why the system did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The template cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The local cloud cannot be opened.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// A function does not accept what the template gives it.
    #[error("the function `{function}` does not accept its settings")]
    Settings {
        /// Logical id in the template.
        function: &'static str,
        /// Everything that is wrong.
        #[source]
        source: SettingsError,
    },
}

/// The functions of the template over the local cloud.
#[derive(Debug)]
pub struct System {
    cloud: Cloud,
    functions: Functions,
}

impl System {
    /// Executes the bundled template with these parameters.
    ///
    /// # Errors
    /// When the template, the storage or a function's settings are no good.
    pub async fn open(parameters: &Parameters, storage: &Storage, clock: Clock) -> Result<Self, OpenError> {
        let template = Template::parse(template::BUNDLED, parameters)?;
        let cloud = Cloud::open(template, storage, clock).await?;
        let functions = Functions::new(&cloud)?;
        Ok(Self { cloud, functions })
    }

    /// The local cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The functions.
    #[must_use]
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// The tables, as the scheduler has them.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.functions.scheduler.workflow.store
    }

    /// The settings of a function, as the template makes them.
    #[must_use]
    pub fn settings(&self, function: &str) -> Settings {
        Settings::new(self.cloud.environment(function))
    }

    /// Answers a request as the HTTP API of the template would: with a whole body.
    pub async fn http(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = self.http_streamed(request).await.into_parts();
        Response::from_parts(parts, body.whole().await)
    }

    /// Answers a request; a body that streams comes piece by piece, which the HTTP API of the template cannot do.
    pub async fn http_streamed(&self, request: Request<Bytes>) -> Response<Body> {
        if request.body().len() > quillon_runtime::MAX_BODY {
            return quillon_runtime::text(http::StatusCode::PAYLOAD_TOO_LARGE, bodies::TOO_LARGE).map(Body::from);
        }
        let Some(matched) = self.cloud.routes().find(request.method().as_str(), request.uri().path()) else {
            return quillon_runtime::text(http::StatusCode::NOT_FOUND, "no route of the template matches").map(Body::from);
        };
        let function = matched.function.to_owned();
        self.functions.http(&function, request).await
    }

    /// Handles a batch of a function's queue.
    ///
    /// # Errors
    /// When the function reads no queue.
    pub async fn batch(&self, function: &str, event: SqsEvent) -> Result<SqsBatchResponse, String> {
        self.functions.batch(function, event).await
    }

    /// Fires a schedule.
    ///
    /// # Errors
    /// When the function failed, with its cause.
    pub async fn fire(&self, due: &Due) -> Result<(), String> {
        self.functions.schedule(&due.function, &due.input).await
    }

    /// Handles one batch of every queue without waiting; says how many messages there were.
    pub async fn step(&self) -> usize {
        let mut handled = 0;
        for mapping in self.cloud.mappings() {
            handled += mapping.step(|event| self.batch(&mapping.function, event)).await;
        }
        handled
    }

    /// Serves queues, schedules and expiry until `stop` becomes true; then ends what is under way.
    pub async fn run(self: Arc<Self>, stop: tokio::sync::watch::Receiver<bool>) {
        let mut loops = tokio::task::JoinSet::new();
        for mapping in self.cloud.mappings().to_vec() {
            let (system, stop) = (Arc::clone(&self), stop.clone());
            loops.spawn(async move {
                let function = mapping.function.clone();
                let handler = move |event| {
                    let (system, function) = (Arc::clone(&system), function.clone());
                    async move { system.batch(&function, event).await }
                };
                mapping.run(handler, stopped(stop)).await;
            });
        }
        let (system, until) = (Arc::clone(&self), stop.clone());
        loops.spawn(async move {
            let fire = |due: Due| {
                let system = Arc::clone(&system);
                async move { system.fire(&due).await }
            };
            system.cloud.run_schedules(fire, stopped(until)).await;
        });
        let (system, until) = (Arc::clone(&self), stop);
        loops.spawn(async move { system.expire(stopped(until)).await });
        while loops.join_next().await.is_some() {}
    }

    async fn expire(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let clock = self.cloud.clock();
            let next = clock.now_ms().saturating_add(i64::try_from(TTL_SWEEP.as_millis()).unwrap_or(i64::MAX));
            tokio::select! {
                () = &mut stop => return,
                () = clock.until(next) => {}
            }
            let engines = self.cloud.engines().clone();
            match tokio::task::spawn_blocking(move || engines.dynamodb().sweep_expired()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "expired items could not be removed"),
                Err(error) => tracing::warn!(%error, "the removal of expired items was interrupted"),
            }
        }
    }
}

/// Completes once the flag is up, or nobody can raise it any more.
pub async fn stopped(mut stop: tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody is left to stop anything, so this is the end too.
    let _ = stop.wait_for(|stop| *stop).await;
}
