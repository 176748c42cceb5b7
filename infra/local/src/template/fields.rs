//! Reads maps whose keys are a closed list: what is not read is an error.

use super::error::{Path, TemplateError};
use super::evaluate::Value;

/// The properties of one map, taken out one by one.
#[derive(Debug)]
pub(super) struct Fields {
    path: Path,
    left: Vec<(String, Value)>,
    taken: Vec<String>,
}

impl Fields {
    pub(super) fn of(value: Value, path: &Path) -> Result<Self, TemplateError> {
        match value {
            Value::Map(left) => Ok(Self { path: path.clone(), left, taken: Vec::new() }),
            Value::Nothing => Ok(Self { path: path.clone(), left: Vec::new(), taken: Vec::new() }),
            Value::Text(_) | Value::List(_) => Err(path.error("must be a map")),
        }
    }

    pub(super) fn path(&self, key: &str) -> Path {
        self.path.key(key)
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.taken.push(key.to_owned());
        let index = self.left.iter().position(|(known, _)| known == key)?;
        Some(self.left.remove(index).1)
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, TemplateError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Nothing | Value::List(_) | Value::Map(_)) => Err(self.path(key).error("must be a single value")),
        }
    }

    pub(super) fn require(&mut self, key: &str) -> Result<String, TemplateError> {
        let path = self.path(key);
        self.text(key)?.ok_or_else(|| path.error("is missing"))
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<u32>, TemplateError> {
        let path = self.path(key);
        let number = |text: String| text.parse().map_err(|_| path.error("must be a whole number"));
        self.text(key)?.map(number).transpose()
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, TemplateError> {
        let path = self.path(key);
        let flag = |text: String| text.parse().map_err(|_| path.error("must be true or false"));
        self.text(key)?.map(flag).transpose()
    }

    pub(super) fn list(&mut self, key: &str) -> Result<Vec<(Path, Value)>, TemplateError> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::List(items)) => {
                let path = self.path(key);
                Ok(items.into_iter().enumerate().map(|(index, item)| (path.index(index), item)).collect())
            }
            Some(Value::Nothing | Value::Text(_) | Value::Map(_)) => Err(self.path(key).error("must be a list")),
        }
    }

    /// A list of strings; a single string counts as a list of one, as in policies.
    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, TemplateError> {
        let path = self.path(key);
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Text(text)) => Ok(vec![text]),
            Some(Value::List(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::Text(text) => Ok(text),
                    Value::Nothing | Value::List(_) | Value::Map(_) => Err(path.error("must be a list of strings")),
                })
                .collect(),
            Some(Value::Nothing | Value::Map(_)) => Err(path.error("must be a list of strings")),
        }
    }

    pub(super) fn map(&mut self, key: &str) -> Result<Self, TemplateError> {
        let path = self.path(key);
        Self::of(self.take(key).unwrap_or(Value::Nothing), &path)
    }

    pub(super) fn texts_by_name(&mut self, key: &str) -> Result<Vec<(String, String)>, TemplateError> {
        let inner = self.map(key)?;
        inner
            .left
            .into_iter()
            .map(|(name, value)| match value {
                Value::Text(text) => Ok((name, text)),
                Value::Nothing | Value::List(_) | Value::Map(_) => Err(inner.path.key(&name).error("must be a single value")),
            })
            .collect()
    }

    /// Everything that is left, for maps whose keys are names.
    pub(super) fn rest(self) -> Vec<(String, Path, Value)> {
        let path = self.path;
        self.left.into_iter().map(|(name, value)| (name.clone(), path.key(&name), value)).collect()
    }

    /// Ends the reading: properties that mean nothing locally are dropped, any other is an error.
    pub(super) fn finish(self, meaningless: &[&str]) -> Result<(), TemplateError> {
        match self.left.iter().find(|(key, _)| !meaningless.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) => {
                let known: Vec<_> = self.taken.iter().map(String::as_str).chain(meaningless.iter().copied()).collect();
                let known = known.join(", ");
                Err(self.path.key(key).error(format!("is a property that is not supported; supported are {known}")))
            }
        }
    }
}
