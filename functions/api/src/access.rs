//! What everything that this function does needs: a table of fields, a table of routes, and the doors that compare a caller with them.
//!
//! Who may do what in an org is said in one place for all functions, [`quillon_core::access::TABLE`]; here is said what each
//! operation *is*. A route without a row cannot be reached ([`Route::of`]), and a resolver comes to an org through a door
//! ([`door`]) that asks for its row. Tests compare both tables with the schema, and every row with every kind of caller.

pub(crate) mod door;
mod fields;
mod routes;

pub use fields::{Asks, Field};
pub use routes::{Endpoint, OperatorCall, ROUTES, Route, RunnerCall};
