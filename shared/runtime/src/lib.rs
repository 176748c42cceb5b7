//! What every function does alike: settings, the clock, tracing, and the entry points for HTTP and SQS.

mod body;
mod clock;
mod cookie;
mod credential;
pub mod guard;
mod http;
mod init;
mod settings;
mod sqs;

pub use body::Body;
pub use clock::Clock;
pub use cookie::Cookie;
pub use credential::presented;
pub use http::{MAX_BODY, bearer, json, serve as serve_http, text};
pub use init::init;
pub use settings::{Reader, Settings, SettingsError};
pub use sqs::{Failure, drain, serve as serve_sqs, serve_or_schedule};

/// What a Lambda shell can fail with before it serves anything.
pub type Error = lambda_runtime::Error;
