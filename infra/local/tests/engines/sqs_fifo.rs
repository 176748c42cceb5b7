//! SQS: what a FIFO queue promises.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use crate::sqs::{attribute, bodies, create, receive, redrive};
use crate::{engines, seconds};

async fn fifo(client: &Client, attributes: &[(QueueAttributeName, &str)]) -> String {
    let mut all = vec![(QueueAttributeName::FifoQueue, "true")];
    all.extend_from_slice(attributes);
    create(client, "status.fifo", &all).await
}

async fn send(client: &Client, url: &str, group: &str, body: &str) -> String {
    let request = client.send_message().queue_url(url).message_group_id(group).message_body(body);
    let sent = request.message_deduplication_id(format!("{group}-{body}")).send().await.unwrap();
    sent.sequence_number.unwrap()
}

#[tokio::test]
async fn a_group_is_in_order_and_locked_while_any_of_it_is_in_flight() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = fifo(&client, &[]).await;
    let first = send(&client, &url, "a", "1").await;
    let second = send(&client, &url, "a", "2").await;
    assert!(first < second && first.len() == 20, "{first} {second}");
    let one = client.receive_message().queue_url(&url).send().await.unwrap().messages.unwrap();
    assert_eq!(bodies(&one), ["1"]);
    send(&client, &url, "b", "3").await;

    let other = receive(&client, &url).await;
    assert_eq!(bodies(&other), ["3"], "group a is locked, group b is not");
    assert_eq!(attribute(&other[0], MessageSystemAttributeName::MessageGroupId), Some("b"));
    assert_eq!(attribute(&other[0], MessageSystemAttributeName::MessageDeduplicationId), Some("b-3"));
    assert!(attribute(&other[0], MessageSystemAttributeName::SequenceNumber).is_some());

    client.delete_message().queue_url(&url).receipt_handle(one[0].receipt_handle().unwrap()).send().await.unwrap();
    assert_eq!(bodies(&receive(&client, &url).await), ["2"]);
}

#[tokio::test]
async fn a_failed_message_comes_back_before_those_behind_it() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = fifo(&client, &[]).await;
    for body in ["1", "2", "3"] {
        send(&client, &url, "a", body).await;
    }
    assert_eq!(bodies(&receive(&client, &url).await), ["1", "2", "3"]);
    send(&client, &url, "a", "4").await;
    engines.clock().advance(seconds(30));
    assert_eq!(bodies(&receive(&client, &url).await), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_long_poll_wakes_when_a_delete_unlocks_its_group() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = fifo(&client, &[]).await;
    send(&client, &url, "a", "1").await;
    let one = receive(&client, &url).await;
    send(&client, &url, "a", "2").await;
    let poll = client.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let delete = client.delete_message().queue_url(&url).receipt_handle(one[0].receipt_handle().unwrap()).send();
    let (received, deleted) = tokio::join!(poll, delete);
    deleted.unwrap();
    assert_eq!(bodies(received.unwrap().messages()), ["2"]);
}

#[tokio::test]
async fn the_same_deduplication_id_is_one_message_for_five_minutes() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = fifo(&client, &[]).await;
    let first = send(&client, &url, "a", "1").await;
    let handle = receive(&client, &url).await.remove(0).receipt_handle.unwrap();
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();

    assert_eq!(send(&client, &url, "a", "1").await, first, "even though it is deleted");
    assert!(receive(&client, &url).await.is_empty());
    engines.clock().advance(seconds(300));
    assert_ne!(send(&client, &url, "a", "1").await, first);
    assert_eq!(bodies(&receive(&client, &url).await), ["1"]);
}

#[tokio::test]
async fn deduplication_by_content_and_per_group() {
    let client = engines().sqs_client();
    let attributes = [
        (QueueAttributeName::ContentBasedDeduplication, "true"),
        (QueueAttributeName::DeduplicationScope, "messageGroup"),
        (QueueAttributeName::FifoThroughputLimit, "perMessageGroupId"),
    ];
    let url = fifo(&client, &attributes).await;
    for (group, body) in [("a", "same"), ("a", "same"), ("b", "same"), ("a", "other")] {
        client.send_message().queue_url(&url).message_group_id(group).message_body(body).send().await.unwrap();
    }
    assert_eq!(bodies(&receive(&client, &url).await), ["same", "same", "other"]);
}

#[tokio::test]
async fn what_a_fifo_queue_does_not_take_is_refused() {
    let client = engines().sqs_client();
    let url = fifo(&client, &[]).await;
    let message = || client.send_message().queue_url(&url).message_body("x");
    let error = message().message_deduplication_id("d").send().await.unwrap_err();
    assert_eq!(error.code(), Some("MissingParameter"));
    let error = message().message_group_id("g").send().await.unwrap_err();
    assert!(error.message().unwrap_or_default().contains("ContentBasedDeduplication"), "{error:?}");
    let delayed = message().message_group_id("g").message_deduplication_id("d").delay_seconds(5).send().await;
    assert!(delayed.unwrap_err().message().unwrap_or_default().contains("DelaySeconds"));

    let standard = create(&client, "standard", &[]).await;
    let error = client.send_message().queue_url(standard).message_body("x").message_deduplication_id("d").send().await;
    assert_eq!(error.unwrap_err().code(), Some("InvalidParameterValue"));
    let named = client.create_queue().queue_name("plain").attributes(QueueAttributeName::FifoQueue, "true");
    assert_eq!(named.send().await.unwrap_err().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn an_expired_receipt_is_an_error() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = fifo(&client, &[]).await;
    send(&client, &url, "a", "1").await;
    let handle = receive(&client, &url).await.remove(0).receipt_handle.unwrap();
    engines.clock().advance(seconds(30));
    let error = client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap_err();
    assert!(error.message().unwrap_or_default().contains("expired"), "{error:?}");
    assert_eq!(bodies(&receive(&client, &url).await), ["1"]);
}

#[tokio::test]
async fn a_poison_message_leaves_its_group_to_the_next_one() {
    let engines = engines();
    let client = engines.sqs_client();
    create(&client, "dead.fifo", &[(QueueAttributeName::FifoQueue, "true")]).await;
    let policy = redrive("dead.fifo", 1);
    let url = fifo(&client, &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    send(&client, &url, "a", "poison").await;
    assert_eq!(bodies(&receive(&client, &url).await), ["poison"]);
    send(&client, &url, "a", "good").await;
    assert!(receive(&client, &url).await.is_empty());
    engines.clock().advance(seconds(30));
    assert_eq!(bodies(&receive(&client, &url).await), ["good"]);
}
