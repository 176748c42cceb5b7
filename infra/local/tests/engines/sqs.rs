//! SQS: what a standard queue promises.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use quillon::engine::{Engines, Storage};

use crate::{clock, engines, seconds};

pub(crate) async fn create(client: &Client, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
    let mut request = client.create_queue().queue_name(name);
    for (attribute, value) in attributes {
        request = request.attributes(attribute.clone(), *value);
    }
    request.send().await.unwrap().queue_url.unwrap()
}

pub(crate) async fn receive(client: &Client, url: &str) -> Vec<Message> {
    let request = client.receive_message().queue_url(url).max_number_of_messages(10);
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    request.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default()
}

pub(crate) fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

pub(crate) fn attribute(message: &Message, name: MessageSystemAttributeName) -> Option<&str> {
    message.attributes().and_then(|all| all.get(&name)).map(String::as_str)
}

pub(crate) fn redrive(name: &str, count: u32) -> String {
    format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:{name}","maxReceiveCount":"{count}"}}"#)
}

async fn count(client: &Client, url: &str, name: QueueAttributeName) -> String {
    let answer = client.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await.unwrap();
    answer.attributes.unwrap().remove(&name).unwrap()
}

#[tokio::test]
async fn a_received_message_is_hidden_until_its_visibility_timeout_is_over() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[(QueueAttributeName::VisibilityTimeout, "40")]).await;
    client.send_message().queue_url(&url).message_body("one").send().await.unwrap();

    let first = receive(&client, &url).await;
    assert_eq!(bodies(&first), ["one"]);
    assert_eq!(attribute(&first[0], MessageSystemAttributeName::ApproximateReceiveCount), Some("1"));
    assert_eq!(attribute(&first[0], MessageSystemAttributeName::SentTimestamp), Some("1790000000000"));
    engines.clock().advance(seconds(39));
    assert_eq!(bodies(&receive(&client, &url).await), [""; 0]);
    assert_eq!(count(&client, &url, QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await, "1");

    engines.clock().advance(seconds(1));
    let second = receive(&client, &url).await;
    assert_eq!(attribute(&second[0], MessageSystemAttributeName::ApproximateReceiveCount), Some("2"));
    assert_eq!(attribute(&second[0], MessageSystemAttributeName::ApproximateFirstReceiveTimestamp), Some("1790000000000"));
    assert_eq!(second[0].message_id, first[0].message_id);
    assert_ne!(second[0].receipt_handle, first[0].receipt_handle);
}

#[tokio::test]
async fn an_outdated_receipt_deletes_nothing_and_the_current_one_does() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[]).await;
    client.send_message().queue_url(&url).message_body("one").send().await.unwrap();
    let old = receive(&client, &url).await.remove(0).receipt_handle.unwrap();
    engines.clock().advance(seconds(30));
    let new = receive(&client, &url).await.remove(0).receipt_handle.unwrap();

    client.delete_message().queue_url(&url).receipt_handle(old).send().await.unwrap();
    assert_eq!(count(&client, &url, QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await, "1");
    client.delete_message().queue_url(&url).receipt_handle(new).send().await.unwrap();
    assert_eq!(count(&client, &url, QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await, "0");
}

#[tokio::test]
async fn visibility_can_be_given_up_and_extended_only_in_flight() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[]).await;
    client.send_message().queue_url(&url).message_body("one").send().await.unwrap();
    let change = |handle: String, timeout: i32| {
        client.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(timeout).send()
    };
    let handle = receive(&client, &url).await.remove(0).receipt_handle.unwrap();
    change(handle.clone(), 100).await.unwrap();
    engines.clock().advance(seconds(99));
    assert!(receive(&client, &url).await.is_empty());
    change(handle.clone(), 0).await.unwrap();
    let error = change(handle, 10).await.unwrap_err().into_service_error();
    assert!(error.is_message_not_inflight(), "{error:?}");
    assert_eq!(bodies(&receive(&client, &url).await), ["one"]);
    let error = change("nonsense".into(), 10).await.unwrap_err().into_service_error();
    assert!(error.is_receipt_handle_is_invalid(), "{error:?}");
}

