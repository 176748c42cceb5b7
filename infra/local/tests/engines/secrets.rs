//! Secrets Manager: versions, errors and the file.

use std::os::unix::fs::PermissionsExt as _;

use quillon::engine::{Engines, Storage};
use quillon_runtime::Clock;

use crate::engines;

#[tokio::test]
async fn the_current_and_the_previous_value_can_be_read() {
    let client = engines().secrets_client();
    let created = client.create_secret().name("webhook").secret_string("one").send().await.unwrap();
    let arn = created.arn.unwrap();
    client.put_secret_value().secret_id("webhook").secret_string("two").send().await.unwrap();

    let current = client.get_secret_value().secret_id(&arn).send().await.unwrap();
    assert_eq!((current.secret_string(), current.name()), (Some("two"), Some("webhook")));
    let previous = client.get_secret_value().secret_id("webhook").version_stage("AWSPREVIOUS").send().await.unwrap();
    assert_eq!((previous.secret_string(), previous.version_id()), (Some("one"), created.version_id.as_deref()));
    let described = client.describe_secret().secret_id("webhook").send().await.unwrap();
    let stages = described.version_ids_to_stages.unwrap();
    assert_eq!(stages[current.version_id().unwrap()], ["AWSCURRENT"]);
    assert_eq!(stages[previous.version_id().unwrap()], ["AWSPREVIOUS"]);
}

#[tokio::test]
async fn errors_are_modelled() {
    let client = engines().secrets_client();
    let missing = client.get_secret_value().secret_id("nowhere").send().await;
    assert!(missing.unwrap_err().into_service_error().is_resource_not_found_exception());
    client.create_secret().name("webhook").secret_string("one").send().await.unwrap();
    let again = client.create_secret().name("webhook").secret_string("one").send().await;
    assert!(again.unwrap_err().into_service_error().is_resource_exists_exception());
    let staged = client.get_secret_value().secret_id("webhook").version_stage("AWSPREVIOUS").send().await;
    assert!(staged.unwrap_err().into_service_error().is_resource_not_found_exception());
    let empty = client.put_secret_value().secret_id("webhook").send().await;
    assert!(empty.unwrap_err().into_service_error().is_invalid_request_exception());
}

#[tokio::test]
async fn a_repeated_request_is_one_version() {
    let client = engines().secrets_client();
    let token = "11111111-1111-4111-8111-111111111111";
    let create = || client.create_secret().name("webhook").client_request_token(token).secret_string("one").send();
    let first = create().await.unwrap();
    assert_eq!(create().await.unwrap().version_id, first.version_id);
    let other = client.put_secret_value().secret_id("webhook").client_request_token(token).secret_string("two");
    assert!(other.send().await.unwrap_err().into_service_error().is_resource_exists_exception());
}

#[tokio::test]
async fn the_file_is_private_and_survives_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let storage = Storage::Directory(data.clone());
    {
        let client = Engines::open(&storage, Clock::system()).unwrap().secrets_client();
        client.create_secret().name("webhook").secret_string("one").send().await.unwrap();
    }
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("secrets.json"))), (0o700, 0o600));
    let client = Engines::open(&storage, Clock::system()).unwrap().secrets_client();
    let value = client.get_secret_value().secret_id("webhook").send().await.unwrap();
    assert_eq!(value.secret_string(), Some("one"));
}
