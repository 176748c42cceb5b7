//! What a Lambda shell does first: the log, and the configuration of the AWS clients.
//!
//! Every function pays for this with each new sandbox, so it has what Lambda needs and no more: no expressions in the filter of the
//! log, and none of the ways to credentials that do not exist on Lambda (profiles, SSO, instance metadata, STS).

use std::ffi::OsString;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts structured logging and makes the AWS configuration: the first line of every Lambda shell.
///
/// Makes no call: credentials are those of the environment, secrets are fetched with the first request that needs them.
/// `RUST_LOG` is a level, or targets with levels (`info,quillon_store=debug`).
#[must_use]
pub fn init() -> SdkConfig {
    let filter = variable("RUST_LOG").and_then(|text| text.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // CloudWatch stamps every line itself.
    let lines = tracing_subscriber::fmt::layer().json().without_time();
    tracing_subscriber::registry().with(lines).with(filter).init();

    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .http_client(http);
    sdk.set_region(variable("AWS_REGION").map(Region::new));
    sdk.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    sdk.build()
}

/// A variable of the process; an empty one is none.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(OsString::into_string)?.ok().filter(|text| !text.is_empty())
}
