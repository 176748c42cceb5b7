//! Faults: before and after the effect, beyond the SDK's own retries, and conflicts.

use std::sync::Arc;

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use quillon::engine::fault::{CallInfo, Fault};
use quillon::engine::wire::Service;

use crate::engines;
use crate::sqs::{bodies, create, receive};

#[tokio::test]
async fn a_call_that_fails_before_has_no_effect_however_often_the_sdk_retries() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[]).await;
    let index = engines.next_call_index();
    engines.set_fault(Some(Arc::new(move |call: &CallInfo<'_>| if call.index == index { Fault::fail_before() } else { Fault::None })));
    let error = client.send_message().queue_url(&url).message_body("lost").send().await.unwrap_err();
    assert_eq!(error.code(), Some("InternalServerError"));
    assert_eq!(engines.usage().of(Service::Sqs, "SendMessage").calls, 0);
    client.send_message().queue_url(&url).message_body("next").send().await.unwrap();
    assert_eq!(bodies(&receive(&client, &url).await), ["next"]);
}

#[tokio::test]
async fn a_call_that_fails_after_has_its_effect_at_every_attempt() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[]).await;
    engines.set_fault(Some(Arc::new(|call: &CallInfo<'_>| match call.operation {
        "SendMessage" => Fault::fail_after(),
        _ => Fault::None,
    })));
    client.send_message().queue_url(&url).message_body("lost answer").send().await.unwrap_err();
    let attempts = engines.usage().of(Service::Sqs, "SendMessage").calls;
    assert!(attempts > 1, "the SDK retried");
    assert_eq!(receive(&client, &url).await.len() as u64, attempts);
}

#[tokio::test]
async fn a_fault_of_the_first_attempt_is_repaired_by_the_sdk() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[]).await;
    engines.set_fault(Some(Arc::new(|call: &CallInfo<'_>| match call.attempt {
        1 => Fault::fail_before(),
        _ => Fault::None,
    })));
    client.send_message().queue_url(&url).message_body("repaired").send().await.unwrap();
    engines.set_fault(None);
    assert_eq!(bodies(&receive(&client, &url).await), ["repaired"]);
}

#[tokio::test]
async fn a_conflict_cancels_a_transaction_and_refuses_a_single_write() {
    use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem};

    let engines = engines();
    let client = engines.dynamodb_client();
    engines.set_fault(Some(Arc::new(|_: &CallInfo<'_>| Fault::Conflict)));
    let check = ConditionCheck::builder().table_name("things").key("pk", AttributeValue::S("a".into()));
    let check = check.condition_expression("attribute_exists(pk)").build().unwrap();
    let action = TransactWriteItem::builder().condition_check(check).build();
    let transaction = client.transact_write_items().transact_items(action.clone()).transact_items(action);
    let error = transaction.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}");
    };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, [Some("TransactionConflict"); 2]);

    let put = client.put_item().table_name("things").item("pk", AttributeValue::S("a".into()));
    assert!(put.send().await.unwrap_err().into_service_error().is_transaction_conflict_exception());
    let got = client.get_item().table_name("things").key("pk", AttributeValue::S("a".into())).send().await;
    assert!(got.unwrap_err().into_service_error().is_resource_not_found_exception(), "a read meets no conflict");
}
