//! The template executor: what it makes of `template.yaml`, and what it refuses.

use quillon::engine::{Engines, Storage};
use quillon::template::{BUNDLED, EventSource, Parameters, SecretValue, Template, apply};

use crate::{clock, engines};

/// What `template.yaml` needs.
pub(crate) fn parameters() -> Parameters {
    Parameters::new()
        .with("PublicUrl", "http://127.0.0.1:8800")
        .with("GithubAppId", "7")
        .with_json_text("GithubAppPrivateKey", "-----BEGIN KEY-----\nabc\n-----END KEY-----\n")
        .with_json_text("GithubWebhookSecret", "a secret with \"quotes\"")
}

fn bundled() -> Template {
    Template::parse(BUNDLED, &parameters()).unwrap()
}

#[track_caller]
fn refused(resources: &str, words: &[&str]) {
    let error = Template::parse(&format!("Resources:\n{resources}"), &Parameters::new()).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "`{error}` does not say `{word}`");
    }
}

#[test]
fn the_bundled_template_wires_every_function() {
    let template = bundled();
    let crates: Vec<_> = template.functions.iter().map(|function| function.crate_name.as_str()).collect();
    let expected = ["webhook", "scheduler", "dispatcher", "reporter", "ingest", "sealer", "api", "auth", "web", "payments"]
        .map(|name| format!("quillon-{name}"));
    assert_eq!(crates, expected);
    let scheduler = template.function("Scheduler").unwrap();
    assert_eq!(scheduler.environment["QUILLON_PUBLIC_URL"], "http://127.0.0.1:8800");
    assert_eq!(scheduler.environment["TABLE_CHECKS"], "ChecksTable");
    assert_eq!(scheduler.environment["QUEUE_STATUS_URL"], "http://aws.quillon.local/000000000000/StatusQueue.fifo");
    assert_eq!(scheduler.events.iter().filter(|e| matches!(e.source, EventSource::Schedule { .. })).count(), 4);
}

/// The buttons of the sign-in page are the providers with a client id; nobody has to list them.
#[test]
fn the_sign_in_page_offers_the_providers_that_are_set_up() {
    let buttons = |parameters: Parameters| {
        let template = Template::parse(BUNDLED, &parameters).unwrap();
        template.function("Web").unwrap().environment["QUILLON_SIGN_IN_PROVIDERS"].clone()
    };
    assert_eq!(buttons(parameters()), "");
    assert_eq!(buttons(parameters().with("GithubClientId", "Iv1.7")), "github,");
    let all = parameters().with("GithubClientId", "Iv1.7").with("GoogleClientId", "7").with("OidcClientId", "us");
    assert_eq!(buttons(all.with("OidcName", "Company login")), "github,google,oidc=Company login");
}

/// Lambda's advice for queues that invoke functions, and ours for what happens to poison.
#[test]
fn every_queue_that_invokes_a_function_is_safe_to_fail() {
    let template = bundled();
    let mut mappings = 0;
    for function in &template.functions {
        for event in &function.events {
            let EventSource::Sqs { queue_arn, report_batch_item_failures, .. } = &event.source else { continue };
            mappings += 1;
            let queue = template.queue_by_arn(queue_arn).unwrap();
            assert!(report_batch_item_failures, "{}", function.logical_id);
            assert!(queue.visibility_timeout() >= 6 * function.timeout, "{}", queue.logical_id);
            let dead = template.queue_by_arn(&queue.dead_letter.as_ref().unwrap().queue_arn).unwrap();
            assert_eq!(dead.attributes["MessageRetentionPeriod"], "1209600", "{}", dead.logical_id);
            assert_eq!(dead.is_fifo(), queue.is_fifo());
        }
    }
    assert_eq!(mappings, 4);
}

