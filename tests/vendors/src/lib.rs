//! Services that are neither GitHub nor AWS, at the wire, for tests: an OpenID provider, issuers of CI jobs, Stripe.
//!
//! Each makes its own keys, listens on a loopback port of its own and ends with the last clone of it. Each is strict: it
//! refuses what the real one would refuse. The knobs make it lie in the ways in which an attacker would.

#![expect(clippy::expect_used, reason = "a fake that cannot start ends its test, and says why")]

pub mod ci;
pub mod jwt;
pub mod openid;
mod server;
pub mod stripe;

use std::sync::Arc;

use jiff::Timestamp;

/// The present of a fake, as its test moves it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
