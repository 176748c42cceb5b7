//! The local cloud: the AWS services that Quillon uses, embedded, and the executor of `template.yaml` that wires the
//! same function handlers to them that run on Lambda.
//!
//! - [`engine`]: DynamoDB, SQS and Secrets Manager as values, in process or on loopback.
//! - [`template`]: the SAM template as a typed value, and its application to the engines.
//! - [`cloud`]: event source mappings, schedules and routes, as the template declares them.

pub mod cloud;
pub mod engine;
pub mod template;