#[tokio::test]
async fn a_message_that_is_received_too_often_goes_to_the_dead_letter_queue_and_can_be_moved_back() {
    let engines = engines();
    let client = engines.sqs_client();
    let dead = create(&client, "dead", &[]).await;
    let policy = redrive("dead", 2);
    let url = create(&client, "work", &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    client.send_message().queue_url(&url).message_body("poison").send().await.unwrap();
    for _ in 0..2 {
        assert_eq!(bodies(&receive(&client, &url).await), ["poison"]);
        engines.clock().advance(seconds(30));
    }
    assert!(receive(&client, &url).await.is_empty());

    let given_up = receive(&client, &dead).await;
    assert_eq!(bodies(&given_up), ["poison"]);
    let source = "arn:aws:sqs:us-east-1:000000000000:work";
    assert_eq!(attribute(&given_up[0], MessageSystemAttributeName::DeadLetterQueueSourceArn), Some(source));
    let sources = client.list_dead_letter_source_queues().queue_url(&dead).send().await.unwrap();
    assert_eq!(sources.queue_urls, std::slice::from_ref(&url));

    engines.clock().advance(seconds(30));
    let dead_arn = "arn:aws:sqs:us-east-1:000000000000:dead";
    let task = client.start_message_move_task().source_arn(dead_arn).send().await.unwrap();
    let tasks = client.list_message_move_tasks().source_arn(dead_arn).send().await.unwrap().results.unwrap();
    assert_eq!((tasks[0].status(), tasks[0].approximate_number_of_messages_moved), (Some("COMPLETED"), 1));
    let cancel = client.cancel_message_move_task().task_handle(task.task_handle.unwrap()).send().await;
    assert!(cancel.unwrap_err().into_service_error().is_unsupported_operation());
    let back = receive(&client, &url).await;
    assert_eq!(bodies(&back), ["poison"]);
    assert_eq!(attribute(&back[0], MessageSystemAttributeName::ApproximateReceiveCount), Some("1"));
    assert_eq!(attribute(&back[0], MessageSystemAttributeName::DeadLetterQueueSourceArn), None);
    assert_ne!(back[0].message_id, given_up[0].message_id);
}

#[tokio::test]
async fn only_a_dead_letter_queue_can_be_the_source_of_a_move() {
    let client = engines().sqs_client();
    create(&client, "work", &[]).await;
    let start = |name: &str| client.start_message_move_task().source_arn(format!("arn:aws:sqs:us-east-1:000000000000:{name}")).send();
    assert!(start("work").await.unwrap_err().into_service_error().is_unsupported_operation());
    assert!(start("nowhere").await.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn delay_and_retention_follow_the_clock() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[(QueueAttributeName::MessageRetentionPeriod, "60")]).await;
    client.send_message().queue_url(&url).message_body("later").delay_seconds(10).send().await.unwrap();
    assert!(receive(&client, &url).await.is_empty());
    assert_eq!(count(&client, &url, QueueAttributeName::ApproximateNumberOfMessagesDelayed).await, "1");
    engines.clock().advance(seconds(10));
    let handle = receive(&client, &url).await.remove(0).receipt_handle.unwrap();
    client.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(0).send().await.unwrap();
    engines.clock().advance(seconds(51));
    assert!(receive(&client, &url).await.is_empty());
}

#[tokio::test]
async fn a_long_poll_wakes_on_send_and_when_a_message_becomes_visible() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[]).await;
    let poll = || client.receive_message().queue_url(&url).wait_time_seconds(20).send();

    // The clock stands still, so only the send can end this poll.
    let (received, _) = tokio::join!(poll(), client.send_message().queue_url(&url).message_body("now").send());
    assert_eq!(bodies(received.unwrap().messages()), ["now"]);

    let index = engines.next_call_index();
    let advance = async {
        begun(&engines, index).await;
        engines.clock().advance(seconds(19));
        tokio::task::yield_now().await;
        engines.clock().advance(seconds(1));
    };
    let (received, ()) = tokio::join!(poll(), advance);
    assert!(received.unwrap().messages().is_empty());
}

