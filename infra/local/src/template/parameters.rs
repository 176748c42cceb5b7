//! The values that an operator gives to a template.

use std::collections::BTreeMap;
use std::fmt;

/// Values of parameters by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some of them are private keys, so only names are shown.
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Parameters {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// These and one more that the template puts between the quotes of a JSON string: quotes and line ends are escaped,
    /// as whoever deploys the template has to do by hand.
    #[must_use]
    pub fn with_json_text(self, name: &str, value: &str) -> Self {
        let quoted = serde_json::Value::from(value).to_string();
        let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned();
        self.with(name, inner)
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_is_escaped_for_the_inside_of_a_string() {
        let parameters = Parameters::new().with_json_text("Key", "line\n\"quoted\"");
        assert_eq!(parameters.value("Key"), Some(r#"line\n\"quoted\""#));
    }

    #[test]
    fn values_are_not_printed() {
        let printed = format!("{:?}", Parameters::new().with("Key", "hunter2"));
        assert!(!printed.contains("hunter2"));
    }
}
