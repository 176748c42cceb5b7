//! The payments function over engines in memory and a Stripe at the wire.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod access;
mod checkout;
mod faults;
mod plans;
mod webhooks;
mod world;
