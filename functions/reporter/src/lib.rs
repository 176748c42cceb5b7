//! The reporter: makes a run's summary and GitHub's commit statuses agree with what is stored.
//!
//! It reads the stored state, never the message. One commit at a time (the queue is FIFO per commit); even without that, what
//! was reported can only grow, because the ledger is written under that condition.

mod post;
mod project;

use aws_config::SdkConfig;
use jiff::Timestamp;
use quillon_core::id::{AppId, OrgId};
use quillon_core::message::{Envelope, StatusMessage};
use quillon_core::report::{Links, desired, plan};
use quillon_core::run::CommitKey;
use quillon_github::{App, AppSlot};
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::{Clock, Failure, Settings, SettingsError};
use quillon_secrets::Secrets;
use quillon_store::{Store, Tables};

use post::Progress;

/// How often one message looks again because the stored state moved while it posted.
const MAX_ROUNDS: usize = 5;

/// What the reporter works with.
#[derive(Debug)]
pub struct Deps {
    /// Where the truth is.
    pub store: Store,
    /// Where hints go.
    pub queues: Queues,
    /// Instance secrets.
    pub secrets: Secrets,
    /// The GitHub App, made with the first call.
    pub app: AppSlot,
    /// Where its private key is.
    pub app_secret_arn: String,
    /// Base URL of the pages.
    pub public_url: String,
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
        let (orgs, checks) = (read.required("TABLE_ORGS"), read.required("TABLE_CHECKS"));
        let status = Some(read.required("QUEUE_STATUS_URL"));
        let api_url = read.required("QUILLON_GITHUB_API_URL");
        let web_url = read.required("QUILLON_GITHUB_URL");
        let app_id = read.required_parsed("QUILLON_GITHUB_APP_ID", AppId(0));
        let app_secret_arn = read.required("GITHUB_APP_SECRET_ARN");
        let public_url = read.required("QUILLON_PUBLIC_URL").trim_end_matches('/').to_owned();
        read.finish()?;
        Ok(Self {
            store: Store::new(aws_sdk_dynamodb::Client::new(sdk), Tables { orgs, checks, ..Tables::default() }),
            queues: Queues::new(aws_sdk_sqs::Client::new(sdk), QueueUrls { status, ..QueueUrls::default() }),
            secrets: Secrets::new(aws_sdk_secretsmanager::Client::new(sdk)),
            app: AppSlot::new(api_url, web_url, app_id),
            app_secret_arn,
            public_url,
            clock,
        })
    }

    async fn app(&self, now: Timestamp) -> Result<App, Error> {
        let secret = self.secrets.github_app(&self.app_secret_arn, now).await?;
        Ok(self.app.app(&secret.private_key)?)
    }

    async fn links(&self, app: &App, org: OrgId) -> Result<Links, Error> {
        let name = self.store.org(org).await?.map_or_else(|| org.to_string(), |org| org.name.to_string());
        Ok(Links { public_url: self.public_url.clone(), forge_host: app.host(), org: name })
    }
}

/// Why a commit was not reported; the message comes back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] quillon_queue::Error),
    /// The App's settings cannot be used.
    #[error(transparent)]
    Github(#[from] quillon_github::Error),
    /// A secret is not at hand.
    #[error(transparent)]
    Secret(#[from] quillon_secrets::Error),
}

/// Deals with one message of the `status` queue.
///
/// # Errors
/// When it has to be tried again.
pub async fn handle(deps: &Deps, envelope: Envelope<StatusMessage>) -> Result<(), Failure> {
    let StatusMessage::Report { repository, sha } = envelope.message;
    Ok(report(deps, &CommitKey { repository, sha }).await?)
}

/// Brings summaries and statuses of a commit up to date.
async fn report(deps: &Deps, key: &CommitKey) -> Result<(), Error> {
    let now = deps.clock.now();
    let mut links = None;
    for _ in 0..MAX_ROUNDS {
        let commit = deps.store.commit(key).await?;
        let Some(newest) = commit.runs.last() else { return Ok(()) };
        let app = deps.app(now).await?;
        let links = match &links {
            Some(links) => links,
            None => links.insert(deps.links(&app, newest.org).await?),
        };
        let desired = desired(&commit, links);
        let plan = plan(&desired, &commit.ledger);
        let is_silent = newest.unreportable.is_some();
        let is_settled = is_silent || (plan.posts.is_empty() && !plan.has_more);
        // The pages read the summary: it is brought up to date before GitHub is, which may take its time.
        if !project::project(deps, &commit, is_settled, now).await? {
            continue;
        }
        if is_settled {
            return Ok(());
        }
        match post::post(deps, &app, newest, &plan, now).await? {
            // Looks again: what was stored meanwhile is not in what was just posted.
            Progress::Posted => {}
            Progress::Later(due_at) => return project::postpone(deps, &newest.key, due_at).await,
            Progress::Never(why) => return project::give_up(deps, &newest.key, &why).await,
        }
        if plan.has_more {
            return Ok(deps.queues.send_status(key, "more").await?);
        }
    }
    // The state moves faster than GitHub takes statuses: the next message goes on.
    Ok(deps.queues.send_status(key, "moving").await?)
}
