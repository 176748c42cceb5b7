//! Rules for what people and tools read beside the code.

use super::{SourceFile, expect_none, files_below, read, rooms};

/// A map that is longer is not read.
const MAX_ARCHITECTURE: usize = 300;

#[test]
fn the_architecture_is_a_map_of_what_is_there() {
    let text = read("ARCHITECTURE.md");
    let lines = text.lines().count();
    assert!(lines < MAX_ARCHITECTURE, "ARCHITECTURE.md has {lines} lines");
    let mut problems = Vec::new();
    for floor in ["shared", "infra"] {
        problems.extend(rooms(floor).into_iter().map(|room| format!("{floor}/{room}")).filter(|room| !text.contains(&format!("`{room}`"))));
    }
    problems.extend(rooms("functions").into_iter().filter(|room| !text.contains(room.as_str())).map(|room| format!("functions/{room}")));
    expect_none("ARCHITECTURE.md does not name", &problems);
}

/// A rule that the map states is either absent in the code or in the way; a room that it names must exist.
#[test]
fn the_architecture_names_no_room_that_is_gone() {
    let text = read("ARCHITECTURE.md");
    let named = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.contains('/') && !name.contains('*'));
    let problems: Vec<String> = named.filter(|name| !super::root().join(name).is_dir()).map(str::to_owned).collect();
    expect_none("ARCHITECTURE.md names rooms that are not there", &problems);
}

/// The command that the README gives for the tests is the one that CI runs.
#[test]
fn ci_runs_the_command_of_the_readme() {
    let command = "cargo test --workspace";
    assert!(read("README.md").contains(command), "README.md does not name `{command}`");
    let ci = read(".ci/run");
    assert!(ci.lines().any(|line| line.trim_end().ends_with(command)), ".ci/run does not run `{command}` as it is");
}

/// Every file of `events/` is read by a test, by its own name or with its whole folder.
#[test]
fn every_event_is_used_by_a_test() {
    let code: String = ["functions", "infra", "shared", "tests"]
        .into_iter()
        .flat_map(files_below)
        .filter(|file| file.has_extension("rs") && !file.path.starts_with("tests/scenarios/tidy"))
        .filter(|file| file.is_test() || file.text.contains("#[test]"))
        .map(|file| file.text)
        .collect();
    let is_unused = |file: &SourceFile| {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let name = folder.strip_prefix("events/").unwrap_or_default();
        let reads_folder = [format!("events::of(\"{name}\")"), format!("{folder}\"")];
        !code.contains(&file.path) && !reads_folder.iter().any(|call| code.contains(call))
    };
    let problems: Vec<String> =
        files_below("events").into_iter().filter(|file| file.has_extension("json") && is_unused(file)).map(|file| file.path).collect();
    expect_none("no test reads these", &problems);
}
