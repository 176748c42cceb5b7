//! Signed tokens of others, [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519): pure functions over a token, a key and the time.
//!
//! The signature is jsonwebtoken's business, everything that is compared with what was expected is written here: the library reads the
//! machine's clock, takes a list of issuers for one, and lets a claim pass that is not there.
//! What is refused follows [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

/// Longest token that is looked at, in bytes; those of providers and CI systems have one or two thousand.
pub const MAX_TOKEN: usize = 16 * 1024;

/// How far the clocks of an issuer and of this machine may be apart, in seconds.
const LEEWAY_S: i64 = 60;

/// Most audiences of a token that are looked at.
const MAX_AUDIENCES: usize = 20;

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is larger than [`MAX_TOKEN`].
    #[error("it is longer than {MAX_TOKEN} bytes")]
    TooLong,
    /// It is no signed token.
    #[error("it is not a signed token")]
    Malformed,
    /// It is signed in a way that is not accepted: not at all, with a shared key, or with something rare.
    #[error("it is not signed with RS256 or ES256")]
    Algorithm,
    /// The issuer has no such key.
    #[error("its issuer has no key of its id")]
    UnknownKey,
    /// The signature is not of that key.
    #[error("its signature is wrong")]
    Signature,
    /// Somebody else issued it.
    #[error("its issuer is not the one that is configured")]
    Issuer,
    /// It was made for somebody else.
    #[error("its audience is not this installation")]
    Audience,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is from the future: compare the clocks")]
    NotYet,
    /// It belongs to another sign-in.
    #[error("it belongs to another sign-in")]
    Nonce,
    /// A claim is missing or is not what it should be.
    #[error("its claim `{0}` is missing or damaged")]
    Claim(&'static str),
}

/// What a token says about its signature; nothing of it is to be believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    algorithm: Algorithm,
    pub(crate) key: Option<String>,
}

/// Reads how a token is signed.
pub(crate) fn head(token: &str) -> Result<Head, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::TooLong);
    }
    let mut parts = token.split('.');
    let (Some(first), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(TokenError::Malformed);
    };
    let header = object(first).ok_or(TokenError::Malformed)?;
    // Extensions that are called critical change what the token means, and none is known here (RFC 7515 section 4.1.11).
    if header.contains_key("crit") {
        return Err(TokenError::Malformed);
    }
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => Algorithm::RS256,
        Some("ES256") => Algorithm::ES256,
        Some(_) | None => return Err(TokenError::Algorithm),
    };
    let key = match header.get("kid") {
        None | Some(Value::Null) => None,
        Some(Value::String(key)) => Some(key.clone()),
        Some(_) => return Err(TokenError::Malformed),
    };
    Ok(Head { algorithm, key })
}

/// The issuer that a token names, to find out whose keys to try; nothing of it is to be believed.
pub(crate) fn claimed_issuer(token: &str) -> Result<String, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::TooLong);
    }
    let claims = token.split('.').nth(1).and_then(object).ok_or(TokenError::Malformed)?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned).ok_or(TokenError::Claim("iss"))
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The key of a set that a token says it is signed with.
pub(crate) fn choose<'a>(keys: &'a [Jwk], head: &Head) -> Option<&'a Jwk> {
    let mut fitting = keys.iter().filter(|key| fits(key, head.algorithm));
    match &head.key {
        Some(id) => fitting.find(|key| key.common.key_id.as_ref() == Some(id)),
        // Without an id only one key can be meant.
        None => fitting.next().filter(|_| fitting.next().is_none()),
    }
}

/// Whether a key is one for this kind of signature: what the token says must never choose what the key is used as.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(parameters), Algorithm::ES256) => parameters.curve == EllipticCurve::P256,
        (_, _) => false,
    };
    let is_said = key.common.key_algorithm.is_none_or(|said| said.to_string() == format!("{algorithm:?}"));
    is_kind && is_said && matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature))
}

/// What a token says whose signature and time were verified.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claims(Map<String, Value>);

/// Verifies signature and time.
pub(crate) fn verify(token: &str, head: &Head, key: &Jwk, now: Timestamp) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(head.algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoding = DecodingKey::from_jwk(key).map_err(|_| TokenError::UnknownKey)?;
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &decoding, &validation).map_err(|error| {
        if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_)) { TokenError::Malformed } else { TokenError::Signature }
    })?;
    let claims = Claims(claims.claims);
    let now = now.as_second();
    if claims.second("exp")?.ok_or(TokenError::Claim("exp"))?.saturating_add(LEEWAY_S) <= now {
        return Err(TokenError::Expired);
    }
    let begins = [claims.second("iat")?.ok_or(TokenError::Claim("iat"))?, claims.second("nbf")?.unwrap_or(i64::MIN)];
    if begins.into_iter().any(|begin| begin.saturating_sub(LEEWAY_S) > now) {
        return Err(TokenError::NotYet);
    }
    Ok(claims)
}

impl Claims {
    /// Whether this issuer made it, to the letter.
    pub(crate) fn expect_issuer(&self, issuer: &str) -> Result<(), TokenError> {
        if self.text("iss") == Some(issuer) { Ok(()) } else { Err(TokenError::Issuer) }
    }

    /// Whom it was made for.
    pub(crate) fn audiences(&self) -> Result<Vec<&str>, TokenError> {
        let wrong = || TokenError::Claim("aud");
        match self.0.get("aud") {
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(many)) if (1..=MAX_AUDIENCES).contains(&many.len()) => {
                many.iter().map(|one| one.as_str().ok_or_else(wrong)).collect()
            }
            Some(_) | None => Err(wrong()),
        }
    }

    /// A text; none where the claim is absent, empty or something else.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Whether a claim says yes, also where a provider writes that as a text.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| *value == Value::Bool(true) || *value == "true")
    }

    /// A number of seconds since the epoch, whole or not.
    fn second(&self, name: &'static str) -> Result<Option<i64>, TokenError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_f64().filter(|number| number.abs() < 1e15).ok_or(TokenError::Claim(name))?;
                #[expect(clippy::cast_possible_truncation, reason = "it is below 10^15, and parts of a second do not matter")]
                Ok(Some(number as i64))
            }
        }
    }
}

#[cfg(test)]
mod tests;
