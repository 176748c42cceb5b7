//! DynamoDB: what the store relies on.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, Put,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TransactWriteItem,
};
use quillon::engine::wire::Service;
use quillon::engine::{Engines, Storage};
use quillon_runtime::Clock;

use crate::{START_MS, engines, seconds};

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn item(pk: &str, sk: &str, value: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), text(pk)),
        ("sk".to_owned(), text(sk)),
        ("value".to_owned(), text(value)),
        ("gsi1pk".to_owned(), text("all")),
        ("gsi1sk".to_owned(), text(sk)),
    ])
}

async fn create(client: &Client) {
    let attribute = |name: &str| {
        let kind = ScalarAttributeType::S;
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let index = GlobalSecondaryIndex::builder()
        .index_name("gsi1")
        .key_schema(key("gsi1pk", KeyType::Hash))
        .key_schema(key("gsi1sk", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build());
    let mut request = client.create_table().table_name("things").billing_mode(BillingMode::PayPerRequest);
    for name in ["pk", "sk", "gsi1pk", "gsi1sk"] {
        request = request.attribute_definitions(attribute(name));
    }
    let request = request.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    request.global_secondary_indexes(index.build().unwrap()).send().await.unwrap();
}

async fn put(client: &Client, pk: &str, sk: &str, value: &str) {
    client.put_item().table_name("things").set_item(Some(item(pk, sk, value))).send().await.unwrap();
}

async fn value(client: &Client, pk: &str, sk: &str) -> Option<String> {
    let got = client.get_item().table_name("things").key("pk", text(pk)).key("sk", text(sk)).send().await.unwrap();
    got.item.map(|item| item["value"].as_s().unwrap().clone())
}

#[tokio::test]
async fn a_failed_condition_answers_the_item_that_was_there() {
    let client = engines().dynamodb_client();
    create(&client).await;
    put(&client, "a", "1", "old").await;
    let second = client.put_item().table_name("things").set_item(Some(item("a", "1", "new")));
    let second = second.condition_expression("attribute_not_exists(pk)");
    let second = second.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let error = second.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failed.item().unwrap()["value"], text("old"));
    assert_eq!(value(&client, "a", "1").await.as_deref(), Some("old"));
}

#[tokio::test]
async fn a_cancelled_transaction_gives_a_reason_per_action_and_writes_nothing() {
    let client = engines().dynamodb_client();
    create(&client).await;
    put(&client, "a", "1", "old").await;
    let write = |sk: &str| {
        let put = Put::builder().table_name("things").set_item(Some(item("a", sk, "new")));
        let put = put.condition_expression("attribute_not_exists(pk)");
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    let transaction = client.transact_write_items().transact_items(write("2")).transact_items(write("1"));
    let error = transaction.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}");
    };
    let reasons = cancelled.cancellation_reasons();
    assert_eq!(reasons[0].code(), Some("None"));
    assert_eq!(reasons[1].code(), Some("ConditionalCheckFailed"));
    assert_eq!(reasons[1].item().unwrap()["value"], text("old"));
    assert_eq!(value(&client, "a", "2").await, None);
}

#[tokio::test]
async fn an_index_is_sorted_and_paged() {
    let client = engines().dynamodb_client();
    create(&client).await;
    for sk in ["3", "1", "2"] {
        put(&client, sk, sk, sk).await;
    }
    let query = || {
        let query = client.query().table_name("things").index_name("gsi1").limit(2).scan_index_forward(false);
        query.key_condition_expression("gsi1pk = :pk").expression_attribute_values(":pk", text("all"))
    };
    let sort_keys = |items: Option<Vec<HashMap<String, AttributeValue>>>| {
        let keys = items.unwrap_or_default().into_iter().map(|item| item["sk"].as_s().unwrap().clone());
        keys.collect::<Vec<_>>()
    };
    let first = query().send().await.unwrap();
    let last_key = first.last_evaluated_key.clone();
    assert_eq!(sort_keys(first.items), ["3", "2"]);
    let second = query().set_exclusive_start_key(last_key).send().await.unwrap();
    assert_eq!((sort_keys(second.items), second.last_evaluated_key), (vec!["1".to_owned()], None));
}

#[tokio::test]
async fn items_survive_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::Directory(directory.path().join("data"));
    {
        let client = Engines::open(&storage, Clock::system()).unwrap().dynamodb_client();
        create(&client).await;
        put(&client, "a", "1", "kept").await;
    }
    let client = Engines::open(&storage, Clock::system()).unwrap().dynamodb_client();
    assert_eq!(value(&client, "a", "1").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn expired_items_are_swept_by_the_manual_clock() {
    let engines = engines();
    let client = engines.dynamodb_client();
    create(&client).await;
    let ttl = aws_sdk_dynamodb::types::TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true);
    let ttl = ttl.build().unwrap();
    client.update_time_to_live().table_name("things").time_to_live_specification(ttl).send().await.unwrap();
    let mut expiring = item("a", "1", "short");
    expiring.insert("ttl".to_owned(), AttributeValue::N((START_MS / 1000 + 60).to_string()));
    client.put_item().table_name("things").set_item(Some(expiring)).send().await.unwrap();
    put(&client, "a", "2", "kept").await;

    assert_eq!(engines.dynamodb().sweep_expired().unwrap(), 0);
    engines.clock().advance(seconds(61));
    assert_eq!(engines.dynamodb().sweep_expired().unwrap(), 1);
    assert_eq!((value(&client, "a", "1").await, value(&client, "a", "2").await), (None, Some("kept".to_owned())));
}

#[tokio::test]
async fn consumed_capacity_is_counted_without_being_asked_for() {
    let engines = engines();
    let client = engines.dynamodb_client();
    create(&client).await;
    let before = engines.usage();
    put(&client, "a", "1", "x").await;
    value(&client, "a", "1").await;
    let answer = client.put_item().table_name("things").set_item(Some(item("a", "2", "y"))).send().await.unwrap();
    assert_eq!(answer.consumed_capacity, None);
    let used = engines.usage().since(&before);
    // An item and its copy in the index are a unit each; an eventually consistent read is half a unit.
    assert_eq!(used.of(Service::DynamoDb, "PutItem").write_units, 4.0);
    assert_eq!(used.of(Service::DynamoDb, "GetItem").read_units, 0.5);
    assert_eq!(used.total(Service::DynamoDb).calls, 3);
}
