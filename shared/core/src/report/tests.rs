//! Tests of what GitHub is shown: names of contexts, wording, the aggregate, and which posts are due.

mod aggregate;
mod context;
mod plan;
mod simulation;
mod status;
