//! The envelope that every stored item has, around its domain value.
//!
//! | attribute | what it is |
//! |---|---|
//! | `pk`, `sk` | the primary key |
//! | `t` | what the item is, a [`Kind`] |
//! | `v` | version of its form, [`VERSION`] |
//! | `nonce` | random, fresh with every write: recognises one's own write, and that an item has changed |
//! | `ttl` | epoch seconds after which the table may delete it, on items that expire |
//! | `body` | the domain value as serde writes it; apart, so that its fields and the envelope never meet. Binary items and the head of a trace have attributes of their own instead |
//! | `gsi1pk`, `gsi1sk`, `gsi2pk`, `gsi2sk`, `due_pk`, `due_at`, `work_pk`, `work_at` | keys of the indexes, where the item is in them |

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use quillon_core::attempt::later;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;
use crate::error::Error;
use crate::keys::{Attributes, Key, number, string, text};

/// The version of the form that this build writes and reads.
const VERSION: &str = "1";

/// The attribute of the domain value.
pub(crate) const BODY: &str = "body";

/// The only partition of the due index.
pub(crate) const DUE: &str = "DUE";

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Run,
    Attempt,
    AttemptPointer,
    CommitRef,
    Ledger,
    Head,
    Delivery,
    Output,
    Org,
    OrgName,
    Installation,
    Repository,
    Token,
    Agent,
    Enrolment,
    RateBudget,
    Cursor,
    Module,
    Audit,
    User,
    Identity,
    Session,
    Member,
    Admins,
    Invite,
    Device,
    UserCode,
    Guesses,
    Login,
    AccessToken,
    RefreshToken,
    CiTrust,
    SeenSources,
    Customer,
    OrgDeletion,
    TraceHead,
    TraceChunk,
    TracePart,
    TraceCard,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Attempt => "attempt",
            Self::AttemptPointer => "attempt_id",
            Self::CommitRef => "ref",
            Self::Ledger => "ledger",
            Self::Head => "head",
            Self::Delivery => "delivery",
            Self::Output => "output",
            Self::Org => "org",
            Self::OrgName => "org_name",
            Self::Installation => "installation",
            Self::Repository => "repository",
            Self::Token => "token",
            Self::Agent => "agent",
            Self::Enrolment => "enrolment",
            Self::RateBudget => "rate_budget",
            Self::Cursor => "cursor",
            Self::Module => "module",
            Self::Audit => "audit",
            Self::User => "user",
            Self::Identity => "identity",
            Self::Session => "session",
            Self::Member => "member",
            Self::Admins => "admins",
            Self::Invite => "invite",
            Self::Device => "device",
            Self::UserCode => "user_code",
            Self::Guesses => "guesses",
            Self::Login => "login",
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
            Self::CiTrust => "ci_trust",
            Self::SeenSources => "seen_sources",
            Self::Customer => "customer",
            Self::OrgDeletion => "org_deletion",
            Self::TraceHead => "trace_head",
            Self::TraceChunk => "trace_chunk",
            Self::TracePart => "trace_part",
            Self::TraceCard => "trace_card",
        }
    }
}

/// In which indexes an item is, and until when it is kept: a pure function of the domain value, one per type.
///
/// Every save replaces the whole item, so an index that is not named here loses it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) gsi1: Option<(String, String)>,
    pub(crate) gsi2: Option<(String, String)>,
    /// Partition and position among the unfinished attempts of an org.
    pub(crate) work: Option<(String, String)>,
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Place {
    /// In no index and for ever.
    pub(crate) fn nowhere() -> Self {
        Self::default()
    }

    /// In the first index.
    pub(crate) fn in_gsi1(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { gsi1: Some((partition.into(), sort.into())), ..Self::default() }
    }

    /// In no index, until a span after `now`.
    pub(crate) fn for_days(now: Timestamp, days: i64) -> Self {
        Self { expires_at: Some(later(now, jiff::SignedDuration::from_hours(24 * days))), ..Self::default() }
    }
}

/// An item that is about to be written; its nonce is added by the write.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) key: Key,
    pub(crate) attributes: Attributes,
}

impl Item {
    /// Wraps a domain value.
    pub(crate) fn new(kind: Kind, key: Key, body: &impl Serialize, place: &Place) -> Result<Self> {
        let body = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(body).map_err(|error| Error::unstorable(&key, error))?;
        let mut attributes = envelope(kind, &key, place);
        attributes.insert(BODY.to_owned(), body);
        Ok(Self { key, attributes })
    }

