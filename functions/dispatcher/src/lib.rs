//! The dispatcher: decides which queued attempts of an org may start, and wakes agents for them.

use aws_config::SdkConfig;
use quillon_core::admission::room;
use quillon_core::attempt::Event;
use quillon_core::id::OrgId;
use quillon_core::message::{DispatchMessage, Envelope};
use quillon_core::org::Org;
use quillon_core::plan::{Billing, entitlements};
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::{Clock, Failure, Settings, SettingsError};
use quillon_store::{Store, Tables};
use quillon_workflow::Workflow;

/// Most attempts that one message lets start; the message is sent again while there are more.
const MAX_ADMISSIONS: u32 = 100;

/// What the dispatcher works with.
#[derive(Debug)]
pub struct Deps {
    /// The write path.
    pub workflow: Workflow,
    /// The time.
    pub clock: Clock,
    /// Whether plans limit anything.
    pub billing: Billing,
}

impl Deps {
    /// Reads settings; makes no call.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: &Settings, sdk: &SdkConfig, clock: Clock) -> Result<Self, SettingsError> {
        let mut read = settings.reader();
        let (orgs, checks) = (read.required("TABLE_ORGS"), read.required("TABLE_CHECKS"));
        let urls = QueueUrls {
            dispatch: Some(read.required("QUEUE_DISPATCH_URL")),
            status: Some(read.required("QUEUE_STATUS_URL")),
            offers: Some(read.required("QUEUE_OFFERS_URL")),
            ..QueueUrls::default()
        };
        let billing = read.parsed("QUILLON_BILLING", Billing::Off);
        read.finish()?;
        let store = Store::new(aws_sdk_dynamodb::Client::new(sdk), Tables { orgs, checks, ..Tables::default() });
        let queues = Queues::new(aws_sdk_sqs::Client::new(sdk), urls);
        Ok(Self { workflow: Workflow { store, queues }, clock, billing })
    }
}

/// Deals with one message of the `dispatch` queue.
///
/// # Errors
/// When it has to be tried again.
pub async fn handle(deps: &Deps, envelope: Envelope<DispatchMessage>) -> Result<(), Failure> {
    let DispatchMessage::Admit { org } = envelope.message;
    Ok(admit(deps, org).await?)
}

/// Lets as many attempts start as the org has room for, by its own limit and by that of its plan, oldest first.
async fn admit(deps: &Deps, org: OrgId) -> Result<(), quillon_workflow::Error> {
    let workflow = &deps.workflow;
    // What waits in an org that is being deleted waits on: its admins may have it back.
    let Some(known) = workflow.store.org(org).await?.filter(Org::is_open) else { return Ok(()) };
    let entitled = entitlements(deps.billing, known.subscription.as_ref(), deps.clock.now());
    let limit = known.concurrency.min(entitled.concurrency);
    let room = room(workflow.store.active(org).await?, limit);
    let wanted = u32::try_from(room).unwrap_or(u32::MAX).min(MAX_ADMISSIONS);
    if wanted == 0 {
        // Whatever ends makes room and says so.
        return Ok(());
    }
    let queued = workflow.store.queued(org, wanted).await?;
    for id in &queued {
        workflow.apply(*id, &Event::Admitted, deps.clock.now(), "dispatch").await?;
    }
    if queued.len() == MAX_ADMISSIONS as usize {
        workflow.queues.send_dispatch(org, "more").await?;
    }
    Ok(())
}
