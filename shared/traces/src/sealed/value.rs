//! Attributes as columns: records with the same names and types share a shape, and every name has a column of its own for each type.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quillon_core::trace::span::{Attributes, Value};

use super::Damaged;
use super::blob::{DigestReader, DigestWriter};
use super::columns::{Numbers, TextReader, TextWriter, Texts};

/// The types of columns; a field of a shape is sixteen times the number of its name, plus one of these.
const TYPES: u32 = 16;
const TEXT: u32 = 0;
const BOOL: u32 = 1;
const INT: u32 = 2;
const DOUBLE: u32 = 3;
const BYTES: u32 = 4;
const TEXTS: u32 = 5;
const NESTED: u32 = 6;
const EMPTY: u32 = 7;
/// A text that is the canonical base64 of what is stored.
const BASE64: u32 = 8;

/// The attribute whose text is worth looking into: a protobuf message in base64, most of the bytes of a call's span.
const CALL: &str = "dagger.io/dag.call";

/// All attributes of a part.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Table {
    #[prost(string, repeated, tag = "1")]
    names: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    shapes: Vec<Shape>,
    #[prost(message, repeated, tag = "3")]
    columns: Vec<Column>,
}

/// The fields of a record.
#[derive(Clone, PartialEq, prost::Message)]
struct Shape {
    #[prost(uint32, repeated, tag = "1")]
    fields: Vec<u32>,
}

/// The values of a field.
#[derive(Clone, PartialEq, prost::Message)]
struct Column {
    #[prost(uint32, tag = "1")]
    field: u32,
    #[prost(message, optional, tag = "2")]
    texts: Option<Texts>,
    /// Numbers, truths, and the lengths of lists.
    #[prost(sint64, repeated, tag = "3")]
    numbers: Vec<i64>,
    #[prost(double, repeated, tag = "4")]
    doubles: Vec<f64>,
    #[prost(message, repeated, tag = "5")]
    nested: Vec<Nested>,
}

/// A value of any form.
#[derive(Clone, PartialEq, prost::Message)]
struct Nested {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6, 7")]
    any: Option<Any>,
}

/// The forms of a value; none is the empty one.
#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sint64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(bytes, tag = "5")]
    Bytes(Vec<u8>),
    #[prost(message, tag = "6")]
    List(NestedList),
    #[prost(message, tag = "7")]
    Map(NestedMap),
}

#[derive(Clone, PartialEq, prost::Message)]
struct NestedList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Nested>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NestedMap {
    #[prost(string, repeated, tag = "1")]
    names: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    values: Vec<Nested>,
}

impl From<&Value> for Nested {
    fn from(value: &Value) -> Self {
        let any = match value {
            Value::Text(text) => Any::Text(text.clone()),
            Value::Bool(truth) => Any::Bool(*truth),
            Value::Int(number) => Any::Int(*number),
            Value::Double(number) => Any::Double(*number),
            Value::Bytes(bytes) => Any::Bytes(bytes.clone()),
            Value::List(values) => Any::List(NestedList { values: values.iter().map(Self::from).collect() }),
            Value::Map(map) => {
                let (names, values) = map.0.iter().map(|(name, value)| (name.clone(), Self::from(value))).unzip();
                Any::Map(NestedMap { names, values })
            }
            Value::Empty => return Self { any: None },
        };
        Self { any: Some(any) }
    }
}

impl From<Nested> for Value {
    fn from(nested: Nested) -> Self {
        match nested.any {
            None => Self::Empty,
            Some(Any::Text(text)) => Self::Text(text),
            Some(Any::Bool(truth)) => Self::Bool(truth),
            Some(Any::Int(number)) => Self::Int(number),
            Some(Any::Double(number)) => Self::Double(number),
            Some(Any::Bytes(bytes)) => Self::Bytes(bytes),
            Some(Any::List(list)) => Self::List(list.values.into_iter().map(Self::from).collect()),
            Some(Any::Map(map)) => Self::Map(Attributes(map.names.into_iter().zip(map.values.into_iter().map(Self::from)).collect())),
        }
    }
}

/// Collects attributes.
#[derive(Debug, Default)]
pub(super) struct TableWriter {
    names: Vec<String>,
    known_names: HashMap<String, u32>,
    shapes: Vec<Shape>,
    known_shapes: HashMap<Vec<u32>, u32>,
    columns: Vec<ColumnWriter>,
    known_columns: HashMap<u32, usize>,
}

