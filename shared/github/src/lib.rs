//! Everything said to and heard from GitHub: webhooks in ([`webhook`]), calls of the App out ([`app`]).
//!
//! Nothing of octocrab's or of GitHub's own shapes leaves this room: callers see ids, names and views of the core's types, and
//! errors shaped by what they do next.

pub mod app;
pub mod error;
pub mod view;
pub mod webhook;

pub use app::{App, AppSettings, AppSlot, InstallationClient};
pub use error::{Error, Retry};
