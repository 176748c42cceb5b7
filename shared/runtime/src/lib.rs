//! What every function does alike: settings, the clock, tracing, the entry points for HTTP and SQS, forms and short pages.

mod address;
mod body;
mod clock;
mod cookie;
mod credential;
mod form;
pub mod guard;
mod http;
mod init;
mod notice;
mod settings;
mod sqs;

pub use address::address;
pub use body::Body;
pub use clock::Clock;
pub use cookie::Cookie;
pub use credential::presented;
pub use form::{BadForm, Form};
pub use http::{MAX_BODY, bearer, json, put_header, serve as serve_http, text, wrong_method};
pub use init::init;
pub use notice::{Notice, see_other, with_cookies};
pub use settings::{Reader, Settings, SettingsError};
pub use sqs::{Failure, drain, serve as serve_sqs, serve_or_schedule};

/// What a Lambda shell can fail with before it serves anything.
pub type Error = lambda_runtime::Error;
