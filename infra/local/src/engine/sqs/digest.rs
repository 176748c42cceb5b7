//! MD5 digests as SQS clients verify them.
//!
//! The algorithm over attributes is specified in "SQS message metadata", AWS documentation.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// A message attribute as it is sent and stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute {
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) string_value: Option<String>,
    /// Base64, as on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) binary_value: Option<String>,
}

/// Attributes by name; sorted, because the digest is over the sorted names.
pub(super) type Attributes = BTreeMap<String, Attribute>;

impl Attribute {
    /// The value's bytes, `None` if it has none or is not base64.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.string_value, &self.binary_value) {
            (Some(text), None) => Some(text.as_bytes().to_vec()),
            (None, Some(encoded)) => BASE64.decode(encoded).ok(),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}

/// MD5 of a body, in lower-case hexadecimal.
pub(super) fn of_body(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// MD5 of a set of attributes, `None` for the empty set.
pub(super) fn of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut flat = Vec::new();
    for (name, attribute) in attributes {
        push(&mut flat, name.as_bytes());
        push(&mut flat, attribute.data_type.as_bytes());
        flat.push(if attribute.binary_value.is_some() { 2 } else { 1 });
        push(&mut flat, &attribute.bytes().unwrap_or_default());
    }
    Some(hex::encode(Md5::digest(&flat)))
}

/// Appends `bytes` after their length, as the algorithm wants every field.
fn push(flat: &mut Vec<u8>, bytes: &[u8]) {
    flat.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    flat.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_digest_is_plain_md5() {
        assert_eq!(of_body("hello"), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn no_attributes_have_no_digest() {
        assert_eq!(of_attributes(&Attributes::new()), None);
    }

    #[test]
    fn attribute_digest_covers_name_type_transport_and_value() {
        let text = |value: &str| Attribute { data_type: "String".into(), string_value: Some(value.into()), binary_value: None };
        let one = Attributes::from([("name".to_owned(), text("value"))]);
        let flat = b"\0\0\0\x04name\0\0\0\x06String\x01\0\0\0\x05value";
        assert_eq!(of_attributes(&one), Some(hex::encode(Md5::digest(flat))));
        let other = Attributes::from([("name".to_owned(), text("valuf"))]);
        assert_ne!(of_attributes(&one), of_attributes(&other));
    }
}