#[derive(Debug)]
struct ColumnWriter {
    field: u32,
    texts: TextWriter,
    numbers: Vec<i64>,
    doubles: Vec<f64>,
    nested: Vec<Nested>,
}

impl TableWriter {
    /// Adds the attributes of a record; its shape.
    pub(super) fn attributes(&mut self, attributes: &Attributes) -> u32 {
        let fields = attributes.0.iter().map(|(name, value)| self.value(name, value)).collect();
        self.shape(fields)
    }

    /// Adds a single value; its shape.
    pub(super) fn single(&mut self, value: &Value) -> u32 {
        let field = self.value("", value);
        self.shape(vec![field])
    }

    fn shape(&mut self, fields: Vec<u32>) -> u32 {
        if let Some(known) = self.known_shapes.get(&fields) {
            return *known;
        }
        let number = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
        self.shapes.push(Shape { fields: fields.clone() });
        self.known_shapes.insert(fields, number);
        number
    }

    fn name(&mut self, name: &str) -> u32 {
        if let Some(known) = self.known_names.get(name) {
            return *known;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.known_names.insert(name.to_owned(), number);
        number
    }

    fn value(&mut self, name: &str, value: &Value) -> u32 {
        let first = self.name(name).saturating_mul(TYPES);
        match value {
            Value::Text(text) => {
                if let Some(bytes) = reversible(name, text) {
                    self.column(first + BASE64).texts.push(&bytes);
                    return first + BASE64;
                }
                self.column(first + TEXT).texts.push(text.as_bytes());
                first + TEXT
            }
            Value::Bool(truth) => {
                self.column(first + BOOL).numbers.push(i64::from(*truth));
                first + BOOL
            }
            Value::Int(number) => {
                self.column(first + INT).numbers.push(*number);
                first + INT
            }
            Value::Double(number) => {
                self.column(first + DOUBLE).doubles.push(*number);
                first + DOUBLE
            }
            Value::Bytes(bytes) => {
                self.column(first + BYTES).texts.push(bytes);
                first + BYTES
            }
            Value::List(values) if values.iter().all(|value| value.as_text().is_some()) => {
                let column = self.column(first + TEXTS);
                column.numbers.push(i64::try_from(values.len()).unwrap_or(i64::MAX));
                values.iter().filter_map(Value::as_text).for_each(|text| column.texts.push(text.as_bytes()));
                first + TEXTS
            }
            Value::List(_) | Value::Map(_) => {
                self.column(first + NESTED).nested.push(value.into());
                first + NESTED
            }
            Value::Empty => first + EMPTY,
        }
    }

    fn column(&mut self, field: u32) -> &mut ColumnWriter {
        let next = self.columns.len();
        let position = *self.known_columns.entry(field).or_insert(next);
        if position == next {
            self.columns.push(ColumnWriter { field, texts: TextWriter::default(), numbers: vec![], doubles: vec![], nested: vec![] });
        }
        &mut self.columns[position]
    }

    pub(super) fn finish(self, digests: &mut DigestWriter) -> Table {
        let finish = |column: ColumnWriter| Column {
            field: column.field,
            texts: Some(column.texts.finish(digests)),
            numbers: column.numbers,
            doubles: column.doubles,
            nested: column.nested,
        };
        Table { names: self.names, shapes: self.shapes, columns: self.columns.into_iter().map(finish).collect() }
    }
}

/// The bytes of a call, where its text is exactly what encodes them.
fn reversible(name: &str, text: &str) -> Option<Vec<u8>> {
    if name != CALL {
        return None;
    }
    STANDARD.decode(text).ok().filter(|bytes| STANDARD.encode(bytes) == text)
}

/// Reads attributes, record after record.
#[derive(Debug)]
pub(super) struct TableReader {
    names: Vec<String>,
    shapes: Vec<Shape>,
    columns: HashMap<u32, ColumnReader>,
}

#[derive(Debug)]
struct ColumnReader {
    texts: TextReader,
    numbers: Numbers<i64>,
    doubles: Numbers<f64>,
    nested: Numbers<Nested>,
}

impl TableReader {
    pub(super) fn new(table: Table, digests: &mut DigestReader) -> Result<Self, Damaged> {
        let mut columns = HashMap::with_capacity(table.columns.len());
        for column in table.columns {
            let texts = TextReader::new(column.texts.unwrap_or_default(), digests)?;
            let (numbers, doubles, nested) = (Numbers::new(column.numbers), Numbers::new(column.doubles), Numbers::new(column.nested));
            columns.insert(column.field, ColumnReader { texts, numbers, doubles, nested });
        }
        Ok(Self { names: table.names, shapes: table.shapes, columns })
    }

