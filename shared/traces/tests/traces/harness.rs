//! A table of traces in memory, reached through the SDK over a wire that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_store::TraceStore;
use quillon_traces::Traces;

/// Bytes that the caches of a test may take.
pub(crate) const CACHE: usize = 64 << 20;

/// The table of one test.
pub(crate) struct Db {
    pub(crate) store: TraceStore,
    client: Client,
    wire: Arc<Wire>,
}

#[derive(Debug)]
struct Wire {
    /// How many more requests arrive; negative for all.
    left: AtomicI64,
    sent: AtomicUsize,
}

impl Db {
    pub(crate) async fn new() -> Self {
        let engine = dynoxide::Database::memory().expect("an engine in memory");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(dynoxide::server::serve_on(listener, engine));
        let wire = Arc::new(Wire { left: AtomicI64::new(-1), sent: AtomicUsize::new(0) });
        let inner = aws_smithy_http_client::Builder::new().build_http();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(url)
            .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
            .http_client(CutClient { inner, wire: wire.clone() })
            .build();
        let client = Client::from_conf(config);
        create_table(&client).await;
        Self { store: TraceStore::new(client.clone(), "traces"), client, wire }
    }

    /// Traces of a process that has read nothing yet.
    pub(crate) fn traces(&self) -> Traces {
        Traces::new(self.store.clone(), CACHE)
    }

    /// Lets so many more requests through and none after them, as if the process died then.
    pub(crate) fn cut_after(&self, requests: usize) {
        self.wire.left.store(i64::try_from(requests).expect("few"), Ordering::SeqCst);
    }

    /// Lets everything through again.
    pub(crate) fn mend(&self) {
        self.wire.left.store(-1, Ordering::SeqCst);
    }

    /// How many requests were sent since the last time.
    pub(crate) fn sent(&self) -> usize {
        self.wire.sent.swap(0, Ordering::SeqCst)
    }

    /// The sort keys of everything there is of a trace.
    pub(crate) async fn keys(&self, org: OrgId, trace: TraceId) -> Vec<String> {
        let request = self.client.query().table_name("traces").key_condition_expression("pk = :pk").consistent_read(true);
        let request = request.expression_attribute_values(":pk", AttributeValue::S(format!("T#{org}#{trace}")));
        let items = request.send().await.expect("an answer").items.unwrap_or_default();
        items.iter().map(|item| item["sk"].as_s().expect("a text").clone()).collect()
    }
}

async fn create_table(client: &Client) {
    let index = |name: &str, partition: &str, sort: &str, projection| {
        let index = GlobalSecondaryIndex::builder().index_name(name).projection(Projection::builder().projection_type(projection).build());
        index.key_schema(key(partition, KeyType::Hash)).key_schema(key(sort, KeyType::Range)).build().expect("an index")
    };
    let indexes = vec![
        index("gsi1", "gsi1pk", "gsi1sk", ProjectionType::All),
        index("gsi2", "gsi2pk", "gsi2sk", ProjectionType::All),
        index("gsi3", "due_pk", "due_at", ProjectionType::KeysOnly),
    ];
    let attributes = ["pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk", "due_pk"].map(|name| (name, "S"));
    let mut request = client.create_table().table_name("traces").billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in attributes.into_iter().chain([("due_at", "N")]) {
        let definition = AttributeDefinition::builder().attribute_name(attribute).attribute_type(ScalarAttributeType::from(kind));
        request = request.attribute_definitions(definition.build().expect("a definition"));
    }
    let request = request.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    request.set_global_secondary_indexes(Some(indexes)).send().await.expect("a table");
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key")
}

#[derive(Debug)]
struct CutClient {
    inner: SharedHttpClient,
    wire: Arc<Wire>,
}

impl HttpClient for CutClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(CutConnector { inner: self.inner.http_connector(settings, components), wire: self.wire.clone() })
    }
}

#[derive(Debug)]
struct CutConnector {
    inner: SharedHttpConnector,
    wire: Arc<Wire>,
}

impl HttpConnector for CutConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.wire.sent.fetch_add(1, Ordering::SeqCst);
        let take = |left: i64| match left {
            0 => None,
            negative if negative < 0 => Some(negative),
            positive => Some(positive - 1),
        };
        if self.wire.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            return self.inner.call(request);
        }
        let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"the wire is cut"}"#;
        let mut answer = HttpResponse::new(400.try_into().expect("a status"), SdkBody::from(body));
        answer.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(answer))
    }
}
