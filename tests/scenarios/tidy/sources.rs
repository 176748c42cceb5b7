//! Rules for every source file: it says what it is for, it is not long, and it has nothing that hides a problem.

use super::{SourceFile, expect_none, files_below};

/// Most lines of a Rust file; the aim is 500.
const MAX_LINES: usize = 600;

/// What no Rust file has, and what to do instead.
const FORBIDDEN: [(&str, &str); 6] = [
    ("#[allow(", "say `#[expect(…, reason = …)]`"),
    ("#![allow(", "say `#![expect(…, reason = …)]`"),
    ("#[ignore", "a test runs or is deleted"),
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("thread::sleep", "pass time in, or wait for what happens"),
];

/// The Rust files, but for this test, which has to name what it looks for.
fn rust_files() -> Vec<SourceFile> {
    let all = ["functions", "infra", "shared", "tests"].into_iter().flat_map(files_below);
    all.filter(|file| file.has_extension("rs") && !file.path.starts_with("tests/scenarios/tidy")).collect()
}

/// The text without the comments at the end of lines and on lines of their own.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = ["functions", "infra", "shared", "tests"].into_iter().flat_map(files_below);
    let is_silent = |file: &SourceFile| {
        let first = file.text.lines().next().unwrap_or_default();
        let second = file.text.lines().nth(1).unwrap_or_default();
        match file.path.rsplit('.').next() {
            Some("rs") => !first.starts_with("//! "),
            Some("js" | "mjs") => !first.starts_with("// "),
            Some("py") => !first.starts_with("\"\"\"") && !second.starts_with("\"\"\""),
            Some("css") => !first.starts_with("/*"),
            _ if first.starts_with("#!") => !second.starts_with("# "),
            _ => false,
        }
    };
    let problems: Vec<String> = all.filter(is_silent).map(|file| file.path).collect();
    expect_none("these files do not begin with a line that says what they are for", &problems);
}

#[test]
fn no_file_is_long() {
    let long = rust_files().into_iter().map(|file| (file.text.lines().count(), file.path)).filter(|(lines, _)| *lines > MAX_LINES);
    let problems: Vec<String> = long.map(|(lines, path)| format!("{path} has {lines} lines")).collect();
    expect_none("split these by meaning", &problems);
}

#[test]
fn nothing_hides_a_problem() {
    let mut problems = Vec::new();
    for file in rust_files() {
        for (line, text) in code(&file.text) {
            for (word, instead) in FORBIDDEN.iter().filter(|(word, _)| text.contains(word)) {
                problems.push(format!("{}:{line} has `{word}`: {instead}", file.path));
            }
        }
    }
    expect_none("forbidden", &problems);
}

/// Commit messages, span names and logs are what attackers write: scripts make text of them, and templates escape them.
#[test]
fn no_html_is_made_from_what_others_wrote() {
    const SINKS: [&str; 7] =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "createContextualFragment", "srcdoc", "eval("];
    let mut problems = Vec::new();
    for file in files_below("functions/web/assets").into_iter().filter(|file| file.has_extension("js")) {
        for (line, text) in code(&file.text) {
            for sink in SINKS.iter().filter(|sink| text.contains(**sink)) {
                problems.push(format!("{}:{line} has `{sink}`: make text nodes", file.path));
            }
        }
    }
    expect_none("scripts make no HTML", &problems);
}

/// A test that sleeps is slow on a good day and wrong on a bad one. A benchmark is no test: it may keep a pace.
/// To give up in a `select!` after a time is no sleep either.
#[test]
fn tests_do_not_sleep() {
    let mut problems = Vec::new();
    for file in rust_files().into_iter().filter(|file| file.is_test() && !file.path.contains("/benches/")) {
        for (line, _) in code(&file.text).filter(|(_, text)| text.contains("sleep(") && text.contains(".await")) {
            problems.push(format!("{}:{line}", file.path));
        }
    }
    expect_none("wait for what happens instead", &problems);
}

/// The queues and tables are reached through their rooms: elsewhere the SDK appears only where its clients are made.
#[test]
fn the_aws_sdk_appears_only_in_its_rooms_and_where_clients_are_made() {
    const ROOMS: [&str; 5] = ["shared/store/", "shared/queue/", "shared/secrets/", "infra/local/", "tests/"];
    let mut problems = Vec::new();
    for file in rust_files().into_iter().filter(|file| !ROOMS.iter().any(|room| file.path.starts_with(room)) && !file.is_test()) {
        for (line, text) in code(&file.text) {
            let uses = text.matches("aws_sdk_").count();
            let makes = text.matches("::Client::new(").count();
            if uses > makes || (uses > 0 && !is_wiring(&file.path)) {
                problems.push(format!("{}:{line} {}", file.path, text.trim()));
            }
        }
    }
    expect_none("the AWS SDK is none of this file's business", &problems);
}

/// Where a function puts its `Deps` together.
fn is_wiring(path: &str) -> bool {
    path.starts_with("functions/") && ["/src/lib.rs", "/src/deps.rs", "/src/main.rs"].iter().any(|file| path.ends_with(file))
}

#[test]
fn the_core_is_pure() {
    const IMPURE: [&str; 8] = ["async ", ".await", "std::fs", "std::net", "std::env", "std::process", "SystemTime", "Timestamp::now"];
    let mut problems = Vec::new();
    for file in files_below("shared/core/src").into_iter().filter(|file| file.has_extension("rs") && !is_inline_test(file)) {
        for (line, text) in code(&file.text) {
            for word in IMPURE.iter().filter(|word| text.contains(**word)) {
                problems.push(format!("{}:{line} has `{word}`", file.path));
            }
        }
    }
    expect_none("the core decides and does nothing", &problems);
}

/// Modules of the core that exist under `cfg(test)` only.
fn is_inline_test(file: &SourceFile) -> bool {
    file.is_test() || ["golden.rs", "properties.rs"].iter().any(|name| file.path.ends_with(name))
}
