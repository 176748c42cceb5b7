//! Bytes that are stored compressed, with a bound on what they may become.

use std::fmt;
use std::io::Read;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes under [zstd](https://datatracker.ietf.org/doc/html/rfc8878), stored as one binary attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compressed(Vec<u8>);

impl Compressed {
    /// Compresses bytes.
    pub(crate) fn of(bytes: &[u8]) -> std::io::Result<Self> {
        zstd::encode_all(bytes, 3).map(Self)
    }

    /// The bytes, refused when they are more than `limit`.
    pub(crate) fn open(&self, limit: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        zstd::Decoder::new(self.0.as_slice())?.take(most).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            return Err(std::io::Error::other(format!("more than {limit} bytes once decompressed")));
        }
        Ok(bytes)
    }
}

impl Serialize for Compressed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Compressed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }

        deserializer.deserialize_byte_buf(Bytes).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_opens_again_within_its_bound() {
        let zeros = vec![0_u8; 100_000];
        let compressed = Compressed::of(&zeros).expect("compressed");
        assert!(compressed.0.len() < 1_000);
        assert_eq!(compressed.open(100_000).expect("opened"), zeros);
        assert!(compressed.open(99_999).is_err());
        assert!(Compressed(b"not zstd".to_vec()).open(10).is_err());
    }
}
