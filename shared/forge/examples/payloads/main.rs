//! Writes `events/github/*.json`: the webhook bodies of every event that Quillon reads, made by the forge itself.
//!
//! `cargo run -p quillon-forge --example payloads`; a test compares the files with what the forge makes.

mod scenario;

use std::{error::Error, fs, path::Path};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let root = tempfile::tempdir()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(scenario::FOLDER);
    for (name, body) in scenario::payloads(root.path()).await? {
        fs::write(folder.join(format!("{name}.json")), body)?;
    }
    Ok(())
}
