//! The files of `events/`: one folder per function, one file per case.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::development::{PUBLIC_URL, WEBHOOK_SECRET};

/// A folder of `events/`, or `events/` itself for the empty name.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events")).join(name)
}

/// The events of a folder, by the names of their files without the ending.
#[must_use]
pub fn of(name: &str) -> BTreeMap<String, Value> {
    let entries = fs::read_dir(folder(name)).unwrap_or_else(|error| panic!("events/{name}: {error}"));
    let events: BTreeMap<_, _> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            assert_eq!(path.file_name().unwrap_or_default().to_string_lossy(), format!("{stem}.json"), "events are JSON files");
            (stem, event)
        })
        .collect();
    assert!(!events.is_empty(), "events/{name} is empty");
    events
}

/// What no function is ever sent; each must fail the invocation and leave the process alive.
#[must_use]
pub fn rubbish() -> Vec<Value> {
    vec![json!({}), json!([]), json!("rubbish"), json!(7), Value::Null]
}

/// `events/webhook`, made from the payloads in `events/github` and the secret of development.
#[must_use]
pub fn webhook() -> BTreeMap<String, Value> {
    let mut events = BTreeMap::new();
    for (number, (name, payload)) in of("github").into_iter().enumerate() {
        let kind = name.split('-').next().unwrap_or_default().to_owned();
        let body = payload.to_string();
        let mut event = delivery(&kind, number + 1, &body);
        sign(&mut event, WEBHOOK_SECRET, &body);
        if name == "push-branch" {
            let mut coded = event.clone();
            coded["body"] = STANDARD.encode(&body).into();
            coded["isBase64Encoded"] = true.into();
            events.insert("base64".to_owned(), coded);
            let mut foreign = event.clone();
            sign(&mut foreign, "the secret of somebody else", &body);
            events.insert("wrong-signature".to_owned(), foreign);
            let mut old = event.clone();
            let headers = old["headers"].as_object_mut().expect("headers");
            headers.remove("x-hub-signature-256");
            headers.insert("x-hub-signature".to_owned(), format!("sha1={}", "0".repeat(40)).into());
            events.insert("sha1-only".to_owned(), old);
            let mut unsigned = event.clone();
            unsigned["headers"].as_object_mut().expect("headers").remove("x-github-event");
            events.insert("missing-header".to_owned(), unsigned);
            let mut damaged = delivery(&kind, 100, "{\"ref\":");
            sign(&mut damaged, WEBHOOK_SECRET, "{\"ref\":");
            events.insert("damaged-body".to_owned(), damaged);
        }
        events.insert(name, event);
    }
    events
}

/// A request as an HTTP API hands it to a function, in the payload format 2.0.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
fn delivery(kind: &str, number: usize, body: &str) -> Value {
    let host = PUBLIC_URL.trim_start_matches("https://");
    json!({
        "version": "2.0",
        "routeKey": "POST /github/webhook",
        "rawPath": "/github/webhook",
        "rawQueryString": "",
        "headers": {
            "accept": "*/*",
            "content-length": body.len().to_string(),
            "content-type": "application/json",
            "host": host,
            "user-agent": "GitHub-Hookshot/0000000",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "x-github-delivery": format!("00000000-0000-4000-8000-{number:012}"),
            "x-github-event": kind,
            "x-github-hook-id": "1",
            "x-github-hook-installation-target-id": "1",
            "x-github-hook-installation-target-type": "integration",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "quillon",
            "domainName": host,
            "domainPrefix": "quillon",
            "http": {
                "method": "POST",
                "path": "/github/webhook",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "GitHub-Hookshot/0000000",
            },
            "requestId": format!("delivery-{number}"),
            "routeKey": "POST /github/webhook",
            "stage": "$default",
            "time": "05/Jan/2026:08:00:00 +0000",
            "timeEpoch": 1_767_600_000_000_u64,
        },
        "body": body,
        "isBase64Encoded": false,
    })
}

fn sign(event: &mut Value, secret: &str, body: &str) {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is a key");
    mac.update(body.as_bytes());
    event["headers"]["x-hub-signature-256"] = format!("sha256={}", hex::encode(mac.finalize().into_bytes())).into();
}
