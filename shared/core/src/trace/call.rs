//! The API call of a span, as people write it, and why it was or was not cached.
//!
//! A call comes as the protobuf message `Call` in `dagger.io/dag.call`, which `quillon_otlp::call` decodes. Calls name each other
//! by digest; the calls of all spans of a trace together are its graph, so rendering one asks for others by digest.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::span::Attributes;
use crate::text::shorten;

/// Longest short text of an argument, in characters.
const SHORT: usize = 80;

/// Longest full text of an argument, in bytes.
const FULL: usize = 16 << 10;

/// Most arguments that are rendered.
const MAX_ARGS: usize = 64;

/// How deep lists and objects are rendered.
const MAX_DEPTH: usize = 16;

/// Longest name of a field, an argument or a type, in characters.
const MAX_NAME: usize = 100;

/// What stands for a secret.
const MASK: &str = "***";

/// A call of a field of the API.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// The call whose result it was made on; none at the root of the API.
    pub receiver: Option<String>,
    /// The type of its result.
    pub returns: Option<TypeName>,
    /// The field.
    pub field: String,
    /// The arguments that were passed.
    pub args: Vec<Argument>,
    /// Which element of the list that the field returns, from 1; 0 for the whole result.
    pub nth: i64,
    /// The module that the field belongs to, by name.
    pub module: Option<String>,
    /// Its digest.
    pub digest: String,
}

/// A named value.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Literal,
}

/// A value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// The result of another call, by digest.
    Call(String),
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A value of an enum.
    Enum(String),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Literal>),
    /// An object.
    Object(Vec<Argument>),
}

/// A type of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeName {
    /// By its name.
    Named {
        /// The name.
        name: String,
        /// Whether it is never null.
        is_required: bool,
    },
    /// A list.
    List {
        /// Of what.
        of: Box<TypeName>,
        /// Whether it is never null.
        is_required: bool,
    },
}

impl TypeName {
    /// The name of the type itself or of the innermost element.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Named { name, .. } => name,
            Self::List { of, .. } => of.name(),
        }
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bang = |is_required: &bool| if *is_required { "!" } else { "" };
        match self {
            Self::Named { name, is_required } => write!(formatter, "{}{}", shorten(name, MAX_NAME), bang(is_required)),
            Self::List { of, is_required } => write!(formatter, "[{of}]{}", bang(is_required)),
        }
    }
}

/// A call in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallText {
    /// What it was made on, such as `container`; none at the root of the API.
    pub receiver: Option<String>,
    /// The field, with the number of the element where it is one of a list: `items[2]`.
    pub field: String,
    /// The arguments.
    pub args: Vec<ArgumentText>,
    /// The type of its result, as GraphQL writes it.
    pub returns: Option<String>,
}

/// An argument in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentText {
    /// Its name.
    pub name: String,
    /// Its value, at most 80 characters.
    pub short: String,
    /// Its value, at most 16 KiB.
    pub full: String,
}

impl CallText {
    /// The call in one line: `container.withExec(args: ["go", "test"])`.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::new();
        if let Some(receiver) = &self.receiver {
            line.push_str(receiver);
            line.push('.');
        }
        line.push_str(&self.field);
        for (number, argument) in self.args.iter().enumerate() {
            line.push_str(if number == 0 { "(" } else { ", " });
            line.push_str(&argument.name);
            line.push_str(": ");
            line.push_str(&argument.short);
        }
        if !self.args.is_empty() {
            line.push(')');
        }
        line
    }
}

/// A call in words. `find` gives the call of a digest, where the trace has it.
///
/// The plaintext of a secret is never rendered.
#[must_use]
pub fn render<'a>(call: &Call, find: impl Fn(&str) -> Option<&'a Call>) -> CallText {
    let args = call.args.iter().take(MAX_ARGS).map(|argument| {
        let full = if is_secret(call, argument) { MASK.to_owned() } else { full(&argument.value, &find) };
        ArgumentText { name: shorten(&argument.name, MAX_NAME), short: shorten(&full, SHORT), full }
    });
    let receiver = call.receiver.as_deref().filter(|digest| !digest.is_empty()).map(|digest| receiver(digest, &find));
    let mut field = shorten(&call.field, MAX_NAME);
    if call.nth > 0 {
        // A `String` takes any text.
        let _ = write!(field, "[{}]", call.nth);
    }
    CallText { receiver, field, args: args.collect(), returns: call.returns.as_ref().map(ToString::to_string) }
}

