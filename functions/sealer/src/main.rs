//! The Lambda shell of the sealer.

use quillon_runtime::{Clock, Error, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sdk = quillon_runtime::init();
    let deps = quillon_sealer::Deps::new(&Settings::from_env(), &sdk, Clock::system())?;
    quillon_runtime::serve_or_schedule(
        |message| quillon_sealer::handle(&deps, message),
        |schedule| {
            let deps = &deps;
            async move { quillon_sealer::on_schedule(deps, &schedule).await }
        },
    )
    .await
}