#[tokio::test]
async fn applying_twice_changes_nothing_and_a_new_value_becomes_a_new_version() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::Directory(directory.path().into());
    let clock = clock();
    let session = {
        let engines = Engines::open(&storage, clock.clone()).unwrap();
        let environment = apply(&bundled(), &engines).await.unwrap();
        let secrets = engines.secrets_client();
        let arn = environment.of("Webhook")["WEBHOOK_SECRET_ARN"].clone();
        let webhook = secrets.get_secret_value().secret_id(arn).send().await.unwrap().secret_string.unwrap();
        let webhook: serde_json::Value = serde_json::from_str(&webhook).unwrap();
        assert_eq!(webhook, serde_json::json!({ "current": "a secret with \"quotes\"", "previous": null }));
        let arn = environment.of("Scheduler")["GITHUB_APP_SECRET_ARN"].clone();
        let app = secrets.get_secret_value().secret_id(arn).send().await.unwrap().secret_string.unwrap();
        let app: serde_json::Value = serde_json::from_str(&app).unwrap();
        assert_eq!(app["private_key"], "-----BEGIN KEY-----\nabc\n-----END KEY-----\n");
        secrets.get_secret_value().secret_id("SessionSecret").send().await.unwrap().secret_string.unwrap()
    };
    let key: serde_json::Value = serde_json::from_str(&session).unwrap();
    assert_eq!(key["key"].as_str().unwrap().len(), 64);

    let engines = Engines::open(&storage, clock).unwrap();
    let rotated = parameters().with("GithubWebhookSecret", "new").with("GithubWebhookSecretPrevious", "old");
    apply(&Template::parse(BUNDLED, &rotated).unwrap(), &engines).await.unwrap();
    let secrets = engines.secrets_client();
    let kept = secrets.get_secret_value().secret_id("SessionSecret").send().await.unwrap().secret_string.unwrap();
    assert_eq!(kept, session);
    let webhook = secrets.get_secret_value().secret_id("WebhookSecret").send().await.unwrap();
    assert_eq!(webhook.secret_string(), Some(r#"{"current":"new","previous":"old"}"#));
    let table = engines.dynamodb_client().describe_table().table_name("ChecksTable").send().await.unwrap();
    assert_eq!(table.table.unwrap().global_secondary_indexes().len(), 4);
    let attributes = aws_sdk_sqs::types::QueueAttributeName::All;
    let url = "http://aws.quillon.local/000000000000/StatusQueue.fifo";
    let queue = engines.sqs_client().get_queue_attributes().queue_url(url).attribute_names(attributes).send().await;
    let queue = queue.unwrap().attributes.unwrap();
    assert_eq!(queue[&"VisibilityTimeout".into()], "180");
    assert_eq!(queue[&"DeduplicationScope".into()], "messageGroup");
}

#[tokio::test]
async fn a_new_index_is_added_to_a_stored_table() {
    let source = |indexes: &str| {
        format!(
            "Resources:\n  Things:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      BillingMode: PAY_PER_REQUEST\n      \
             AttributeDefinitions:\n        - {{AttributeName: pk, AttributeType: S}}\n        \
             - {{AttributeName: other, AttributeType: S}}\n      KeySchema:\n        \
             - {{AttributeName: pk, KeyType: HASH}}\n{indexes}"
        )
    };
    let index = "      GlobalSecondaryIndexes:\n        - IndexName: gsi1\n          KeySchema: [{AttributeName: other, \
                 KeyType: HASH}]\n          Projection: {ProjectionType: KEYS_ONLY}\n";
    let engines = engines();
    let client = engines.dynamodb_client();
    let indexes = async || {
        let table = client.describe_table().table_name("Things").send().await.unwrap().table.unwrap();
        table.global_secondary_indexes.unwrap_or_default().into_iter().map(|index| index.index_name.unwrap()).collect::<Vec<_>>()
    };
    let parse = |text: &str| Template::parse(text, &Parameters::new()).unwrap();
    apply(&parse(&source("")), &engines).await.unwrap();
    assert_eq!(indexes().await, Vec::<String>::new());
    apply(&parse(&source(index)), &engines).await.unwrap();
    assert_eq!(indexes().await, vec!["gsi1".to_owned()]);
    apply(&parse(&source("")), &engines).await.unwrap();
    assert_eq!(indexes().await, Vec::<String>::new());
    let moved = source("").replace("AttributeName: pk, KeyType", "AttributeName: other, KeyType");
    let error = apply(&parse(&moved), &engines).await.unwrap_err().to_string();
    assert!(error.contains("`Things`") && error.contains("primary key"), "{error}");
}

#[test]
fn what_is_not_understood_is_named_with_what_would_be() {
    refused("  Topic:\n    Type: AWS::SNS::Topic\n", &["`Resources.Topic.Type`", "`AWS::SNS::Topic`", "supported are", "AWS::SQS::Queue"]);
    refused(
        "  Work:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !ImportValue other\n",
        &["`Resources.Work.Properties.QueueName.!ImportValue`", "not supported", "Fn::Sub"],
    );
    refused(
        "  Work:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName:\n        Fn::Join: [\"\", [a, b]]\n",
        &["`Resources.Work.Properties.QueueName.!Join`"],
    );
    refused(
        "  Work:\n    Type: AWS::SQS::Queue\n    Properties:\n      VisibilityTimeut: 5\n",
        &["`Resources.Work.Properties.VisibilityTimeut`", "VisibilityTimeout"],
    );
    refused(
        "  Work:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Ref Nowhere\n",
        &["`Resources.Work.Properties.QueueName`", "`Nowhere`"],
    );
    refused(
        "  Alarm:\n    Type: AWS::CloudWatch::Alarm\n    Properties:\n      Namespace: !GetAtt Alarm.Colour\n",
        &["`Alarm.Colour`", "supported are Arn"],
    );
}

#[test]
fn events_of_a_function_are_checked() {
    let function = |event: &str| {
        format!(
            "  Work:\n    Type: AWS::SQS::Queue\n  Job:\n    Type: AWS::Serverless::Function\n    Metadata:\n      \
             BuildMethod: rust-cargolambda\n      BuildProperties: {{Binary: quillon-job}}\n    Properties:\n      \
             Timeout: 60\n      Events:\n        Event:\n{event}"
        )
    };
    refused(&function("          Type: S3\n"), &["`Resources.Job.Properties.Events.Event.Type`", "HttpApi, SQS, Schedule"]);
    refused(
        &function("          Type: SQS\n          Properties: {Queue: !GetAtt Work.Arn}\n"),
        &["Events.Event", "visibility timeout is shorter"],
    );
    refused(
        &function("          Type: Schedule\n          Properties: {Schedule: rate(1 minutes), Input: '{}'}\n"),
        &["Schedule`", "rate(1 minutes)"],
    );
}

#[test]
fn parameters_are_required_known_and_allowed() {
    let error = |parameters: Parameters| Template::parse(BUNDLED, &parameters).unwrap_err().to_string();
    assert!(error(Parameters::new()).contains("`PublicUrl` has no value"));
    assert!(error(parameters().with("Colour", "red")).contains("`Colour` is not declared"));
    assert!(error(parameters().with("AutoClaim", "maybe")).contains("`AutoClaim` must be one of true, false"));
    assert!(error(parameters().with("LeaseWaitMs", "soon")).contains("`LeaseWaitMs` must be a number"));
}

#[test]
fn secrets_of_a_template_are_not_printed() {
    let template = bundled();
    assert!(!format!("{template:?}").contains("quotes"));
    assert!(matches!(template.secret("SessionSecret").unwrap().value, SecretValue::Generated { length: 64, .. }));
}
