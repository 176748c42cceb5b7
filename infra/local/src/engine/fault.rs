//! Fault injection: what a test may do to any AWS call of the system.
//!
//! A hook sees every call before it runs and says what goes wrong. The SDK repeats failed calls by itself, so a fault
//! that must be *seen* has to outlive those retries: [`CallInfo::index`] counts **logical** calls, all attempts of one
//! call carry the same index, and [`CallInfo::attempt`] tells them apart. A hook that decides by `index` alone fails a
//! call for good; one that also asks for `attempt == 1` tests that the SDK's own retry repairs it. (All clients of a process
//! share the SDK's budget of retries: after some hundred faults it retries less, so do not count attempts in a long matrix.)
//!
//! [`Fault::FailAfter`] lets the effect happen and loses the answer: what a caller sees whose process dies right after
//! the call, or whose connection breaks. The SDK's retry then meets its own effect, as it would on AWS.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::{Value, json};

use super::wire::{Response, Service};

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// A function, the command line or a test, through the SDK.
    Sdk,
    /// An event source mapping: on AWS the Lambda service itself, which retries until it succeeds.
    Mapping,
}

/// A call that is about to run.
#[derive(Clone, Copy, Debug)]
pub struct CallInfo<'a> {
    /// The service that is called.
    pub service: Service,
    /// The operation, such as `PutItem`.
    pub operation: &'a str,
    /// Number of the logical call since the engines were opened, from 0; retries of the SDK share it.
    pub index: u64,
    /// Attempt of the SDK at this call, from 1.
    pub attempt: u32,
    /// Who calls.
    pub caller: Caller,
    /// The JSON request.
    pub body: &'a [u8],
}

/// What happens to a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The call has no effect and answers this error.
    FailBefore {
        /// HTTP status; the SDK retries 500, 502, 503 and 504.
        status: u16,
        /// Error code; the SDK also retries throttling codes.
        code: String,
    },
    /// The call has its effect and answers this error all the same.
    FailAfter {
        /// HTTP status.
        status: u16,
        /// Error code.
        code: String,
    },
    /// Another transaction got in the way: `TransactionCanceledException` with reason `TransactionConflict` for a
    /// transaction, `TransactionConflictException` for a single write, nothing for any other call.
    Conflict,
}

impl Fault {
    /// A failure without effect, of the kind that the SDK retries.
    #[must_use]
    pub fn fail_before() -> Self {
        Self::FailBefore { status: 500, code: "InternalServerError".into() }
    }

    /// A failure after the effect, of the kind that the SDK retries.
    #[must_use]
    pub fn fail_after() -> Self {
        Self::FailAfter { status: 500, code: "InternalServerError".into() }
    }
}

/// Decides what happens to each call; must be quick, it runs on the caller's task.
pub type FaultHook = Arc<dyn Fn(&CallInfo<'_>) -> Fault + Send + Sync>;

/// Logical calls that are remembered so that their retries are recognised.
const REMEMBERED_CALLS: usize = 256;

/// The hook in force and the numbering of calls.
#[derive(Default)]
pub(super) struct Faults {
    hook: RwLock<Option<FaultHook>>,
    calls: Mutex<Numbering>,
}

#[derive(Default)]
struct Numbering {
    next: u64,
    recent: VecDeque<(String, u64)>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    pub(super) fn set(&self, hook: Option<FaultHook>) {
        *self.hook.write().unwrap_or_else(PoisonError::into_inner) = hook;
    }

    pub(super) fn decide(&self, call: &CallInfo<'_>) -> Fault {
        let hook = self.hook.read().unwrap_or_else(PoisonError::into_inner).clone();
        hook.map_or(Fault::None, |hook| hook(call))
    }

    /// Number of the next logical call.
    pub(super) fn next_index(&self) -> u64 {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).next
    }

    /// The number of a call: a new one, unless `invocation` was seen before and this is a further attempt at it.
    pub(super) fn number(&self, invocation: Option<&str>, attempt: u32) -> u64 {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if attempt > 1
            && let Some(invocation) = invocation
            && let Some((_, index)) = calls.recent.iter().rev().find(|(id, _)| id == invocation)
        {
            return *index;
        }
        let index = calls.next;
        calls.next += 1;
        if let Some(invocation) = invocation {
            if calls.recent.len() == REMEMBERED_CALLS {
                calls.recent.pop_front();
            }
            calls.recent.push_back((invocation.to_owned(), index));
        }
        index
    }
}

/// The answer of a call that was made to fail.
pub(super) fn failure(status: u16, code: &str) -> Response {
    Response::error(status, code, "injected fault")
}

/// The answer of a call that met another transaction, `None` if that cannot happen to it.
pub(super) fn conflict(call: &CallInfo<'_>) -> Option<Response> {
    const NAMESPACE: &str = "com.amazonaws.dynamodb.v20120810";
    if call.service != Service::DynamoDb {
        return None;
    }
    match call.operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let request: Value = serde_json::from_slice(call.body).unwrap_or_default();
            let actions = request["TransactItems"].as_array().map_or(1, Vec::len);
            let reason = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
            let codes = vec!["TransactionConflict"; actions].join(", ");
            let document = json!({
                "__type": format!("{NAMESPACE}#TransactionCanceledException"),
                "Message": format!(
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
                ),
                "CancellationReasons": vec![reason; actions],
            });
            Some(Response { status: 400, query_error: None, body: document.to_string().into() })
        }
        "PutItem" | "UpdateItem" | "DeleteItem" => {
            Some(Response::error(400, &format!("{NAMESPACE}#TransactionConflictException"), "Transaction is ongoing for the item"))
        }
        _ => None,
    }
}
