//! Trace and span ids: W3C hex text outside, bytes inside, never zero.

use std::fmt;
use std::str::FromStr;

use crate::id::{InvalidId, serde_as_text};

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// An id from its bytes as OTLP carries them; `None` for another length or for all zeros, which the specification
            /// calls invalid (<https://www.w3.org/TR/trace-context/>).
            #[must_use]
            pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
                let bytes: [u8; $bytes] = bytes.try_into().ok()?;
                (bytes != [0; $bytes]).then_some(Self(bytes))
            }

            /// Its bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; $bytes * 2];
                // The buffer has the length that hex needs.
                hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
                formatter.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let mut bytes = [0; $bytes];
                let is_lower_hex = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
                let decoded = if is_lower_hex { hex::decode_to_slice(text, &mut bytes).ok() } else { None };
                decoded.and_then(|()| Self::of_bytes(&bytes)).ok_or_else(|| InvalidId::new(text, $expected))
            }
        }

        serde_as_text!($name);
    };
}

hex_id! {
    /// The id of a trace: 32 lower-case hex digits.
    TraceId, 16, "a trace id of 32 lower-case hex digits, not all zero"
}
hex_id! {
    /// The id of a span within its trace: 16 lower-case hex digits.
    SpanId, 8, "a span id of 16 lower-case hex digits, not all zero"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_names_a_trace() {
        let text = "0123456789abcdef0123456789abcdef";
        let id: TraceId = text.parse().expect("a trace id");
        assert_eq!(id.to_string(), text);
        assert_eq!(TraceId::of_bytes(id.as_bytes()), Some(id));
        for other in ["", "0", &text.to_uppercase(), &"0".repeat(32), &format!("{text}0"), &format!("{}é", &text[..30])] {
            assert!(other.parse::<TraceId>().is_err(), "{other}");
        }
        assert_eq!(SpanId::of_bytes(&[0; 8]), None);
        assert_eq!(SpanId::of_bytes(&[1; 7]), None);
    }
}
