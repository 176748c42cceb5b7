//! The template as a tree of plain values and intrinsic functions, before anything is known about resources.

use serde_yaml_ng::Value as Yaml;

use super::error::{Path, TemplateError};

/// Intrinsic functions that exist; everything else is an error that lists these.
const INTRINSICS: &str = "Ref, Fn::GetAtt, Fn::Sub, Fn::If, Fn::Equals, Fn::Not, Fn::Or, Fn::And";

/// A value of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A string, number or boolean, as text.
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
    /// `!Ref`
    Ref(String),
    /// `!GetAtt`
    GetAtt {
        resource: String,
        attribute: String,
    },
    /// `!Sub`, with its own variables
    Sub {
        text: Vec<Part>,
        variables: Vec<(String, Node)>,
    },
    /// `!If`
    If {
        condition: String,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    /// `!Equals`
    Equals(Box<Node>, Box<Node>),
    /// `!Not`
    Not(Box<Node>),
    /// `!Or`
    Or(Vec<Node>),
    /// `!And`
    And(Vec<Node>),
    /// `Condition: name` inside a condition
    Condition(String),
}

/// A piece of the text of `!Sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    /// `${Name}`
    Ref(String),
    /// `${Resource.Attribute}`
    GetAtt {
        resource: String,
        attribute: String,
    },
}

impl Node {
    pub(super) fn of_yaml(yaml: &Yaml, path: &Path) -> Result<Self, TemplateError> {
        match yaml {
            Yaml::Null => Err(path.error("is null, which CloudFormation does not allow")),
            Yaml::Bool(flag) => Ok(Self::Text(flag.to_string())),
            Yaml::Number(number) => Ok(Self::Text(number.to_string())),
            Yaml::String(text) => Ok(Self::Text(text.clone())),
            Yaml::Sequence(items) => Ok(Self::List(list(items, path)?)),
            Yaml::Mapping(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = key.as_str().ok_or_else(|| path.error("has a key that is not a string"))?;
                    map.push((key, value));
                }
                if let [(key, value)] = map[..]
                    && (key == "Ref" || key.starts_with("Fn::"))
                {
                    return intrinsic(key.strip_prefix("Fn::").unwrap_or(key), value, path);
                }
                let mut nodes = Vec::with_capacity(map.len());
                for (key, value) in map {
                    nodes.push((key.to_owned(), Self::of_yaml(value, &path.key(key))?));
                }
                Ok(Self::Map(nodes))
            }
            Yaml::Tagged(tagged) => {
                let tag = tagged.tag.to_string();
                intrinsic(tag.trim_start_matches('!'), &tagged.value, path)
            }
        }
    }

    /// Lays `self` over `base`: maps are merged, lists are appended to the base's, anything else replaces it. This is
    /// how SAM applies `Globals`.
    pub(super) fn over(self, base: &Self) -> Self {
        match (self, base) {
            (Self::Map(own), Self::Map(base)) => {
                let mut merged = base.clone();
                for (key, value) in own {
                    match merged.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, slot)) => *slot = value.over(&slot.clone()),
                        None => merged.push((key, value)),
                    }
                }
                Self::Map(merged)
            }
            (Self::List(own), Self::List(base)) => Self::List(base.iter().cloned().chain(own).collect()),
            (own, _) => own,
        }
    }
}

fn list(items: &[Yaml], path: &Path) -> Result<Vec<Node>, TemplateError> {
    items.iter().enumerate().map(|(index, item)| Node::of_yaml(item, &path.index(index))).collect()
}

fn intrinsic(name: &str, value: &Yaml, path: &Path) -> Result<Node, TemplateError> {
    let path = &path.key(&format!("!{name}"));
    let text = || value.as_str().ok_or_else(|| path.error("must be a string"));
    let arguments = |count: usize| match value {
        Yaml::Sequence(items) if items.len() == count => list(items, path),
        _ => Err(path.error(format!("must be a list of {count}"))),
    };
    let several = || match value {
        Yaml::Sequence(items) if (2..=10).contains(&items.len()) => list(items, path),
        _ => Err(path.error("must be a list of 2 to 10 conditions")),
    };
    match name {
        "Ref" => Ok(Node::Ref(text()?.to_owned())),
        "Condition" => Ok(Node::Condition(text()?.to_owned())),
        "GetAtt" => {
            let joined = match value {
                Yaml::Sequence(items) => {
                    let parts: Option<Vec<&str>> = items.iter().map(Yaml::as_str).collect();
                    parts.ok_or_else(|| path.error("must be a list of strings"))?.join(".")
                }
                _ => text()?.to_owned(),
            };
            let (resource, attribute) = joined.split_once('.').ok_or_else(|| path.error("must be `Resource.Attribute`"))?;
            Ok(Node::GetAtt { resource: resource.to_owned(), attribute: attribute.to_owned() })
        }
        "Sub" => match value {
            Yaml::Sequence(items) => {
                let [template, variables] = &items[..] else { return Err(path.error("must be a list of 2")) };
                let template = template.as_str().ok_or_else(|| path.error("must begin with a string"))?;
                let Node::Map(variables) = Node::of_yaml(variables, path)? else {
                    return Err(path.error("must end with a map of variables"));
                };
                Ok(Node::Sub { text: parts(template, path)?, variables })
            }
            _ => Ok(Node::Sub { text: parts(text()?, path)?, variables: Vec::new() }),
        },
        "If" => {
            let [condition, then, otherwise] = &arguments(3)?[..] else { return Err(path.error("must be a list of 3")) };
            let Node::Text(condition) = condition else { return Err(path.error("must begin with a condition's name")) };
            Ok(Node::If { condition: condition.clone(), then: Box::new(then.clone()), otherwise: Box::new(otherwise.clone()) })
        }
        "Equals" => {
            let [left, right] = &arguments(2)?[..] else { return Err(path.error("must be a list of 2")) };
            Ok(Node::Equals(Box::new(left.clone()), Box::new(right.clone())))
        }
        "Not" => {
            let [condition] = &arguments(1)?[..] else { return Err(path.error("must be a list of 1")) };
            Ok(Node::Not(Box::new(condition.clone())))
        }
        "Or" => Ok(Node::Or(several()?)),
        "And" => Ok(Node::And(several()?)),
        _ => Err(path.error(format!("is an intrinsic function that is not supported; supported are {INTRINSICS}"))),
    }
}

/// Splits the text of `!Sub`; `${!literal}` stands for `${literal}`.
fn parts(text: &str, path: &Path) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        literal.push_str(before);
        let (name, tail) = after.split_once('}').ok_or_else(|| path.error("has a `${` that is not closed"))?;
        rest = tail;
        if let Some(escaped) = name.strip_prefix('!') {
            literal.push_str(&format!("${{{escaped}}}"));
            continue;
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        let name = name.trim();
        parts.push(match name.split_once('.') {
            Some((resource, attribute)) => Part::GetAtt { resource: resource.to_owned(), attribute: attribute.to_owned() },
            None => Part::Ref(name.to_owned()),
        });
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}
