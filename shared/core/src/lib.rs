//! The pure domain of Quillon: ids, names, trust, lanes, runs and attempts, and what GitHub is shown of them.
//!
//! Nothing in here does I/O, reads a clock or makes a random number: time and entropy come in as arguments, orders go out
//! as values. [`attempt::decide`] is the heart; everything else carries bytes for it.

pub mod access;
pub mod admission;
pub mod attempt;
pub mod audit;
pub mod ci;
pub mod commit;
pub mod device;
#[cfg(test)]
mod fixture;
pub mod hint;
pub mod id;
pub mod lane;
pub mod local_path;
pub mod member;
pub mod message;
pub mod module;
pub mod name;
pub mod org;
pub mod person;
pub mod plan;
pub mod protocol;
pub mod report;
pub mod rerun;
pub mod retention;
#[cfg(test)]
mod round_trips;
pub mod run;
pub mod sensitive;
pub mod session;
pub mod sign_up;
pub mod source;
pub mod text;
pub mod token;
pub mod trace;
pub mod trust;

pub use sensitive::Sensitive;
