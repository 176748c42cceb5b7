//! Compressed bodies, decompressed within bounds.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::{Limits, Refused};

/// From this size on a body may not be more than [`Limits::ratio`] times as large as its compressed form.
const UNSUSPICIOUS: usize = 1024 * 1024;

/// Undoes `Content-Encoding`: nothing, `identity` or `gzip`.
///
/// Stops reading at the limit, so that a small body that would become a large one costs no more than the limit.
///
/// # Errors
/// [`Refused::TooLarge`], [`Refused::Unsupported`] for another encoding, [`Refused::Malformed`] for damaged gzip.
pub fn inflate<'a>(body: &'a [u8], content_encoding: Option<&str>, limits: &Limits) -> Result<Cow<'a, [u8]>, Refused> {
    if body.len() > limits.body {
        return Err(Refused::too_large(body.len(), limits.body));
    }
    match content_encoding.map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") => Ok(body.into()),
        Some("gzip" | "x-gzip") => gunzip(body, limits).map(Cow::Owned),
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            Err(Refused::unsupported(format!("the content encoding `{other}` is not known; send `gzip` or nothing")))
        }
    }
}

fn gunzip(body: &[u8], limits: &Limits) -> Result<Vec<u8>, Refused> {
    let most = limits.inflated.min(body.len().saturating_mul(limits.ratio).max(UNSUSPICIOUS));
    let mut inflated = Vec::with_capacity(body.len().saturating_mul(4).min(most));
    let mut decoder = MultiGzDecoder::new(body).take(most as u64 + 1);
    decoder.read_to_end(&mut inflated).map_err(|error| Refused::Malformed(format!("the body is not gzip: {error}")))?;
    if inflated.len() > most {
        return Err(Refused::too_large(inflated.len(), most));
    }
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let limits = Limits::default();
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(inflate(&gzip(&text), Some("gzip"), &limits).expect("gzip").as_ref(), text);
        assert_eq!(inflate(&gzip(&text), Some(" GZIP "), &limits).expect("gzip").as_ref(), text);
        assert_eq!(inflate(&text, None, &limits).expect("plain").as_ref(), text);
        assert_eq!(inflate(&text, Some("identity"), &limits).expect("plain").as_ref(), text);
        let two = [gzip(b"one"), gzip(b"two")].concat();
        assert_eq!(inflate(&two, Some("gzip"), &limits).expect("two members").as_ref(), b"onetwo");
        assert_eq!(
            inflate(&gzip(&[0; 1_000_000]), Some("gzip"), &limits).expect("a small one may be a thousand times as large").len(),
            1_000_000
        );
    }

    #[test]
    fn bombs_are_too_large() {
        let limits = Limits { body: 1_000_000, ..Limits::default() };
        let bomb = gzip(&vec![0; 200 * 1024 * 1024]);
        assert!(matches!(inflate(&bomb, Some("gzip"), &limits), Err(Refused::TooLarge { .. })));
        let within_ratio = Limits { body: limits.body, ratio: 10_000, ..Limits::default() };
        assert!(matches!(inflate(&bomb, Some("gzip"), &within_ratio), Err(Refused::TooLarge { .. })));
        assert!(matches!(inflate(&[0; 1_000_001], None, &limits), Err(Refused::TooLarge { .. })));
    }

    #[test]
    fn other_encodings_and_damage_are_refused() {
        let limits = Limits::default();
        for encoding in ["br", "deflate", "zstd", "gzip, gzip"] {
            assert!(matches!(inflate(b"", Some(encoding), &limits), Err(Refused::Unsupported(_))), "{encoding}");
        }
        let whole = gzip(b"some text");
        for body in [&b"no gzip"[..], &whole[..whole.len() - 3], &[]] {
            assert!(matches!(inflate(body, Some("gzip"), &limits), Err(Refused::Malformed(_))), "{body:?}");
        }
    }
}
