//! Signed tokens ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)) of an issuer with keys of its own, and forged ones.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// With what an issuer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RS256, which everybody has.
    Rsa,
    /// ES256.
    Ec,
}

/// What is wrong with a token that claims the right things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// `alg: none`, and no signature.
    AlgNone,
    /// HS256 with the public key as its secret, for verifiers that let the token choose the algorithm.
    PublicKeyAsSecret,
    /// The name of a published key, the signature of another one.
    OtherKey,
    /// A key that was never published, under its own name.
    UnknownKey,
    /// A key inside the header (`jwk`), for verifiers that believe it.
    KeyInHeader,
    /// Claims that were changed after signing.
    ChangedClaims,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::AlgNone, Self::PublicKeyAsSecret, Self::OtherKey, Self::UnknownKey, Self::KeyInHeader, Self::ChangedClaims];
}

#[derive(Clone)]
struct Key {
    kid: String,
    algorithm: Algorithm,
    encoding: EncodingKey,
}

impl Key {
    fn new(kid: String, kind: KeyKind) -> Self {
        let (algorithm, encoding) = match kind {
            KeyKind::Rsa => (Algorithm::RS256, rsa_key()),
            KeyKind::Ec => {
                let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("an EC key");
                (Algorithm::ES256, EncodingKey::from_ec_der(document.as_ref()))
            }
        };
        Self { kid, algorithm, encoding }
    }

    fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.encoding, self.algorithm).expect("a JWK")).expect("JSON");
        jwk["kid"] = self.kid.clone().into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn header(&self) -> Header {
        Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) }
    }
}

fn rsa_key() -> EncodingKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
    let der = pair.as_der().expect("its DER");
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der.as_ref()));
    EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a PEM key")
}

/// The keys of an issuer: what it publishes, and the one that it signs with.
#[derive(Clone)]
pub struct Signer {
    kind: KeyKind,
    made: u32,
    current: Key,
    published: Vec<Key>,
}

impl Signer {
    /// With one key.
    #[must_use]
    pub fn new(kind: KeyKind) -> Self {
        let current = Key::new("key-1".to_owned(), kind);
        Self { kind, made: 1, published: vec![current.clone()], current }
    }

    /// Signs with a new key from now on; the old ones stay published, or are gone at once.
    pub fn rotate(&mut self, keep_old: bool) {
        self.made += 1;
        self.current = Key::new(format!("key-{}", self.made), self.kind);
        if !keep_old {
            self.published.clear();
        }
        self.published.push(self.current.clone());
    }

    /// The published keys ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.published.iter().map(Key::jwk).collect::<Vec<_>>() })
    }

    /// The word of its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.kind {
            KeyKind::Rsa => "RS256",
            KeyKind::Ec => "ES256",
        }
    }

    /// A good token.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        sign(&self.current.header(), claims, &self.current.encoding)
    }

    /// A token that nobody may accept.
    #[must_use]
    pub fn forge(&self, forgery: Forgery, claims: &Value) -> String {
        let kid = &self.current.kid;
        match forgery {
            Forgery::AlgNone => format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT", "kid": kid })), part(claims)),
            Forgery::PublicKeyAsSecret => {
                let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
                sign(&header, claims, &EncodingKey::from_secret(self.current.jwk().to_string().as_bytes()))
            }
            Forgery::OtherKey => {
                let other = Key::new(kid.clone(), self.kind);
                sign(&other.header(), claims, &other.encoding)
            }
            Forgery::UnknownKey => {
                let other = Key::new(format!("key-{}", unguessable()), self.kind);
                sign(&other.header(), claims, &other.encoding)
            }
            Forgery::KeyInHeader => {
                let other = Key::new("mine".to_owned(), self.kind);
                let jwk = Jwk::from_encoding_key(&other.encoding, other.algorithm).expect("a JWK");
                sign(&Header { jwk: Some(jwk), ..other.header() }, claims, &other.encoding)
            }
            Forgery::ChangedClaims => {
                let good = self.sign(&json!({ "sub": "somebody else" }));
                let mut parts = good.split('.');
                let (header, signature) = (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
                format!("{header}.{}.{signature}", part(claims))
            }
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Signer").field("kind", &self.kind).field("made", &self.made).finish_non_exhaustive()
    }
}

fn sign(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).expect("a signed token")
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A text of 128 random bits.
pub(crate) fn unguessable() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("randomness");
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    fn is_accepted(signer: &Signer, token: &str) -> bool {
        let keys: JwkSet = serde_json::from_value(signer.jwks()).expect("a key set");
        let Ok(header) = jsonwebtoken::decode_header(token) else { return false };
        let Some(key) = header.kid.as_deref().and_then(|kid| keys.find(kid)) else { return false };
        let algorithm = if signer.algorithm() == "ES256" { Algorithm::ES256 } else { Algorithm::RS256 };
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).expect("a key"), &validation).is_ok()
    }

    #[test]
    fn only_what_was_signed_is_accepted_by_a_careful_reader() {
        for kind in [KeyKind::Rsa, KeyKind::Ec] {
            let mut signer = Signer::new(kind);
            let claims = json!({ "sub": "1" });
            let first = signer.sign(&claims);
            assert!(is_accepted(&signer, &first), "{kind:?}");
            for forgery in Forgery::ALL {
                assert!(!is_accepted(&signer, &signer.forge(forgery, &claims)), "{kind:?} {forgery:?}");
            }
            signer.rotate(true);
            assert!(is_accepted(&signer, &first) && is_accepted(&signer, &signer.sign(&claims)));
            signer.rotate(false);
            assert!(!is_accepted(&signer, &first) && is_accepted(&signer, &signer.sign(&claims)));
        }
    }
}
