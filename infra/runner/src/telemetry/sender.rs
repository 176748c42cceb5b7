//! Passes telemetry on to the server, again and again where that helps.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use quillon_core::Sensitive;
use quillon_core::id::AttemptId;
use tokio::time::sleep;

use super::Shared;
use crate::backoff::Backoff;
use crate::client::{Client, ExportError};
use crate::config::Timings;

/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Sends until nothing is left and nothing more comes.
pub(super) async fn run(shared: Arc<Shared>, client: Client, token: Sensitive<String>, timings: Timings, attempt: AttemptId) {
    let mut is_told = false;
    while let Some(parcel) = shared.outbox.next(timings.gather).await {
        let body = gzip(&parcel.bytes);
        let mut backoff = Backoff::new(timings.backoff_floor, timings.backoff_ceiling);
        loop {
            let error = match client.export(parcel.signal.name(), parcel.encoding.content_type(), &token, body.clone()).await {
                Ok(()) => {
                    is_told = false;
                    break;
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(%attempt, "telemetry is not delivered: {error}");
            }
            match error {
                ExportError::Refused(_) => break,
                ExportError::Later { after: Some(pause), .. } => sleep(pause.min(LONGEST_PAUSE)).await,
                ExportError::Later { after: None, .. } => sleep(backoff.next()).await,
            }
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    // Writing into memory does not fail.
    let written = encoder.write_all(bytes);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}