/// Whether an argument is the plaintext of a secret: of `setSecret`, or of a field of a module that names it the same.
fn is_secret(call: &Call, argument: &Argument) -> bool {
    let is_text = !matches!(argument.value, Literal::Call(_) | Literal::Null);
    is_text && (argument.name.eq_ignore_ascii_case("plaintext") || call.field == "setSecret" && argument.name != "name")
}

fn receiver<'a>(digest: &str, find: &impl Fn(&str) -> Option<&'a Call>) -> String {
    let Some(call) = find(digest) else { return short_digest(digest) };
    call.returns.as_ref().map_or_else(|| shorten(&call.field, MAX_NAME), |returns| lower_first(returns.name()))
}

/// The result of another call as an argument: the field that made it, and its type where that says more.
fn reference<'a>(digest: &str, find: &impl Fn(&str) -> Option<&'a Call>) -> String {
    let Some(call) = find(digest) else { return short_digest(digest) };
    let field = shorten(&call.field, MAX_NAME);
    let args = if call.args.is_empty() { "" } else { "(…)" };
    match &call.returns {
        Some(returns) if !returns.name().eq_ignore_ascii_case(&field) => {
            format!("{}: {field}{args}", shorten(returns.name(), MAX_NAME))
        }
        Some(_) | None => format!("{field}{args}"),
    }
}

/// A digest as people recognise it: without its algorithm, twelve characters.
fn short_digest(digest: &str) -> String {
    let bare = digest.split_once(':').map_or(digest, |(_, bare)| bare);
    format!("@{}", bare.chars().filter(char::is_ascii_alphanumeric).take(12).collect::<String>())
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    shorten(&first.into_iter().chain(characters).collect::<String>(), MAX_NAME)
}

fn full<'a>(value: &Literal, find: &impl Fn(&str) -> Option<&'a Call>) -> String {
    let mut text = Bounded(String::new());
    // Refuses what is too much, which ends the walk; what was written until then counts.
    let is_cut = write_literal(&mut text, value, find, 0).is_err();
    if is_cut {
        text.0.push('…');
    }
    text.0
}

/// A text that takes no more than [`FULL`] bytes.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = FULL.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

fn write_literal<'a>(out: &mut Bounded, value: &Literal, find: &impl Fn(&str) -> Option<&'a Call>, depth: usize) -> fmt::Result {
    if depth > MAX_DEPTH {
        return out.write_str("…");
    }
    match value {
        Literal::Call(digest) => out.write_str(&reference(digest, find)),
        Literal::Null => out.write_str("null"),
        Literal::Bool(value) => write!(out, "{value}"),
        Literal::Enum(value) => out.write_str(&shorten(value, MAX_NAME)),
        Literal::Int(value) => write!(out, "{value}"),
        Literal::Float(value) => write!(out, "{value}"),
        Literal::Text(text) => write_text(out, text),
        Literal::List(values) => {
            out.write_char('[')?;
            for (number, value) in values.iter().enumerate() {
                out.write_str(if number == 0 { "" } else { ", " })?;
                write_literal(out, value, find, depth + 1)?;
            }
            out.write_char(']')
        }
        Literal::Object(fields) => {
            out.write_char('{')?;
            for (number, field) in fields.iter().enumerate() {
                write!(out, "{}{}: ", if number == 0 { "" } else { ", " }, shorten(&field.name, MAX_NAME))?;
                write_literal(out, &field.value, find, depth + 1)?;
            }
            out.write_char('}')
        }
    }
}

/// A text in quotes, escaped as GraphQL does.
fn write_text(out: &mut Bounded, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            other if other.is_control() => write!(out, "\\u{:04x}", u32::from(other))?,
            other => out.write_char(other)?,
        }
    }
    out.write_char('"')
}

