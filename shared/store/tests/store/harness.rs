//! A fresh set of tables for every test, reached through the SDK over a wire that can be told to misbehave.

use std::sync::{Arc, Mutex};

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
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use quillon_store::{Store, Tables, TraceStore};

/// How the wire treats one request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It arrives and is carried out, but its answer does not come back.
    LoseAnswer,
    /// It does not arrive; this JSON comes back under this status.
    Answer(u16, String),
}

#[derive(Debug, Default)]
struct Wire {
    faults: Vec<(&'static str, Fault)>,
    seen: Vec<String>,
}

/// The tables of one test.
pub(crate) struct Db {
    pub(crate) store: Store,
    pub(crate) traces: TraceStore,
    pub(crate) client: Client,
    wire: Arc<Mutex<Wire>>,
}

impl Db {
    /// Starts an engine in memory and makes the tables.
    pub(crate) async fn new() -> Self {
        let engine = dynoxide::Database::memory().expect("an engine in memory");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(dynoxide::server::serve_on(listener, engine));

        let wire = Arc::new(Mutex::new(Wire::default()));
        let inner = aws_smithy_http_client::Builder::new().build_http();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(url)
            .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
            .http_client(FaultyClient { inner, wire: wire.clone() })
            .build();
        let client = Client::from_conf(config);
        create_table(&client, "orgs", &[gsi1()]).await;
        create_table(&client, "modules", &[gsi1()]).await;
        let gsi2 = index("gsi2", "gsi2pk", "gsi2sk", ProjectionType::All);
        let gsi3 = index("gsi3", "due_pk", "due_at", ProjectionType::KeysOnly);
        let gsi4 = index("gsi4", "work_pk", "work_at", ProjectionType::KeysOnly);
        create_table(&client, "traces", &[gsi1(), gsi2.clone(), gsi3.clone()]).await;
        create_table(&client, "checks", &[gsi1(), gsi2, gsi3, gsi4]).await;
        let tables = Tables { orgs: "orgs".to_owned(), modules: "modules".to_owned(), checks: "checks".to_owned() };
        Self { store: Store::new(client.clone(), tables), traces: TraceStore::new(client.clone(), "traces"), client, wire }
    }

    /// Lets the next request of an operation go wrong; several add up in their order.
    pub(crate) fn fault(&self, operation: &'static str, fault: Fault) {
        self.wire.lock().expect("the wire").faults.push((operation, fault));
    }

    /// How many requests of an operation were sent since the last time, those that went wrong among them.
    pub(crate) fn sent(&self, operation: &str) -> usize {
        let mut wire = self.wire.lock().expect("the wire");
        let before = wire.seen.len();
        wire.seen.retain(|seen| seen != operation);
        before - wire.seen.len()
    }

    /// An item as it lies in its table.
    pub(crate) async fn raw(&self, table: &str, pk: &str, sk: &str) -> Option<std::collections::HashMap<String, AttributeValue>> {
        let request = self.client.get_item().table_name(table).consistent_read(true);
        let request = request.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
        request.send().await.expect("an answer").item
    }
}

fn gsi1() -> GlobalSecondaryIndex {
    index("gsi1", "gsi1pk", "gsi1sk", ProjectionType::All)
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key")
}

fn index(name: &str, partition: &str, sort: &str, projection: ProjectionType) -> GlobalSecondaryIndex {
    let index = GlobalSecondaryIndex::builder().index_name(name).projection(Projection::builder().projection_type(projection).build());
    index.key_schema(key(partition, KeyType::Hash)).key_schema(key(sort, KeyType::Range)).build().expect("an index")
}

async fn create_table(client: &Client, name: &str, indexes: &[GlobalSecondaryIndex]) {
    let mut request = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    let keys = indexes.iter().flat_map(GlobalSecondaryIndex::key_schema).map(KeySchemaElement::attribute_name);
    for attribute in ["pk", "sk"].into_iter().chain(keys) {
        let kind = if attribute == "due_at" { "N" } else { "S" };
        let definition = AttributeDefinition::builder().attribute_name(attribute).attribute_type(ScalarAttributeType::from(kind));
        request = request.attribute_definitions(definition.build().expect("a definition"));
    }
    let request = request.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    request.set_global_secondary_indexes(Some(indexes.to_vec())).send().await.expect("a table");
}

#[derive(Debug)]
struct FaultyClient {
    inner: SharedHttpClient,
    wire: Arc<Mutex<Wire>>,
}

impl HttpClient for FaultyClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(FaultyConnector { inner: self.inner.http_connector(settings, components), wire: self.wire.clone() })
    }
}

#[derive(Debug)]
struct FaultyConnector {
    inner: SharedHttpConnector,
    wire: Arc<Mutex<Wire>>,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next()).unwrap_or_default().to_owned();
        assert_manners(&operation, request.body().bytes().unwrap_or_default());
        let fault = {
            let mut wire = self.wire.lock().expect("the wire");
            let position = wire.faults.iter().position(|(wanted, _)| *wanted == operation);
            let fault = position.map(|position| wire.faults.remove(position).1);
            wire.seen.push(operation);
            fault
        };
        match fault {
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
