//! The pages: server-rendered HTML over the tables, and the buttons on them.
//!
//! A request goes through [`handle`]: host name, session, route, what the page needs from the store, a view model made by
//! pure functions, a template. Nothing here calls the forge, and every record that is shown or acted on belongs to the org of
//! the address.

pub mod ansi;
pub mod asset;
pub mod flash;
mod handler;
pub mod link;
pub mod page;
mod respond;
pub mod route;
pub mod session;
pub mod wire;

use aws_config::SdkConfig;
use quillon_core::access::OrgCreation;
use quillon_core::plan::Billing;
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::{Clock, Settings, SettingsError};
use quillon_secrets::Secrets;
use quillon_store::{Store, Tables, TraceStore};
use quillon_tenancy::Tenancy;
use quillon_traces::Traces;
use quillon_workflow::Workflow;
use url::Url;

pub use handler::handle;

use link::Site;
use page::sign_in::Provider;

/// Memory for what was read of traces, in bytes: a trace of a million spans takes about 150 MB, and a function has 512 MB.
const CACHE_BYTES: usize = 192 << 20;

/// What the pages work with.
#[derive(Debug)]
pub struct Deps {
    /// Where the truth is.
    pub store: Store,
    /// Telemetry.
    pub traces: Traces,
    /// Reruns and cancellations.
    pub workflow: Workflow,
    /// Instance secrets.
    pub secrets: Secrets,
    /// People, sessions, orgs and members.
    pub tenancy: Tenancy,
    /// Whether there is something to pay.
    pub billing: Billing,
    /// Who may make orgs.
    pub org_creation: OrgCreation,
    /// Whom people may sign in with.
    pub providers: Vec<Provider>,
    /// Where the key is that forms and share links are signed with.
    pub session_secret_arn: String,
    /// The GitHub App's name in addresses, where there is a page that installs it.
    pub github_app_slug: Option<String>,
    /// Where these pages and the forge are.
    pub site: Site,
    /// The time.
    pub clock: Clock,
}

impl Deps {
    /// Reads settings; makes no call.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: &Settings, sdk: &SdkConfig, clock: Clock) -> Result<Self, SettingsError> {
        let mut read = settings.reader();
        let tables = Tables {
            orgs: read.required("TABLE_ORGS"),
            // No page shows what a module is.
            modules: String::new(),
            checks: read.required("TABLE_CHECKS"),
        };
        let traces = read.required("TABLE_TRACES");
        let urls = QueueUrls {
            events: Some(read.required("QUEUE_EVENTS_URL")),
            dispatch: Some(read.required("QUEUE_DISPATCH_URL")),
            status: Some(read.required("QUEUE_STATUS_URL")),
            offers: Some(read.required("QUEUE_OFFERS_URL")),
            ..QueueUrls::default()
        };
        let billing = read.parsed("QUILLON_BILLING", Billing::Off);
        let org_creation = read.parsed("QUILLON_ORG_CREATION", OrgCreation::Anyone);
        let providers = Provider::list(&read.optional("QUILLON_SIGN_IN_PROVIDERS").unwrap_or_default());
        if let Err(problem) = &providers {
            read.complain(format!("`QUILLON_SIGN_IN_PROVIDERS` is wrong: {problem}"));
        }
        let github_app_slug = read.optional("QUILLON_GITHUB_APP_SLUG").filter(|slug| !slug.is_empty());
        let session_secret_arn = read.required("SESSION_SECRET_ARN");
        let public = web_url(&read.required("QUILLON_PUBLIC_URL"));
        let forge = web_url(&read.required("QUILLON_GITHUB_URL"));
        for (name, url) in [("QUILLON_PUBLIC_URL", &public), ("QUILLON_GITHUB_URL", &forge)] {
            if let Err(problem) = url {
                read.complain(format!("`{name}` is wrong: {problem}"));
            }
        }
        let (Ok(public), Ok(forge)) = (public, forge) else {
            return Err(read.finish().err().unwrap_or_else(|| SettingsError(vec![])));
        };
        read.finish()?;
        let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
        let store = Store::new(dynamodb.clone(), tables);
        let traces = Traces::new(TraceStore::new(dynamodb, traces), CACHE_BYTES);
        let queues = Queues::new(aws_sdk_sqs::Client::new(sdk), urls);
        Ok(Self {
            workflow: Workflow { store: store.clone(), queues },
            tenancy: Tenancy::new(store.clone()).with_billing(billing),
            billing,
            org_creation,
            providers: providers.unwrap_or_default(),
            store,
            traces,
            secrets: Secrets::new(aws_sdk_secretsmanager::Client::new(sdk)),
            session_secret_arn,
            github_app_slug,
            site: Site { public, forge },
            clock,
        })
    }
}

/// A base URL that may stand in a link: nothing but HTTP, and with a host.
fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err("not an `http` or `https` URL".to_owned()) }
}
