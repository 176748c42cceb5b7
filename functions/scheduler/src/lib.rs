//! The scheduler: turns hints into runs by looking at what GitHub says now, never at what a message says happened.

mod claim;
mod heads;
mod lifecycle;
mod look;
mod observe;
mod open;
mod purge;
mod reconcile;

use aws_config::SdkConfig;
use jiff::Timestamp;
use quillon_core::hint::{Hint, Subject};
use quillon_core::id::AppId;
use quillon_core::message::{Envelope, EventMessage};
use quillon_core::name::Ref;
use quillon_core::plan::Billing;
use quillon_github::{App, AppSlot};
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::{Clock, Failure, Settings, SettingsError};
use quillon_secrets::Secrets;
use quillon_store::{Store, Tables};
use quillon_workflow::Workflow;

use lifecycle::Note;
use look::{Asked, look};

/// What the scheduler works with.
#[derive(Debug)]
pub struct Deps {
    /// The write path.
    pub workflow: Workflow,
    /// Instance secrets.
    pub secrets: Secrets,
    /// The GitHub App, made with the first call.
    pub app: AppSlot,
    /// Where its private key is.
    pub app_secret_arn: String,
    /// Whether an unclaimed installation gets an org under its account's name.
    pub auto_claim: bool,
    /// Whether pull requests from forks are run.
    pub run_forks: bool,
    /// Whether plans are paid for, so that an org may be without checks.
    pub billing: Billing,
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
        let tables =
            Tables { orgs: read.required("TABLE_ORGS"), modules: read.required("TABLE_MODULES"), checks: read.required("TABLE_CHECKS") };
        let urls = QueueUrls {
            events: Some(read.required("QUEUE_EVENTS_URL")),
            dispatch: Some(read.required("QUEUE_DISPATCH_URL")),
            status: Some(read.required("QUEUE_STATUS_URL")),
            offers: Some(read.required("QUEUE_OFFERS_URL")),
            ..QueueUrls::default()
        };
        let api_url = read.required("QUILLON_GITHUB_API_URL");
        let web_url = read.required("QUILLON_GITHUB_URL");
        let app_id = read.required_parsed("QUILLON_GITHUB_APP_ID", AppId(0));
        let app_secret_arn = read.required("GITHUB_APP_SECRET_ARN");
        let auto_claim = read.parsed("QUILLON_AUTO_CLAIM", false);
        let run_forks = read.parsed("QUILLON_RUN_FORKS", false);
        let billing = read.parsed("QUILLON_BILLING", Billing::Off);
        read.finish()?;
        let store = Store::new(aws_sdk_dynamodb::Client::new(sdk), tables);
        let queues = Queues::new(aws_sdk_sqs::Client::new(sdk), urls);
        Ok(Self {
            workflow: Workflow { store, queues },
            secrets: Secrets::new(aws_sdk_secretsmanager::Client::new(sdk)),
            app: AppSlot::new(api_url, web_url, app_id),
            app_secret_arn,
            auto_claim,
            run_forks,
            billing,
            clock,
        })
    }

    async fn app(&self, now: Timestamp) -> Result<App, Error> {
        let secret = self.secrets.github_app(&self.app_secret_arn, now).await?;
        Ok(self.app.app(&secret.private_key)?)
    }
}

/// Why a hint was not dealt with; the message comes back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The write path failed.
    #[error(transparent)]
    Workflow(#[from] quillon_workflow::Error),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// An org was not deleted.
    #[error(transparent)]
    Tenancy(#[from] quillon_tenancy::Error),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] quillon_queue::Error),
    /// GitHub failed.
    #[error(transparent)]
    Github(#[from] quillon_github::Error),
    /// A secret is not at hand.
    #[error(transparent)]
    Secret(#[from] quillon_secrets::Error),
    /// Others moved the same head again and again.
    #[error("`{0}` moved while it was looked at, again and again")]
    Restless(Ref),
    /// A schedule that nobody knows.
    #[error("there is no schedule `{0}`, use `sweep`, `reconcile`, `heads` or `purge`")]
    UnknownSchedule(String),
}

/// Deals with one message of the `events` queue.
///
/// # Errors
/// When it has to be tried again.
pub async fn handle(deps: &Deps, envelope: Envelope<EventMessage>) -> Result<(), Failure> {
    let now = deps.clock.now();
    // Boxed: looking is deep, and the compiler gives up on the layout of the whole.
    match envelope.message {
        EventMessage::Delivery(hint) => Box::pin(on_delivery(deps, &hint, now)).await?,
        EventMessage::Look { installation, repository, reference } => {
            Box::pin(look(deps, installation, repository, &reference, &Asked::again(), now)).await?;
        }
        EventMessage::SweepHeads { installation, repository } => {
            Box::pin(heads::sweep_repository(deps, installation, repository, now)).await?;
        }
        EventMessage::Claim { installation, org } => Box::pin(lifecycle::on_claim(deps, installation, org, now)).await?,
    }
    Ok(())
}

/// Does what a schedule of the template asks for.
///
/// # Errors
/// When the schedule is unknown, or nothing of its work could be done.
pub async fn on_schedule(deps: &Deps, schedule: &str) -> Result<(), Failure> {
    let now = deps.clock.now();
    match schedule {
        "sweep" => {
            let swept = Box::pin(deps.workflow.sweep(now)).await?;
            tracing::info!(sweep.attempts = swept.attempts, sweep.runs = swept.runs, sweep.failed = swept.failed, "swept what was overdue");
        }
        "reconcile" => Box::pin(reconcile::reconcile(deps, now)).await?,
        "heads" => Box::pin(heads::sweep_all(deps, now)).await?,
        "purge" => Box::pin(purge::purge(deps, now)).await?,
        unknown => return Err(Error::UnknownSchedule(unknown.to_owned()).into()),
    }
    Ok(())
}

/// Looks at what a delivery points at, then marks it, so that the reconciler knows that it was read.
async fn on_delivery(deps: &Deps, hint: &Hint, now: Timestamp) -> Result<(), Error> {
    let store = &deps.workflow.store;
    // A marked delivery is looked at all the same when it arrives again: looking changes nothing where nothing changed, and
    // it sends again what a crash after the marked step may have lost.
    let asked = Asked { event: Some(hint.event.clone()), actor: hint.sender.clone() };
    let installation = hint.installation;
    match &hint.subject {
        Subject::Ref { repository, reference } => look(deps, installation, *repository, reference, &asked, now).await?,
        Subject::Pull { repository, number } => look(deps, installation, *repository, &Ref::Pull(*number), &asked, now).await?,
        Subject::MergeGroup { repository, head, .. } => {
            look(deps, installation, *repository, &Ref::Branch(head.clone()), &asked, now).await?;
        }
        Subject::MergeGroupGone { repository, head_sha } => {
            heads::look_at_merge_groups(deps, installation, *repository, head_sha, now).await?;
        }
        Subject::Repository { repository, .. } => lifecycle::refresh_repository(deps, installation, *repository, now).await?,
        Subject::Installation => lifecycle::refresh_installation(deps, installation, Note::News, now).await?,
    }
    Ok(store.mark_delivery(&hint.delivery, now).await?)
}
