//! Writes the requests of a made-up run to standard output, for senders that are not Rust: `requests SEED SPANS [passing|running]`.
//!
//! A request is its path (one byte of length, then the text) and its body (four bytes of length, little-endian, then protobuf).
//! The run ends now. The trace's id is the first line of standard error.

use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use quillon_telemetry::Generated;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).with_context(|| "usage: requests SEED SPANS [passing|running]");
    let (seed, spans): (u64, u64) = (number(0)?.parse()?, number(1)?.parse()?);
    let made = || {
        let generated = Generated::new(seed, spans).in_full_batches();
        match arguments.get(2).map(String::as_str) {
            Some("passing") => generated.passing(),
            Some("running") => generated.left_running(),
            _ => generated,
        }
    };
    // It is made up twice: the first time only to know how long it takes.
    let bounds = made().fold(None, |bounds, request| match bounds {
        None => Some((request.at, request.at)),
        Some((first, _)) => Some((first, request.at)),
    });
    let (first, last) = bounds.context("the run has no requests")?;
    #[expect(clippy::disallowed_methods, reason = "a program of its own: nobody passes the time in")]
    let now = jiff::Timestamp::now();
    let length = Duration::try_from(last.duration_since(first))?;
    let generated = made().starting_at(now - length);
    writeln!(io::stderr(), "{}", generated.trace().map(|byte| format!("{byte:02x}")).concat())?;
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    for request in generated {
        let (path, body) = (request.path(), request.encode());
        let written = out
            .write_all(&[u8::try_from(path.len())?])
            .and_then(|()| out.write_all(path.as_bytes()))
            .and_then(|()| out.write_all(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes()))
            .and_then(|()| out.write_all(&body));
        match written {
            // Whoever reads has enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    out.flush()?;
    Ok(())
}