/// What the cache did for a call, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheFact {
    /// What it did.
    pub outcome: CacheOutcome,
    /// Why, in words.
    pub reason: String,
}

/// What the cache did for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheOutcome {
    /// Its result was there.
    Hit,
    /// It was executed.
    Executed,
    /// The same call was running already and its result was taken.
    Joined,
    /// It is never cached.
    Uncached,
}

impl CacheOutcome {
    /// The word on a badge.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hit => "cached",
            Self::Executed => "executed",
            Self::Joined => "joined",
            Self::Uncached => "not cacheable",
        }
    }
}

/// What a call's attributes say about the cache; none without `dagger.io/cache.contract` 1, which promises what they mean.
#[must_use]
pub fn cache(of: &Attributes) -> Option<CacheFact> {
    if of.text("dagger.io/cache.contract") != Some("1") {
        return None;
    }
    let (outcome, reason) = match of.text("dagger.io/cache.outcome")? {
        "hit" => (CacheOutcome::Hit, hit_reason(of).to_owned()),
        "executed" => (CacheOutcome::Executed, miss_reason(of)),
        "joined" => (CacheOutcome::Joined, "the same call was already running".to_owned()),
        "uncached" => (CacheOutcome::Uncached, "its result is never cached".to_owned()),
        _ => return None,
    };
    Some(CacheFact { outcome, reason })
}

fn hit_reason(of: &Attributes) -> &'static str {
    match of.text("dagger.io/cache.hit.route") {
        Some("recipe") => "the same call was known",
        Some("digest") => "a call with the same content was known",
        Some("structural") => "the same operation on equal inputs was known",
        Some(_) | None => "its result was known",
    }
}

