//! What the handler works with, and the settings that say where it is.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use jiff::Timestamp;
use quillon_billing::Stripe;
use quillon_core::id::AppId;
use quillon_core::plan::Billing;
use quillon_core::retention::{Days, Retention};
use quillon_github::{App, AppSlot};
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::{Clock, Settings, SettingsError};
use quillon_secrets::{InstanceKey, Secrets};
use quillon_store::{Store, Tables, TraceStore};
use quillon_tenancy::Tenancy;
use quillon_traces::Traces;
use quillon_workflow::Workflow;
use tokio::sync::Semaphore;
use url::Url;

use crate::error::ApiError;
use crate::graphql::Forge;

/// Longest that a request for work is held: below the 30 seconds after which an HTTP API gives up.
const DEFAULT_LEASE_WAIT_MS: u64 = 15_000;

/// Bytes of traces that are kept in memory between requests: a function has 256 MB.
const TRACE_CACHE: usize = 64 * 1024 * 1024;

/// Most answers that follow a trace at one time; whoever comes later gets a snapshot.
const MAX_TAILS: usize = 256;

/// Everything that a request needs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Deps {
    /// The tables.
    pub store: Store,
    /// Telemetry.
    pub traces: Traces,
    /// The right to follow a trace.
    pub tails: Arc<Semaphore>,
    /// People, orgs and tokens: their write path.
    pub tenancy: Tenancy,
    /// The queues: where agents wait for work.
    pub queues: Queues,
    /// The write path.
    pub workflow: Workflow,
    /// The instance's secrets.
    pub secrets: Secrets,
    /// The GitHub App, made once its key is known.
    pub github: Arc<AppSlot>,
    /// The payment provider; none where nothing is paid for.
    pub stripe: Option<Stripe>,
    /// The clock.
    pub clock: Clock,
    /// Plain settings.
    pub options: Arc<Options>,
}

/// Plain settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Base URL of our own pages, without a slash at its end.
    pub public_url: String,
    /// Whether plans are paid for.
    pub billing: Billing,
    /// Base URL of the forge's pages and of git over HTTP, without a slash at its end.
    pub github_url: String,
    /// The same forge as references name it.
    pub forge: Forge,
    /// Longest that a request for work is held.
    pub lease_wait: Duration,
    /// How long a running trace is followed; zero where an answer has to end by itself.
    pub follow: Duration,
    /// How often an agent renews its lease, in seconds.
    pub heartbeat_s: u32,
    /// How long the output of a check is kept.
    pub check_days: Days,
    /// ARN of the secret that keys are derived from.
    pub session_secret_arn: String,
    /// ARN of the secret with the keys of the payment provider.
    pub stripe_secret_arn: String,
    /// ARN of the secret with the GitHub App's key.
    pub github_app_secret_arn: String,
}

impl Deps {
    /// Reads the settings and makes the clients. Nothing is sent.
    ///
    /// # Errors
    /// Every missing or bad setting in one.
    pub fn new(settings: &Settings, sdk: &SdkConfig, clock: Clock) -> Result<Self, SettingsError> {
        let mut read = settings.reader();
        let tables =
            Tables { orgs: read.required("TABLE_ORGS"), modules: read.required("TABLE_MODULES"), checks: read.required("TABLE_CHECKS") };
        let traces = read.required("TABLE_TRACES");
        let urls = QueueUrls {
            events: Some(read.required("QUEUE_EVENTS_URL")),
            dispatch: Some(read.required("QUEUE_DISPATCH_URL")),
            status: Some(read.required("QUEUE_STATUS_URL")),
            offers: Some(read.required("QUEUE_OFFERS_URL")),
            ..QueueUrls::default()
        };
        let api_url = read.required("QUILLON_GITHUB_API_URL");
        let github_url = read.required("QUILLON_GITHUB_URL").trim_end_matches('/').to_owned();
        let app_id = read.required_parsed("QUILLON_GITHUB_APP_ID", AppId(0));
        let heartbeat_s = u32::try_from(quillon_core::attempt::HEARTBEAT.as_secs()).unwrap_or(20);
        let options = Options {
            forge: Forge::of_url(&github_url),
            public_url: read.required("QUILLON_PUBLIC_URL").trim_end_matches('/').to_owned(),
            billing: read.parsed("QUILLON_BILLING", Billing::Off),
            github_url: github_url.clone(),
            lease_wait: Duration::from_millis(read.parsed("QUILLON_LEASE_WAIT_MS", DEFAULT_LEASE_WAIT_MS)),
            heartbeat_s: read.parsed("QUILLON_HEARTBEAT_S", heartbeat_s),
            check_days: read.parsed("QUILLON_CHECK_DAYS", Retention::default().checks),
            follow: Duration::from_secs(read.parsed("QUILLON_FOLLOW_S", 0)),
            session_secret_arn: read.required("SESSION_SECRET_ARN"),
            stripe_secret_arn: read.required("STRIPE_SECRET_ARN"),
            github_app_secret_arn: read.required("GITHUB_APP_SECRET_ARN"),
        };
        let stripe = match (options.billing, Url::parse(&read.required("QUILLON_STRIPE_API_URL"))) {
            (Billing::Off, _) => None,
            (Billing::On, Ok(url)) => Some(Stripe::new(url)),
            (Billing::On, Err(error)) => {
                read.complain(format!("`QUILLON_STRIPE_API_URL` is wrong: {error}"));
                None
            }
        };
        read.finish()?;
        let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
        let traces = Traces::new(TraceStore::new(dynamodb.clone(), traces), TRACE_CACHE);
        let store = Store::new(dynamodb, tables);
        let queues = Queues::new(aws_sdk_sqs::Client::new(sdk), urls);
        Ok(Self {
            tenancy: Tenancy::new(store.clone()).with_billing(options.billing),
            workflow: Workflow { store: store.clone(), queues: queues.clone() },
            store,
            traces,
            tails: Arc::new(Semaphore::new(MAX_TAILS)),
            queues,
            secrets: Secrets::new(aws_sdk_secretsmanager::Client::new(sdk)),
            github: Arc::new(AppSlot::new(api_url, github_url, app_id)),
            stripe,
            clock,
            options: Arc::new(options),
        })
    }

    /// The key that job tokens and the operator's key are derived from.
    pub(crate) async fn instance_key(&self, now: Timestamp) -> Result<InstanceKey, ApiError> {
        Ok(self.secrets.instance_key(&self.options.session_secret_arn, now).await?)
    }

    /// The GitHub App.
    pub(crate) async fn github_app(&self, now: Timestamp) -> Result<App, ApiError> {
        let secret = self.secrets.github_app(&self.options.github_app_secret_arn, now).await?;
        Ok(self.github.app(&secret.private_key)?)
    }
}
