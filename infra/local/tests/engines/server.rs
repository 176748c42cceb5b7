//! The loopback server: whoever has the key gets the same services, nobody else gets anything.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use quillon::engine::server::{AccessKey, serve};
use tokio::net::TcpListener;

use crate::engines;

fn config(address: std::net::SocketAddr, key: &AccessKey) -> SdkConfig {
    let credentials = Credentials::new(&key.id, &key.secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

#[tokio::test]
async fn only_the_right_key_opens_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = AccessKey::random();
    let server = tokio::spawn(serve(listener, engines(), key.clone()));

    let client = aws_sdk_sqs::Client::new(&config(address, &key));
    let url = client.create_queue().queue_name("work").send().await.unwrap().queue_url.unwrap();
    client.send_message().queue_url(&url).message_body("over the wire").send().await.unwrap();
    let received = client.receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!(received.messages()[0].body(), Some("over the wire"));
    let missing = client.get_queue_url().queue_name("nowhere").send().await.unwrap_err();
    assert!(missing.into_service_error().is_queue_does_not_exist());
    let tables = aws_sdk_dynamodb::Client::new(&config(address, &key)).list_tables().send().await.unwrap();
    assert!(tables.table_names().is_empty());

    for wrong in [AccessKey::random(), AccessKey { id: String::new() + &key.id[1..], secret: key.secret.clone() }] {
        let client = aws_sdk_sqs::Client::new(&config(address, &wrong));
        let refused = client.receive_message().queue_url(&url).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("UnrecognizedClientException"));
    }
    server.abort();
}

#[test]
fn a_key_is_not_printed() {
    let key = AccessKey::random();
    assert!(!format!("{key:?}").contains(&key.id));
}
