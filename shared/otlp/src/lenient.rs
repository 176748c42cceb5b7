//! JSON read as protobuf's [mapping](https://protobuf.dev/programming-guides/json/) allows it to be written, for a reader that wants it in one
//! spelling only: a writer may leave out empty lists, write `null` for what is not there, and write numbers as texts.

use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value as Json};

/// Reads a message out of JSON in any of its spellings.
pub(crate) fn read<T: DeserializeOwned>(mut json: Json) -> Result<T, Error> {
    spell_out(&mut json);
    T::deserialize(Spelled::Json(json))
}

/// Leaves out what is null, and puts in the lists that were left out.
fn spell_out(json: &mut Json) {
    match json {
        Json::Array(values) => values.iter_mut().for_each(spell_out),
        Json::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            for (name, value) in fields.iter_mut() {
                if let ("arrayValue" | "kvlistValue", Json::Object(list)) = (name.as_str(), &mut *value) {
                    list.entry("values").or_insert_with(|| Json::Array(Vec::new()));
                }
                spell_out(value);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A value, and the numbers that JSON itself has no form for: those are written as texts.
enum Spelled {
    Json(Json),
    Double(f64),
}

impl Spelled {
    /// The value of a field.
    fn of(name: &str, value: Json) -> Self {
        match (name, value) {
            ("doubleValue" | "asDouble", Json::String(text)) => text.parse().map_or(Self::Json(Json::String(text)), Self::Double),
            (_, value) => Self::Json(value),
        }
    }
}

impl IntoDeserializer<'_, Error> for Spelled {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Spelled {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Double(number) => visitor.visit_f64(number),
            Self::Json(Json::Array(values)) => visitor.visit_seq(SeqDeserializer::new(values.into_iter().map(Self::Json))),
            Self::Json(Json::Object(fields)) => {
                let fields = fields.into_iter().map(|(name, value)| {
                    let value = Self::of(&name, value);
                    (name, value)
                });
                visitor.visit_map(MapDeserializer::new(fields))
            }
            Self::Json(value @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_))) => value.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Json(Json::Null) => visitor.visit_none(),
            other @ (Self::Json(_) | Self::Double(_)) => visitor.visit_some(other),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        enum identifier ignored_any
    }
}
