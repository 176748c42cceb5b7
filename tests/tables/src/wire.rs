//! The wire between a test and its tables: it counts, watches manners, and can be told to misbehave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

/// How the wire treats one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It arrives and is carried out, but its answer does not come back.
    LoseAnswer,
    /// It does not arrive; this JSON comes back under this status.
    Answer(u16, String),
}

impl Fault {
    /// The answer of a wire that is cut: one that the SDK does not try again.
    fn cut() -> Self {
        let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"the wire is cut"}"#;
        Self::Answer(400, body.to_owned())
    }
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<(&'static str, Fault)>,
    /// How many more requests arrive; none for all.
    left: Option<usize>,
    /// How often each operation was sent.
    sent: HashMap<String, usize>,
}

/// One wire, shared by its ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<State>>);

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        // A request that fails an assertion has changed nothing by then.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fault(&self, operation: &'static str, fault: Fault) {
        self.state().faults.push((operation, fault));
    }

    pub(crate) fn let_through(&self, left: Option<usize>) {
        self.state().left = left;
    }

    pub(crate) fn sent(&self, operation: &str) -> usize {
        self.state().sent.remove(operation).unwrap_or(0)
    }

    pub(crate) fn sent_in_all(&self) -> usize {
        std::mem::take(&mut self.state().sent).into_values().sum()
    }

    /// What is to go wrong with a request that is sent now.
    fn take(&self, operation: String) -> Option<Fault> {
        let mut state = self.state();
        let position = state.faults.iter().position(|(wanted, _)| *wanted == operation);
        let fault = position.map(|position| state.faults.remove(position).1);
        *state.sent.entry(operation).or_default() += 1;
        match state.left {
            Some(0) => Some(Fault::cut()),
            Some(left) => {
                state.left = Some(left - 1);
                fault
            }
            None => fault,
        }
    }
}

/// The client of the SDK behind a wire.
#[derive(Debug)]
pub(crate) struct WiredClient {
    pub(crate) inner: SharedHttpClient,
    pub(crate) wire: Wire,
}

impl HttpClient for WiredClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(WiredConnector { inner: self.inner.http_connector(settings, components), wire: self.wire.clone() })
    }
}

#[derive(Debug)]
struct WiredConnector {
    inner: SharedHttpConnector,
    wire: Wire,
}

impl HttpConnector for WiredConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next()).unwrap_or_default().to_owned();
        assert_manners(&operation, request.body().bytes().unwrap_or_default());
        match self.wire.take(operation) {
            None => self.inner.call(request),
            Some(Fault::LoseAnswer) => {
                let call = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    call.await?;
                    Err(ConnectorError::io("the answer was lost".into()))
                })
            }
            Some(Fault::Answer(status, body)) => {
                let mut answer = HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body));
                answer.headers_mut().insert("content-type", "application/x-amz-json-1.0");
                HttpConnectorFuture::ready(Ok(answer))
            }
        }
    }
}

/// What must be true of every request: nothing is scanned or filtered, and all but the indexes is read consistently.
fn assert_manners(operation: &str, body: &[u8]) {
    let body: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    assert_ne!(operation, "Scan");
    assert!(body.get("FilterExpression").is_none(), "{body}");
    let is_consistent = match operation {
        "GetItem" => body["ConsistentRead"] == true,
        "Query" => body["ConsistentRead"] == body.get("IndexName").is_none(),
        "BatchGetItem" => body["RequestItems"].as_object().expect("tables").values().all(|table| table["ConsistentRead"] == true),
        _ => true,
    };
    assert!(is_consistent, "{operation} {body}");
}
