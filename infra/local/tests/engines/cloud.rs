//! The cloud: mappings honour what a function answers, schedules fire, routes lead.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use quillon::cloud::Cloud;
use quillon::engine::Storage;
use quillon::template::{BUNDLED, Template};
use tokio::sync::oneshot;

use crate::template::parameters;
use crate::{clock, seconds};

async fn open(storage: &Storage) -> Cloud {
    let template = Template::parse(BUNDLED, &parameters()).unwrap();
    Cloud::open(template, storage, clock()).await.unwrap()
}

async fn send(cloud: &Cloud, bodies: &[&str]) {
    let url = cloud.environment("Webhook")["QUEUE_EVENTS_URL"].clone();
    for body in bodies {
        let client = cloud.engines().sqs_client();
        client.send_message().queue_url(&url).message_body(*body).send().await.unwrap();
    }
}

fn bodies(event: &SqsEvent) -> Vec<String> {
    event.records.iter().map(|record| record.body.clone().unwrap()).collect()
}

/// A function that fails the messages with these bodies.
fn failing(event: SqsEvent, failing: &[&str]) -> Ready<Result<SqsBatchResponse, String>> {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        if failing.contains(&record.body.unwrap().as_str()) {
            response.add_failure(record.message_id.unwrap());
        }
    }
    ready(Ok(response))
}

async fn depth(cloud: &Cloud, queue: &str) -> (u64, u64) {
    let depths = cloud.queue_depths().await;
    let depth = depths.iter().find(|depth| depth.logical_id == queue).unwrap();
    (depth.visible, depth.in_flight)
}

#[tokio::test]
async fn a_step_deletes_what_succeeded_and_leaves_what_failed_hidden() {
    let cloud = open(&Storage::Memory).await;
    send(&cloud, &["good", "bad", "fine"]).await;
    assert_eq!(cloud.step("Scheduler", |event| failing(event, &["bad"])).await, 3);
    assert_eq!(depth(&cloud, "EventsQueue").await, (0, 1));
    assert_eq!(cloud.step("Scheduler", |event| failing(event, &[])).await, 0);
    cloud.clock().advance(seconds(180));
    let seen = Mutex::new(Vec::new());
    let handler = |event: SqsEvent| {
        seen.lock().unwrap().extend(bodies(&event));
        assert_eq!(event.records[0].attributes["ApproximateReceiveCount"], "2");
        assert!(event.records[0].event_source_arn.as_ref().unwrap().ends_with(":EventsQueue"));
        failing(event, &[])
    };
    assert_eq!(cloud.step("Scheduler", handler).await, 1);
    assert_eq!(*seen.lock().unwrap(), ["bad"]);
    assert!(cloud.queue_depths().await.iter().all(|depth| depth.is_empty()));
}

#[tokio::test]
async fn an_error_a_panic_or_an_unknown_message_fails_the_whole_batch() {
    let cloud = open(&Storage::Memory).await;
    send(&cloud, &["one", "two"]).await;
    cloud.step("Scheduler", async |_| Err::<SqsBatchResponse, _>("broken")).await;
    assert_eq!(depth(&cloud, "EventsQueue").await, (0, 2));
    cloud.clock().advance(seconds(180));
    cloud.step("Scheduler", async |_| -> Result<SqsBatchResponse, String> { panic!("a bug") }).await;
    assert_eq!(depth(&cloud, "EventsQueue").await, (0, 2));
    cloud.clock().advance(seconds(180));
    let unknown = async |_| {
        let mut response = SqsBatchResponse::default();
        response.add_failure("nonsense");
        Ok::<_, String>(response)
    };
    cloud.step("Scheduler", unknown).await;
    assert_eq!(depth(&cloud, "EventsQueue").await, (0, 2));
}

#[tokio::test]
async fn poison_ends_in_the_dead_letter_queue() {
    let cloud = open(&Storage::Memory).await;
    send(&cloud, &["poison"]).await;
    for _ in 0..6 {
        assert_eq!(cloud.step("Scheduler", |event| failing(event, &["poison"])).await, 1);
        cloud.clock().advance(seconds(180));
    }
    assert_eq!(cloud.step("Scheduler", |event| failing(event, &[])).await, 0);
    assert_eq!(depth(&cloud, "EventsDeadLetterQueue").await, (1, 0));
    cloud.purge_queues().await;
    assert_eq!(depth(&cloud, "EventsDeadLetterQueue").await, (0, 0));
}

