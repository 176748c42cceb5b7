//! The one key of an instance, and what is derived from it.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use quillon_core::Sensitive;
use sha2::{Digest, Sha256};

/// A key from which signatures for different purposes are derived; a signature for one purpose is worthless for another.
#[derive(Clone)]
pub struct InstanceKey([u8; 64]);

impl std::fmt::Debug for InstanceKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

impl InstanceKey {
    /// Derives the key from a secret text of any length.
    #[must_use]
    pub fn new(secret: &Sensitive<String>) -> Self {
        // HMAC-SHA-256 pads a shorter key with zeros up to its block of 64 bytes; a key of that size cannot be refused.
        let mut key = [0; 64];
        key[..32].copy_from_slice(&Sha256::digest(secret.expose().as_bytes()));
        Self(key)
    }

    /// The credential of the person who runs this instance.
    #[must_use]
    pub fn operator_key(&self) -> Sensitive<String> {
        Sensitive::new(self.sign("operator", ""))
    }

    /// A signature over a message for a purpose, in hex.
    #[must_use]
    pub fn sign(&self, purpose: &str, message: &str) -> String {
        hex::encode(self.mac(purpose, message).finalize().into_bytes())
    }

    /// Whether a signature is right, in constant time.
    #[must_use]
    pub fn verify(&self, purpose: &str, message: &str, signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|bytes| self.mac(purpose, message).verify_slice(&bytes).is_ok())
    }

    /// Whether a text is the operator's key, in constant time.
    #[must_use]
    pub fn is_operator_key(&self, text: &str) -> bool {
        self.verify("operator", "", text)
    }

    fn mac(&self, purpose: &str, message: &str) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.0.into());
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(message.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_serves_one_purpose_and_one_message() {
        let key = InstanceKey::new(&Sensitive::new("secret".to_owned()));
        let signature = key.sign("job", "att/lse");
        assert!(key.verify("job", "att/lse", &signature));
        assert!(!key.verify("session", "att/lse", &signature));
        assert!(!key.verify("job", "att/other", &signature));
        assert!(!key.verify("job", "att/lse", ""));
        assert!(!InstanceKey::new(&Sensitive::new("other".to_owned())).verify("job", "att/lse", &signature));
    }

    #[test]
    fn nothing_prints() {
        let key = InstanceKey::new(&Sensitive::new("secret".to_owned()));
        assert_eq!(format!("{key:?} {:?}", key.operator_key()), "*** ***");
    }
}
