//! What every function does alike: settings, the clock, tracing, and the entry points for HTTP and SQS.

mod clock;
mod http;
mod settings;
mod sqs;

pub use clock::Clock;
pub use http::{MAX_BODY, bearer, json, serve as serve_http, text};
pub use settings::{Reader, Settings, SettingsError};
pub use sqs::{Failure, drain, serve as serve_sqs, serve_or_schedule};

use aws_config::{BehaviorVersion, SdkConfig};

/// What a Lambda shell can fail with before it serves anything.
pub type Error = lambda_runtime::Error;

/// Starts structured logging and loads the AWS configuration: the first line of every Lambda shell.
///
/// Makes no call: credentials and secrets are fetched with the first request that needs them.
pub async fn init() -> SdkConfig {
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        // CloudWatch stamps every line itself.
        .without_time()
        .init();
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}
