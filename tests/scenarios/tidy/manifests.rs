//! Rules for the manifests: dependencies point down, and what a room does not name, it cannot do.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{expect_none, read, rooms};

/// The manifest of a room such as `shared/core`.
pub(crate) fn manifest(room: &str) -> Table {
    read(&format!("{room}/Cargo.toml")).parse().unwrap_or_else(|error| panic!("{room}: {error}"))
}

/// The names in `[dependencies]`; what tests need is in another table.
pub(crate) fn dependencies(room: &str) -> BTreeSet<String> {
    let manifest = manifest(room);
    manifest.get("dependencies").and_then(Value::as_table).map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

/// Our own rooms among the dependencies, by their names.
fn our_rooms(room: &str) -> BTreeSet<String> {
    dependencies(room).iter().filter_map(|name| name.strip_prefix("quillon-")).map(str::to_owned).collect()
}

/// The rooms that serve tests.
const TESTS: [&str; 5] = ["tests", "tests/lambda", "tests/tables", "tests/telemetry", "tests/vendors"];

fn all_rooms() -> impl Iterator<Item = String> {
    ["shared", "functions", "infra"].into_iter().flat_map(|floor| rooms(floor).into_iter().map(move |room| format!("{floor}/{room}")))
}

/// What the table of ARCHITECTURE.md says that a room may depend on; none for everything.
fn allowed(architecture: &str, room: &str) -> Option<BTreeSet<String>> {
    let row = if room.starts_with("functions/") { "functions/*" } else { room };
    let line = architecture
        .lines()
        .find(|line| line.starts_with(&format!("| `{row}` |")))
        .unwrap_or_else(|| panic!("ARCHITECTURE.md has no row `{row}`"));
    let cell = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
    match cell {
        "everything" => None,
        "nothing of ours" => Some(BTreeSet::new()),
        "the shared rooms that its manifest names" => Some(rooms("shared").into_iter().filter(|room| room != "forge").collect()),
        names => Some(names.split(',').map(|name| name.trim().to_owned()).collect()),
    }
}

#[test]
fn every_room_depends_only_on_what_the_architecture_says() {
    let architecture = read("ARCHITECTURE.md");
    let mut problems = Vec::new();
    for room in all_rooms() {
        let Some(allowed) = allowed(&architecture, &room) else { continue };
        for unwanted in our_rooms(&room).difference(&allowed) {
            problems.push(format!("{room} depends on {unwanted}"));
        }
    }
    expect_none("ARCHITECTURE.md does not allow this", &problems);
}

#[test]
fn the_core_names_nothing_that_does() {
    const DOES: [&str; 14] = [
        "tokio", "async", "futures", "http", "hyper", "reqwest", "axum", "aws", "lambda", "octocrab", "rusqlite", "dynoxide", "rand",
        "quillon",
    ];
    let problems: Vec<String> =
        dependencies("shared/core").into_iter().filter(|name| DOES.iter().any(|does| name.starts_with(does))).collect();
    expect_none("the core may not depend on", &problems);
}

#[test]
fn the_webhook_can_reach_neither_a_table_nor_the_key_of_the_app() {
    let named = dependencies("functions/webhook");
    let problems: Vec<String> = ["quillon-store", "quillon-workflow", "aws-sdk-dynamodb"]
        .into_iter()
        .filter(|name| named.contains(*name))
        .map(str::to_owned)
        .collect();
    expect_none("the webhook may not depend on", &problems);
    let template = super::template::Template::read();
    let webhook = template.function("webhook");
    let problems: Vec<String> =
        webhook.variables.keys().filter(|name| name.starts_with("TABLE_") || name.contains("APP_SECRET")).cloned().collect();
    expect_none("the webhook may not be told", &problems);
}

/// Without this line a room has lints of its own, that is none.
#[test]
fn every_room_has_the_lints_of_the_workspace() {
    let has_lints =
        |room: &String| manifest(room).get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) == Some(true);
    let problems: Vec<String> = all_rooms().chain(TESTS.map(str::to_owned)).filter(|room| !has_lints(room)).collect();
    expect_none("these lack `[lints] workspace = true`", &problems);
}

/// A version in a room would be a second place to look for one.
#[test]
fn versions_stand_in_the_manifest_of_the_workspace_only() {
    let mut problems = Vec::new();
    for room in all_rooms().chain(TESTS.map(str::to_owned)) {
        let manifest = manifest(&room);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(table).and_then(Value::as_table) else { continue };
            let is_own = |value: &&Value| value.get("workspace").and_then(Value::as_bool) != Some(true) && value.get("path").is_none();
            problems.extend(table.iter().filter(|(_, value)| is_own(value)).map(|(name, _)| format!("{room}: {name}")));
        }
    }
    expect_none("move these to `[workspace.dependencies]`", &problems);
}
