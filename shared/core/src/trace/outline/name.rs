//! Names of spans, each kept once.

use std::collections::HashMap;
use std::sync::Arc;

/// Most bytes of all different names of a trace; a further name is shown as [`LEFT_OUT`].
const MAX_BYTES: usize = 64 << 20;

/// What stands for the names that are too many.
const LEFT_OUT: &str = "…";

/// A name of a span, within one outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub u32);

/// The different names of an outline.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    texts: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    bytes: usize,
}

impl Names {
    /// The id of a name, which is kept if it is new.
    pub(super) fn id(&mut self, name: &str) -> NameId {
        let fits = self.bytes + name.len() <= MAX_BYTES;
        let name = if fits || self.ids.contains_key(name) { name } else { LEFT_OUT };
        if let Some(id) = self.ids.get(name) {
            return NameId(*id);
        }
        let id = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = Arc::from(name);
        self.bytes += name.len();
        self.texts.push(Arc::clone(&text));
        self.ids.insert(text, id);
        NameId(id)
    }

    /// The text of a name; empty for an id of another outline.
    pub(super) fn text(&self, name: NameId) -> &str {
        self.texts.get(name.0 as usize).map_or("", |text| text)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// About how many bytes of memory they take.
    pub(super) fn weight(&self) -> usize {
        // Two pointers to each, a header, a slot of the table.
        self.bytes + self.texts.len() * 96
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one() {
        let mut names = Names::default();
        let (first, second, again) = (names.id("connect"), names.id("checks"), names.id("connect"));
        assert_eq!((first, second, again), (NameId(0), NameId(1), NameId(0)));
        assert_eq!((names.text(second), names.text(NameId(2)), names.len()), ("checks", "", 2));
    }

    #[test]
    fn names_have_a_bound() {
        let mut names = Names::default();
        let long = "x".repeat(MAX_BYTES - 4);
        let id = names.id(&long);
        let other = names.id("other");
        assert_eq!(names.text(other), LEFT_OUT);
        assert_eq!(names.id("one more"), other);
        assert_eq!(names.text(id).len(), MAX_BYTES - 4);
    }
}