/// Completes when the call `index` has begun; on one thread and in memory it is waiting for a message then.
async fn begun(engines: &Engines, index: u64) {
    while engines.next_call_index() <= index {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_long_poll_sees_a_message_whose_visibility_timeout_ends_meanwhile() {
    let engines = engines();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[(QueueAttributeName::VisibilityTimeout, "5")]).await;
    client.send_message().queue_url(&url).message_body("again").send().await.unwrap();
    receive(&client, &url).await;
    let poll = client.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let index = engines.next_call_index();
    let advance = async {
        begun(&engines, index).await;
        engines.clock().advance(seconds(5));
    };
    let (received, ()) = tokio::join!(poll, advance);
    assert_eq!(bodies(received.unwrap().messages()), ["again"]);
}

#[tokio::test]
async fn a_batch_fails_entry_by_entry() {
    let client = engines().sqs_client();
    let url = create(&client, "work", &[]).await;
    let entry = |id: &str, body: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap();
    let sent = client.send_message_batch().queue_url(&url);
    let sent = sent.entries(entry("good", "one")).entries(entry("bad", "\u{0}")).send().await.unwrap();
    assert_eq!(sent.successful[0].id, "good");
    assert_eq!((sent.failed[0].id.as_str(), sent.failed[0].sender_fault), ("bad", true));
    assert_eq!(sent.failed[0].code, "InvalidMessageContents");

    let handle = receive(&client, &url).await.remove(0).receipt_handle.unwrap();
    let entry = |id: &str, handle: &str| DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap();
    let deleted = client.delete_message_batch().queue_url(&url);
    let deleted = deleted.entries(entry("a", &handle)).entries(entry("b", "nonsense")).send().await.unwrap();
    assert_eq!(deleted.successful[0].id, "a");
    assert_eq!((deleted.failed[0].id.as_str(), deleted.failed[0].code.as_str()), ("b", "ReceiptHandleIsInvalid"));
}

#[tokio::test]
async fn a_batch_of_the_wrong_shape_is_refused_as_a_whole() {
    let client = engines().sqs_client();
    let url = create(&client, "work", &[]).await;
    let entry = |id: &str, body: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap();
    let send = |entries: Vec<SendMessageBatchRequestEntry>| client.send_message_batch().queue_url(&url).set_entries(Some(entries)).send();
    let error = send(vec![]).await.unwrap_err().into_service_error();
    assert!(error.is_empty_batch_request(), "{error:?}");
    let eleven = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    let error = send(eleven).await.unwrap_err().into_service_error();
    assert!(error.is_too_many_entries_in_batch_request(), "{error:?}");
    let error = send(vec![entry("a", "x"), entry("a", "y")]).await.unwrap_err().into_service_error();
    assert!(error.is_batch_entry_ids_not_distinct(), "{error:?}");
    let error = send(vec![entry("a.b", "x")]).await.unwrap_err().into_service_error();
    assert!(error.is_invalid_batch_entry_id(), "{error:?}");
    let half = "x".repeat(600 * 1024);
    let error = send(vec![entry("a", &half), entry("b", &half)]).await.unwrap_err().into_service_error();
    assert!(error.is_batch_request_too_long(), "{error:?}");
    assert!(receive(&client, &url).await.is_empty());
}

#[tokio::test]
async fn bodies_have_limits() {
    let client = engines().sqs_client();
    let url = create(&client, "work", &[]).await;
    let send = |body: String| client.send_message().queue_url(&url).message_body(body).send();
    send("x".repeat(1024 * 1024)).await.unwrap();
    let error = send("x".repeat(1024 * 1024 + 1)).await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    let error = send("\u{1}".into()).await.unwrap_err().into_service_error();
    assert!(error.is_invalid_message_contents(), "{error:?}");
    assert_eq!(send(String::new()).await.unwrap_err().into_service_error().code(), Some("MissingParameter"));
}

#[tokio::test]
async fn attributes_travel_with_the_message_and_their_digests_agree() {
    let client = engines().sqs_client();
    let url = create(&client, "work", &[]).await;
    let text = MessageAttributeValue::builder().data_type("String").string_value("value").build().unwrap();
    let bytes = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255])).build().unwrap();
    let sent = client.send_message().queue_url(&url).message_body("hello").message_group_id("tenant");
    let sent = sent.message_attributes("text", text).message_attributes("bytes", bytes).send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("5d41402abc4b2a76b9719d911017c592"));

    let received = receive(&client, &url).await.remove(0);
    assert_eq!(received.md5_of_body, sent.md5_of_message_body);
    assert_eq!(received.md5_of_message_attributes, sent.md5_of_message_attributes);
    assert_eq!(attribute(&received, MessageSystemAttributeName::MessageGroupId), Some("tenant"));
    assert_eq!(attribute(&received, MessageSystemAttributeName::SequenceNumber), None);
    let attributes: HashMap<_, _> = received.message_attributes.unwrap();
    assert_eq!(attributes["text"].string_value(), Some("value"));
    assert_eq!(attributes["bytes"].binary_value(), Some(&Blob::new([0, 255])));
}

