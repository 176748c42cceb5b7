//! Attributes and values within limits, copied from wire to wire.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message as _;

use crate::Limits;
use crate::wire::{Content, Fields, Malformed, cut, put_bytes, put_varint};

/// The attribute whose base64 text is stored as the bytes that it stands for: the digests in it then repeat those of other attributes.
const DAG_CALL: &str = "dagger.io/dag.call";

/// Marks a value that is stored as the bytes of its base64 text. The field (`key_strindex`) is for profiles; in all other signals
/// receivers must not read it, so that it is free here once what a sender put there is gone.
pub(crate) const IS_BASE64: i32 = 1;

/// Says that something of a record was cut.
pub(crate) const TRUNCATED: &str = "quillon.truncated";

/// What was found in a value.
#[derive(Debug, Default)]
struct Facts {
    values: usize,
    longest: usize,
    /// Too deep or too many: not looked at to its end.
    is_unreadable: bool,
    /// Has an index into a table that only profiles have.
    has_index: bool,
}

/// What was found in an attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) key: &'a str,
    /// The fields of its value, the last one if there are several.
    value: &'a [u8],
}

impl Seen<'_> {
    /// Whether the value is `true`; not for what is no bool.
    pub(crate) fn is_true(&self) -> bool {
        let mut fields = Fields(self.value);
        let mut is_true = false;
        while let Ok(Some(field)) = fields.next() {
            is_true = field.number == 2 && field.content == Content::Varint(1);
        }
        is_true
    }

    /// The text, when the value is one and nothing else.
    fn text(&self) -> Option<&str> {
        let mut fields = Fields(self.value);
        match (fields.next(), fields.next()) {
            (Ok(Some(field)), Ok(None)) if field.number == 1 => field.content.text().ok(),
            _ => None,
        }
    }
}

/// Copies attributes and values as far as the limits let them.
#[derive(Debug)]
pub(crate) struct Sieve<'l> {
    pub(crate) limits: &'l Limits,
    /// Whether something was cut since this was last reset.
    pub(crate) has_cut: bool,
}

/// The attributes of one thing: how many were kept and left out.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kept: usize,
    pub(crate) dropped: u32,
    most: usize,
}

impl Tally {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: 0, dropped: 0, most }
    }

    /// Takes in what the sender itself has left out.
    pub(crate) fn sender_dropped(&mut self, count: u64) {
        self.dropped = self.dropped.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Whether one more is kept; it is counted either way.
    pub(crate) fn take_room(&mut self) -> bool {
        let has_room = self.kept < self.most;
        if has_room {
            self.kept += 1;
        } else {
            self.drop_one();
        }
        has_room
    }

    fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }
}

