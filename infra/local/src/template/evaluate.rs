//! Evaluates intrinsic functions, once parameters and names of resources are known.

use std::collections::BTreeMap;

use super::error::{Path, TemplateError};
use super::node::{Node, Part};

/// A value without intrinsic functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `AWS::NoValue`: the property is absent.
    Nothing,
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// What a resource answers to `Ref` and `GetAtt`.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) reference: String,
    pub(super) attributes: BTreeMap<&'static str, String>,
}

/// Everything that an intrinsic function can refer to.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) conditions: BTreeMap<String, bool>,
    pub(super) resources: BTreeMap<String, Names>,
}

impl Scope {
    pub(super) fn value(&self, node: &Node, path: &Path) -> Result<Value, TemplateError> {
        match node {
            Node::Text(text) => Ok(Value::Text(text.clone())),
            Node::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    match self.value(item, &path.index(index))? {
                        Value::Nothing => {}
                        value => values.push(value),
                    }
                }
                Ok(Value::List(values))
            }
            Node::Map(entries) => {
                let mut values = Vec::with_capacity(entries.len());
                for (key, item) in entries {
                    match self.value(item, &path.key(key))? {
                        Value::Nothing => {}
                        value => values.push((key.clone(), value)),
                    }
                }
                Ok(Value::Map(values))
            }
            Node::Ref(name) if name == "AWS::NoValue" => Ok(Value::Nothing),
            Node::Ref(name) => Ok(Value::Text(self.reference(name, path)?)),
            Node::GetAtt { resource, attribute } => Ok(Value::Text(self.attribute(resource, attribute, path)?)),
            Node::Sub { text, variables } => Ok(Value::Text(self.substitute(text, variables, path)?)),
            Node::If { condition, then, otherwise } => {
                let branch = if self.named_condition(condition, path)? { then } else { otherwise };
                self.value(branch, path)
            }
            Node::Equals(..) | Node::Not(_) | Node::Or(_) | Node::And(_) | Node::Condition(_) => {
                Err(path.error("is a condition, which is only allowed under `Conditions`"))
            }
        }
    }

    pub(super) fn text(&self, node: &Node, path: &Path) -> Result<String, TemplateError> {
        match self.value(node, path)? {
            Value::Text(text) => Ok(text),
            Value::Nothing | Value::List(_) | Value::Map(_) => Err(path.error("must be a single value")),
        }
    }

    /// Evaluates a node under `Conditions`; conditions may refer to those above them.
    pub(super) fn condition(&self, node: &Node, path: &Path) -> Result<bool, TemplateError> {
        match node {
            Node::Equals(left, right) => Ok(self.text(left, path)? == self.text(right, path)?),
            Node::Not(inner) => Ok(!self.condition(inner, path)?),
            Node::Or(inner) => inner.iter().try_fold(false, |any, node| Ok(any | self.condition(node, path)?)),
            Node::And(inner) => inner.iter().try_fold(true, |all, node| Ok(all & self.condition(node, path)?)),
            Node::Condition(name) => self.named_condition(name, path),
            Node::Map(entries) => match &entries[..] {
                [(key, Node::Text(name))] if key == "Condition" => self.named_condition(name, path),
                _ => Err(path.error("must be a condition")),
            },
            Node::Text(_) | Node::List(_) | Node::Ref(_) | Node::GetAtt { .. } | Node::Sub { .. } | Node::If { .. } => {
                Err(path.error("must be a condition"))
            }
        }
    }

    pub(super) fn named_condition(&self, name: &str, path: &Path) -> Result<bool, TemplateError> {
        let value = self.conditions.get(name).copied();
        value.ok_or_else(|| path.error(format!("names the condition `{name}`, which is not defined above")))
    }

    fn reference(&self, name: &str, path: &Path) -> Result<String, TemplateError> {
        let pseudo = match name {
            "AWS::Region" => Some("us-east-1"),
            "AWS::AccountId" => Some("000000000000"),
            "AWS::Partition" => Some("aws"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::StackName" => Some("quillon"),
            _ => None,
        };
        pseudo
            .map(str::to_owned)
            .or_else(|| self.parameters.get(name).cloned())
            .or_else(|| self.resources.get(name).map(|names| names.reference.clone()))
            .ok_or_else(|| path.error(format!("refers to `{name}`, which is neither a parameter nor a resource")))
    }

    fn attribute(&self, resource: &str, attribute: &str, path: &Path) -> Result<String, TemplateError> {
        let names = self.resources.get(resource);
        let names = names.ok_or_else(|| path.error(format!("refers to `{resource}`, which is not a resource")))?;
        names.attributes.get(attribute).cloned().ok_or_else(|| {
            let known: Vec<_> = names.attributes.keys().copied().collect();
            let known = known.join(", ");
            path.error(format!("asks for `{resource}.{attribute}`, which is not supported; supported are {known}"))
        })
    }

    fn substitute(&self, text: &[Part], variables: &[(String, Node)], path: &Path) -> Result<String, TemplateError> {
        let mut result = String::new();
        for part in text {
            match part {
                Part::Literal(literal) => result.push_str(literal),
                Part::Ref(name) => match variables.iter().find(|(known, _)| known == name) {
                    Some((_, node)) => result.push_str(&self.text(node, path)?),
                    None => result.push_str(&self.reference(name, path)?),
                },
                Part::GetAtt { resource, attribute } => result.push_str(&self.attribute(resource, attribute, path)?),
            }
        }
        Ok(result)
    }
}