#[tokio::test]
async fn a_running_mapping_wakes_for_a_message_and_finishes_it_when_stopped() {
    let cloud = open(&Storage::Memory).await;
    let mapping = cloud.mappings().iter().find(|mapping| mapping.function == "Scheduler").unwrap().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let (seen, sees) = oneshot::channel();
    let seen = Arc::new(Mutex::new(Some(seen)));
    let handler = move |event: SqsEvent| {
        let seen = Arc::clone(&seen);
        async move {
            seen.lock().unwrap().take().unwrap().send(bodies(&event)).unwrap();
            Ok::<_, String>(SqsBatchResponse::default())
        }
    };
    let running = tokio::spawn(mapping.run(handler, async {
        stopped.await.unwrap();
    }));
    send(&cloud, &["hello"]).await;
    assert_eq!(sees.await.unwrap(), ["hello"]);
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(depth(&cloud, "EventsQueue").await, (0, 0));
}

#[tokio::test]
async fn schedules_fire_by_the_clock_and_remember_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::Directory(directory.path().into());
    let names = |cloud: &Cloud| cloud.due_schedules().into_iter().map(|due| due.input).collect::<Vec<_>>();
    {
        let cloud = open(&storage).await;
        assert_eq!(names(&cloud), [""; 0]);
        cloud.clock().advance(seconds(60));
        assert_eq!(names(&cloud), [r#"{"schedule":"sweep"}"#, r#"{"schedule":"seal"}"#]);
        assert_eq!(names(&cloud), [""; 0]);
    }
    let cloud = open(&storage).await;
    cloud.clock().advance(seconds(600));
    assert_eq!(names(&cloud), [r#"{"schedule":"sweep"}"#, r#"{"schedule":"reconcile"}"#, r#"{"schedule":"seal"}"#]);
}

#[tokio::test]
async fn requests_are_routed_as_the_template_says() {
    let cloud = open(&Storage::Memory).await;
    let function = |method: &str, path: &str| cloud.routes().find(method, path).unwrap().function.to_owned();
    assert_eq!(function("POST", "/github/webhook"), "Webhook");
    assert_eq!(function("GET", "/github/webhook"), "Web");
    assert_eq!(function("POST", "/query"), "Api");
    assert_eq!(function("POST", "/runner/v1/lease"), "Api");
    assert_eq!(function("DELETE", "/operator/v1/tokens/1"), "Api");
    assert_eq!(function("GET", "/healthz"), "Api");
    assert_eq!(function("GET", "/"), "Web");
    assert_eq!(function("POST", "/checks/1/rerun"), "Web");
}

#[tokio::test]
async fn a_function_may_do_what_the_template_allows_and_nothing_else() {
    let cloud = open(&Storage::Memory).await;
    let webhook = cloud.sdk_config("Webhook");
    let environment = cloud.environment("Scheduler");
    let queues = aws_sdk_sqs::Client::new(&webhook);
    let send = |queue: &str| queues.send_message().queue_url(&environment[queue]).message_body("x").send();
    send("QUEUE_EVENTS_URL").await.unwrap();
    assert_eq!(send("QUEUE_DISPATCH_URL").await.unwrap_err().code(), Some("AccessDenied"));
    let secrets = aws_sdk_secretsmanager::Client::new(&webhook);
    secrets.get_secret_value().secret_id(&cloud.environment("Webhook")["WEBHOOK_SECRET_ARN"]).send().await.unwrap();
    let app = secrets.get_secret_value().secret_id(&environment["GITHUB_APP_SECRET_ARN"]).send().await.unwrap_err();
    assert_eq!(app.code(), Some("AccessDeniedException"));
    let tables = aws_sdk_dynamodb::Client::new(&webhook);
    let refused = tables.describe_table().table_name(&environment["TABLE_ORGS"]).send().await.unwrap_err();
    assert!(refused.message().unwrap_or_default().contains("`Webhook`"), "{refused:?}");

    let scheduler = aws_sdk_dynamodb::Client::new(&cloud.sdk_config("Scheduler"));
    let query = scheduler.query().table_name(&environment["TABLE_CHECKS"]).index_name("gsi3").key_condition_expression("due_pk = :pk");
    let pk = aws_sdk_dynamodb::types::AttributeValue::S("d".into());
    query.expression_attribute_values(":pk", pk).send().await.unwrap();
    let scan = scheduler.scan().table_name(&environment["TABLE_CHECKS"]).send().await;
    assert_eq!(scan.unwrap_err().code(), Some("AccessDeniedException"), "no page may scan");
}
