//! The files of `events/github` are what the forge sends.

use std::{fs, path::Path};

#[path = "../../examples/payloads/scenario.rs"]
mod scenario;

#[tokio::test]
async fn the_example_payloads_are_what_the_forge_sends() {
    let root = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(scenario::FOLDER);
    let made = scenario::payloads(root.path()).await.unwrap();
    for (name, body) in &made {
        let event = name.split('-').next().unwrap();
        // octocrab knows no transfer from an organization, though GitHub sends them.
        if *name != "repository-transferred" {
            octocrab::models::webhook_events::WebhookEvent::try_from_header_and_body(event, body).unwrap();
        }
        let file = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap_or_default();
        assert!(file == *body, "events/github/{name}.json is out of date: run `cargo run -p quillon-forge --example payloads`");
    }
    let files = fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, made.len(), "events/github holds a file that the forge does not make");
}
