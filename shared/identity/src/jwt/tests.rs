//! Tokens as attackers make them.

use super::*;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// A private key, and its public half as a set shows it.
struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    public: Jwk,
}

impl Signer {
    fn rsa(id: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("a key");
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
        Self::of(EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key"), Algorithm::RS256, id)
    }

    fn ec(id: &str) -> Self {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::rand::SystemRandom::new()).expect("a key");
        Self::of(EncodingKey::from_ec_der(der.as_ref()), Algorithm::ES256, id)
    }

    fn of(key: EncodingKey, algorithm: Algorithm, id: &str) -> Self {
        let mut public = Jwk::from_encoding_key(&key, algorithm).expect("a public key");
        public.common.key_id = Some(id.to_owned());
        Self { key, algorithm, public }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: self.public.common.key_id.clone(), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).expect("a token")
    }
}

fn claims() -> Value {
    json!({ "iss": "https://issuer.example", "sub": "7", "aud": "us", "iat": NOW - 10, "exp": NOW + 300 })
}

/// Everything that is done with a token, against one set of keys.
fn check(token: &str, keys: &[Jwk], now: i64) -> Result<Claims, TokenError> {
    let head = head(token)?;
    verify(token, &head, choose(keys, &head).ok_or(TokenError::UnknownKey)?, at(now))
}

/// A token of these parts as they are.
fn raw(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_token_is_good_for_its_key_and_its_time() {
    for signer in [Signer::rsa("1"), Signer::ec("1")] {
        let token = signer.sign(&claims());
        let keys = [signer.public.clone()];
        let read = check(&token, &keys, NOW).expect("a good token");
        assert_eq!((read.text("sub"), read.audiences(), read.expect_issuer("https://issuer.example")), (Some("7"), Ok(vec!["us"]), Ok(())));
        // A minute of clocks that differ, and no more.
        for (now, expected) in
            [(NOW + 359, None), (NOW + 360, Some(TokenError::Expired)), (NOW - 70, None), (NOW - 71, Some(TokenError::NotYet))]
        {
            assert_eq!(check(&token, &keys, now).err(), expected, "{now}");
        }
    }
}

#[test]
fn other_keys_and_changed_tokens_are_refused() {
    let (signer, other) = (Signer::rsa("1"), Signer::rsa("1"));
    let keys = [signer.public.clone()];
    assert_eq!(check(&other.sign(&claims()), &keys, NOW), Err(TokenError::Signature), "another key under the same id");
    assert_eq!(check(&Signer::ec("1").sign(&claims()), &keys, NOW), Err(TokenError::UnknownKey), "another kind of key under the same id");
    let token = signer.sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let mut forged = claims();
    forged["sub"] = "8".into();
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    assert_eq!(check(&format!("{}.{forged}.{}", parts[0], parts[2]), &keys, NOW), Err(TokenError::Signature));
    assert!(check(&format!("{}.{}.", parts[0], parts[1]), &keys, NOW).is_err(), "without a signature");
    assert_eq!(check(&token, &[], NOW), Err(TokenError::UnknownKey));
}

/// [RFC 8725 section 2.1](https://www.rfc-editor.org/rfc/rfc8725#section-2.1): no signature, and the public key as the secret of an HMAC.
#[test]
fn what_a_token_says_does_not_choose_how_its_key_is_used() {
    let signer = Signer::rsa("1");
    let keys = [signer.public.clone()];
    for algorithm in ["none", "None", "NONE", "nOnE", "", "HS256", "HS512", "RS512", "PS256", "EdDSA", "ES384"] {
        let token = raw(&json!({ "alg": algorithm, "kid": "1" }), &claims(), b"");
        assert_eq!(check(&token, &keys, NOW), Err(TokenError::Algorithm), "{algorithm}");
    }
    assert_eq!(check(&raw(&json!({ "kid": "1" }), &claims(), b""), &keys, NOW), Err(TokenError::Algorithm), "none at all");
    let AlgorithmParameters::RSA(parameters) = &signer.public.algorithm else { panic!("an RSA key") };
    for secret in [parameters.n.clone().into_bytes(), URL_SAFE_NO_PAD.decode(&parameters.n).expect("a number")] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("1".to_owned());
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&secret)).expect("a token");
        assert_eq!(check(&token, &keys, NOW), Err(TokenError::Algorithm));
    }
    // An elliptic key's id in a token that says RSA, and the reverse.
    let elliptic = Signer::ec("1");
    let token = raw(&json!({ "alg": "RS256", "kid": "1" }), &claims(), b"x");
    assert_eq!(check(&token, &[elliptic.public], NOW), Err(TokenError::UnknownKey));
}

