//! Writes `events/webhook/*.json` from the payloads in `events/github`: `cargo run -p quillon-lambda-emulator --example webhook_events`.

use std::error::Error;
use std::fs;

use quillon_lambda_emulator::events;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = events::folder("webhook");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for (name, event) in events::webhook() {
        fs::write(folder.join(format!("{name}.json")), format!("{event:#}\n"))?;
    }
    Ok(())
}
