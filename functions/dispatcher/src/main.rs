//! The Lambda shell of the dispatcher.

use quillon_runtime::{Clock, Error, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sdk = quillon_runtime::init();
    let deps = quillon_dispatcher::Deps::new(&Settings::from_env(), &sdk, Clock::system())?;
    quillon_runtime::serve_sqs(|message| quillon_dispatcher::handle(&deps, message)).await
}
