//! The Lambda shell of ingest.

use quillon_runtime::{Clock, Error, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sdk = quillon_runtime::init();
    let deps = quillon_ingest::Deps::new(&Settings::from_env(), &sdk, Clock::system())?;
    quillon_runtime::serve_http(|request| quillon_ingest::handle(&deps, request)).await
}
