//! Values that must never be printed: keys, tokens, webhook secrets.

use std::fmt;

use serde::Deserialize;

/// A secret value: `Debug` prints `***`, there is no `Display` and no `Serialize`.
///
/// Reading it is spelled [`Sensitive::expose`], so that every use can be found by a search.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a secret value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that has to hand it on.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars() {
        assert_eq!(format!("{:?}", Sensitive::new("hunter2")), "***");
    }
}
