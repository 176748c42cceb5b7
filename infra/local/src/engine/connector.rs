//! The in-process transport: an HTTP client for the AWS SDK whose requests never leave the process.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::fault::Caller;
use super::policy::Policy;
use super::wire::Response;
use super::{Call, Engines};

/// The region of everything local; ARNs name it.
pub const REGION: &str = "us-east-1";
/// Endpoint of the in-process transport. No such host exists, so a client without the connector fails loudly.
const ENDPOINT: &str = "http://aws.quillon.local";

/// Carries the SDK's requests to the engines.
#[derive(Clone, Debug)]
struct InProcess {
    engines: Engines,
    policy: Option<Arc<Policy>>,
}

impl Engines {
    /// Configuration for SDK clients whose calls end in these engines, in process.
    ///
    /// One configuration serves all three services. Retries work as usual but wait milliseconds, because nothing
    /// here recovers by being left alone.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        self.configure(None)
    }

    /// Like [`Engines::sdk_config`], for a function that may do what its policy allows and nothing else.
    #[must_use]
    pub fn sdk_config_for(&self, policy: Policy) -> SdkConfig {
        self.configure(Some(Arc::new(policy)))
    }

    fn configure(&self, policy: Option<Arc<Policy>>) -> SdkConfig {
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)).with_max_backoff(Duration::from_millis(10));
        let credentials = Credentials::new("local", "local", None, None, "quillon-local");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(ENDPOINT)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(retries)
            // A long poll is an answer that takes its time, not a stream that has stalled.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(InProcess { engines: self.clone(), policy })
            .build()
    }

    /// A DynamoDB client of [`Engines::sdk_config`].
    #[must_use]
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk_config())
    }

    /// An SQS client of [`Engines::sdk_config`].
    #[must_use]
    pub fn sqs_client(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk_config())
    }

    /// A Secrets Manager client of [`Engines::sdk_config`].
    #[must_use]
    pub fn secrets_client(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.sdk_config())
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { engines, policy } = self.clone();
        HttpConnectorFuture::new(async move {
            let headers = request.headers();
            let call = Call {
                caller: Caller::Sdk,
                target: headers.get("x-amz-target").unwrap_or_default().to_owned(),
                invocation: headers.get("amz-sdk-invocation-id").map(str::to_owned),
                attempt: attempt_of(headers.get("amz-sdk-request")),
                // The JSON protocols send documents, never streams.
                body: Bytes::copy_from_slice(request.body().bytes().unwrap_or_default()),
                policy,
            };
            answer(engines.call(call).await)
        })
    }
}

/// The attempt in an `amz-sdk-request` header (`attempt=2; max=3`), 1 if there is none.
pub(super) fn attempt_of(header: Option<&str>) -> u32 {
    let fields = header.unwrap_or_default().split(';');
    fields.filter_map(|field| field.trim().strip_prefix("attempt=")).find_map(|n| n.parse().ok()).unwrap_or(1)
}

fn answer(response: Response) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(response.status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut http = HttpResponse::new(status, SdkBody::from(response.body));
    http.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    if let Some(error) = response.query_error {
        http.headers_mut().insert("x-amzn-query-error", error);
    }
    Ok(http)
}