#[tokio::test]
async fn a_missing_queue_is_a_modelled_error_everywhere() {
    let client = engines().sqs_client();
    let url = "http://aws.quillon.local/000000000000/nowhere";
    let send = client.send_message().queue_url(url).message_body("x").send().await;
    assert!(send.unwrap_err().into_service_error().is_queue_does_not_exist());
    let receive = client.receive_message().queue_url(url).send().await;
    assert!(receive.unwrap_err().into_service_error().is_queue_does_not_exist());
    let found = client.get_queue_url().queue_name("nowhere").send().await;
    assert!(found.unwrap_err().into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn queues_are_created_once_listed_purged_and_deleted() {
    let client = engines().sqs_client();
    let short = [(QueueAttributeName::VisibilityTimeout, "10")];
    let url = create(&client, "work", &short).await;
    assert_eq!(create(&client, "work", &short).await, url);
    let other = client.create_queue().queue_name("work").attributes(QueueAttributeName::VisibilityTimeout, "11");
    assert!(other.send().await.unwrap_err().into_service_error().is_queue_name_exists());
    let bad = client.create_queue().queue_name("bad").attributes(QueueAttributeName::VisibilityTimeout, "43201");
    assert!(bad.send().await.unwrap_err().into_service_error().is_invalid_attribute_value());
    let bad = client.create_queue().queue_name("bad").attributes(QueueAttributeName::from("Colour"), "red");
    assert!(bad.send().await.unwrap_err().into_service_error().is_invalid_attribute_name());
    assert_eq!(client.create_queue().queue_name("a b").send().await.unwrap_err().code(), Some("InvalidParameterValue"));
    let policy = redrive("nowhere", 3);
    let bad = client.set_queue_attributes().queue_url(&url).attributes(QueueAttributeName::RedrivePolicy, policy);
    assert!(bad.send().await.unwrap_err().into_service_error().is_invalid_attribute_value());

    assert_eq!(client.list_queues().send().await.unwrap().queue_urls(), std::slice::from_ref(&url));
    client.send_message().queue_url(&url).message_body("one").send().await.unwrap();
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(receive(&client, &url).await.is_empty());
    client.delete_queue().queue_url(&url).send().await.unwrap();
    assert!(client.list_queues().send().await.unwrap().queue_urls().is_empty());
}

#[tokio::test]
async fn what_was_accepted_survives_reopening_and_what_was_in_flight_can_be_released() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::Directory(directory.path().join("data"));
    let clock = clock();
    let url = {
        let engines = Engines::open(&storage, clock.clone()).unwrap();
        let client = engines.sqs_client();
        let url = create(&client, "work", &[]).await;
        client.send_message().queue_url(&url).message_body("first").send().await.unwrap();
        receive(&client, &url).await;
        client.send_message().queue_url(&url).message_body("second").send().await.unwrap();
        assert!(Engines::open(&storage, clock.clone()).is_err(), "two may not open one directory");
        url
    };
    let engines = Engines::open(&storage, clock.clone()).unwrap();
    let client = engines.sqs_client();
    assert_eq!(bodies(&receive(&client, &url).await), ["second"]);
    assert_eq!(engines.sqs().release_in_flight().unwrap(), 2);
    assert_eq!(receive(&client, &url).await.len(), 2);
}

/// Eight senders at once share commits; none is lost and none is doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_senders_on_disk_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let engines = Engines::open(&Storage::Directory(directory.path().into()), clock()).unwrap();
    let client = engines.sqs_client();
    let url = create(&client, "work", &[]).await;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..8 {
        let (client, url) = (client.clone(), url.clone());
        senders.spawn(async move {
            for n in 0..10 {
                let body = format!("{sender}-{n}");
                client.send_message().queue_url(&url).message_body(body).send().await.unwrap();
            }
        });
    }
    senders.join_all().await;
    let mut received = Vec::new();
    loop {
        let batch = receive(&client, &url).await;
        if batch.is_empty() {
            break;
        }
        received.extend(batch.into_iter().map(|message| message.body.unwrap()));
    }
    received.sort();
    received.dedup();
    assert_eq!(received.len(), 80);
}
