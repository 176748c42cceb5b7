//! Serves what the functions need, for trying them out by hand; see `events/README.md`.

#![expect(clippy::print_stdout, reason = "it talks to a person")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use quillon_lambda_emulator::Account;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/functions"));
    fs::create_dir_all(folder)?;
    let account = Account::open().await;
    account.develop().await;
    for function in &account.cloud.template().functions {
        let mut text = String::new();
        for (name, value) in account.environment(&function.logical_id).await {
            // Of the machine that the function is built on, or set by whatever runs it.
            let is_foreign = ["PATH", "LANG", "TZ", "_HANDLER"].contains(&name.as_str())
                || name.starts_with("AWS_LAMBDA_")
                || name.starts_with("LAMBDA_");
            if !is_foreign {
                writeln!(text, "{name}={value}")?;
            }
        }
        fs::write(folder.join(format!("{}.env", function.logical_id)), text)?;
    }
    println!("the account is open, `target/functions` holds the environments; interrupt this to close it");
    std::future::pending::<()>().await;
    Ok(())
}
