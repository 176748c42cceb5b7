//! The messages of `call.proto` in Dagger's sources, with the fields that are rendered.

/// A call.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Call {
    /// The call whose result it is made on.
    #[prost(string, optional, tag = "1")]
    pub receiver_digest: Option<String>,
    /// What it gives back.
    #[prost(message, optional, tag = "2")]
    pub returns: Option<Type>,
    /// What is called.
    #[prost(string, tag = "3")]
    pub field: String,
    /// With what.
    #[prost(message, repeated, tag = "4")]
    pub args: Vec<Argument>,
    /// Which item of a list it is, from 1; 0 for the whole.
    #[prost(int64, tag = "7")]
    pub nth: i64,
    /// Where the field is defined; none for the core API.
    #[prost(message, optional, tag = "8")]
    pub module: Option<Module>,
    /// Its own digest.
    #[prost(string, tag = "9")]
    pub digest: String,
}

/// A module.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Module {
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
}

/// A named value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Argument {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<Literal>,
}

/// A value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Literal {
    /// The value; none for one of a later version.
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub value: Option<Value>,
}

/// The forms of a value.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Value {
    /// The result of the call with this digest.
    #[prost(string, tag = "1")]
    CallDigest(String),
    /// Nothing.
    #[prost(bool, tag = "2")]
    Null(bool),
    /// A truth.
    #[prost(bool, tag = "3")]
    Bool(bool),
    /// A member of an enumeration.
    #[prost(string, tag = "4")]
    Enum(String),
    /// An integer.
    #[prost(int64, tag = "5")]
    Int(i64),
    /// A floating-point number.
    #[prost(double, tag = "6")]
    Float(f64),
    /// A text.
    #[prost(string, tag = "7")]
    String(String),
    /// Values in order.
    #[prost(message, tag = "8")]
    List(List),
    /// Named values.
    #[prost(message, tag = "9")]
    Object(Object),
    /// A text that is known by a digest.
    #[prost(message, tag = "10")]
    DigestedString(DigestedString),
}

/// Values in order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct List {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Literal>,
}

/// Named values.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Object {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Argument>,
}

/// A text that is known by a digest.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DigestedString {
    /// The text.
    #[prost(string, tag = "1")]
    pub value: String,
}

/// A type: a named one, or a list.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Type {
    /// Its name; empty for a list.
    #[prost(string, tag = "1")]
    pub named_type: String,
    /// What a list is of.
    #[prost(message, optional, boxed, tag = "2")]
    pub elem: Option<Box<Type>>,
    /// Whether it is never null.
    #[prost(bool, tag = "3")]
    pub non_null: bool,
}
