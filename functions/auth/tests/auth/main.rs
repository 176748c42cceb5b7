//! The auth function against a forge, OpenID providers and issuers of CI jobs at the wire: what it does for people, and what it does to
//! attackers.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod attacks;
mod browser;
mod ci;
mod device;
mod sign_in;
mod world;
