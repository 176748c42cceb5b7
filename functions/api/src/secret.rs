//! Secrets that this function hands out: made from the machine's entropy, stored as a hash only.

use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// 256 bits from the operating system as 64 hex digits.
pub(crate) fn fresh() -> Result<String, ApiError> {
    Ok(hex::encode(bytes::<32>()?))
}

/// 128 bits from the operating system, for ids.
pub(crate) fn entropy() -> Result<u128, ApiError> {
    Ok(u128::from_be_bytes(bytes::<16>()?))
}

fn bytes<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ApiError::Internal { cause: "the machine gives no random numbers".to_owned() })?;
    Ok(bytes)
}

/// What is stored of a secret. They have 256 bits of entropy, so a plain hash cannot be searched backwards.
#[must_use]
pub fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_their_hash_does_not_hold_them() {
        let (one, two) = (fresh().expect("entropy"), fresh().expect("entropy"));
        assert_eq!(one.len(), 64);
        assert_ne!(one, two);
        assert_ne!(hash(&one), one);
        assert_eq!(hash("x"), hash("x"));
    }
}
