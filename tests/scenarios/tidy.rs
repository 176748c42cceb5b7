//! The rules of ARCHITECTURE.md that a test can check, read from the files themselves.

mod documents;
mod manifests;
mod sources;
mod template;

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold nothing of ours.
const FOREIGN: [&str; 7] = [".git", "target", "node_modules", ".venv", ".quillon", ".aws-sam", "__pycache__"];

/// A file of the repository.
struct SourceFile {
    /// From the root of the repository, with slashes.
    path: String,
    text: String,
}

impl SourceFile {
    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Whether it exists for tests only.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/examples/")
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text of a file that must be there.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a directory that are text, in order of their paths.
fn files_below(directory: &str) -> Vec<SourceFile> {
    let mut found = Vec::new();
    collect(&root().join(directory), directory, &mut found);
    assert!(!found.is_empty(), "`{directory}` holds no file");
    found
}

fn collect(directory: &Path, path: &str, found: &mut Vec<SourceFile>) {
    let mut entries: Vec<_> =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{path}: {error}")).map(|entry| entry.expect("an entry")).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() && !FOREIGN.contains(&name.as_str()) {
            collect(&entry.path(), &path, found);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            found.push(SourceFile { path, text });
        }
    }
}

/// The rooms of a floor: `shared` → `core`, `store`, …
fn rooms(floor: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(floor)).expect("a floor").map(|entry| entry.expect("an entry"));
    let mut rooms: Vec<String> = entries
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    rooms.sort();
    rooms
}

/// Fails with all that is wrong at once, one line each.
#[track_caller]
fn expect_none(rule: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{rule}:\n  {}", problems.join("\n  "));
}