    /// The attributes of a record of this shape.
    pub(super) fn attributes(&mut self, shape: u32) -> Result<Attributes, Damaged> {
        let Self { names, shapes, columns } = self;
        let shape = shapes.get(shape as usize).ok_or(Damaged("a shape is missing"))?;
        let mut attributes = Vec::with_capacity(shape.fields.len());
        for field in &shape.fields {
            let name = names.get((field / TYPES) as usize).ok_or(Damaged("a name is missing"))?;
            attributes.push((name.clone(), value(columns, *field)?));
        }
        Ok(Attributes(attributes))
    }

    /// The single value of a record of this shape.
    pub(super) fn single(&mut self, shape: u32) -> Result<Value, Damaged> {
        let field = self.shapes.get(shape as usize).and_then(|shape| shape.fields.first()).ok_or(Damaged("a value is missing"))?;
        value(&mut self.columns, *field)
    }
}

fn value(columns: &mut HashMap<u32, ColumnReader>, field: u32) -> Result<Value, Damaged> {
    if field % TYPES == EMPTY {
        return Ok(Value::Empty);
    }
    let column = columns.get_mut(&field).ok_or(Damaged("a column is missing"))?;
    Ok(match field % TYPES {
        TEXT => Value::Text(column.texts.text()?.to_owned()),
        BOOL => Value::Bool(column.numbers.take()? != 0),
        INT => Value::Int(column.numbers.take()?),
        DOUBLE => Value::Double(column.doubles.take()?),
        BYTES => Value::Bytes(column.texts.bytes()?.to_vec()),
        TEXTS => {
            let length = column.numbers.take()?;
            // A length is a claim: nothing is reserved for it.
            let texts = (0..length).map(|_| column.texts.text().map(|text| Value::Text(text.to_owned())));
            Value::List(texts.collect::<Result<_, Damaged>>()?)
        }
        NESTED => column.nested.take()?.into(),
        BASE64 => Value::Text(STANDARD.encode(column.texts.bytes()?)),
        _ => return Err(Damaged("a type is not known")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_as_it_was() {
        let map = Attributes(vec![("b".to_owned(), Value::Empty), ("b".to_owned(), Value::List(vec![Value::Int(1), Value::Empty]))]);
        let records = [
            Attributes(vec![
                ("a".to_owned(), Value::Text("x".to_owned())),
                ("a".to_owned(), Value::Int(i64::MIN)),
                (String::new(), Value::Double(-0.0)),
                ("l".to_owned(), Value::List(vec![])),
                ("l".to_owned(), Value::List(vec![Value::Text("t".to_owned()), Value::Text(String::new())])),
                ("m".to_owned(), Value::Map(map)),
                (CALL.to_owned(), Value::Text("aGVsbG8=".to_owned())),
                (CALL.to_owned(), Value::Text("aGVsbG8".to_owned())),
                (CALL.to_owned(), Value::Text(String::new())),
                ("e".to_owned(), Value::Empty),
                ("y".to_owned(), Value::Bytes(vec![0, 255])),
                ("t".to_owned(), Value::Bool(false)),
            ]),
            Attributes::default(),
            Attributes(vec![("a".to_owned(), Value::Text("y".to_owned())), ("t".to_owned(), Value::Bool(true))]),
        ];
        let mut writer = TableWriter::default();
        let shapes: Vec<u32> = records.iter().chain(&records).map(|record| writer.attributes(record)).collect();
        let single = writer.single(&Value::Empty);
        let mut digests = DigestWriter::default();
        let table = writer.finish(&mut digests);
        assert_eq!(table.shapes.len(), 4);
        let mut reader = TableReader::new(table, &mut DigestReader::new(digests.finish(), 10_000)).expect("a reader");
        for (shape, record) in shapes.iter().zip(records.iter().chain(&records)) {
            assert_eq!(reader.attributes(*shape).as_ref(), Ok(record));
        }
        assert_eq!(reader.single(single), Ok(Value::Empty));
        assert!(reader.attributes(shapes[0]).is_err(), "the columns are used up");
    }
}
