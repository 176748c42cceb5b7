//! The Lambda shell of payments.

use quillon_runtime::{Clock, Error, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sdk = quillon_runtime::init();
    let deps = quillon_payments::Deps::new(&Settings::from_env(), &sdk, Clock::system())?;
    quillon_runtime::serve_http(|request| quillon_payments::handle(&deps, request)).await
}
