//! The protobuf message `Call` of `dagger.io/dag.call`: which field of the API a span called, on what and with which arguments.
//!
//! [`wire`] has the message as it is sent.

pub mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use quillon_core::trace::call::{Argument, Call, Literal, TypeName};

/// How deep types nest; a deeper one is left out.
const MAX_DEPTH: usize = 16;

/// The call behind the text of a `dagger.io/dag.call` attribute; none where it is not one.
///
/// Nested literals are bounded by prost's limit of recursion, the whole by the limit of an attribute.
#[must_use]
pub fn decode(text: &str) -> Option<Call> {
    let bytes = STANDARD.decode(text).ok()?;
    let call = wire::Call::decode(bytes.as_slice()).ok()?;
    (!call.field.is_empty()).then(|| call_of(call))
}

fn call_of(call: wire::Call) -> Call {
    Call {
        receiver: call.receiver_digest.filter(|digest| !digest.is_empty()),
        returns: call.returns.and_then(|returns| type_of(returns, 0)),
        field: call.field,
        args: arguments_of(call.args),
        nth: call.nth,
        module: call.module.map(|module| module.name).filter(|name| !name.is_empty()),
        digest: call.digest,
    }
}

fn arguments_of(arguments: Vec<wire::Argument>) -> Vec<Argument> {
    arguments.into_iter().map(|argument| Argument { name: argument.name, value: literal_of(argument.value) }).collect()
}

fn literal_of(literal: Option<wire::Literal>) -> Literal {
    match literal.and_then(|literal| literal.value) {
        None | Some(wire::Value::Null(_)) => Literal::Null,
        Some(wire::Value::CallDigest(digest)) => Literal::Call(digest),
        Some(wire::Value::Bool(value)) => Literal::Bool(value),
        Some(wire::Value::Enum(value)) => Literal::Enum(value),
        Some(wire::Value::Int(value)) => Literal::Int(value),
        Some(wire::Value::Float(value)) => Literal::Float(value),
        Some(wire::Value::String(value)) => Literal::Text(value),
        Some(wire::Value::List(list)) => Literal::List(list.values.into_iter().map(|value| literal_of(Some(value))).collect()),
        Some(wire::Value::Object(object)) => Literal::Object(arguments_of(object.values)),
        Some(wire::Value::DigestedString(text)) => Literal::Text(text.value),
    }
}