#[test]
fn keys_for_other_uses_are_no_keys() {
    let signer = Signer::rsa("1");
    let token = signer.sign(&claims());
    let mut encryption = signer.public.clone();
    encryption.common.public_key_use = Some(PublicKeyUse::Encryption);
    let mut other = signer.public.clone();
    other.common.key_algorithm = Some(jsonwebtoken::jwk::KeyAlgorithm::RS512);
    let mut signing = signer.public;
    signing.common.public_key_use = Some(PublicKeyUse::Signature);
    assert_eq!(check(&token, &[encryption, other], NOW), Err(TokenError::UnknownKey));
    assert!(check(&token, &[signing], NOW).is_ok());
}

#[test]
fn a_token_without_a_key_id_is_of_the_only_key_that_fits() {
    let (rsa, elliptic) = (Signer::rsa("1"), Signer::ec("2"));
    let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims(), &elliptic.key).expect("a token");
    let keys = [rsa.public, elliptic.public.clone()];
    assert!(check(&token, &keys, NOW).is_ok());
    let two = [Signer::ec("3").public, elliptic.public];
    assert_eq!(check(&token, &two, NOW), Err(TokenError::UnknownKey));
}

#[test]
fn claims_have_to_be_there_and_of_their_kind() {
    let signer = Signer::ec("1");
    let keys = [signer.public.clone()];
    for (name, value, expected) in [
        ("exp", Value::Null, Some(TokenError::Claim("exp"))),
        ("exp", json!("soon"), Some(TokenError::Claim("exp"))),
        ("exp", json!(1e300), Some(TokenError::Claim("exp"))),
        ("exp", json!(NOW as f64 + 0.5), None),
        ("exp", json!(-1), Some(TokenError::Expired)),
        ("iat", Value::Null, Some(TokenError::Claim("iat"))),
        ("iat", json!(NOW + 3_600), Some(TokenError::NotYet)),
        ("nbf", json!(NOW + 3_600), Some(TokenError::NotYet)),
        ("nbf", json!([]), Some(TokenError::Claim("nbf"))),
        ("nbf", json!(NOW), None),
    ] {
        let mut changed = claims();
        changed[name] = value.clone();
        assert_eq!(check(&signer.sign(&changed), &keys, NOW).err(), expected, "{name} {value}");
    }
    for (value, expected) in [
        (json!("us"), Ok(vec!["us"])),
        (json!(["us", "them"]), Ok(vec!["us", "them"])),
        (json!([]), Err(TokenError::Claim("aud"))),
        (json!(["us", 7]), Err(TokenError::Claim("aud"))),
        (json!({ "us": true }), Err(TokenError::Claim("aud"))),
        (Value::Null, Err(TokenError::Claim("aud"))),
    ] {
        let mut changed = claims();
        changed["aud"] = value;
        let read = check(&signer.sign(&changed), &keys, NOW).expect("a token");
        assert_eq!(read.audiences(), expected);
    }
    let mut listed = claims();
    listed["iss"] = json!(["https://evil.example", "https://issuer.example"]);
    let read = check(&signer.sign(&listed), &keys, NOW).expect("a token");
    assert_eq!(read.expect_issuer("https://issuer.example"), Err(TokenError::Issuer), "a list is no issuer");
}

#[test]
fn what_is_no_token_is_refused_without_a_panic() {
    let long = format!("{}.x.y", "a".repeat(MAX_TOKEN));
    assert_eq!(head(&long), Err(TokenError::TooLong));
    assert_eq!(claimed_issuer(&long), Err(TokenError::TooLong));
    let list = format!("{}.{}.x", URL_SAFE_NO_PAD.encode("[]"), URL_SAFE_NO_PAD.encode("[]"));
    for text in ["", ".", "..", "...", "a.b.c", "a.b.c.d", "é.é.é", "e30.e30", &list] {
        assert_eq!(head(text), Err(TokenError::Malformed), "{text}");
        assert!(claimed_issuer(text).is_err(), "{text}");
    }
    let critical = raw(&json!({ "alg": "RS256", "crit": ["b64"], "b64": false }), &claims(), b"x");
    assert_eq!(head(&critical), Err(TokenError::Malformed));
    let numbered = raw(&json!({ "alg": "RS256", "kid": 7 }), &claims(), b"x");
    assert_eq!(head(&numbered), Err(TokenError::Malformed));
    // The payload of a good signature that is no object.
    let signer = Signer::ec("1");
    assert_eq!(check(&signer.sign(&json!([1, 2])), &[signer.public], NOW), Err(TokenError::Malformed));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", header in "[ -~]{0,80}", payload in "[ -~]{0,80}") {
        let coded = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(&payload), text);
        for token in [text, coded] {
            let _ = head(&token);
            let _ = claimed_issuer(&token);
        }
    }
}