    /// An item of attributes of its own in place of a body: binary ones, which a body would spell as lists of numbers, and
    /// counters, which a table can add to.
    pub(crate) fn flat(kind: Kind, key: Key, own: Vec<(&'static str, AttributeValue)>, place: &Place) -> Self {
        let mut attributes = envelope(kind, &key, place);
        attributes.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Self { key, attributes }
    }
}

/// What an item is and in which version, as attributes.
pub(crate) fn label(kind: Kind) -> [(&'static str, AttributeValue); 2] {
    [("t", string(kind.word())), ("v", number(VERSION))]
}

fn envelope(kind: Kind, key: &Key, place: &Place) -> Attributes {
    let mut attributes = key.attributes();
    attributes.extend(label(kind).map(|(name, value)| (name.to_owned(), value)));
    if let Some((partition, sort)) = &place.gsi1 {
        attributes.insert("gsi1pk".to_owned(), string(partition));
        attributes.insert("gsi1sk".to_owned(), string(sort));
    }
    if let Some((partition, sort)) = &place.gsi2 {
        attributes.insert("gsi2pk".to_owned(), string(partition));
        attributes.insert("gsi2sk".to_owned(), string(sort));
    }
    if let Some((partition, position)) = &place.work {
        attributes.insert("work_pk".to_owned(), string(partition));
        attributes.insert("work_at".to_owned(), string(position));
    }
    if let Some(due_at) = place.due_at {
        attributes.insert("due_pk".to_owned(), string(DUE));
        attributes.insert("due_at".to_owned(), number(due_at.as_millisecond()));
    }
    if let Some(expires_at) = place.expires_at {
        attributes.insert("ttl".to_owned(), number(expires_at.as_second()));
    }
    attributes
}

/// The key of an item of this kind and version.
pub(crate) fn check(kind: Kind, attributes: &Attributes) -> Result<Key> {
    let key = Key::of(attributes).unwrap_or_else(|| Key::new("?", "?"));
    let found = text(attributes, "t").unwrap_or("nothing");
    if found != kind.word() {
        return Err(Error::corrupt(&key, format!("it is `{found}` where `{}` belongs", kind.word())));
    }
    let version = attributes.get("v").and_then(|value| value.as_n().ok()).map_or("none", String::as_str);
    if version != VERSION {
        return Err(Error::corrupt(&key, format!("its version is {version}, this build reads {VERSION}")));
    }
    Ok(key)
}

/// The domain value of an item.
pub(crate) fn decode<T: DeserializeOwned>(kind: Kind, mut attributes: Attributes) -> Result<T> {
    let key = check(kind, &attributes)?;
    let Some(body) = attributes.remove(BODY) else { return Err(Error::corrupt(&key, "it has no body")) };
    serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(body).map_err(|error| Error::corrupt(&key, error))
}

/// Whether an item has outlived its `ttl`: the table deletes such items only days later.
pub(crate) fn is_expired(attributes: &Attributes, now: Timestamp) -> bool {
    ttl(attributes).is_some_and(|seconds| seconds <= now.as_second())
}

/// Until when an item is kept, epoch seconds; none for one that stays.
pub(crate) fn ttl(attributes: &Attributes) -> Option<i64> {
    attributes.get("ttl").and_then(|value| value.as_n().ok()).and_then(|seconds| seconds.parse().ok())
}

/// The nonce of an item.
pub(crate) fn nonce(attributes: &Attributes) -> Option<&str> {
    text(attributes, "nonce")
}

/// Puts a nonce into an item.
pub(crate) fn sign(attributes: &mut Attributes, nonce: &str) {
    attributes.insert("nonce".to_owned(), AttributeValue::S(nonce.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn another_kind_or_version_is_corrupt_and_names_its_key() {
        let body = BTreeMap::from([("name", "x")]);
        let item = Item::new(Kind::Org, Key::new("O#1", "ORG"), &body, &Place::nowhere()).expect("an item");
        let wrong_kind = decode::<BTreeMap<String, String>>(Kind::Token, item.attributes.clone());
        assert!(matches!(wrong_kind, Err(Error::Corrupt { key, .. }) if key == "O#1 / ORG"));
        let mut newer = item.attributes;
        newer.insert("v".to_owned(), number(2));
        assert!(matches!(decode::<BTreeMap<String, String>>(Kind::Org, newer), Err(Error::Corrupt { .. })));
    }
}
