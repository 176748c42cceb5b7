//! Every file of `events/` belongs to a function and is what it claims to be.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeSet;
use std::fs;

use quillon::template::{BUNDLED, Parameters, Template};
use quillon_lambda_emulator::events;

fn functions() -> BTreeSet<String> {
    let parameters = Parameters::new()
        .with("PublicUrl", "https://quillon.example")
        .with("GithubAppId", "1")
        .with_json_text("GithubAppPrivateKey", &format!("-----BEGIN KEY-----\n{}\n-----END KEY-----\n", "A".repeat(64)))
        .with("GithubWebhookSecret", "a secret of some length");
    let template = Template::parse(BUNDLED, &parameters).expect("the template");
    template.functions.iter().map(|function| function.crate_name.trim_start_matches("quillon-").to_owned()).collect()
}

#[test]
fn every_function_has_events_and_a_process_test_and_there_is_nothing_else() {
    let mut folders = functions();
    for function in &folders {
        assert!(!events::of(function).is_empty());
        let test = events::folder("").join(format!("../functions/{function}/tests/process.rs"));
        let text = fs::read_to_string(&test).unwrap_or_else(|error| panic!("{}: {error}", test.display()));
        assert!(text.contains(&format!("events::of(\"{function}\")")), "the process test of `{function}` does not read its events");
    }
    folders.insert("github".to_owned());
    folders.insert("README.md".to_owned());
    let entries = fs::read_dir(events::folder("")).expect("events");
    let found: BTreeSet<_> = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(found, folders);
}

#[test]
fn the_events_of_the_webhook_are_the_payloads_of_github_signed() {
    let (made, found) = (events::webhook(), events::of("webhook"));
    let how = "run `cargo run -p quillon-lambda-emulator --example webhook_events`";
    assert_eq!(made.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{how}");
    for (name, event) in made {
        assert!(found[&name] == event, "events/webhook/{name}.json is out of date: {how}");
    }
}