fn miss_reason(of: &Attributes) -> String {
    let is_said = |name: &str| of.text(name) == Some("true") || of.is_true(name);
    let unknown = of.text("dagger.io/cache.miss.unknown_input").and_then(|input| input.parse::<u32>().ok());
    let reasons: Vec<String> = [
        unknown.map(|input| format!("input {input} was not known")),
        is_said("dagger.io/cache.miss.saw_expired").then(|| "an expired entry was seen".to_owned()),
        is_said("dagger.io/cache.miss.incompatible_candidates").then(|| "candidates were incompatible".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if reasons.is_empty() { "no entry was known".to_owned() } else { reasons.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::span::Value;

    fn named(name: &str) -> Option<TypeName> {
        Some(TypeName::Named { name: name.to_owned(), is_required: true })
    }

    fn argument(name: &str, value: Literal) -> Argument {
        Argument { name: name.to_owned(), value }
    }

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    fn from() -> Call {
        Call {
            returns: named("Container"),
            field: "from".to_owned(),
            args: vec![argument("address", text("alpine"))],
            digest: "xxh3:1".to_owned(),
            ..Call::default()
        }
    }

    fn line(call: &Call) -> String {
        let known = from();
        render(call, |digest| (digest == known.digest).then_some(&known)).line()
    }

    #[test]
    fn a_call_reads_as_it_is_written() {
        let exec = Call {
            receiver: Some("xxh3:1".to_owned()),
            returns: named("Container"),
            field: "withExec".to_owned(),
            args: vec![
                argument("args", Literal::List(vec![text("sh"), text("-c"), text("echo \"hi\"\n")])),
                argument("expect", Literal::Enum("ANY".to_owned())),
                argument("insecure", Literal::Bool(false)),
                argument("limit", Literal::Object(vec![argument("cpu", Literal::Float(1.5)), argument("memory", Literal::Int(-1))])),
                argument("from", Literal::Call("xxh3:1".to_owned())),
                argument("cache", Literal::Call("xxh3:0123456789abcdef".to_owned())),
                argument("stdin", Literal::Null),
            ],
            ..Call::default()
        };
        let expected = r#"container.withExec(args: ["sh", "-c", "echo \"hi\"\n"], expect: ANY, insecure: false, limit: {cpu: 1.5, memory: -1}, from: Container: from(…), cache: @0123456789ab, stdin: null)"#;
        assert_eq!(line(&exec), expected);
        assert_eq!(line(&from()), r#"from(address: "alpine")"#);
        let element = Call { receiver: Some("unknown".to_owned()), field: "items".to_owned(), nth: 2, ..Call::default() };
        assert_eq!(line(&element), "@unknown.items[2]");
        let list = TypeName::List { of: Box::new(TypeName::Named { name: "File".to_owned(), is_required: true }), is_required: false };
        assert_eq!((list.to_string(), list.name()), ("[File!]".to_owned(), "File"));
    }

    #[test]
    fn plaintext_is_never_rendered() {
        let secret = "hunter2";
        let set = Call {
            field: "setSecret".to_owned(),
            args: vec![argument("name", text("token")), argument("plaintext", text(secret))],
            ..Call::default()
        };
        assert_eq!(line(&set), r#"setSecret(name: "token", plaintext: ***)"#);
        for (field, name, value) in [
            ("setSecret", "value", text(secret)),
            ("setSecret", "plaintext", Literal::List(vec![text(secret)])),
            ("mySecret", "plainText", text(secret)),
        ] {
            let call = Call { field: field.to_owned(), args: vec![argument(name, value)], ..Call::default() };
            let rendered = render(&call, |_| None);
            assert!(!format!("{rendered:?}").contains(secret), "{field} {name}");
        }
    }

    #[test]
    fn long_arguments_are_short_in_the_line_and_bounded_in_full() {
        let call = |value| Call { field: "f".to_owned(), args: vec![argument("a", value)], ..Call::default() };
        let long = render(&call(text(&"é".repeat(1_000))), |_| None);
        assert_eq!((long.args[0].short.chars().count(), long.args[0].full.chars().count()), (SHORT, 1_002));
        let huge = render(&call(Literal::List(vec![text(&"é".repeat(100)); 10_000])), |_| None);
        assert!(huge.args[0].full.len() <= FULL + '…'.len_utf8() && huge.args[0].full.ends_with('…'));
        let deep = (0..200).fold(Literal::Null, |inner, _| Literal::List(vec![inner]));
        assert_eq!(render(&call(deep), |_| None).args[0].full, format!("{}…{}", "[".repeat(17), "]".repeat(17)));
        let many = Call { args: vec![argument("a", Literal::Null); 1_000], ..call(Literal::Null) };
        assert_eq!(render(&many, |_| None).args.len(), MAX_ARGS);
    }

    #[test]
    fn the_cache_explains_itself_under_its_contract_only() {
        let said = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (format!("dagger.io/cache.{name}"), Value::Text((*value).to_owned())));
            cache(&Attributes(pairs.collect())).map(|fact| format!("{}: {}", fact.outcome.word(), fact.reason))
        };
        let contract = ("contract", "1");
        for (pairs, expected) in [
            (vec![("outcome", "hit")], None),
            (vec![("contract", "2"), ("outcome", "hit")], None),
            (vec![contract, ("outcome", "new")], None),
            (vec![contract], None),
            (vec![contract, ("outcome", "hit"), ("hit.route", "structural")], Some("cached: the same operation on equal inputs was known")),
            (vec![contract, ("outcome", "hit"), ("hit.route", "recipe")], Some("cached: the same call was known")),
            (vec![contract, ("outcome", "hit"), ("hit.route", "digest")], Some("cached: a call with the same content was known")),
            (vec![contract, ("outcome", "hit")], Some("cached: its result was known")),
            (vec![contract, ("outcome", "joined")], Some("joined: the same call was already running")),
            (vec![contract, ("outcome", "uncached")], Some("not cacheable: its result is never cached")),
            (vec![contract, ("outcome", "executed")], Some("executed: no entry was known")),
            (vec![contract, ("outcome", "executed"), ("miss.unknown_input", "<b>")], Some("executed: no entry was known")),
            (
                vec![
                    contract,
                    ("outcome", "executed"),
                    ("miss.unknown_input", "2"),
                    ("miss.saw_expired", "true"),
                    ("miss.incompatible_candidates", "true"),
                ],
                Some("executed: input 2 was not known, an expired entry was seen, candidates were incompatible"),
            ),
        ] {
            assert_eq!(said(&pairs).as_deref(), expected, "{pairs:?}");
        }
    }
}
