//! Counts what AWS would bill: requests, and the capacity that DynamoDB consumes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::fault::Caller;
use super::wire::Service;

/// Operations that are told apart; more than the engines have.
const MAX_ROWS: usize = 256;
/// SQS bills every started 64 KB of payload as one request.
const SQS_CHUNK: usize = 64 * 1024;

/// DynamoDB capacity of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Write request units, indexes included; 2 per item and KB in a transaction.
    pub write_units: f64,
    /// Read request units.
    pub read_units: f64,
}

/// What is counted apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    /// Who called.
    pub caller: Caller,
    /// Which service.
    pub service: Service,
    /// Which operation.
    pub operation: String,
}

/// The sum of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Calls that reached the service, retries included.
    pub calls: u64,
    /// Those of them that answered an error.
    pub errors: u64,
    /// Requests as SQS bills them (one per started 64 KB); equal to `calls` elsewhere.
    pub billed_requests: u64,
    /// DynamoDB write request units.
    pub write_units: f64,
    /// DynamoDB read request units.
    pub read_units: f64,
}

/// Everything counted since the engines were opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage(pub BTreeMap<Row, Tally>);

impl Usage {
    /// What was used between `earlier` and this.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let rows = self.0.iter().filter_map(|(row, tally)| {
            let before = earlier.0.get(row).copied().unwrap_or_default();
            let used = Tally {
                calls: tally.calls.saturating_sub(before.calls),
                errors: tally.errors.saturating_sub(before.errors),
                billed_requests: tally.billed_requests.saturating_sub(before.billed_requests),
                write_units: tally.write_units - before.write_units,
                read_units: tally.read_units - before.read_units,
            };
            (used.calls > 0).then(|| (row.clone(), used))
        });
        Self(rows.collect())
    }

    /// The sum of all rows of a service.
    #[must_use]
    pub fn total(&self, service: Service) -> Tally {
        self.0.iter().filter(|(row, _)| row.service == service).fold(Tally::default(), |sum, (_, tally)| Tally {
            calls: sum.calls + tally.calls,
            errors: sum.errors + tally.errors,
            billed_requests: sum.billed_requests + tally.billed_requests,
            write_units: sum.write_units + tally.write_units,
            read_units: sum.read_units + tally.read_units,
        })
    }

    /// The row of an operation, summed over who called it.
    #[must_use]
    pub fn of(&self, service: Service, operation: &str) -> Tally {
        let rows = self.0.iter().filter(|(row, _)| row.service == service && row.operation == operation);
        Self(rows.map(|(row, tally)| (row.clone(), *tally)).collect()).total(service)
    }
}

/// The running counters.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<Usage>);

/// One call as the meter sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metered<'a> {
    pub(super) caller: Caller,
    pub(super) service: Service,
    pub(super) operation: &'a str,
    /// The larger of request and response.
    pub(super) bytes: usize,
    pub(super) capacity: Capacity,
    pub(super) success: bool,
}

impl Meter {
    pub(super) fn record(&self, call: &Metered<'_>) {
        let mut usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = Row { caller: call.caller, service: call.service, operation: call.operation.to_owned() };
        if usage.0.len() >= MAX_ROWS && !usage.0.contains_key(&row) {
            return;
        }
        let tally = usage.0.entry(row).or_default();
        tally.calls += 1;
        tally.errors += u64::from(!call.success);
        tally.billed_requests += match call.service {
            Service::Sqs => u64::try_from(call.bytes.div_ceil(SQS_CHUNK).max(1)).unwrap_or(1),
            Service::DynamoDb | Service::SecretsManager => 1,
        };
        tally.write_units += call.capacity.write_units;
        tally.read_units += call.capacity.read_units;
    }

    pub(super) fn usage(&self) -> Usage {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
