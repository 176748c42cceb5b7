//! The bill: who used what, and what that costs.

use std::collections::BTreeMap;

use quillon::engine::meter::{Tally, Usage};
use quillon::engine::wire::Service;
use quillon_tests::World;

use crate::price;

/// What one consumer used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// Invocations of a function.
    pub(crate) invocations: f64,
    /// Requests through the HTTP API.
    pub(crate) http: f64,
    /// DynamoDB write request units, indexes included.
    pub(crate) write_units: f64,
    /// DynamoDB read request units.
    pub(crate) read_units: f64,
    /// SQS requests.
    pub(crate) sqs: f64,
    /// Secrets Manager calls.
    pub(crate) secrets: f64,
    /// AWS calls that the function waited for.
    pub(crate) aws_calls: f64,
    /// GitHub calls that the function waited for.
    pub(crate) github_calls: f64,
}

impl Used {
    /// What it costs, in dollars.
    pub(crate) fn usd(&self) -> f64 {
        self.write_units * price::WRITE_UNIT
            + self.read_units * price::READ_UNIT
            + self.sqs * price::SQS_REQUEST
            + self.secrets * price::SECRET_CALL
            + self.http * price::HTTP_REQUEST
            + self.invocations * price::INVOCATION
            + self.gb_seconds() * price::GB_SECOND
    }

    /// Memory times duration, from assumed waits.
    pub(crate) fn gb_seconds(&self) -> f64 {
        (self.aws_calls * price::AWS_CALL_S + self.github_calls * price::GITHUB_CALL_S) * price::MEMORY_GB
    }

    fn add(&mut self, other: &Self) {
        self.invocations += other.invocations;
        self.http += other.http;
        self.write_units += other.write_units;
        self.read_units += other.read_units;
        self.sqs += other.sqs;
        self.secrets += other.secrets;
        self.aws_calls += other.aws_calls;
        self.github_calls += other.github_calls;
    }
}

/// What invoked a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A request.
    Http,
    /// A batch of a queue, or a schedule.
    Event,
}

/// A moment that usage is counted from.
pub(crate) struct Mark {
    usage: Usage,
    asked: usize,
}

impl Mark {
    pub(crate) fn now(world: &World) -> Self {
        // A token lives for an hour of the machine's clock, which is not the clock that is moved here.
        let asked = world.forge.requests().iter().filter(|request| !request.path.ends_with("/access_tokens")).count();
        Self { usage: world.system.cloud().engines().usage(), asked }
    }
}

/// Everything that was used, by who used it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bill {
    /// By consumer: a function, with the call where it has several.
    pub(crate) consumers: BTreeMap<String, Used>,
    /// By DynamoDB operation.
    pub(crate) operations: BTreeMap<String, Tally>,
}

impl Bill {
    /// Charges what was used since a mark to a consumer.
    pub(crate) fn charge(&mut self, world: &World, since: &Mark, consumer: &str, trigger: Trigger) {
        let now = Mark::now(world);
        let usage = now.usage.since(&since.usage);
        let (tables, queues, secrets) = (usage.total(Service::DynamoDb), usage.total(Service::Sqs), usage.total(Service::SecretsManager));
        let used = Used {
            invocations: 1.0,
            http: match trigger {
                Trigger::Http => 1.0,
                Trigger::Event => 0.0,
            },
            write_units: tables.write_units,
            read_units: tables.read_units,
            sqs: float(queues.billed_requests),
            secrets: float(secrets.calls),
            aws_calls: float(tables.calls + queues.calls + secrets.calls),
            github_calls: float(u64::try_from(now.asked.saturating_sub(since.asked)).unwrap_or(0)),
        };
        self.consumers.entry(consumer.to_owned()).or_default().add(&used);
        for (row, tally) in usage.0 {
            if row.service == Service::DynamoDb {
                let sum = self.operations.entry(row.operation).or_default();
                sum.calls += tally.calls;
                sum.write_units += tally.write_units;
                sum.read_units += tally.read_units;
            }
        }
    }

    /// The sum over all consumers.
    pub(crate) fn total(&self) -> Used {
        let mut total = Used::default();
        self.consumers.values().for_each(|used| total.add(used));
        total
    }
}

/// A count as a number to multiply with.
pub(crate) fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
