//! What AWS asks for, in US dollars, us-east-1.
//!
//! List prices of 2026: [DynamoDB on demand](https://aws.amazon.com/dynamodb/pricing/on-demand/),
//! [SQS](https://aws.amazon.com/sqs/pricing/), [Lambda](https://aws.amazon.com/lambda/pricing/),
//! [API Gateway](https://aws.amazon.com/api-gateway/pricing/), [Secrets Manager](https://aws.amazon.com/secrets-manager/pricing/).
//! Free tiers, storage and logs are left out.

/// A write request unit.
pub(crate) const WRITE_UNIT: f64 = 0.625e-6;
/// A read request unit.
pub(crate) const READ_UNIT: f64 = 0.125e-6;
/// A request to a FIFO queue; a standard queue costs 0.40 a million, so this is the upper end.
pub(crate) const SQS_REQUEST: f64 = 0.50e-6;
/// A call of Secrets Manager.
pub(crate) const SECRET_CALL: f64 = 5e-6;
/// A request to an HTTP API.
pub(crate) const HTTP_REQUEST: f64 = 1e-6;
/// An invocation of a function.
pub(crate) const INVOCATION: f64 = 0.20e-6;
/// A second of a function with a gigabyte, arm64.
pub(crate) const GB_SECOND: f64 = 13.3334e-6;

/// Memory of a function, in gigabytes, as the template says.
pub(crate) const MEMORY_GB: f64 = 0.25;
/// How long a function is assumed to wait for one AWS call, in seconds.
pub(crate) const AWS_CALL_S: f64 = 0.005;
/// How long a function is assumed to wait for one GitHub call, in seconds.
pub(crate) const GITHUB_CALL_S: f64 = 0.1;
