//! The SAM template, executed: a closed list of resource types and intrinsic functions, read into typed values.
//!
//! What is not understood is an error that names the resource, the path and what is supported, so a template that
//! works here says nothing that the local cloud ignores by accident.
//!
//! - [`Template::parse`] reads a template with its [`Parameters`].
//! - [`apply`] makes its tables, queues and secrets exist in the engines and answers each function's environment.

mod apply;
mod error;
mod evaluate;
mod expression;
mod fields;
mod model;
mod node;
mod parameters;
mod parse;
mod resources;

pub use apply::{ApplyError, Environment, apply};
pub use error::TemplateError;
pub use expression::{Cron, Expression, ExpressionError};
pub use model::{
    DeadLetter, Event, EventSource, Function, Index, Key, KeyAttribute, Parameter, Projection, Queue, Secret, SecretValue, Table, Template,
};
pub use parameters::Parameters;

/// The template of this repository, the one that is deployed to AWS.
pub const BUNDLED: &str = include_str!("../../../../template.yaml");
