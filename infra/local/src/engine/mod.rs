//! The embedded AWS services as one value, and how the SDK reaches them.
//!
//! All three speak AWS JSON: a request is an `X-Amz-Target` and a body, an answer is a status and a body. So there is
//! one way in, [`Engines::call`], with two transports on top: [`connector`] stays inside the process (no socket: no
//! other local process can reach the tables), [`server`] listens on loopback for function processes and the operator.

pub mod connector;
pub mod dynamodb;
pub mod fault;
pub mod meter;
pub mod policy;
pub mod secrets;
pub mod server;
pub mod sqs;
pub mod wire;

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use quillon_runtime::Clock;

use dynamodb::DynamoDb;
use fault::{CallInfo, Caller, Fault, FaultHook, Faults};
use meter::{Capacity, Meter, Metered, Usage};
use policy::Policy;
use secrets::Secrets;
use sqs::Sqs;
use wire::{Response, Service};

/// Where the engines keep what they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Nowhere: it ends with the last clone of the [`Engines`].
    Memory,
    /// In files of this directory, which is created (mode 0700) if it does not exist.
    Directory(PathBuf),
}

/// One request to a service.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who makes it.
    pub caller: Caller,
    /// `X-Amz-Target`.
    pub target: String,
    /// `amz-sdk-invocation-id`: the same for all attempts at one call.
    pub invocation: Option<String>,
    /// Attempt at this call, from 1.
    pub attempt: u32,
    /// The JSON request.
    pub body: Bytes,
    /// What the caller may do; `None` for one that may do everything.
    pub policy: Option<Arc<Policy>>,
}

/// Why the engines could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created or locked.
    #[error("the data directory `{path}` cannot be used")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the directory open.
    #[error("the data directory `{path}` is in use: stop the other `quillon`, or choose another directory")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The tables cannot be opened.
    #[error("the tables cannot be opened")]
    Tables(#[source] dynoxide::DynoxideError),
    /// The queues cannot be opened.
    #[error("the queues cannot be opened")]
    Queues(#[source] rusqlite::Error),
    /// The secrets cannot be opened.
    #[error("the secrets cannot be opened")]
    Secrets(#[from] secrets::SecretsError),
}

/// The three services with their storage, meter and fault hook. Clones share all of it.
#[derive(Clone, Debug)]
pub struct Engines(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dynamodb: DynamoDb,
    sqs: Sqs,
    secrets: Secrets,
    faults: Faults,
    meter: Meter,
    clock: Clock,
    /// Held as long as the engines are open, so that no second process opens the same files.
    _lock: Option<File>,
}

impl Engines {
    /// Opens the engines.
    ///
    /// # Errors
    ///
    /// If the directory cannot be used, is used by another process, or holds damaged files.
    pub fn open(storage: &Storage, clock: Clock) -> Result<Self, OpenError> {
        let (directory, lock) = match storage {
            Storage::Memory => (None, None),
            Storage::Directory(path) => (Some(path), Some(occupy(path)?)),
        };
        let file = |name: &str| directory.map(|directory| directory.join(name));
        Ok(Self(Arc::new(Inner {
            dynamodb: DynamoDb::open(file("tables.db").as_deref(), clock.clone()).map_err(OpenError::Tables)?,
            sqs: Sqs::open(file("queues.db").as_deref(), clock.clone()).map_err(OpenError::Queues)?,
            secrets: Secrets::open(file("secrets.json").as_deref(), clock.clone())?,
            faults: Faults::default(),
            meter: Meter::default(),
            clock,
            _lock: lock,
        })))
    }

    /// The tables.
    #[must_use]
    pub fn dynamodb(&self) -> &DynamoDb {
        &self.0.dynamodb
    }

    /// The queues.
    #[must_use]
    pub fn sqs(&self) -> &Sqs {
        &self.0.sqs
    }

    /// The clock that the engines were opened with.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Puts a fault hook in force, or removes it.
    pub fn set_fault(&self, hook: Option<FaultHook>) {
        self.0.faults.set(hook);
    }

    /// Number that the next logical call will get, see [`CallInfo::index`].
    #[must_use]
    pub fn next_call_index(&self) -> u64 {
        self.0.faults.next_index()
    }

    /// What was used since the engines were opened.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.0.meter.usage()
    }

    /// Answers a request; the one way into the services, with faults and metering.
    pub async fn call(&self, call: Call) -> Response {
        let Some((service, operation)) = Service::of_target(&call.target) else {
            return Response::error(400, "UnknownOperationException", "no embedded service has this target");
        };
        if let Some(refusal) = call.policy.as_ref().and_then(|policy| policy.refuse(service, operation, &call.body)) {
            return refusal;
        }
        let index = self.0.faults.number(call.invocation.as_deref(), call.attempt);
        let info = CallInfo { service, operation, index, attempt: call.attempt, caller: call.caller, body: &call.body };
        let fault = self.0.faults.decide(&info);
        match &fault {
            Fault::None | Fault::FailAfter { .. } => {}
            Fault::FailBefore { status, code } => return fault::failure(*status, code),
            Fault::Conflict => {
                if let Some(response) = fault::conflict(&info) {
                    return response;
                }
            }
        }
        let (response, capacity) = self.run(service, operation, call.body.clone()).await;
        self.0.meter.record(&Metered {
            caller: call.caller,
            service,
            operation,
            bytes: call.body.len().max(response.body.len()),
            capacity,
            success: response.is_success(),
        });
        match fault {
            Fault::FailAfter { status, code } => fault::failure(status, &code),
            Fault::None | Fault::FailBefore { .. } | Fault::Conflict => response,
        }
    }

    /// Runs an operation without faults and metering; what waits for a disk does not wait on an async worker.
    pub(crate) async fn run(&self, service: Service, operation: &str, body: Bytes) -> (Response, Capacity) {
        let engines = Arc::clone(&self.0);
        match service {
            Service::Sqs => (engines.sqs.call(operation, body).await, Capacity::default()),
            Service::SecretsManager => (engines.secrets.call(operation, &body), Capacity::default()),
            Service::DynamoDb if engines.dynamodb.is_durable() => {
                let operation = operation.to_owned();
                let run = tokio::task::spawn_blocking(move || engines.dynamodb.call(&operation, &body));
                run.await.unwrap_or_else(|error| (Response::internal(&error), Capacity::default()))
            }
            Service::DynamoDb => engines.dynamodb.call(operation, &body),
        }
    }
}

/// Creates the directory and takes its lock.
fn occupy(path: &PathBuf) -> Result<File, OpenError> {
    let failed = |source| OpenError::Directory { path: path.clone(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"));
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.clone() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
