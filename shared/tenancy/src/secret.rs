//! Secrets and ids that are handed out: made from the machine's entropy; of a secret only the hash is stored.

use jiff::Timestamp;
use quillon_core::Sensitive;
use sha2::{Digest, Sha256};

/// The machine gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the machine gives no random numbers")]
pub struct NoEntropy;

/// 256 bits from the operating system as 64 hex digits.
///
/// # Errors
/// When the machine gives none.
pub fn fresh() -> Result<Sensitive<String>, NoEntropy> {
    Ok(Sensitive::new(hex::encode(bytes::<32>()?)))
}

/// 128 bits from the operating system, for ids.
///
/// # Errors
/// When the machine gives none.
pub fn entropy() -> Result<u128, NoEntropy> {
    Ok(u128::from_be_bytes(bytes::<16>()?))
}

/// A new id of any kind: `new_id(TokenId::from_parts, now)`.
///
/// # Errors
/// When the machine gives no entropy.
pub fn new_id<T>(from_parts: impl FnOnce(u64, u128) -> T, now: Timestamp) -> Result<T, NoEntropy> {
    Ok(from_parts(u64::try_from(now.as_millisecond()).unwrap_or(0), entropy()?))
}

fn bytes<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}

/// What is stored of a secret. They have 256 bits of entropy, so a plain hash cannot be searched backwards.
#[must_use]
pub fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Whether a text could be one of [`fresh`]: anything else is not worth a read.
#[must_use]
pub fn is_fresh_form(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_their_hash_does_not_hold_them() {
        let (one, two) = (fresh().expect("entropy"), fresh().expect("entropy"));
        assert!(is_fresh_form(one.expose()));
        for text in ["", "abc", &"A".repeat(64), &"0".repeat(65), &"ü".repeat(32)] {
            assert!(!is_fresh_form(text), "{text}");
        }
        assert_ne!(one.expose(), two.expose());
        assert_ne!(hash(one.expose()), *one.expose());
        assert_eq!(hash("x"), hash("x"));
    }
}