impl<'l> Sieve<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { limits, has_cut: false }
    }

    /// Copies one attribute as field `number`; says what it was when it was looked at.
    pub(crate) fn attribute<'a>(
        &mut self,
        out: &mut Vec<u8>,
        number: u32,
        bytes: &'a [u8],
        tally: &mut Tally,
    ) -> Result<Option<Seen<'a>>, Malformed> {
        if tally.kept >= tally.most {
            tally.drop_one();
            return Ok(None);
        }
        let mut facts = Facts::default();
        let (seen, is_plain) = self.look_at_attribute(bytes, 1, &mut facts)?;
        if facts.is_unreadable || seen.key.len() > self.limits.name || bytes.len() > self.limits.record * 4 {
            tally.drop_one();
            return Ok(Some(seen));
        }
        tally.kept += 1;
        if facts.longest > self.limits.text || facts.has_index {
            self.edit(out, number, bytes)?;
        } else if is_plain
            && seen.key == DAG_CALL
            && let Some(raw) = seen.text().and_then(|text| STANDARD.decode(text).ok())
        {
            put_base64(out, number, seen.key, &raw);
        } else {
            put_bytes(out, number, bytes);
        }
        Ok(Some(seen))
    }

    /// Copies the body of a log record as field `number`.
    pub(crate) fn body(&mut self, out: &mut Vec<u8>, number: u32, bytes: &[u8]) -> Result<(), Malformed> {
        let mut facts = Facts::default();
        self.look_at_value(bytes, 1, &mut facts)?;
        if facts.is_unreadable || bytes.len() > self.limits.record * 16 {
            self.has_cut = true;
        } else if facts.longest > self.limits.log_body || facts.has_index {
            let mut value = AnyValue::decode(bytes).map_err(|_| Malformed("the body of a log record cannot be read"))?;
            self.cut_value(&mut value, self.limits.log_body);
            put_bytes(out, number, &value.encode_to_vec());
        } else {
            put_bytes(out, number, bytes);
        }
        Ok(())
    }

    /// Copies a text as field `number`, cut to `most` bytes.
    pub(crate) fn text(&mut self, out: &mut Vec<u8>, number: u32, content: Content<'_>, most: usize) -> Result<(), Malformed> {
        let text = content.text()?;
        let kept = cut(text, most);
        self.has_cut |= kept.len() < text.len();
        put_bytes(out, number, kept.as_bytes());
        Ok(())
    }

    /// Says in the record that something of it was cut.
    pub(crate) fn put_cut_mark(&mut self, out: &mut Vec<u8>, number: u32) {
        if std::mem::take(&mut self.has_cut) {
            let value = Some(AnyValue { value: Some(any_value::Value::BoolValue(true)) });
            put_bytes(out, number, &KeyValue { key: TRUNCATED.to_owned(), value, key_strindex: 0 }.encode_to_vec());
        }
    }

    /// Copies an attribute whose texts are too long, or that has an index. Its values are few, so it can be built.
    fn edit(&mut self, out: &mut Vec<u8>, number: u32, bytes: &[u8]) -> Result<(), Malformed> {
        let mut attribute = KeyValue::decode(bytes).map_err(|_| Malformed("an attribute cannot be read"))?;
        attribute.key_strindex = 0;
        if let Some(value) = &mut attribute.value {
            self.cut_value(value, self.limits.text);
        }
        put_bytes(out, number, &attribute.encode_to_vec());
        Ok(())
    }

    fn cut_value(&mut self, value: &mut AnyValue, most: usize) {
        match &mut value.value {
            Some(any_value::Value::StringValue(text)) if text.len() > most => {
                text.truncate(cut(text, most).len());
                self.has_cut = true;
            }
            Some(any_value::Value::BytesValue(bytes)) if bytes.len() > most => {
                bytes.truncate(most);
                self.has_cut = true;
            }
            Some(any_value::Value::ArrayValue(list)) => list.values.iter_mut().for_each(|value| self.cut_value(value, most)),
            Some(any_value::Value::KvlistValue(map)) => {
                for entry in &mut map.values {
                    entry.key_strindex = 0;
                    if let Some(value) = &mut entry.value {
                        self.cut_value(value, most);
                    }
                }
            }
            Some(any_value::Value::StringValueStrindex(_)) => value.value = None,
            Some(
                any_value::Value::StringValue(_)
                | any_value::Value::BytesValue(_)
                | any_value::Value::BoolValue(_)
                | any_value::Value::IntValue(_)
                | any_value::Value::DoubleValue(_),
            )
            | None => {}
        }
    }

    /// Checks an attribute; says whether it is one key with one value and nothing else.
    fn look_at_attribute<'a>(&self, bytes: &'a [u8], depth: usize, facts: &mut Facts) -> Result<(Seen<'a>, bool), Malformed> {
        let (mut key, mut value, mut count) = ("", &[][..], 0);
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            count += 1;
            match field.number {
                1 => key = field.content.text()?,
                2 => {
                    value = field.content.bytes()?;
                    self.look_at_value(value, depth, facts)?;
                }
                3 => {
                    field.content.varint()?;
                    facts.has_index = true;
                }
                _ => {}
            }
        }
        Ok((Seen { key, value }, count == 2))
    }

    fn look_at_value(&self, bytes: &[u8], depth: usize, facts: &mut Facts) -> Result<(), Malformed> {
        facts.values += 1;
        if depth > self.limits.depth || facts.values > self.limits.values {
            facts.is_unreadable = true;
        }
        if facts.is_unreadable {
            return Ok(());
        }
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => facts.longest = facts.longest.max(field.content.text()?.len()),
                2 | 3 => drop(field.content.varint()?),
                4 => drop(field.content.fixed64()?),
                5 | 6 => self.look_at_list(field.content.bytes()?, field.number == 6, depth + 1, facts)?,
                7 => facts.longest = facts.longest.max(field.content.bytes()?.len()),
                8 => {
                    field.content.varint()?;
                    facts.has_index = true;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn look_at_list(&self, bytes: &[u8], is_map: bool, depth: usize, facts: &mut Facts) -> Result<(), Malformed> {
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            if facts.is_unreadable {
                return Ok(());
            }
            match (field.number, is_map) {
                (1, false) => self.look_at_value(field.content.bytes()?, depth, facts)?,
                (1, true) => {
                    // An entry without a value is one all the same.
                    facts.values += 1;
                    self.look_at_attribute(field.content.bytes()?, depth, facts)?;
                    facts.is_unreadable |= facts.values > self.limits.values;
                }
                (_, _) => {}
            }
        }
        Ok(())
    }
}

/// Writes an attribute whose text is base64 as the bytes that it stands for.
///
/// The decoder takes the canonical spelling only, so that encoding gives the same text again.
fn put_base64(out: &mut Vec<u8>, number: u32, key: &str, raw: &[u8]) {
    let mut value = Vec::with_capacity(raw.len() + 8);
    put_bytes(&mut value, 7, raw);
    let mut attribute = Vec::with_capacity(value.len() + key.len() + 12);
    put_bytes(&mut attribute, 1, key.as_bytes());
    put_bytes(&mut attribute, 2, &value);
    put_varint(&mut attribute, 3, IS_BASE64 as u64);
    put_bytes(out, number, &attribute);
}
