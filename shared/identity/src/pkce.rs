//! Proof key for code exchange, [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636): whoever redeems a code is who asked for it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The method that is always named: without it a provider takes the verifier itself for the challenge.
pub const METHOD: &str = "S256";

/// The challenge of a verifier, which is 43 to 128 characters of entropy.
#[must_use]
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [RFC 7636, appendix B](https://www.rfc-editor.org/rfc/rfc7636#appendix-B).
    #[test]
    fn the_published_example() {
        assert_eq!(challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