fn type_of(returns: wire::Type, depth: usize) -> Option<TypeName> {
    match returns.elem {
        Some(elem) if depth < MAX_DEPTH => Some(TypeName::List { of: Box::new(type_of(*elem, depth + 1)?), is_required: returns.non_null }),
        Some(_) => None,
        None if returns.named_type.is_empty() => None,
        None => Some(TypeName::Named { name: returns.named_type, is_required: returns.non_null }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use quillon_core::trace::call::render;
    use wire::Value;

    use super::*;

    fn argument(name: &str, value: Value) -> wire::Argument {
        wire::Argument { name: name.to_owned(), value: Some(wire::Literal { value: Some(value) }) }
    }

    fn text(message: &impl Message) -> String {
        STANDARD.encode(message.encode_to_vec())
    }

    #[test]
    fn a_call_comes_out_of_its_attribute() {
        let texts = ["go", "test"].map(|text| wire::Literal { value: Some(Value::String(text.to_owned())) });
        let call = wire::Call {
            receiver_digest: Some("xxh3:1".to_owned()),
            returns: Some(wire::Type {
                elem: Some(Box::new(wire::Type { named_type: "Container".to_owned(), non_null: true, ..wire::Type::default() })),
                ..wire::Type::default()
            }),
            field: "withExec".to_owned(),
            args: vec![
                argument("args", Value::List(wire::List { values: texts.to_vec() })),
                argument("o", Value::Object(wire::Object { values: vec![argument("n", Value::Int(-7))] })),
                argument("d", Value::DigestedString(wire::DigestedString { value: "x".to_owned() })),
                argument("c", Value::CallDigest("xxh3:2".to_owned())),
                wire::Argument { name: "none".to_owned(), value: None },
            ],
            nth: 3,
            module: Some(wire::Module { name: "go".to_owned() }),
            digest: "xxh3:3".to_owned(),
        };
        let decoded = decode(&text(&call)).expect("a call");
        let named = |name: &str, value| Argument { name: name.to_owned(), value };
        assert_eq!(
            decoded.args,
            [
                named("args", Literal::List(vec![Literal::Text("go".to_owned()), Literal::Text("test".to_owned())])),
                named("o", Literal::Object(vec![named("n", Literal::Int(-7))])),
                named("d", Literal::Text("x".to_owned())),
                named("c", Literal::Call("xxh3:2".to_owned())),
                named("none", Literal::Null),
            ]
        );
        assert_eq!(decoded.returns.map(|returns| returns.to_string()).as_deref(), Some("[Container!]"));
        assert_eq!((decoded.receiver.as_deref(), decoded.field.as_str(), decoded.nth), (Some("xxh3:1"), "withExec", 3));
        assert_eq!((decoded.module.as_deref(), decoded.digest.as_str()), (Some("go"), "xxh3:3"));
    }

    /// Bytes written by hand from the numbers of the schema, so that a wrong number above would show.
    #[test]
    fn the_numbers_are_those_of_the_schema() {
        let bytes = [
            &b"\x0a\x01r"[..],                     // 1 receiverDigest
            b"\x12\x05\x0a\x01T\x18\x01",          // 2 type {1 namedType, 3 nonNull}
            b"\x1a\x01f",                          // 3 field
            b"\x22\x08\x0a\x01a\x12\x03\x3a\x01v", // 4 args {1 name, 2 value {7 string}}
            b"\x38\x02",                           // 7 nth
            b"\x42\x03\x12\x01m",                  // 8 module {2 name}
            b"\x4a\x01d",                          // 9 digest
            b"\x52\x01v",                          // 10 view, left out
        ]
        .concat();
        let decoded = decode(&STANDARD.encode(bytes)).expect("a call");
        let expected = Call {
            receiver: Some("r".to_owned()),
            returns: Some(TypeName::Named { name: "T".to_owned(), is_required: true }),
            field: "f".to_owned(),
            args: vec![Argument { name: "a".to_owned(), value: Literal::Text("v".to_owned()) }],
            nth: 2,
            module: Some("m".to_owned()),
            digest: "d".to_owned(),
        };
        assert_eq!(decoded, expected);
    }

    #[test]
    fn what_is_no_call_is_none() {
        let deep = (0..10_000).fold(vec![0x10, 1], |inner: Vec<u8>, _| {
            let list = [vec![0x0a], varint(inner.len()), inner].concat();
            [vec![0x42], varint(list.len()), list].concat()
        });
        let deep =
            [vec![0x1a, 1, b'f', 0x22], varint(deep.len() + 1 + varint(deep.len()).len()), vec![0x12], varint(deep.len()), deep].concat();
        for text in ["", "AA==", "no base64!", "////", &STANDARD.encode(deep)] {
            assert_eq!(decode(text), None, "{}", text.get(..8).unwrap_or(text));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_call_or_none(bytes in vec(any::<u8>(), 0..200), text in ".{0,100}") {
            prop_assert!(decode(&text).is_none_or(|call| !call.field.is_empty()));
            // A field of its own, so that the rest is looked at as well.
            if let Some(call) = decode(&STANDARD.encode([&b"\x1a\x01f"[..], &bytes].concat())) {
                let rendered = render(&call, |_| Some(&call));
                prop_assert!(rendered.args.iter().all(|argument| argument.short.chars().count() <= 80));
            }
        }
    }

    fn varint(number: usize) -> Vec<u8> {
        let mut bytes = vec![];
        prost::encoding::encode_varint(number as u64, &mut bytes);
        bytes
    }
}
