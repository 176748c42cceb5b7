//! The sealer: makes traces small that are over or large, and clears away what was deleted.
//!
//! The table says which traces are due; a message is a hint to look at one of them. Looking at a trace that needs nothing changes
//! nothing, two that look at the same trace never touch each other's parts, and one that died leaves the trace as it was.

use aws_config::SdkConfig;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use quillon_core::message::{Envelope, SealMessage};
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::{Clock, Failure, Settings, SettingsError};
use quillon_store::TraceStore;
use quillon_traces::{Sealed, Traces};

/// Most traces that one run of the schedule sends hints for; the rest is as due a minute later.
const MAX_DUE: u32 = 1_000;

/// How many hints are sent at once.
const SIDE_BY_SIDE: usize = 16;

/// Bytes of what was read that are remembered: a trace is sealed once, so next to none.
const CACHE: usize = 1024 * 1024;

/// What the sealer works with.
#[derive(Debug)]
pub struct Deps {
    /// The traces, and which of them are due.
    pub traces: Traces,
    /// Where hints go.
    pub queues: Queues,
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
        let table = read.required("TABLE_TRACES");
        let seal = Some(read.required("QUEUE_SEAL_URL"));
        read.finish()?;
        Ok(Self {
            traces: Traces::new(TraceStore::new(aws_sdk_dynamodb::Client::new(sdk), table), CACHE),
            queues: Queues::new(aws_sdk_sqs::Client::new(sdk), QueueUrls { seal, ..QueueUrls::default() }),
            clock,
        })
    }
}

/// Why a hint or a schedule was not carried out.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Queue(#[from] quillon_queue::Error),
    #[error(transparent)]
    Traces(#[from] quillon_traces::Error),
    #[error("there is no schedule `{0}`, use `seal`")]
    UnknownSchedule(String),
}

/// Looks at one trace.
///
/// # Errors
/// When the table cannot be used, or the trace cannot be read; the message comes back.
pub async fn handle(deps: &Deps, envelope: Envelope<SealMessage>) -> Result<(), Failure> {
    let SealMessage::Seal { org, trace } = envelope.message;
    // Boxed: its type is too deep for the compiler, and it is the largest future of the system.
    match deps.traces.seal(org, trace, deps.clock.now()).boxed().await? {
        Sealed::Nothing => {}
        done @ (Sealed::Compacted | Sealed::Final | Sealed::Gone) => {
            tracing::info!(trace.id = %trace, org.id = %org, cause = envelope.cause, "looked at a trace: {done:?}");
        }
    }
    Ok(())
}

/// Carries out a schedule.
///
/// # Errors
/// When a table or queue cannot be used, or there is no such schedule.
pub async fn on_schedule(deps: &Deps, schedule: &str) -> Result<(), Failure> {
    match schedule {
        "seal" => Ok(remind(deps).boxed().await?),
        other => Err(Error::UnknownSchedule(other.to_owned()).into()),
    }
}

/// Sends a hint for every trace that is due.
async fn remind(deps: &Deps) -> Result<(), Error> {
    let due = deps.traces.due(deps.clock.now(), MAX_DUE).await?;
    let sent = futures::stream::iter(due).map(|(org, trace)| deps.queues.send_seal(org, trace, "seal"));
    Ok(sent.buffer_unordered(SIDE_BY_SIDE).try_collect().await?)
}
