//! How the functions are built, from the files that say so.

use std::fs;
use std::path::Path;

use toml::Table;

fn table(path: &str) -> Table {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A panic must fail one message, not end the process with its batch.
#[test]
fn nothing_makes_a_panic_end_a_function() {
    assert_eq!(table("functions/.cargo/config.toml")["profile"]["release"]["panic"].as_str(), Some("unwind"));
    let workspace = table("Cargo.toml");
    // Without this cargo-lambda passes `panic="abort"` on the command line, which outweighs the file.
    assert_eq!(workspace["workspace"]["metadata"]["lambda"]["build"]["disable_optimizations"].as_bool(), Some(true));
    let profiles = workspace["profile"].as_table().expect("profiles");
    assert!(profiles.values().all(|profile| profile.get("panic").is_none_or(|panic| panic.as_str() == Some("unwind"))), "{profiles:?}");
}
