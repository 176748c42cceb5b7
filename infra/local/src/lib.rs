//! The local cloud: the AWS services that Quillon uses, embedded, and the executor of `template.yaml` that wires the
//! same function handlers to them that run on Lambda.
//!
//! - [`engine`]: DynamoDB, SQS and Secrets Manager as values, in process or on loopback.
//! - [`template`]: the SAM template as a typed value, and its application to the engines.
//! - [`cloud`]: event source mappings, schedules and routes, as the template declares them.
//! - [`system`]: the functions of this repository over all that, behind one front door.
//! - [`command`]: the command line.

pub mod cloud;
pub mod command;
pub mod engine;
pub mod system;
pub mod template;
