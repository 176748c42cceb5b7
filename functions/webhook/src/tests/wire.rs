//! Secrets Manager and SQS at the wire, as far as the webhook asks them.

use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// What the two services hold and how they behave; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    secret: String,
    secret_reads: usize,
    is_secret_down: bool,
    is_queue_down: bool,
    sent: Vec<Value>,
}

impl Wire {
    pub(super) fn set_secret(&self, current: &str, previous: Option<&str>) {
        self.with(|state| state.secret = json!({ "current": current, "previous": previous }).to_string());
    }

    pub(super) fn set_secret_text(&self, text: &str) {
        self.with(|state| text.clone_into(&mut state.secret));
    }

    pub(super) fn set_queue_down(&self, is_down: bool) {
        self.with(|state| state.is_queue_down = is_down);
    }

    pub(super) fn set_secret_down(&self, is_down: bool) {
        self.with(|state| state.is_secret_down = is_down);
    }

    pub(super) fn secret_reads(&self) -> usize {
        self.with(|state| state.secret_reads)
    }

    /// Bodies of the messages that were sent, oldest first.
    pub(super) fn sent(&self) -> Vec<Value> {
        self.with(|state| state.sent.clone())
    }

    pub(super) fn sdk(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "test")))
            // A second try waits, and a test does not.
            .retry_config(RetryConfig::disabled())
            .http_client(SharedHttpClient::new(self.clone()))
            .build()
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().expect("no panic elsewhere"))
    }

    fn answer(&self, request: &HttpRequest) -> (u16, Value) {
        let body: Value = serde_json::from_slice(request.body().bytes().expect("in memory")).expect("JSON");
        self.with(|state| match request.headers().get("x-amz-target") {
            Some("secretsmanager.GetSecretValue") => {
                state.secret_reads += 1;
                if state.is_secret_down {
                    return (500, json!({ "__type": "InternalServiceError" }));
                }
                (200, json!({ "ARN": body["SecretId"], "Name": "webhook", "SecretString": state.secret }))
            }
            Some("AmazonSQS.SendMessage") => {
                if state.is_queue_down {
                    return (503, json!({ "__type": "ServiceUnavailable" }));
                }
                assert_eq!(body["QueueUrl"], "https://sqs.local/events");
                state.sent.push(serde_json::from_str(body["MessageBody"].as_str().expect("text")).expect("JSON"));
                (200, json!({ "MessageId": "m-1" }))
            }
            other => panic!("the webhook must not call {other:?}"),
        })
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.answer(&request);
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body.to_string()))))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
