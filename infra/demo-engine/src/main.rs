//! The thin binary around [`quillon_demo_engine::run`].

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = std::env::args().skip(1).collect();
    ExitCode::from(quillon_demo_engine::run(args, std::env::vars().collect()).await)
}
