//! A fresh set of tables for every test, in an engine of its own, reached through the SDK over a wire that can be told to misbehave.

#![expect(clippy::expect_used, reason = "a harness has nobody to answer to: it fails where it stands")]

mod wire;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use quillon_store::{Store, Tables, TraceStore};

pub use wire::Fault;
use wire::{Wire, WiredClient};

/// The tables of one test.
#[derive(Debug)]
pub struct Db {
    /// What knows all but traces.
    pub store: Store,
    /// What knows traces.
    pub traces: TraceStore,
    /// What both speak through.
    pub client: Client,
    wire: Wire,
}

impl Db {
    /// Starts an engine in memory and makes the tables.
    pub async fn new() -> Self {
        let engine = dynoxide::Database::memory().expect("an engine in memory");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(dynoxide::server::serve_on(listener, engine));

        let wire = Wire::default();
        let inner = aws_smithy_http_client::Builder::new().build_http();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(url)
            .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
            .http_client(WiredClient { inner, wire: wire.clone() })
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
    pub fn fault(&self, operation: &'static str, fault: Fault) {
        self.wire.fault(operation, fault);
    }

    /// Lets so many more requests through and none after them, as if the process died then.
    pub fn cut_after(&self, requests: usize) {
        self.wire.let_through(Some(requests));
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.wire.let_through(None);
    }

    /// How many requests of an operation were sent since the last time, those that went wrong among them.
    pub fn sent(&self, operation: &str) -> usize {
        self.wire.sent(operation)
    }

    /// How many requests were sent since the last time, those that went wrong among them.
    pub fn sent_in_all(&self) -> usize {
        self.wire.sent_in_all()
    }

    /// An item as it lies in its table.
    pub async fn raw(&self, table: &str, pk: &str, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let request = self.client.get_item().table_name(table).consistent_read(true);
        let request = request.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
        request.send().await.expect("an answer").item
    }

    /// The sort keys of the first items of a partition, as many as one answer holds.
    pub async fn sort_keys(&self, table: &str, pk: &str) -> Vec<String> {
        let request = self.client.query().table_name(table).key_condition_expression("pk = :pk").consistent_read(true);
        let request = request.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        let items = request.send().await.expect("an answer").items.unwrap_or_default();
        items.iter().map(|item| item["sk"].as_s().expect("a text").clone()).collect()
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
