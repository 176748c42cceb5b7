//! Fields of forms as Stripe reads them, its errors, and its signature.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// The fields of a request; what is left over in the end is unknown.
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    pub(super) fn of(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(super) fn required(&mut self, name: &str) -> Result<String, (StatusCode, Value)> {
        self.take(name).filter(|value| !value.is_empty()).ok_or_else(|| no("parameter_missing", name))
    }

    pub(super) fn one_of(&mut self, name: &str, words: &[&str]) -> Result<(), (StatusCode, Value)> {
        let value = self.required(name)?;
        if words.contains(&value.as_str()) { Ok(()) } else { Err(no("parameter_invalid", name)) }
    }

    pub(super) fn address(&mut self, name: &str) -> Result<String, (StatusCode, Value)> {
        let value = self.required(name)?;
        let is_address = url::Url::parse(&value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if is_address { Ok(value) } else { Err(no("url_invalid", name)) }
    }

    pub(super) fn finish(self) -> Result<(), (StatusCode, Value)> {
        self.0.keys().next().map_or(Ok(()), |name| Err(no("parameter_unknown", name)))
    }
}

impl From<BTreeMap<String, String>> for Fields {
    fn from(fields: BTreeMap<String, String>) -> Self {
        Self(fields)
    }
}

/// An error of the kind that a wrong request gets.
pub(super) fn no(code: &str, param: &str) -> (StatusCode, Value) {
    (StatusCode::BAD_REQUEST, json!({ "error": { "type": "invalid_request_error", "code": code, "param": param } }))
}

/// The header `Stripe-Signature`, with a signature of the old scheme beside the one that counts.
pub(super) fn signature(secret: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={},v0={}", hex::encode(mac.finalize().into_bytes()), "0".repeat(64))
}
