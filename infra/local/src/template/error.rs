//! What can be wrong with a template, by the path of the property.

use std::fmt;

/// Why a template cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The text is not YAML.
    #[error("the template is not valid YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// A part of the template means nothing to this executor.
    #[error("`{path}` {problem}")]
    Unsupported {
        /// Where, such as `Resources.Webhook.Properties.Timeout`.
        path: String,
        /// What, and what would be supported.
        problem: String,
    },
    /// A parameter has no value or a wrong one.
    #[error("parameter `{name}` {problem}")]
    Parameter {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

/// The place of a value in the template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub(super) fn root(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    pub(super) fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(key.to_owned());
        path
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.key(&index.to_string())
    }

    /// An error at this place.
    pub(super) fn error(&self, problem: impl Into<String>) -> TemplateError {
        TemplateError::Unsupported { path: self.to_string(), problem: problem.into() }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
