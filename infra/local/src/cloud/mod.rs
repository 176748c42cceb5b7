//! The cloud as a value: engines, template, environment, and everything that drives functions.
//!
//! `up`, the demo, the scenario tests and the benchmarks build on [`Cloud`]. It knows functions by their logical ids
//! only; whoever owns it brings the handlers. On a machine, [`Mapping::run`] and [`Cloud::run_schedules`] drive them; in
//! a test, [`Cloud::step`] and [`Cloud::due_schedules`] do one thing at a time, and time is moved by hand.

mod mapping;
mod routes;
mod schedule;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_config::SdkConfig;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use quillon_runtime::Clock;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;

pub use mapping::Mapping;
pub use routes::{RouteMatch, RouteTable};
pub use schedule::{Due, Schedules};

use crate::engine::policy::Policy;
use crate::engine::wire::Service;
use crate::engine::{Engines, OpenError, Storage};
use crate::template::{self, ApplyError, Environment, Template};

/// Why a cloud could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// The engines cannot be opened.
    #[error("the embedded AWS engines cannot be opened")]
    Engines(#[from] OpenError),
    /// The template cannot be applied.
    #[error("the template cannot be applied")]
    Apply(#[from] ApplyError),
    /// Messages that were in flight cannot be released.
    #[error("the queues cannot be read")]
    Queues(#[source] rusqlite::Error),
}

/// A template that is running.
#[derive(Debug)]
pub struct Cloud {
    engines: Engines,
    template: Template,
    environment: Environment,
    routes: RouteTable,
    mappings: Vec<Mapping>,
    schedules: Mutex<Schedules>,
    /// Where the last firings are kept over a restart.
    fired: Option<PathBuf>,
}

/// How full a queue is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueDepth {
    /// Logical id in the template.
    pub logical_id: String,
    /// Name of the queue.
    pub name: String,
    /// Messages that can be received now.
    pub visible: u64,
    /// Messages that were received and neither deleted nor given back.
    pub in_flight: u64,
    /// Messages that were sent with a delay which is not over.
    pub delayed: u64,
}

impl QueueDepth {
    /// Whether there is no message of any kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.visible + self.in_flight + self.delayed == 0
    }
}

impl Cloud {
    /// Opens the engines and applies the template.
    ///
    /// Messages that were in flight when a directory was last used become visible again: their consumers are gone.
    ///
    /// # Errors
    ///
    /// If the engines cannot be opened or refuse something of the template.
    pub async fn open(template: Template, storage: &Storage, clock: Clock) -> Result<Self, CloudError> {
        let engines = Engines::open(storage, clock)?;
        engines.sqs().release_in_flight().map_err(CloudError::Queues)?;
        let environment = template::apply(&template, &engines).await?;
        let fired = match storage {
            Storage::Memory => None,
            Storage::Directory(directory) => Some(directory.join("schedules.json")),
        };
        let known = fired.as_ref().and_then(|path| std::fs::read(path).ok());
        let known: BTreeMap<String, i64> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let schedules = Mutex::new(Schedules::of(&template, &known, engines.clock().now_ms()));
        let routes = RouteTable::of(&template);
        let mappings = Mapping::of(&template, &engines);
        Ok(Self { engines, template, environment, routes, mappings, schedules, fired })
    }

    /// The engines, for SDK clients, faults and usage.
    #[must_use]
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// The clock of everything here.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.engines.clock()
    }

    /// The template that is running.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// SDK configuration of a function, by its logical id: it may do what the template allows it, as on AWS.
    #[must_use]
    pub fn sdk_config(&self, function: &str) -> SdkConfig {
        let statements = self.template.function(function).map(|function| function.statements.clone()).unwrap_or_default();
        self.engines.sdk_config_for(Policy { function: function.to_owned(), statements })
    }

    /// The environment variables of a function, by its logical id.
    #[must_use]
    pub fn environment(&self, function: &str) -> BTreeMap<String, String> {
        self.environment.of(function)
    }

    /// The routes of the HTTP API.
    #[must_use]
    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The event source mappings, one per function with a queue.
    #[must_use]
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Processes one batch of a function's queues without waiting; answers how many messages there were.
    pub async fn step<H, F, E>(&self, function: &str, handler: H) -> usize
    where
        H: Fn(SqsEvent) -> F,
        F: Future<Output = Result<SqsBatchResponse, E>>,
        E: Display,
    {
        let mut received = 0;
        for mapping in self.mappings.iter().filter(|mapping| mapping.function == function) {
            received += mapping.step(&handler).await;
        }
        received
    }

    /// Takes the schedules that are due now.
    pub fn due_schedules(&self) -> Vec<Due> {
        let mut schedules = self.schedules();
        let due = schedules.due(self.clock().now_ms());
        if let Some(path) = self.fired.as_ref().filter(|_| !due.is_empty())
            && let Err(error) = std::fs::write(path, json!(schedules.fired()).to_string())
        {
            tracing::warn!(%error, path = %path.display(), "the last firings of schedules were not saved");
        }
        due
    }

    /// Fires schedules until `stop` completes; then finishes what is under way.
    pub async fn run_schedules<H, F, E>(&self, handler: H, stop: impl Future<Output = ()>)
    where
        H: Fn(Due) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let mut invocations = JoinSet::new();
        tokio::pin!(stop);
        loop {
            while invocations.try_join_next().is_some() {}
            for due in self.due_schedules() {
                let (function, name) = (due.function.clone(), due.name.clone());
                let invocation = handler(due);
                invocations.spawn(async move {
                    if let Err(error) = invocation.await {
                        tracing::error!(function, schedule = name, %error, "an invocation failed");
                    }
                });
            }
            let next = self.schedules().next_ms();
            let wait = async {
                match next {
                    Some(next) => self.clock().until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stop => break,
                () = wait => {}
            }
        }
        while invocations.join_next().await.is_some() {}
    }

    /// How full every queue is, in the order of the template.
    pub async fn queue_depths(&self) -> Vec<QueueDepth> {
        let mut depths = Vec::with_capacity(self.template.queues.len());
        for queue in &self.template.queues {
            let request = json!({ "QueueUrl": queue.url(), "AttributeNames": ["All"] });
            let (response, _) = self.engines.run(Service::Sqs, "GetQueueAttributes", request.to_string().into()).await;
            let document: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let number = |name: &str| document["Attributes"][name].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
            depths.push(QueueDepth {
                logical_id: queue.logical_id.clone(),
                name: queue.name.clone(),
                visible: number("ApproximateNumberOfMessages"),
                in_flight: number("ApproximateNumberOfMessagesNotVisible"),
                delayed: number("ApproximateNumberOfMessagesDelayed"),
            });
        }
        depths
    }

    /// Empties every queue, in flight or not, past faults and metering.
    pub async fn purge_queues(&self) {
        for queue in &self.template.queues {
            let request = json!({ "QueueUrl": queue.url() }).to_string();
            self.engines.run(Service::Sqs, "PurgeQueue", request.into()).await;
        }
    }

    fn schedules(&self) -> MutexGuard<'_, Schedules> {
        self.schedules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
